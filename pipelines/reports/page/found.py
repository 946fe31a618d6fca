"""What the page shows: read once from the outputs of other stages."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """All that stages left for the page.

    `facts` is metrics/report.json; `runs` has of each run its `headline` and `report`, `predictions` the rows of its
    test part, `curves` those of its validation, `confusions` its pairs. `pages` are Markdown by name, `lessons` the
    HTML of each, `metrics` the other files of metrics/ by name.
    """

    facts: dict[str, Any]
    runs: dict[str, dict[str, Any]]
    predictions: dict[str, Rows]
    curves: dict[str, Rows]
    confusions: dict[str, Rows]
    metrics: dict[str, Any]
    pages: dict[str, str]
    lessons: dict[str, str]
    samples: Rows
    params: dict[str, Any]
    defaults: dict[str, Any]

    def of_task(self, *tasks: str) -> list[str]:
        """The runs of these tasks, those with every weight trained first."""
        runs = [run for run, of in self.runs.items() if of["report"]["task"] in tasks]
        return sorted(runs, key=lambda run: (self.runs[run]["report"]["mode"] != "full", list(self.runs).index(run)))


def changed(params: Any, defaults: Any, path: str = "") -> Rows:
    """Params that differ from those that the project comes with: `param`, `default` and `now`, None where not set."""
    if isinstance(params, dict) and isinstance(defaults, dict):
        keys = list(defaults) + [key for key in params if key not in defaults]
        return [
            row
            for key in keys
            for row in changed(params.get(key), defaults.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if params == defaults else [{"param": path, "default": _named(defaults), "now": _named(params)}]


def _named(value: Any) -> Any:
    """A value without the folders of a machine: of an absolute path its last part."""
    return f"…/{Path(value).name}" if isinstance(value, str) and Path(value).is_absolute() else value


def pairs(rows: Rows) -> Rows:
    """Pairs of actual and predicted, counted: `actual`, `predicted`, `count` and `share` of that actual."""
    counts = Counter((row["actual"], row["predicted"]) for row in rows)
    of_actual = Counter(row["actual"] for row in rows)
    return [
        {"actual": actual, "predicted": predicted, "count": count, "share": count / of_actual[actual]}
        for (actual, predicted), count in sorted(counts.items())
    ]


def first_picture(html: str) -> str:
    """The first `<figure>` of a lesson's page, or nothing."""
    match = re.search(r"<figure>.*?</figure>", html, re.S)
    return match[0] if match else ""


def question(html: str) -> str:
    """What a lesson asks, as HTML."""
    match = re.search(r"<h1>(.*?)</h1>", html, re.S)
    return match[1] if match else ""


def spanish(html: str) -> str:
    """The same in Spanish."""
    match = re.search(r'<details lang="es"><summary>(.*?)</summary>', html, re.S)
    return match[1] if match else ""
