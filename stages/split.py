"""Split the corpus into train, validation and test by the protocol in params.yaml, and count what overlaps."""

import json
from pathlib import Path

from pipelines import corpus, dataset, files, params, snips
from pipelines.dataset_card import dataset_card
from stages.command import command

CORPUS = Path("data/corpus")
SPLITS = Path("data/splits")
REPORT = Path("metrics/split.json")
# the literature's test positions; the sample has its own, so that every protocol runs on it too
TEST_POSITIONS = {"snips": Path("data/literature_split.json"), "sample": Path("data/sample/literature_split.json")}


def split() -> None:
    """Make data/splits and metrics/split.json from data/corpus."""
    options = params.load()
    source = options.data.source
    rows = {part: dataset.read(CORPUS / f"{part}.parquet") for part in snips.PARTS}
    positions = json.loads(TEST_POSITIONS[source].read_text(encoding="utf-8"))["test"]
    parts = corpus.split(rows, options.split, positions)
    with files.whole(SPLITS) as folder:
        folder.mkdir()
        for name in corpus.SPLITS:
            dataset.write(parts[name], folder / f"{name}.parquet")
        note = f"\nSplit protocol: `{options.split.protocol}`."
        files.write_text(folder / "README.md", dataset_card(source, parts, note))
    files.write_json(REPORT, {"source": source, "protocol": options.split.protocol} | corpus.overlaps(parts))


if __name__ == "__main__":
    command(split)
