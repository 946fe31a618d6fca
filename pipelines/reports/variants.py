"""The tables of variants that cross-validation judged, each beside what it is a variant of."""

import json
from typing import Any

from pipelines.reports.on_demand import OLDER

TITLES = {"frame_accuracy": "frames", "f1": "slot F1"}


def table(variants: dict[str, dict[str, Any]]) -> str:
    """What each change of a joint run brings: Markdown, a row a variant; bold is beyond chance.

    Args:
        variants: name -> `run`, `change`, `finetune_from`, `metrics`, `older`, and `beside` where both are of today.
    """
    lines = ["| variant | of | change | frames | difference, 95 % | slot F1 | difference, 95 % | intent |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, of in variants.items():
        if set(TITLES) <= set(of["metrics"]):
            shown = [f"{name}{OLDER if of['older'] else ''}", of["run"], _change(of)]
            for metric in TITLES:
                shown += [f"{of['metrics'][metric]['value']:.4f}", beside(of, metric)]
            lines.append(f"| {' | '.join(shown)} | {of['metrics']['accuracy']['value']:.4f} |")
    return "\n".join(lines)


def beside(of: dict[str, Any], metric: str) -> str:
    """The difference that one variant makes in a metric, with its interval; empty where it was not compared."""
    if metric not in of.get("beside", {}):
        return ""
    one = of["beside"][metric]
    shown = f"{one['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})"
    return f"**{shown}**" if one["beyond_chance"] else shown


def _change(of: dict[str, Any]) -> str:
    start = ["from the adapted encoder"] if of["finetune_from"] == "adapted" else []
    changes = [f"{key}: {json.dumps(value)}".replace('"', "") for key, value in of["change"].items()]
    return ", ".join([*start, *(f"`{change}`" for change in changes)])
