"""Set all runs side by side: one nested JSON for `dvc exp show`, and a Markdown table of full against head."""

import json
from pathlib import Path
from typing import Any

from pipelines import files, params
from pipelines.summary import nested, table
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
    files.write_json(SUMMARY, nested(runs))
    with files.whole(REPORT) as folder:
        folder.mkdir()
        files.write_text(folder / "summary.md", table(runs))


if __name__ == "__main__":
    command(summary)
