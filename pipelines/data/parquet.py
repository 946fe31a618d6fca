"""Utterances <-> Parquet files with the features that `datasets` reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.core.errors import InputError
from pipelines.data.utterances import AT_ONCE, Utterance


class Rows:
    """Rows of a Parquet file that `write` made, read anew, some at a time, by each that goes through them.

    Raises:
        InputError: the file is missing, is no Parquet, or has a slot whose characters do not lie in its text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            self.count = file.metadata.num_rows

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Utterance]:
        with self._opened() as file:
            for batch in file.iter_batches(AT_ONCE):
                for row in batch.to_pylist():
                    _check(self.path, row)
                    yield row

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self.path) as file:
                yield file
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: {str(error).splitlines()[0]}; run dvc repro to make it") from None


def read(path: Path) -> list[Utterance]:
    """All rows of a file, see `Rows`."""
    return list(Rows(path))


def _check(path: Path, row: Utterance) -> None:
    for slot in row["slots"]:
        if not 0 <= slot["start"] < slot["end"] <= len(row["text"]):
            raise InputError(
                f"{path}: {row['id']}: {slot['label']}: characters {slot['start']} to {slot['end']} do not lie in "
                f"its text, which has {len(row['text'])}; run dvc repro to make it anew"
            )


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
