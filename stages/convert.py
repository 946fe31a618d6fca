"""Turn SNIPS JSON, or a corpus of one's own, into the data set data/corpus, with a card and a quality report."""

from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.corpus import snips, sources
from pipelines.corpus.card import dataset_card
from pipelines.corpus.quality import quality
from pipelines.data import parquet
from pipelines.data.source import Data

RAW = Path("data/raw")
CORPUS = Path("data/corpus")
REPORT = Path("metrics/corpus.json")

NOTE = """
Parts: `train_full` holds the files `train_<Intent>_full.json`, `validate` the files `validate_<Intent>.json`. What was
found in the files and what was done about it: `metrics/corpus.json`."""


def convert() -> None:
    """Make data/corpus and metrics/corpus.json from data/raw."""
    source = blocks.load("data", Data).name
    corpus = sources.read(RAW)
    with files.whole(CORPUS) as folder:
        folder.mkdir()
        for part, rows in corpus.parts.items():
            parquet.write(rows, folder / f"{part}.parquet")
        note = NOTE if set(corpus.parts) == set(snips.PARTS) else ""
        files.write_text(folder / "README.md", dataset_card(source, corpus.parts, note))
    files.write_details(REPORT, {"source": source} | quality(corpus.parts, corpus.quirks))


if __name__ == "__main__":
    command(convert)
