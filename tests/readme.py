"""The generated parts of the READMEs. `python -m tests.readme` writes them; test_readme.py keeps them true."""

import json
import re
from statistics import mean, stdev
from typing import Any

import yaml

from pipelines.lessons.common import words
from pipelines.reports import hard_core, variants
from pipelines.reports.peers import OURS, SPREAD, few_shot_table, literature_table, read_literature
from pipelines.writing import augmentation, judging
from tests.conftest import ROOT, read_details


def stage_table() -> str:
    """A row for each stage of dvc.yaml, in its order."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lines = ["| stage | what it does | writes |", "| --- | --- | --- |"]
    for name, stage in stages.items():
        body = stage.get("do", stage)
        item = {"few_shot": "size", "augment": "size", "lesson": "name", "fetch_model": "name", "variant": "name"}.get(
            name, "run"
        )
        item = f"<{item}>"
        title = f"`{name}@{item}`" if "do" in stage else f"`{name}@<variant>-<n>`" if "matrix" in stage else f"`{name}`"
        writes = [
            next(iter(out)) if isinstance(out, dict) else out
            for kind in ("outs", "metrics", "plots")
            for out in body.get(kind, [])
        ]
        shown = ", ".join(f"`{path}`" for path in writes).replace("${key}", item).replace("${item}", item)
        shown = shown.replace("${item.variant}", "<variant>").replace("${item.number}", "<n>")
        lines.append(f"| {title} | {body['desc']} | {shown} |")
    return "\n".join(lines)


def results() -> str:
    """Each run's headline on test: over seeds where several were measured alike."""
    headlines = json.loads((ROOT / "metrics/summary.json").read_text(encoding="utf-8"))
    lines = ["| run | metric | test | seeds | trained weights |", "| --- | --- | ---: | ---: | ---: |"]
    for run in _params()["finetune"]:
        (metric,), seeds = headlines[run], _seeds(run)
        weights = f"{seeds[0]['trained_weights']:,}"
        lines.append(f"| {run} | {metric} | {_spread([seed[metric] for seed in seeds])} | {len(seeds)} | {weights} |")
        if run == _params()["qa_limits"]["run"]:
            told = next(row for row in _metrics("qa_limits")["choosers"] if row["chosen_by"] == "nobody")
            lines.append(f"| {run}, asked everything | span_f1 | {told['span_f1']:.4f} | 1 | |")
    pair = _metrics("peers")["ours"]["pair"]["frame"]
    for name, of in headlines.items():
        if "+" in name:
            value = f"{of['frame_accuracy']:.4f} | 1"
            if name == "intent-full+slots-full" and pair["seeds"] > 1:
                value = f"{pair['mean']:.4f} ± {pair['sd']:.4f} | {pair['seeds']}"
            lines.append(f"| {name.replace('+', ' + ')} | frame_accuracy | {value} | |")
    return "\n".join(lines)


