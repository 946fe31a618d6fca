"""Set all runs side by side: a nested JSON, a Markdown table, what differences mean; and note the machine."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.reports.differences import Counts, differences, frames, measured, micro_f1, unpacked
from pipelines.reports.environment import environment
from pipelines.reports.summary import BUILT_IN, nested, pairs_of, table

PREDICTIONS = Path("data/predictions")
QA_LIMITS = Path("metrics/qa_limits.json")
SUMMARY = Path("metrics/summary.json")
DIFFERENCES = Path("metrics/differences.json")
ENVIRONMENT = Path("metrics/environment.json")
REPORT = Path("data/report/summary.md")


def summary() -> None:
    """Make metrics/{summary,differences,environment}.json and data/report/summary.md of the runs in params.yaml."""
    there = blocks.load("finetune", dict[blocks.RunName, dict])
    runs: dict[str, dict[str, Any]] = {run: files.read_json(PREDICTIONS / run / "run.json") for run in there}
    said = {run: pq.read_table(PREDICTIONS / run / "test.parquet").to_pylist() for run in there}
    both = {f"{first}+{second}": frames(said[first], said[second]) for first, second in pairs_of(runs)}
    pairs = {pair: float(micro_f1(of["frame_accuracy"].sum(axis=0))) for pair, of in both.items()}
    files.write_json(SUMMARY, nested(runs, pairs))
    counts = {run: measured(rows) for run, rows in said.items()}
    counts |= _asked_everything(blocks.load("qa_limits.run", blocks.RunName), said)
    apart = differences(counts | both)
    files.write_details(DIFFERENCES, {"source": blocks.load("data", Data).name, "pairs": apart})
    files.write_details(ENVIRONMENT, environment(blocks.load("threads", blocks.Threads)))
    absent = [run for run in BUILT_IN if run not in runs]
    files.write_text(REPORT, table(runs, pairs, absent, apart))


def _asked_everything(run: str, said: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Counts]]:
    """The run of questions where nobody chooses them, as a tagger is told no intent: its F1 is one of all labels."""
    choosers = {one["chosen_by"]: one for one in files.read_json(QA_LIMITS)[0]["choosers"]}
    if "nobody" not in choosers:  # params.yaml has no such run
        return {}
    return {f"{run}, asked everything": {"f1": unpacked(choosers["nobody"]["not_whole"], "span_f1", said[run])}}


if __name__ == "__main__":
    command(summary)
