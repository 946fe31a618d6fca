"""An utterance in chunks, of which some are slots -> its text with spans, and what was odd about it."""

import re
from collections import Counter
from typing import Any

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.data.words import Slot, words

NAME = re.compile(r"\w(?:[\w .-]{0,98}[\w.])?")  # of an intent or a label


def utterance(chunks: list[dict[str, str]], name: str, intent: str, quirks: Counter[str]) -> Utterance:
    """Join checked chunks (`text`, and `entity` where it is a slot) to the utterance `name`; count its quirks."""
    _count(chunks, quirks)
    text, slots = _clean(chunks)
    quirks["slot_edge_inside_word"] += _edges_inside_words(text, slots)
    quirks["same_slot_twice"] += len({slot["label"] for slot in slots}) < len(slots)
    return {"id": name, "text": text, "intent": intent, "slots": slots}


def check_name(name: str, at: str) -> None:
    """An intent or a label becomes a column, a token and part of a file's name.

    Raises:
        InputError: `name` cannot be all that; the message opens with `at`.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{at}: {name!r:.60} cannot be a name; take letters, digits, blanks within, and _ . -")


def check(chunk: Any, at: str) -> None:
    """Whether `chunk`, found `at` a place, is one.

    Raises:
        InputError: it is not; the message opens with `at`.
    """
    if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
        raise InputError(f'{at}: a chunk needs a "text" that is text; mend this chunk')
    if re.search(r"[\ud800-\udfff]", chunk["text"]):
        raise InputError(f"{at}: half of a surrogate pair in its text, which is no character; mend this chunk")
    if "entity" in chunk:
        if not isinstance(chunk["entity"], str) or not chunk["entity"]:
            raise InputError(f'{at}: the label "entity" must be text, found {chunk["entity"]!r:.40}; mend this chunk')
        check_name(chunk["entity"], at)
        if not chunk["text"].strip():
            raise InputError(f"{at}: the slot {chunk['entity']} has no text; mend this chunk")


def _count(chunks: list[dict[str, str]], quirks: Counter[str]) -> None:
    text = "".join(chunk["text"] for chunk in chunks)
    quirks["newline_chunks"] += sum("\n" in chunk["text"] for chunk in chunks)
    quirks["double_space"] += "  " in text
    quirks["outer_space"] += text != text.strip()
    quirks["non_ascii_chunks"] += sum(not chunk["text"].isascii() for chunk in chunks)
    quirks["slot_outer_space"] += sum("entity" in chunk and chunk["text"] != chunk["text"].strip() for chunk in chunks)


def _clean(chunks: list[dict[str, str]]) -> tuple[str, list[Slot]]:
    """Join chunks, fold every run of white space into one space, strip the ends, and move the spans along."""
    text = ""
    slots: list[Slot] = []
    for chunk in chunks:
        piece = re.sub(r"\s+", " ", chunk["text"])
        if not text or text.endswith(" "):
            piece = piece.lstrip()
        if "entity" in chunk:
            lead = len(piece) - len(piece.lstrip())
            start = len(text) + lead
            slots.append({"start": start, "end": start + len(piece.strip()), "label": chunk["entity"]})
        text += piece
    return text.rstrip(), slots


def _edges_inside_words(text: str, slots: list[Slot]) -> int:
    starts, ends = (set(edge) for edge in zip(*words(text), strict=True))
    return sum(slot["start"] not in starts or slot["end"] not in ends for slot in slots)
