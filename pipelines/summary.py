"""All runs side by side: nested for DVC's columns, and as a table for people."""

from typing import Any

from pipelines.provenance import described

# task -> the metrics that stand for it, most telling first
HEADLINES = {
    "intent": ("accuracy", "macro_f1"),
    "slots": ("f1", "precision", "recall"),
    "qa": ("span_f1", "answerable_exact_match", "answerable_f1", "unanswerable_accuracy"),
    "joint": ("frame_accuracy", "slot_f1", "intent_accuracy"),
}


def nested(runs: dict[str, dict[str, Any]], pairs: dict[str, float]) -> dict[str, Any]:
    """`{"intent": {"full": {"accuracy": …}}}` from the metrics of each run; `intent-small` becomes intent -> small.

    `pairs` goes under `pair`: the share of frames that an intent run and the slots run of the same name get right.
    """
    result: dict[str, Any] = {}
    for run, report in runs.items():
        task = report["task"]
        column = run.removeprefix(f"{task}-")
        result.setdefault(task, {})[column] = {name: report[name] for name in HEADLINES[task]}
    if pairs:
        result["pair"] = {name: {"frame_accuracy": value} for name, value in pairs.items()}
    return result


def pair_accuracy(first: dict[str, bool], second: dict[str, bool]) -> float:
    """Share of utterances, by id, that both of two runs get right."""
    return sum(first[row] and second[row] for row in first) / len(first)


def table(runs: dict[str, dict[str, Any]], pairs: dict[str, float]) -> str:
    """Markdown table, a row a run; it fits 80 columns."""
    report = next(iter(runs.values()))
    lines = [
        "| run | metric | test | validation | trained weights | best epoch |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for run, report in runs.items():
        metric = HEADLINES[report["task"]][0]
        lines.append(
            f"| {run} | {metric} | {report[metric]:.4f} | {report['validation'][metric]:.4f} "
            f"| {report['trained_weights']:,} | {report['best_epoch']} |"
        )
    for name, value in pairs.items():
        lines.append(f"| intent-{name} + slots-{name} | frame_accuracy | {value:.4f} | | | |")
    source = described(report["source"])
    return f"Data: {source}; split protocol: {report['protocol']}.\n\n" + "\n".join(lines) + "\n"
