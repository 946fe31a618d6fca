"""The generated parts of README.md. `python -m tests.readme` writes them; test_readme.py keeps them true."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from pipelines.lessons.common import materials as lessons
from pipelines.reports.peers import few_shot_table, literature_table, read_literature
from pipelines.reports.summary import table
from pipelines.writing import augmentation, judging

ROOT = Path(__file__).parent.parent


def stage_table() -> str:
    """A row for each stage of dvc.yaml, in its order."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lines = ["| stage | what it does | writes |", "| --- | --- | --- |"]
    for name, stage in stages.items():
        body = stage.get("do", stage)
        item = "<size>" if name in ("few_shot", "augment") else "<name>" if name == "lesson" else "<run>"
        title = f"`{name}@{item}`" if "do" in stage else f"`{name}`"
        writes = [
            next(iter(out)) if isinstance(out, dict) else out
            for kind in ("outs", "metrics", "plots")
            for out in body.get(kind, [])
        ]
        shown = ", ".join(f"`{path}`" for path in writes).replace("${key}", item).replace("${item}", item)
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


def adapted() -> str:
    """Runs from the base encoder beside the same from the adapted one: experiments that were run once."""
    with (ROOT / "metrics/adapted.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["| run | metric | on | from base | from adapted |", "| --- | --- | --- | ---: | ---: |"]
    for row in rows:
        shown = " | ".join(f"{float(row[key]):.4f}" for key in ("base", "adapted"))
        lines.append(f"| {row['run']} | {row['metric']} | {row['partition']} | {shown} |")
    return "\n".join(lines)


def learned() -> str:
    """What each lesson asks, and what it found."""
    lines = ["| lesson | question | found |", "| --- | --- | --- |"]
    for name in lessons.NAMES:
        lines.append(f"| `{name}` | {lessons.get(name).QUESTION} | {FOUND[name](_metrics(f'lessons/{name}'))} |")
    return "\n".join(lines)


def _tokenization(facts: dict) -> str:
    rows = {row["tokenizer"]: row for row in facts["tokenizers"]}
    shown = ", ".join(
        f"{name} {row['test_fertility']:.2f} ({row['spanish_fertility']:.2f} in Spanish)" for name, row in rows.items()
    )
    return f"pieces a word of test: {shown}"


def _embeddings(facts: dict) -> str:
    values = facts["silhouette"]
    return f"silhouette of the intents {values['base']:.3f} before tuning on them, {values['tuned']:.3f} after"


def _architecture(facts: dict) -> str:
    return "; ".join(
        f"{facts[role]['name']} {facts[role]['weights'] / 1e6:.1f} M weights, "
        f"{facts[role]['multiply_adds_a_piece'] / 1e6:.1f} M multiply-adds a piece"
        for role in ("encoder", "decoder")
    )


def _attention(facts: dict) -> str:
    pairs = facts["arrangements"]["pairs"]
    over = pairs["over_half"]
    target, row = max(
        ((target, row) for target in ("cls", "sep") for row in pairs["layers"]), key=lambda one: one[1][one[0]]
    )
    return (
        f"of {pairs['heads']} heads {over['previous']} give over half of their attention to the previous piece, "
        f"{over['next']} to the next; layer {row['layer']} gives [{target.upper()}] {row[target]:.2f}, "
        f"{row[f'{target}_lift']:.0f} times what uniform attention would"
    )


def _masking(facts: dict) -> str:
    before, after = facts["models"]["before"], facts["models"]["after"]
    return (
        f"masked pieces found {before['masked_accuracy']['all']:.3f} before, {after['masked_accuracy']['all']:.3f} "
        f"after; pseudo-perplexity {before['pseudo_perplexity']:,.0f} and {after['pseudo_perplexity']:.1f}"
    )


def _next_sentence(facts: dict) -> str:
    row = facts["accuracy"][0]
    return f"{row['bert']:.3f} of {row['pairs']:,} pairs, word overlap {row['overlap']:.3f}, chance {row['chance']}"


def _transfer(facts: dict) -> str:
    sizes = list(dict.fromkeys(point["size"] for point in facts["points"]))
    of = {(point["arm"], point["size"]): point["accuracy"] for point in facts["points"]}
    return "; ".join(
        f"{size}: " + ", ".join(f"{arm} {of[arm, size]:.3f}" for arm in ("random", "frozen", "full")) for size in sizes
    )


def _monitor(facts: dict) -> str:
    last = {row["mode"]: row for row in facts["steps"]}
    return (
        "; ".join(
            f"{mode}: {(row['gradients'] + row['optimizer'] + row['activations']) / 2**20:,.0f} MiB beside the weights"
            for mode, row in last.items()
        )
        + f", at {last['full']['batch_size']} utterances a step"
    )


FOUND = {
    "tokenization": _tokenization,
    "embeddings": _embeddings,
    "architecture": _architecture,
    "attention": _attention,
    "masking": _masking,
    "next_sentence": _next_sentence,
    "transfer": _transfer,
    "monitor": _monitor,
}


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
    "adapted": adapted,
    "lessons": learned,
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
