"""Set all runs side by side: a nested JSON for `dvc exp show`, a Markdown table; and note the machine."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.reports.environment import environment
from pipelines.reports.summary import BUILT_IN, nested, pair_accuracy, pairs_of, table

PREDICTIONS = Path("data/predictions")
SUMMARY = Path("metrics/summary.json")
ENVIRONMENT = Path("metrics/environment.json")
REPORT = Path("data/report/summary.md")


def summary() -> None:
    """Make metrics/{summary,environment}.json and data/report/summary.md from the runs that params.yaml names."""
    there = blocks.load("finetune", dict[blocks.RunName, dict])
    runs: dict[str, dict[str, Any]] = {run: files.read_json(PREDICTIONS / run / "run.json") for run in there}
    pairs = {f"{first}+{second}": pair_accuracy(_right(first), _right(second)) for first, second in pairs_of(runs)}
    files.write_json(SUMMARY, nested(runs, pairs))
    files.write_details(ENVIRONMENT, environment(blocks.load("threads", blocks.Threads)))
    absent = [run for run in BUILT_IN if run not in runs]
    files.write_text(REPORT, table(runs, pairs, absent))


def _right(run: str) -> dict[str, bool]:
    """For each test utterance, by id, whether the run gets it right."""
    rows = pq.read_table(PREDICTIONS / run / "test.parquet", columns=["id", "right"]).to_pylist()
    return {row["id"]: row["right"] for row in rows}


if __name__ == "__main__":
    command(summary)
