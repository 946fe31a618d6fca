"""All runs side by side: nested for DVC's columns, and as a table for people."""

from typing import Any

from pipelines.core.provenance import described

# the runs that the project comes with: where one was taken out, the table says so
BUILT_IN = ("intent-full", "intent-head", "slots-full", "slots-head", "qa-full", "qa-head", "joint-full")


def nested(runs: dict[str, dict[str, Any]], pairs: dict[str, float]) -> dict[str, Any]:
    """`{"intent-full": {"accuracy": …}}`: of each run the metric that stands for it, on test; and of each pair.

    Args:
        runs: run -> its `headline`, the name of a metric, and its `report`.
        pairs: `intent-full+slots-full` -> the share of frames that both get right.
    """
    result: dict[str, Any] = {run: {of["headline"]: of["report"][of["headline"]]} for run, of in runs.items()}
    result |= {pair: {"frame_accuracy": value} for pair, value in pairs.items()}
    return {"source": _first(runs, "source")} | result


def pairs_of(runs: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Runs of intents and of slots that have the same name after their task: full with full, head with head."""
    by_task = {(of["report"]["task"], run.removeprefix(f"{of['report']['task']}-")): run for run, of in runs.items()}
    return [
        (run, by_task["slots", name])
        for (task, name), run in by_task.items()
        if task == "intent" and ("slots", name) in by_task
    ]


def table(
    runs: dict[str, dict[str, Any]], pairs: dict[str, float], absent: list[str], apart: list[dict[str, Any]]
) -> str:
    """Markdown table, a row a run; it fits 80 columns. Runs that are `absent` are named below.

    So are those that test does not tell apart: `apart` is what `differences` says of each two.
    """
    lines = [
        "| run | metric | test | validation | trained weights | best epoch |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for run, of in runs.items():
        metric, report = of["headline"], of["report"]
        lines.append(
            f"| {run} | {metric} | {report[metric]:.4f} | {report['validation'][metric]:.4f} "
            f"| {report['trained_weights']:,} | {report['best_epoch']} |"
        )
    for pair, value in pairs.items():
        lines.append(f"| {_name(pair)} | frame_accuracy | {value:.4f} | | | |")
    same = [row for row in apart if not row["beyond_chance"]]
    if same:
        lines += ["", "Not told apart by these utterances (differences within chance, 95 %):", ""]
        lines += [f"- {_name(row['first'])} and {_name(row['second'])}, {row['metric']}" for row in same]
    lines += ["", "One seed each; means over seeds, where measured, stand beside the literature."]
    if any(of["headline"] == "span_f1" for of in runs.values()):
        lines += [
            "",
            "span_f1: questions chosen by the gold intent, which no tagger is told.",
        ]
    if absent:
        lines += ["", f"Absent, as params.yaml has no such run: {', '.join(absent)}."]
    source = described(_first(runs, "source"))
    return f"Data: {source}; split protocol: {_first(runs, 'protocol')}.\n\n" + "\n".join(lines) + "\n"


def _name(run: str) -> str:
    return run.replace("+", " + ")


def _first(runs: dict[str, dict[str, Any]], key: str) -> str:
    """What all runs say alike, as they share the split."""
    return next((of["report"][key] for of in runs.values()), "none")
