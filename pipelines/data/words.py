"""Words and IOB2 tags, both derived from character spans by one aligned function each."""

import re
import unicodedata
from typing import TypedDict

# Runs of letters, digits and underscores, or one sign, with the marks (Unicode's M) and joiners that they carry: é of
# two characters, the vowels of Hindi. BERT's own pre-tokenizer also cuts at an underscore.
_MARKS = "\u200c\u200d" + "".join(chr(n) for n in range(0x20000) if unicodedata.category(chr(n))[0] == "M")
_WORD = re.compile(rf"[\w{_MARKS}]+|[^\w\s][{_MARKS}]*")
_ASCII_WORD = re.compile(r"\w+|[^\w\s]")  # the same where there are no marks, nine times as fast


class Slot(TypedDict):
    """A labelled span of a text: characters `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int
    label: str


def words(text: str) -> list[tuple[int, int]]:
    """Character spans (start, end) of the words of `text`, in order."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    return [match.span() for match in pattern.finditer(text)]


def tags(spans: list[tuple[int, int]], slots: list[Slot]) -> list[str]:
    """IOB2 tags of the words `spans`: a word belongs to the slot that holds its first character."""
    result = []
    last = None
    for start, _ in spans:
        at = next((n for n, slot in enumerate(slots) if slot["start"] <= start < slot["end"]), None)
        if at is None:
            result.append("O")
        else:
            result.append(("I-" if at == last else "B-") + slots[at]["label"])
        last = at
    return result


def slots(spans: list[tuple[int, int]], word_tags: list[str]) -> list[Slot]:
    """The inverse of `tags`: slots from the first character of their first word to the last of their last.

    Strict IOB2: an `I-` that continues nothing of its label opens nothing.
    """
    result: list[Slot] = []
    open_label = None
    for (start, end), tag in zip(spans, word_tags, strict=True):
        kind, _, label = tag.partition("-")
        if kind == "B":
            result.append({"start": start, "end": end, "label": label})
            open_label = label
        elif kind == "I" and label == open_label:
            result[-1]["end"] = end
        else:
            open_label = None
    return result


def slots_of_words(text: str, given: list[Slot]) -> list[Slot]:
    """The slots of a text from the first character of their first word to the last of their last, as taggers count."""
    spans = words(text)
    return slots(spans, tags(spans, given))
