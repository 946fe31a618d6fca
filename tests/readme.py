"""The generated parts of README.md. `python -m tests.readme` writes them; test_readme.py keeps them true."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from pipelines import augmentation, judging
from pipelines.peers import few_shot_table, literature_table, read_literature
from pipelines.summary import table

ROOT = Path(__file__).parent.parent


def stage_table() -> str:
    """A row for each stage of dvc.yaml, in its order."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lines = ["| stage | what it does | writes |", "| --- | --- | --- |"]
    for name, stage in stages.items():
        body = stage.get("do", stage)
        item = "<run>" if name in ("finetune", "evaluate", "repeat") else "<size>"
        title = f"`{name}@{item}`" if "do" in stage else f"`{name}`"
        writes = [
            next(iter(out)) if isinstance(out, dict) else out
            for kind in ("outs", "metrics", "plots")
            for out in body.get(kind, [])
        ]
        shown = ", ".join(f"`{path}`" for path in writes).replace("${key}", "<run>").replace("${item}", item)
        lines.append(f"| {title} | {body['desc']} | {shown} |")
    return "\n".join(lines)


def results() -> str:
    """The table that the summary stage makes, from the metrics in git."""
    runs = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["finetune"]
    pairs = _metrics("summary")["pair"]
    frames = {name: pair["frame_accuracy"] for name, pair in pairs.items()}
    return table({run: _metrics(run) for run in runs}, frames).strip()


def literature(kind: str) -> str:
    """The rows of one kind, ours among them."""
    ours = list(_metrics("peers")["ours"].values())
    return literature_table(ours, read_literature(ROOT / "data/peers/literature.yaml"), kind)


def few_shot() -> str:
    """Our few-shot figures beside the vendors'."""
    systems = _metrics("peers")["few_shot"]
    order = ["ours", *sorted(set(systems) - {"ours"}, key=lambda name: -systems[name]["70"])]
    return few_shot_table({name: systems[name] for name in order})


def levers() -> str:
    """What each change brought on validation; experiments that were run once, see README.md."""
    with (ROOT / "metrics/levers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["| change | frame accuracy | slot F1 | intent accuracy |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {row['change']} | {float(row['frame_accuracy']):.4f} | {float(row['slot_f1']):.4f} "
        f"| {float(row['intent_accuracy']):.4f} |"
        for row in rows
    ]
    return "\n".join(lines)


def augmented() -> str:
    """What GPT-2 adds to few utterances."""
    return augmentation.table(_metrics("peers")["augmentation"])


def _metrics(name: str) -> dict:
    return json.loads((ROOT / f"metrics/{name}.json").read_text(encoding="utf-8"))


PARTS = {
    "stages": stage_table,
    "results": results,
    "joint": lambda: literature("joint"),
    "pair": lambda: literature("pair"),
    "few_shot": few_shot,
    "levers": levers,
    "perplexity": lambda: judging.perplexity_table(_metrics("generation")),
    "generation": lambda: judging.table(_metrics("generation")),
    "augmentation": augmented,
}


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
