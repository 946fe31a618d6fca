"""Parquet with the columns of `data/corpus` -> records."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.core.errors import InputError


def read(path: Path, where: str) -> list[tuple[str, Any]]:
    """The records of a file, each after its place.

    Raises:
        InputError: it is no Parquet; the message opens with `where`.
    """
    try:
        rows = pq.read_table(path).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own errors are one of these
        raise InputError(f"{where}: {str(error).splitlines()[0]:.160}; write it anew") from None
    # a column that a file lacks, or that is empty in a row, says nothing
    return [
        (f"{where}: row {n}", {name: value for name, value in row.items() if value is not None})
        for n, row in enumerate(rows, start=1)
    ]
