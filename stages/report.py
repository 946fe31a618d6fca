"""The page to read first: what was run, what came out, what is wrong, from the files of the other stages."""

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import vl_convert
import yaml

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.lessons.common import words
from pipelines.reports.page import calibration, mistakes, writing
from pipelines.reports.page.found import Found

PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
REPORT = METRICS / "report.json"
PLACE = Path("data/report")
TABLE = PLACE / "summary.md"
LESSONS = Path("data/lessons")
SAMPLES = Path("data/generated/samples.parquet")
PAGES = {
    "summary": TABLE,
    "literature": Path("data/comparison/literature.md"),
    "few_shot": Path("data/comparison/few_shot.md"),
    "generation": Path("data/judgement/generation.md"),
    "limits": Path("data/limits/qa.md"),
    "bert_gpt": Path("data/bert_gpt/page.md"),
}
DEFAULTS = Path("data/defaults.yaml")


def report() -> None:
    """Make data/report/{index,lessons}.html and report.md, and metrics/report.json with what is counted for them."""
    there = blocks.load("finetune", dict[blocks.RunName, dict])
    predictions = {run: pq.read_table(PREDICTIONS / run / "test.parquet").to_pylist() for run in there}
    counted = {
        "source": blocks.load("data", Data).name,
        "mistakes": {run: mistakes.counted(rows) for run, rows in predictions.items()},
        "calibration": {run: calibration.measured(rows) for run, rows in predictions.items()},
    }
    files.write_details(REPORT, counted)
    found = Found(
        facts=_details(REPORT),
        runs={run: files.read_json(PREDICTIONS / run / "run.json") for run in there},
        predictions=predictions,
        curves={run: _curve(METRICS / "plots" / run / "validation.csv") for run in there},
        confusions={run: _table(METRICS / "plots" / run / "confusion.csv") for run in there},
        metrics={name: _details(METRICS / f"{name}.json") for name in ("split", "environment", "generation")},
        pages={name: path.read_text(encoding="utf-8") for name, path in PAGES.items()},
        lessons={
            name: (LESSONS / name / "index.html").read_text(encoding="utf-8")
            for name in words.on_the_way([path.parent.name for path in LESSONS.glob("*/index.html")])
        },
        samples=pq.read_table(SAMPLES).to_pylist(),
        params=yaml.safe_load(blocks.PARAMS.read_text(encoding="utf-8")),
        defaults=yaml.safe_load(DEFAULTS.read_text(encoding="utf-8")),
    )
    files.write_text(PLACE / "index.html", writing.html(found, vl_convert.javascript_bundle()))
    files.write_text(PLACE / "lessons.html", writing.lessons(found))
    files.write_text(PLACE / "report.md", writing.markdown(found))
    print(f"{PLACE / 'index.html'}: the page to read first")


def _details(path: Path) -> dict[str, Any]:
    content = files.read_json(path)
    return content[0] if isinstance(content, list) else content


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _curve(path: Path) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in row.items()} for row in _table(path)]


if __name__ == "__main__":
    command(report)
