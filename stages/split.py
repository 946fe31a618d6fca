"""Split the corpus into train, validation and test by the protocol in params.yaml, and count what overlaps."""

import json
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.corpus import splits
from pipelines.corpus.card import dataset_card
from pipelines.corpus.options import Split
from pipelines.corpus.records import GIVEN
from pipelines.data import parquet
from pipelines.data.source import PUBLISHED, SAMPLE, Data

CORPUS = Path("data/corpus")
SPLITS = Path("data/splits")
REPORT = Path("metrics/split.json")
POSITIONS = "literature_split.json"  # the test positions; each corpus has its own, so that every protocol runs on it
FOLDERS = {PUBLISHED: Path("data"), SAMPLE: Path("data/sample")}


def split() -> None:
    """Make data/splits and metrics/split.json from data/corpus."""
    data, options = blocks.load("data", Data), blocks.load("split", Split)
    rows = {path.stem: parquet.read(path) for path in sorted(CORPUS.glob("*.parquet"))}
    if not rows:
        raise InputError(f"{CORPUS}: no corpus in it; run dvc repro convert")
    positions = _positions(data.source) if options.protocol == "literature" else {}
    parts = splits.split(rows, options, positions)
    with files.whole(SPLITS) as folder:
        folder.mkdir()
        for name in GIVEN:
            parquet.write(parts[name], folder / f"{name}.parquet")
        note = f"\nSplit protocol: `{options.protocol}`."
        files.write_text(folder / "README.md", dataset_card(data.name, parts, note))
    files.write_details(REPORT, {"source": data.name, "protocol": options.protocol} | splits.overlaps(parts))


def _positions(source: str) -> dict[str, list[int]]:
    if source not in FOLDERS:
        known = " and ".join(FOLDERS)
        raise InputError(f"split.protocol literature is of {known} alone; take official, random or given")
    path = FOLDERS[source] / POSITIONS
    try:
        return json.loads(path.read_text(encoding="utf-8"))["test"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path}: {error!r:.80}; split.protocol literature needs the test positions of this corpus: "
            "take official, random or given"
        ) from None


if __name__ == "__main__":
    command(split)
