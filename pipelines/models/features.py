"""Features in a memory-mapped Arrow file: read where they are needed, so that memory does not grow with the data."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core import files
from pipelines.core.errors import InputError
from pipelines.data.utterances import AT_ONCE


class Features:
    """Like a list of features (see `pipelines.models.task`), each read from its file, mapped into memory.

    Args:
        table: a `datasets.Dataset`, one row a feature; what a feature lacks is empty.
        kept: number of a feature -> a function that reads what a frozen encoder gives for it, see
            `pipelines.training.frozen`.
    """

    def __init__(self, table: Any, kept: Callable[[int], Any] | None = None) -> None:
        self.table, self.kept = table, kept
        self._lengths: list[int] | None = None

    @classmethod
    def of(cls, paths: list[Path]) -> Self:
        """All features of these files, made by `write`, one file after the other."""
        import datasets  # seconds to import, so only where it is used

        return cls(datasets.concatenate_datasets([datasets.Dataset.from_file(str(path)) for path in paths]))

    def part(self, start: int, stop: int) -> Self:
        """Those from number `start` to before `stop`."""
        kept = self.kept
        table = self.table.select(range(start, stop) if start < stop else [])
        return type(self)(table, kept and (lambda n: kept(start + n)))

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """Several at once, as torch's data loader asks for the features of a batch."""
        columns = self.table[numbers]
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        found = [{name: value for name, value in row.items() if value is not None} for row in rows]
        if self.kept:
            for number, feature in zip(numbers, found, strict=True):
                feature["inputs_embeds"] = self.kept(number)
        return found

    @property
    def lengths(self) -> list[int]:
        """Tokens of each feature."""
        if self._lengths is None:
            self._lengths = [n for ids in self._tokens() for n in pc.list_value_length(ids).to_pylist()]
        return self._lengths

    def tokens(self) -> set[int]:
        """The ids of all tokens that occur."""
        return {token for ids in self._tokens() for token in np.unique(pc.list_flatten(ids)).tolist()}

    def _tokens(self) -> Iterator[Any]:
        for table in self.table.with_format("arrow").iter(AT_ONCE):
            yield table["input_ids"]


def write(path: Path, features: Iterable[list[dict[str, Any]]], labels: dict[str, Any]) -> None:
    """Write features to an Arrow file, some at a time, whole or not at all.

    Args:
        features: lists of them; the first that is not empty says which keys there are beside `labels`.
        labels: those of the task, which features may lack, see `pipelines.models.task`.

    Raises:
        InputError: there are no features.
        ValueError: a later feature has a key that the first ones lack.
    """
    from datasets.arrow_writer import ArrowWriter

    with files.whole(path) as made:
        writer = None
        for some in filter(None, features):
            if writer is None:
                schema = _schema(some, labels)
                writer = ArrowWriter(path=str(made), schema=schema)
            if unknown := {name for one in some for name in one} - set(schema.names):
                raise ValueError(f"{path}: features with {', '.join(sorted(unknown))}, which the first ones lack")
            writer.write_table(pa.Table.from_pylist(some, schema))
        if writer is None:
            raise InputError(f"{path.stem}: nothing in it for this run to learn; add utterances, or take the run out")
        writer.finalize()
        writer.stream.close()


def _schema(features: list[dict[str, Any]], labels: dict[str, Any]) -> pa.Schema:
    """Columns of the keys of `features`; whole numbers take four bytes."""
    names = dict.fromkeys([name for one in features for name in one] + list(labels))
    schema = pa.Table.from_pylist([names | features[0], *features[1:]]).schema
    for name, filler in labels.items():
        if name in schema.names:
            kind = pa.int64() if filler is None else pa.list_(pa.int64())
            schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    return pa.schema([pa.field(field.name, _narrow(field.type)) for field in schema])


def _narrow(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_narrow(kind.value_type))
    return pa.int32() if pa.types.is_integer(kind) else kind
