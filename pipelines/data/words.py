"""Words and IOB2 tags, both derived from character spans by one aligned function each."""

import re
from typing import TypedDict

# Runs of letters and digits, or one sign: the cut that BERT's own pre-tokenizer makes.
_WORD = re.compile(r"\w+|[^\w\s]")


class Slot(TypedDict):
    """A labelled span of a text: characters `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int
    label: str


def words(text: str) -> list[tuple[int, int]]:
    """Character spans (start, end) of the words of `text`, in order."""
    return [match.span() for match in _WORD.finditer(text)]


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
