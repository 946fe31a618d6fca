"""Turn SNIPS JSON into the Hugging Face data set data/corpus, with a card and a quality report."""

from collections import Counter
from pathlib import Path

from pipelines import corpus, dataset, files, params, snips
from pipelines.dataset_card import dataset_card
from pipelines.errors import InputError
from stages.command import command

RAW = Path("data/raw")
CORPUS = Path("data/corpus")
REPORT = Path("metrics/corpus.json")

NOTE = """
Parts: `train_full` holds the files `train_<Intent>_full.json`, `validate` the files `validate_<Intent>.json`. What was
found in the files and what was done about it: `metrics/corpus.json`."""


def convert() -> None:
    """Make data/corpus and metrics/corpus.json from data/raw."""
    source = params.load().data.source
    parts: dict[str, list[snips.Utterance]] = {part: [] for part in snips.PARTS}
    quirks: Counter[str] = Counter()
    for part, pattern in snips.PARTS.items():
        for intent in snips.INTENTS:
            path = RAW / pattern.format(intent)
            rows, found = snips.parse(_read(path), part, intent, str(path))
            parts[part] += rows
            quirks += found
    with files.whole(CORPUS) as folder:
        folder.mkdir()
        for part, rows in parts.items():
            dataset.write(rows, folder / f"{part}.parquet")
        files.write_text(folder / "README.md", dataset_card(source, parts, NOTE))
    report = corpus.quality([row for rows in parts.values() for row in rows], quirks)
    files.write_json(REPORT, {"source": source} | report)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run dvc repro download") from None


if __name__ == "__main__":
    command(convert)
