"""Turn SNIPS JSON into the Hugging Face data set data/corpus, with a card and a quality report."""

from collections import Counter
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.corpus.card import dataset_card
from pipelines.corpus.quality import quality
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.data.utterances import Utterance

RAW = Path("data/raw")
CORPUS = Path("data/corpus")
REPORT = Path("metrics/corpus.json")

NOTE = """
Parts: `train_full` holds the files `train_<Intent>_full.json`, `validate` the files `validate_<Intent>.json`. What was
found in the files and what was done about it: `metrics/corpus.json`."""


def convert() -> None:
    """Make data/corpus and metrics/corpus.json from data/raw."""
    source = blocks.load("data", Data).name
    parts: dict[str, list[Utterance]] = {part: [] for part in snips.PARTS}
    quirks: Counter[str] = Counter()
    for part, pattern in snips.PARTS.items():
        for intent in snips.intents(RAW):
            path = RAW / pattern.format(intent)
            rows, found = snips.parse(_read(path), part, intent, str(path))
            parts[part] += rows
            quirks += found
    with files.whole(CORPUS) as folder:
        folder.mkdir()
        for part, rows in parts.items():
            parquet.write(rows, folder / f"{part}.parquet")
        files.write_text(folder / "README.md", dataset_card(source, parts, NOTE))
    report = quality([row for rows in parts.values() for row in rows], quirks)
    files.write_details(REPORT, {"source": source} | report)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run dvc repro download") from None


if __name__ == "__main__":
    command(convert)
