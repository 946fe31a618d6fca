"""The generated parts of README.md. `python -m tests.readme` writes them; test_readme.py keeps them true."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from pipelines.summary import table

ROOT = Path(__file__).parent.parent


def stage_table() -> str:
    """A row for each stage of dvc.yaml, in its order."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lines = ["| stage | what it does | writes |", "| --- | --- | --- |"]
    for name, stage in stages.items():
        body = stage.get("do", stage)
        title = f"`{name}@<run>`" if "do" in stage else f"`{name}`"
        writes = [
            next(iter(out)) if isinstance(out, dict) else out
            for kind in ("outs", "metrics", "plots")
            for out in body.get(kind, [])
        ]
        shown = ", ".join(f"`{path}`" for path in writes).replace("${key}", "<run>")
        lines.append(f"| {title} | {body['desc']} | {shown} |")
    return "\n".join(lines)


def results() -> str:
    """The table that the summary stage makes, from the metrics in git."""
    runs = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["finetune"]
    reports = {run: json.loads((ROOT / f"metrics/{run}.json").read_text(encoding="utf-8")) for run in runs}
    pairs = json.loads((ROOT / "metrics/summary.json").read_text(encoding="utf-8"))["pair"]
    return table(reports, {name: pair["frame_accuracy"] for name, pair in pairs.items()}).strip()


PARTS = {"stages": stage_table, "results": results}


def generated(text: str, parts: dict[str, Callable[[], str]] = PARTS) -> str:
    """README text with its generated parts made anew."""
    for name, part in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        assert start in text, f"README.md has no {start}"
        text = re.sub(f"{start}.*?{end}", lambda _: f"{start}\n{part()}\n{end}", text, flags=re.S)  # noqa: B023
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(generated(readme.read_text(encoding="utf-8")), encoding="utf-8")
