"""Write outputs whole or not at all, always in the same bytes."""

import csv
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core import processes
from pipelines.core.errors import InputError


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield a scratch path beside `target` (a file or a folder) and rename it to `target` at the end.

    If the body raises, the scratch is removed and an earlier `target` stays as it was; so it is in a process that is
    not the first of those that train together.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
    made = scratch / target.name
    try:
        yield made
        if processes.rank():
            return
        aside = scratch / "earlier"
        try:
            if made.is_dir() and target.is_dir():
                target.rename(aside)
            made.replace(target)
        finally:  # whatever came between the two, a signal too
            if aside.exists() and not target.exists():
                aside.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, whole."""
    with whole(path) as made:
        made.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as the project's JSON: keys sorted, floats rounded to 6 places, a final newline."""
    write_text(path, json.dumps(_rounded(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_details(path: Path, value: Any) -> None:
    """Write `value` as `write_json` does, in a list of one: DVC takes no metric out of a list.

    So `dvc metrics diff` and `dvc exp show` hold the headlines alone, and the details lie in git beside them.
    """
    text = json.dumps(_rounded(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, f"[{text}]\n")


def write_csv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Write `rows` as CSV with these `columns`; a missing value is an empty cell."""

    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _no_formula(value) for key, value in row.items()} for row in _rounded(rows))
    write_text(path, text.getvalue())


def _no_formula(value: Any) -> Any:
    """A text that a spreadsheet would run gets an apostrophe before it, which shows it as it is."""
    begins = isinstance(value, str) and len(value) > 1 and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if begins else value


def read_json(path: Path) -> Any:
    """The content of a JSON file that a stage made.

    Raises:
        InputError: it is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; run dvc repro to make it") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
