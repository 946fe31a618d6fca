"""SNIPS JSON -> utterances. The quirks of the published files live here and nowhere else."""

import json
import re
from collections import Counter
from pathlib import Path

from pipelines.core.errors import InputError
from pipelines.corpus import chunks
from pipelines.corpus.records import once
from pipelines.data.utterances import Utterance

# part of the corpus -> its file of one intent
PARTS = {"train_full": "{0}/train_{0}_full.json", "validate": "{0}/validate_{0}.json"}
FEW_SHOT = "{0}/train_{0}.json"  # the 300 utterances per intent that the benchmark of 2017 drew from


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
        chunks.check_name(intent, str(folder))
    return found


def _is_of(path: Path) -> bool:
    return path.name == Path(PARTS["train_full"].format(path.parent.name)).name


def parse(data: bytes, part: str, intent: str, where: str) -> tuple[list[Utterance], Counter[str]]:
    """Parse one SNIPS file into utterances and the counts of the quirks met on the way.

    Raises:
        InputError: the bytes are no SNIPS file of this intent; the message opens with `where`.
    """
    quirks: Counter[str] = Counter()
    utterances = []
    for position, said in enumerate(_chunks(_decode(data, where, quirks), intent, where)):
        utterances.append(chunks.utterance(said, f"{part}/{intent}/{position:04}", intent, quirks))
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
        content = json.loads(text, object_pairs_hook=once)
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
        said = utterance.get("data") if isinstance(utterance, dict) else None
        if not isinstance(said, list) or not said:
            raise InputError(f'{at}: expected {{"data": [chunk, …]}}; mend this utterance')
        for number, chunk in enumerate(said):
            chunks.check(chunk, f"{at}.data[{number}]")
        if not "".join(chunk["text"] for chunk in said).strip():
            raise InputError(f"{at}: the utterance is empty; mend or remove it")
    return [utterance["data"] for utterance in content[intent]]
