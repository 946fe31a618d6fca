"""Set all runs side by side: one nested JSON for `dvc exp show`, and a Markdown table of full against head."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines import files, params
from pipelines.summary import nested, pair_accuracy, table
from stages.command import command

PREDICTIONS = Path("data/predictions")
SUMMARY = Path("metrics/summary.json")
REPORT = Path("data/report")


def summary() -> None:
    """Make metrics/summary.json and data/report/summary.md from the runs that params.yaml names."""
    runs: dict[str, dict[str, Any]] = {
        run: json.loads((PREDICTIONS / run / "metrics.json").read_text(encoding="utf-8"))
        for run in params.load().finetune
    }
    names = [run.removeprefix("intent-") for run in runs if run.startswith("intent-")]
    pairs = {
        name: pair_accuracy(_right(f"intent-{name}"), _right(f"slots-{name}"))
        for name in names
        if f"slots-{name}" in runs
    }
    files.write_json(SUMMARY, nested(runs, pairs))
    with files.whole(REPORT) as folder:
        folder.mkdir()
        files.write_text(folder / "summary.md", table(runs, pairs))


def _right(run: str) -> dict[str, bool]:
    """For each test utterance, by id, whether the run gets it right."""
    rows = pq.read_table(PREDICTIONS / run / "test.parquet", columns=["id", "right"]).to_pylist()
    return {row["id"]: row["right"] for row in rows}


if __name__ == "__main__":
    command(summary)
