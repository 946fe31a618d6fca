"""Utterances <-> Parquet files with the features that `datasets` reads."""

from pathlib import Path

import pyarrow.parquet as pq

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance


def read(path: Path) -> list[Utterance]:
    """Rows of a Parquet file that `write` made.

    Raises:
        InputError: the file is missing, is no Parquet, or has a slot whose characters do not lie in its text.
    """
    try:
        rows = pq.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}; run dvc repro to make it") from None
    for row in rows:
        for slot in row["slots"]:
            if not 0 <= slot["start"] < slot["end"] <= len(row["text"]):
                raise InputError(
                    f"{path}: {row['id']}: {slot['label']}: characters {slot['start']} to {slot['end']} do not lie in "
                    f"its text, which has {len(row['text'])}; run dvc repro to make it anew"
                )
    return rows


def write(rows: list[Utterance], path: Path) -> None:
    """Write rows as Parquet with the features of the corpus in its schema, as `datasets` reads them."""
    import datasets  # seconds to import, so only where it is used

    datasets.disable_progress_bars()
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "intent": datasets.Value("string"),
            "slots": datasets.List(
                {
                    "start": datasets.Value("int32"),
                    "end": datasets.Value("int32"),
                    "label": datasets.Value("string"),
                }
            ),
        }
    )
    columns = {name: [row[name] for row in rows] for name in features}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(path)
