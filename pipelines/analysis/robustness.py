"""Utterances as people also say and type them: changed by seeded rules, with their slots where they then stand."""

import re
from collections.abc import Callable
from random import Random

from pydantic import Field

from pipelines.core.blocks import Block, RunName, Seed, Share
from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance

Edit = tuple[int, int, str]  # from, to, and what stands there then, in characters of the text

TYPED = 0.15  # share of the words of at least LONG letters that have a typing error; one a text where it has any
LONG = 4
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a keyboard
FILLERS = ("uh", "um", "er", "like", "you know")
BEGINNINGS = ("hey", "okay", "so", "well", "um")
ASKED = ("could you please {}", "please {}", "{} please", "i would like you to {}", "can you {} for me")
BEGUN = re.compile(r"^(can|could|would|will|i|please|what|when|where|which|who|how|is|are|does|do)\b", re.IGNORECASE)
SYNONYMS = {
    "play": ("put on", "start"),
    "add": ("put", "append"),
    "book": ("reserve", "get"),
    "find": ("look for", "search for"),
    "show": ("display", "bring up"),
    "rate": ("give", "score"),
    "give": ("grant", "award"),
    "want": ("need", "wish"),
    "need": ("want", "require"),
    "song": ("track", "tune"),
    "tune": ("song", "track"),
    "track": ("song", "tune"),
    "movie": ("film", "picture"),
    "movies": ("films", "pictures"),
    "restaurant": ("eatery", "place to eat"),
    "weather": ("forecast", "weather outlook"),
    "playlist": ("list of songs", "music list"),
    "search": ("look", "hunt"),
}


class Noise(Block):
    """The runs to train, which share of train also stands there changed, and by which rules."""

    run: list[RunName]
    share: Share
    kinds: list[str] = Field(min_length=1)
    seed: Seed


def with_changed(rows: list[Utterance], noise: Noise) -> list[Utterance]:
    """`rows`, and after them a share of them changed by one of `noise.kinds` each, with `/changed` after their ids.

    Where the rules find nothing to change, none is added.

    Raises:
        InputError: there are no such rules.
    """
    if unknown := [kind for kind in noise.kinds if kind not in KINDS]:
        raise InputError(f"params.yaml: noise.kinds: {unknown[0]}: no such rules; take some of {', '.join(KINDS)}")
    more = []
    for row in rows:
        random = Random(f"{noise.seed}/{row['id']}")
        if random.random() < noise.share:
            other = changed(row, random.choice(noise.kinds), noise.seed)
            more += [other | {"id": f"{row['id']}/changed"}] if other["text"] != row["text"] else []
    return rows + more


def changed(row: Utterance, kind: str, seed: int) -> Utterance:
    """`row` after the rules of `kind`, one of `KINDS`; what is drawn depends on seed, kind and id alone.

    A slot holds the characters that it held, as they then are.
    """
    return edited(row, KINDS[kind](row, Random(f"{seed}/{kind}/{row['id']}")))


def edited(row: Utterance, edits: list[Edit]) -> Utterance:
    """`row` with `edits` made in its text, which may not overlap nor reach over the end of a slot."""
    text, slots = row["text"], [dict(slot) for slot in row["slots"]]
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
        more = len(new) - (end - start)
        for slot in slots:
            if slot["start"] >= end:
                slot["start"] += more
                slot["end"] += more
            elif slot["end"] >= end and slot["start"] <= start < slot["end"]:
                slot["end"] += more
    return row | {"text": text, "slots": slots}


def _free(row: Utterance, start: int, end: int) -> bool:
    """Whether these characters lie outside of all slots."""
    return all(end <= slot["start"] or start >= slot["end"] for slot in row["slots"])


def _upper_case(row: Utterance, random: Random) -> list[Edit]:
    return [(n, n + 1, one.upper()) for n, one in enumerate(row["text"]) if len(one.upper()) == 1 != one.isupper()]


def _typing(row: Utterance, random: Random) -> list[Edit]:
    """Letters swapped, left out, doubled, or another of their neighbourhood on the keyboard (Belinkov & Bisk 2018)."""
    words = list(re.finditer(rf"[a-zA-Z]{{{LONG},}}", row["text"]))
    if not words:
        return []
    chosen = [word for word in words if random.random() < TYPED] or [random.choice(words)]
    edits = []
    for word in chosen:
        at = random.randrange(1, len(word[0]) - 1)  # people mistype the inside
        place, one, other = word.start() + at, word[0][at], word[0][at + 1]
        how = random.choice(("swap", "drop", "double", "beside"))
        if how == "swap":
            edits.append((place, place + 2, other + one))
        elif how == "beside":
            edits.append((place, place + 1, random.choice(_neighbours(one.lower()))))
        else:
            edits.append((place, place + 1, "" if how == "drop" else 2 * one))
    return edits


def _neighbours(letter: str) -> list[str]:
    row = next(row for row in ROWS if letter in row)
    at = row.index(letter)
    return [*row[max(0, at - 1) : at], *row[at + 1 : at + 2]]


def _fillers(row: Utterance, random: Random) -> list[Edit]:
    """A word to begin with, and one between two words, though never within a slot."""
    edits = [(0, 0, f"{random.choice(BEGINNINGS)} ")]
    places = [match.end() for match in re.finditer(r"\s+", row["text"].rstrip()) if _between(row, match.start())]
    if places:
        place = random.choice(places)
        edits.append((place, place, f"{random.choice(FILLERS)} "))
    return edits


def _between(row: Utterance, place: int) -> bool:
    return not any(slot["start"] < place < slot["end"] for slot in row["slots"])


def _synonyms(row: Utterance, random: Random) -> list[Edit]:
    """Words of requests for others that mean the same, outside of slots."""
    edits = []
    for match in re.finditer(r"[a-zA-Z]+", row["text"]):
        others = SYNONYMS.get(match[0].lower())
        if others and _free(row, *match.span()):
            edits.append((*match.span(), random.choice(others)))
    return edits


def _polite(row: Utterance, random: Random) -> list[Edit]:
    """An order as a polite request, in another order of words; questions and polite ones stay as they are."""
    text = row["text"]
    if BEGUN.match(text) or not text.strip():
        return []
    before, after = random.choice(ASKED).split("{}")
    end = max([len(text.rstrip(" .!")), *(slot["end"] for slot in row["slots"])])
    return [(0, 0, before)] * bool(before) + [(end, len(text), after)] * bool(after)


KINDS: dict[str, Callable[[Utterance, Random], list[Edit]]] = {
    "upper case": _upper_case,
    "typing errors": _typing,
    "fillers": _fillers,
    "synonyms": _synonyms,
    "polite": _polite,
}
