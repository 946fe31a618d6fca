"""A corpus of any format that is taken: SNIPS's folders, JSON lines, Parquet, Rasa NLU YAML. See `data.source`."""

from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError
from pipelines.corpus import jsonl, rasa, snips, tables
from pipelines.corpus.records import GIVEN, Corpus, corpus

FORMATS = {".jsonl": "JSON lines", ".parquet": "Parquet", ".yml": "Rasa NLU YAML", ".yaml": "Rasa NLU YAML"}
TAKEN = "a folder in the layout of SNIPS, a .jsonl, or a file or folder of .parquet or Rasa .yml"


def files(source: Path) -> dict[str, Path]:
    """What belongs to the corpus `source`: names in `data/raw` -> files.

    Raises:
        InputError: there is no such corpus, or its files are of several formats.
    """
    if source.is_file():
        if source.suffix not in FORMATS:
            raise InputError(f"{source}: not a corpus by its name; take {TAKEN}")
        return {source.name: source}
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; take {TAKEN}")
    flat = {path.name: path for path in sorted(source.iterdir()) if path.suffix in FORMATS and path.is_file()}
    if len({FORMATS[path.suffix] for path in flat.values()}) > 1:
        raise InputError(f"{source}: files of several formats, {', '.join(flat)[:80]}; leave those of one")
    if flat:
        return flat
    patterns = snips.PARTS.values()
    names = [pattern.format(intent) for intent in snips.intents(source) for pattern in patterns]
    return {name: source / name for name in names}


def read(source: Path) -> Corpus:
    """The corpus in `source`, a file or a folder; a file called train, validation or test names its part so.

    Raises:
        InputError: there is none, or it is broken; the message has the file and the place in it.
    """
    found = files(source)
    if any("/" in name for name in found):
        return _snips(source)
    quirks: Counter[str] = Counter()
    records = []
    for name, path in found.items():
        if path.suffix == ".parquet":
            read = tables.read(path, name)
        elif path.suffix == ".jsonl":
            read = jsonl.read(_bytes(path), name)
        else:
            read = rasa.read(_bytes(path), name, quirks)
        records += [(at, _of_part(path.stem, record)) for at, record in read]
    made = corpus(records)
    return Corpus(made.parts, made.quirks + quirks, made.places)


def _of_part(stem: str, record: Any) -> Any:
    """A record that names no part is of the one that its file is called after, if it is called after one."""
    if stem in GIVEN and isinstance(record, dict) and record.get("split") is None:
        return record | {"split": stem}
    return record


def _snips(folder: Path) -> Corpus:
    corpus_ = Corpus({part: [] for part in snips.PARTS}, Counter())
    for part, pattern in snips.PARTS.items():
        for intent in snips.intents(folder):
            path = folder / pattern.format(intent)
            rows, found = snips.parse(_bytes(path), part, intent, str(path))
            corpus_.parts[part].extend(rows)
            corpus_.quirks.update(found)
            corpus_.places.update(
                {row["id"]: f"{pattern.format(intent)}: utterance {n}" for n, row in enumerate(rows, start=1)}
            )
    if not corpus_.places:
        raise InputError(f"{folder}: no utterances in its files; add some")
    return corpus_


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run dvc repro download") from None
