"""SNIPS JSON -> utterances. The quirks of the published files live here and nowhere else."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.data.words import Slot, words

# part of the corpus -> its file of one intent
PARTS = {"train_full": "{0}/train_{0}_full.json", "validate": "{0}/validate_{0}.json"}
FEW_SHOT = "{0}/train_{0}.json"  # the 300 utterances per intent that the benchmark of 2017 drew from


NAME = re.compile(r"\w(?:[\w .-]{0,98}[\w.-])?")  # of an intent or a label


def intents(folder: Path) -> list[str]:
    """The intents of a folder in SNIPS layout: its sub-folders that hold a training file of their name, in order.

    Raises:
        InputError: there is no such folder, or none in it.
    """
    pattern = PARTS["train_full"]
    found = sorted(path.parent.name for path in folder.glob(pattern.format("*")) if _is_of(path))
    if not found:
        missing = "no such folder" if not folder.is_dir() else "no intents in it"
        raise InputError(f"{folder}: {missing}; a corpus has files such as {pattern.format('<Intent>')}")
    for intent in found:
        _check_name(intent, str(folder))
    return found


def _check_name(name: str, at: str) -> None:
    """An intent or a label becomes a column, a token and part of a file's name."""
    if not NAME.fullmatch(name):
        raise InputError(f"{at}: {name!r:.60} cannot be a name; take letters, digits, blanks within, and _ . -")


def _is_of(path: Path) -> bool:
    return path.name == Path(PARTS["train_full"].format(path.parent.name)).name


def parse(data: bytes, part: str, intent: str, where: str) -> tuple[list[Utterance], Counter[str]]:
    """Parse one SNIPS file into utterances and the counts of the quirks met on the way.

    Raises:
        InputError: the bytes are no SNIPS file of this intent; the message opens with `where`.
    """
    quirks: Counter[str] = Counter()
    utterances = []
    for position, chunks in enumerate(_chunks(_decode(data, where, quirks), intent, where)):
        _count(chunks, quirks)
        text, slots = _clean(chunks)
        quirks["slot_edge_inside_word"] += _edges_inside_words(text, slots)
        quirks["same_slot_twice"] += len({slot["label"] for slot in slots}) < len(slots)
        utterances.append({"id": f"{part}/{intent}/{position:04}", "text": text, "intent": intent, "slots": slots})
    return utterances, quirks


def _decode(data: bytes, where: str, quirks: Counter[str]) -> str:
    """UTF-8; one published file holds an emoji as a surrogate pair (CESU-8), which is joined to the one character."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        quirks["surrogate_pairs"] += len(re.findall(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]", data))
    try:
        return data.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError as error:
        raise InputError(f"{where}: not UTF-8 ({error}); fetch the file anew") from None


def _chunks(text: str, intent: str, where: str) -> list[list[dict[str, str]]]:
    """The `data` lists of the file, checked to the last chunk."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: broken JSON: {error}; fetch the file anew") from None
    if not isinstance(content, dict) or list(content) != [intent]:
        keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise InputError(
            f"{where}: expected the one key {intent!r}, found {keys:.60}; is this the file of that intent?"
        )
    if not isinstance(content[intent], list):
        raise InputError(f"{where}: {intent}: expected a list of utterances; use a file in SNIPS format")
    for position, utterance in enumerate(content[intent]):
        at = f"{where}: {intent}[{position}]"
        chunks = utterance.get("data") if isinstance(utterance, dict) else None
        if not isinstance(chunks, list) or not chunks:
            raise InputError(f'{at}: expected {{"data": [chunk, …]}}; mend this utterance')
        for number, chunk in enumerate(chunks):
            _check_chunk(chunk, f"{at}.data[{number}]")
        if not "".join(chunk["text"] for chunk in chunks).strip():
            raise InputError(f"{at}: the utterance is empty; mend or remove it")
    return [utterance["data"] for utterance in content[intent]]


def _check_chunk(chunk: Any, at: str) -> None:
    if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
        raise InputError(f'{at}: a chunk needs a "text" that is text; mend this chunk')
    if re.search(r"[\ud800-\udfff]", chunk["text"]):
        raise InputError(f"{at}: half of a surrogate pair in its text, which is no character; mend this chunk")
    if "entity" in chunk:
        if not isinstance(chunk["entity"], str) or not chunk["entity"]:
            raise InputError(f'{at}: the label "entity" must be text, found {chunk["entity"]!r:.40}; mend this chunk')
        _check_name(chunk["entity"], at)
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