def differences() -> str:
    """Each two runs that have a metric: what lies between them, and whether that is beyond chance."""
    lines = [
        "| metric | runs | test | difference, 95 % | p | beyond chance |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for row in _metrics("differences")["pairs"]:
        p = "" if row["p"] is None else "< .0001" if row["p"] < 0.0001 else f"{row['p']:.4f}".lstrip("0")
        names = " beside ".join(row[side].replace("+", " + ") for side in ("first", "second"))
        lines.append(
            f"| {row['metric']} | {names} | {row['first_value']:.4f}, {row['second_value']:.4f} "
            f"| {row['difference']:.4f} ({row['low']:.4f} to {row['high']:.4f}) | {p} "
            f"| {'yes' if row['beyond_chance'] else 'no'} |"
        )
    return "\n".join(lines)


def choosers() -> str:
    """Span F1 of the questions by who chooses them, beside the tagger's."""
    lines = ["| run | questions chosen by | questions | answered | F1 |", "| --- | --- | ---: | ---: | ---: |"]
    run = _params()["qa_limits"]["run"]
    lines += [
        f"| {run} | {row['chosen_by']} | {row['questions']:,} | {row['answered']:,} | {row['span_f1']:.4f} |"
        for row in _metrics("qa_limits")["choosers"]
    ]
    return "\n".join([*lines, f"| slots-full | (a tagger) |  |  | {_metrics('slots-full')['f1']:.4f} |"])


def literature(kind: str) -> str:
    """The rows of one kind, ours among them."""
    ours = list(_metrics("peers")["ours"].values())
    return literature_table(ours, read_literature(ROOT / "data/peers/literature.yaml"), kind)


def core() -> str:
    """What all seeds of the joint model get wrong; where one seed alone was measured, nothing."""
    found = _metrics("peers").get("hard_core")
    return hard_core.table(found) if found else "Not measured with this code yet."


def few_shot() -> str:
    """Our few-shot figures beside the vendors'."""
    of = _metrics("peers")["few_shot"]["slots"]
    systems, ours = of["systems"], [OURS, SPREAD.format(OURS)]
    order = [*ours, *sorted(set(systems) - set(ours), key=lambda name: -systems[name]["70"])]
    return few_shot_table({name: systems[name] for name in order}, of["older"])


def few_shot_intents() -> str:
    """Intent accuracy by utterances of an intent, ours and published."""
    of = _metrics("peers")["few_shot"]["intent"]
    return few_shot_table(of["systems"], of["older"])


def levers() -> str:
    """What each change of the joint model brings, by cross-validation, paired with what it is a change of."""
    return variants.table(_variants())


def _variants() -> dict[str, Any]:
    """In the order of params.yaml, as the first is what the others change."""
    found = _metrics("levers")["variants"]
    return {name: found[name] for name in _params()["variants"]["of"] if name in found}


def augmented() -> str:
    """What GPT-2 adds to few utterances."""
    return augmentation.table([{"older": ""} | row for row in _metrics("peers")["augmentation"]])


def adapted() -> str:
    """Variants from the base encoder beside the same from the adapted one, as cross-validation measured both."""
    lines = ["| run | metric | from base | from adapted | difference, 95 % |", "| --- | --- | ---: | ---: | ---: |"]
    for of in (of for of in _variants().values() if of["finetune_from"] == "adapted" and "beside" in of):
        for metric, one in of["beside"].items():
            shown = f"{one['second_value']:.4f} | {one['first_value']:.4f} | {variants.beside(of, metric)}"
            lines.append(f"| {of['run']} | {metric} | {shown} |")
    return "\n".join(lines)


def exported() -> str:
    """Torch, ONNX and OpenVINO side by side, as `latency` measured them."""
    lines = [
        "| run | form | MB | one text, ms | p99 | texts a second | one text | many | frames or headline | lost, 95 % |"
    ]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for path in sorted((ROOT / "metrics/on_demand").glob("latency-*.json")):
        report = read_details(path)
        for of in report["forms"]:
            best = next(name for name in ("frame_accuracy", "accuracy", "f1") if name in of)
            lost = of.get("lost", {}).get(best)
            shown = f"{lost['difference']:.4f} ({lost['low']:.4f} to {lost['high']:.4f})" if lost else ""
            lines.append(
                f"| {report['run']} | {of['form']} | {of['megabytes']:.1f} | {of['single_p50_ms']:.1f} | "
                f"{of['single_p99_ms']:.1f} | {of['texts_a_second']:,.0f} | {of['single_share']:.2f} x | "
                f"{of['bulk_times']:.1f} x | {of[best]:.4f} | {shown} |"
            )
    return "\n".join(lines)


def _seeds(run: str) -> list[dict[str, Any]]:
    """A run under its own seed, and under those that `repeat` measured alike (`peers` says which were not)."""
    own = _metrics(run) | {"seed": _params()["finetune"][run]["seed"]}
    older = {note.partition(":")[0] for note in _metrics("peers")["notes"]}
    repeated = ROOT / f"metrics/on_demand/repeat-{run}.json"
    return [own, *(_metrics(f"on_demand/repeat-{run}")["seeds"] if repeated.exists() and run not in older else [])]


def _spread(values: list[float]) -> str:
    """Mean and, of several, the sample standard deviation."""
    return " ± ".join(f"{value:.4f}" for value in (mean(values), *([stdev(values)] if len(values) > 1 else [])))


def _params() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def robust() -> str:
    """What each run loses where test is said or typed otherwise, as `robustness` measured it."""
    lines = [
        "| run | metric | as it is | change | texts | points lost, 95 % |",
        "| --- | --- | ---: | --- | ---: | ---: |",
    ]
    for path in sorted((ROOT / "metrics/on_demand").glob("robustness-*.json")):
        of = read_details(path)
        for row in of["rows"]:
            lost = [100 * row[key] for key in ("drop", "low", "high")]
            lines.append(
                f"| {of['run']} | {row['metric']} | {row['plain']:.4f} | {row['change']} | {row['changed']} "
                f"| {lost[0]:.1f} ({lost[1]:.1f} to {lost[2]:.1f}) |"
            )
    return "\n".join(lines)


def noise() -> str:
    """What training on changed texts brings to each run, as `noise` measured it."""
    lines = ["| run | metric | test | trained on | without | with | points gained, 95 % |"]
    lines.append("| --- | --- | --- | --- | ---: | ---: | ---: |")
    for path in sorted((ROOT / "metrics/on_demand").glob("noise-*.json")):
        of = read_details(path)
        for row in of["rows"]:
            gained = [100 * row[key] for key in ("gain", "low", "high")]
            lines.append(
                f"| {of['run']} | {row['metric']} | {row['change']} | {'yes' if row['trained_on'] else 'no'} "
                f"| {row['without']:.4f} | {row['with']:.4f} "
                f"| {gained[0]:.1f} ({gained[1]:.1f} to {gained[2]:.1f}) |"
            )
    return "\n".join(lines)


def learned() -> str:
    """What each lesson asks, and what it found."""
    lines = ["| lesson | question | found |", "| --- | --- | --- |"]
    for name in _params()["lessons"]:
        found = FOUND[name](_metrics(f"lessons/{name}")) if name in FOUND else ""
        lines.append(f"| `{name}` | {words.read(name).question} | {found} |")
    return "\n".join(lines)


def _tokenization(facts: dict) -> str:
    shown = ", ".join(f"{row['tokenizer']} {row['test_fertility']:.2f}" for row in facts["tokenizers"])
    of = {(row["learned"], row["measured"]): row["fertility"] for row in facts["crossed"]["rows"]}
    spanish = f"{of['spanish', 'spanish']:.2f} learned on Spanish, {of['english', 'spanish']:.2f} on English"
    return f"tokens per word of test: {shown}; of Spanish by BETO's way: {spanish}"


def _embeddings(facts: dict) -> str:
    values = facts["silhouette"]
    return f"silhouette of the intents {values['base']:.3f} before tuning on them, {values['tuned']:.3f} after"


def _architecture(facts: dict) -> str:
    layers = {role: max(row["times"] for row in facts[role]["modules"]) for role in ("encoder", "decoder")}
    return "; ".join(
        f"{facts[role]['name']} {facts[role]['weights'] / 1e6:.1f} M weights, "
        f"{facts[role]['multiply_adds_a_piece'] / 1e6:.1f} M multiply-adds per token, layers: {count}"
        for role, count in layers.items()
    )


def _attention(facts: dict) -> str:
    pairs = facts["arrangements"]["pairs"]
    over = pairs["over_half"]
    target, row = max(
        ((target, row) for target in ("cls", "sep") for row in pairs["layers"]), key=lambda one: one[1][one[0]]
    )
    return (
        f"of {pairs['heads']} heads {over['previous']} give over half of their attention to the previous token, "
        f"{over['next']} to the next; layer {row['layer']} gives [{target.upper()}] {row[target]:.2f}, "
        f"{row[f'{target}_lift']:.0f} times what uniform attention would"
    )


def _masking(facts: dict) -> str:
    before, after = facts["models"]["before"], facts["models"]["after"]
    return (
        f"chosen tokens found {before['masked_accuracy']['all']:.3f} before, {after['masked_accuracy']['all']:.3f} "
        f"after; pseudo-perplexity {before['pseudo_perplexity']:,.0f} and {after['pseudo_perplexity']:.1f}"
    )


def _next_sentence(facts: dict) -> str:
    row = facts["accuracy"][0]
    return f"{row['bert']:.3f} of {row['pairs']:,} pairs, word overlap {row['overlap']:.3f}, chance {row['chance']}"


def _transfer(facts: dict) -> str:
    sizes = list(dict.fromkeys(point["size"] for point in facts["points"]))
    of = {(row["arm"], row["size"]): row["mean"] for row in facts["arms"]}
    arms = list(dict.fromkeys(row["arm"] for row in facts["arms"]))
    return "; ".join(f"{size}: " + ", ".join(f"{arm} {of[arm, size]:.3f}" for arm in arms) for size in sizes)


def _answers(facts: dict) -> str:
    of = {(row["kind"], row["in_training"]): row for row in facts["right"]}
    told = {"known": ("extraction", True), "new": ("extraction", False), "not in the text": ("abstraction", None)}
    return "right of answers " + "; ".join(
        f"{words}: pointed at {of[key]['bert']:.3f}, written {of[key]['gpt2']:.3f}" for words, key in told.items()
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
    "answers": _answers,
    "monitor": _monitor,
}


def _metrics(name: str) -> dict:
    return read_details(ROOT / f"metrics/{name}.json")


# page -> its generated parts; `stages` alone holds where metrics/ has no figures of the published corpus
PAGES = {
    "README.md": {"results": results},
    "stages/README.md": {"stages": stage_table},
    "metrics/README.md": {
        "differences": differences,
        "choosers": choosers,
        "joint": lambda: literature("joint"),
        "pair": lambda: literature("pair"),
        "intent_alone": lambda: literature("intent"),
        "hard_core": core,
        "few_shot": few_shot,
        "few_shot_intents": few_shot_intents,
        "levers": levers,
        "perplexity": lambda: judging.perplexity_table(_metrics("generation")),
        "generation": lambda: judging.table(_metrics("generation")),
        "augmentation": augmented,
        "adapted": adapted,
        "exported": exported,
        "robust": robust,
        "noise": noise,
        "lessons": learned,
    },
}


def generated(page: str) -> str:
    """Text of a page with its generated parts made anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, part in PAGES[page].items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        assert start in text, f"{page} has no {start}"
        text = re.sub(f"{start}.*?{end}", lambda _: f"{start}\n{part()}\n{end}", text, flags=re.S)  # noqa: B023
    return text


if __name__ == "__main__":
    for page in PAGES:
        (ROOT / page).write_text(generated(page), encoding="utf-8")
