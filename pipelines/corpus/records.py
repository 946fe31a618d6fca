"""What corpora of one's own have in common, whatever their format: texts with an intent and spans, each at a place."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from pipelines.core.errors import InputError, shown
from pipelines.corpus import chunks
from pipelines.data.utterances import Utterance

GIVEN = ("train", "validation", "test")  # the parts that a corpus may name, all its utterances or none
WHOLE = "train_full"  # the part of a corpus that names none, as SNIPS calls it
KEYS = {"id", "text", "intent", "slots", "split"}  # an `id` is not kept: utterances are numbered here


@dataclass(frozen=True)
class Corpus:
    """Utterances by part, the count of each quirk, and where each utterance stands, by its id: `line 12`."""

    parts: dict[str, list[Utterance]]
    quirks: Counter[str]
    places: dict[str, str] = field(default_factory=dict)


def corpus(records: list[tuple[str, Any]]) -> Corpus:
    """Records, dicts with the `KEYS` and each after its place, as a corpus.

    `text` and `intent` are needed; `slots` is a list of `start`, `end` (characters of `text`, exclusive) and `label`;
    `split` is one of `GIVEN`.

    Raises:
        InputError: a record is broken, or some name their part and some do not; the message opens with the place.
    """
    parts: dict[str, list[Utterance]] = defaultdict(list)
    quirks: Counter[str] = Counter()
    places, counts = {}, Counter[tuple[str, str]]()
    splits = {}
    for at, record in records:
        text, intent, slots, split = _checked(record, at)
        splits.setdefault(split is None, at)
        if len(splits) == 2:
            raise InputError(f"{splits[True]}: no split, and {splits[False]} has one; name it for all, or for none")
        part = split or WHOLE
        name = f"{part}/{intent}/{counts[part, intent]:04}"
        counts[part, intent] += 1
        parts[part].append(chunks.utterance(_chunks(text, slots, at), name, intent, quirks))
        places[name] = at
    if not places:
        raise InputError("the corpus is empty; add utterances")
    return Corpus({part: parts[part] for part in (WHOLE, *GIVEN) if part in parts}, quirks, places)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for `json.loads(…, object_pairs_hook=once)`.

    Raises:
        ValueError: a key stands there twice, of which Python would keep the last alone.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r:.60} stands there twice")
    return made


def _checked(record: Any, at: str) -> tuple[str, str, list[dict[str, Any]], str | None]:
    if not isinstance(record, dict):
        raise InputError(f'{at}: expected {{"text": …, "intent": …, "slots": […]}}, found {shown(record, 40)}')
    if unknown := sorted(set(map(str, record)) - KEYS):
        raise InputError(f"{at}: unknown key {unknown[0]!r:.40}; an utterance has text, intent, slots and split")
    text, intent, slots, split = (record.get(key) for key in ("text", "intent", "slots", "split"))
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{at}: text: expected what was said, found {shown(text, 40)}; mend or remove it")
    if re.search(r"[\ud800-\udfff]", text):
        raise InputError(f"{at}: text: half of a surrogate pair, which is no character; mend it")
    if not isinstance(intent, str):
        raise InputError(f"{at}: intent: expected a name, found {shown(intent, 40)}; mend it")
    chunks.check_name(intent, f"{at}: intent")
    if split is not None and split not in GIVEN:
        raise InputError(f"{at}: split: expected {', '.join(GIVEN)}, found {shown(split, 40)}; mend it")
    slots = [] if slots is None else slots
    if not isinstance(slots, list):
        raise InputError(f"{at}: slots: expected a list, found {shown(slots, 40)}; mend it")
    for n, slot in enumerate(slots):
        _check_slot(slot, text, f"{at}: slots[{n}]")
    return text, intent, slots, split


def _check_slot(slot: Any, text: str, at: str) -> None:
    edges = [slot.get(name) for name in ("start", "end")] if isinstance(slot, dict) else []
    if not edges or not all(isinstance(edge, int) and not isinstance(edge, bool) for edge in edges):
        raise InputError(f'{at}: expected {{"start": 5, "end": 9, "label": "city"}}, found {shown(slot)}; mend it')
    if not isinstance(slot.get("label"), str):
        raise InputError(f"{at}: label: expected a name, found {shown(slot.get('label'), 40)}; mend it")
    chunks.check_name(slot["label"], f"{at}: label")
    start, end = edges
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise InputError(
            f"{at}: {slot['label']}: characters {shown(start, 20)} to {shown(end, 20)} hold nothing of the text, which "
            f"has {len(text)}; mend them"
        )


def _chunks(text: str, slots: list[dict[str, Any]], at: str) -> list[dict[str, str]]:
    found, last = [], 0
    for slot in sorted(slots, key=lambda slot: slot["start"]):
        if slot["start"] < last:
            raise InputError(f"{at}: {slot['label']}: it begins within the slot before it; slots cannot overlap")
        found += [
            {"text": text[last : slot["start"]]},
            {"text": text[slot["start"] : slot["end"]], "entity": slot["label"]},
        ]
        last = slot["end"]
    return [chunk for chunk in (*found, {"text": text[last:]}) if chunk["text"]]
