"""All runs side by side: nested for DVC's columns, and as a table for people."""

from typing import Any

# task -> the metrics that stand for it, most telling first
HEADLINES = {"intent": ("accuracy", "macro_f1"), "slots": ("f1", "precision", "recall")}


def nested(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`{"intent": {"full": {"accuracy": …}}}` from the metrics of each run; `intent-small` becomes intent -> small."""
    result: dict[str, Any] = {}
    for run, report in runs.items():
        task = report["task"]
        column = run.removeprefix(f"{task}-")
        result.setdefault(task, {})[column] = {name: report[name] for name in HEADLINES[task]}
    return result


def table(runs: dict[str, dict[str, Any]]) -> str:
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
    source = "SNIPS" if report["source"] == "snips" else "the embedded sample, NOT SNIPS"
    return f"Data: {source}; split protocol: {report['protocol']}.\n\n" + "\n".join(lines) + "\n"
