"""Measure this project beside plain transformers: `python -m benchmarks [section …]`, or `make benchmark` for all.

Run it where the pipeline has run, and on a machine that does nothing else. Each section replaces its rows in
results.json and its table in README.md.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.picture import draw
from benchmarks.sections import SECTIONS, snips_run
from benchmarks.table import tables
from pipelines.core import files

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
PICTURE = HERE / "larger.svg"


def main(names: list[str]) -> None:
    """Measure the sections that are named, or all but `snips`, which is for a run that has not been made."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"error: {unknown[0]}: no such section; there are: {', '.join(SECTIONS)}")
    results = {"machines": {}, "ratios": {}, "rows": {}, "on": {}}  # on: section or ratio -> processor
    if RESULTS.is_file():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    here = machine.facts()
    results["machines"][here["processor"]] = here
    for name in names or [name for name in SECTIONS if name != "snips"]:
        print(f"{name}: {SECTIONS[name].__doc__}", flush=True)
        before = dict(results["ratios"])
        results["rows"][name] = SECTIONS[name](results["ratios"], here)
        new = [ratio for ratio, value in results["ratios"].items() if before.get(ratio) != value]
        results["on"] |= dict.fromkeys((name, *new), here["processor"])
        if share := snips_run(results["rows"]):
            results["ratios"]["snips_run"] = share
        _keep(results)
    for name, value in sorted(results["ratios"].items()):
        print(f"{name:20} {value:.2f}")


def _keep(results: dict[str, Any]) -> None:
    """Write results.json, its tables into README.md, and what `larger` measured as a picture."""
    files.write_text(RESULTS, json.dumps(_rounded(results), indent=2) + "\n")
    filled = f"<!-- results -->\n{tables(_rounded(results))}\n<!-- /results -->"
    page = re.sub(r"<!-- results -->.*<!-- /results -->", lambda _: filled, README.read_text("utf-8"), flags=re.S)
    files.write_text(README, page)
    if "larger" in results["rows"]:
        files.write_text(PICTURE, draw(results["rows"]["larger"]).decode())


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main(sys.argv[1:])
