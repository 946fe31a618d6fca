"""The two files: index.html, which carries all that it shows, and report.md, for a pull request."""

import json
from html import escape
from pathlib import Path
from typing import Any

from pipelines.core.provenance import described
from pipelines.reports.page import mistakes
from pipelines.reports.page.found import Found, changed, question, spanish
from pipelines.reports.page.sections import SECTIONS, as_text

_LESSONS = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Lessons</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 46rem; margin: 1rem auto; padding: 0 1rem; font: 17px/1.5 system-ui, sans-serif; }}
li {{ margin: 1rem 0; }}
li p {{ margin: .1rem 0; opacity: .85; }}
</style>
</head>
<body>
<main>
<h1>Inside the models</h1>
<p>One question each, in the order in which one builds on the other. Data: {data}.</p>
<ol>
{items}
</ol>
<p><a href="index.html">What the pipeline found</a></p>
</main>
</body>
</html>
"""
TEMPLATE = Path(__file__).with_name("template.html")


def html(found: Found, scripts: str) -> str:
    """The page; `scripts` is the JavaScript of vega-embed and what it needs."""
    drawn: dict[str, dict[str, Any]] = {}
    body = [
        f'<section id="{anchor}"><h2>{escape(title)}</h2>\n{make(found, drawn)}\n</section>'
        for anchor, (title, make) in SECTIONS.items()
    ]
    links = [f'<a href="#{anchor}">{escape(title)}</a>' for anchor, (title, _) in SECTIONS.items()]
    parts = {
        "data": escape(described(found.facts["source"])),
        "links": "\n".join(links),
        "body": "\n".join(body),
        "charts": _json(drawn),
        "errors": _json(_errors(found)),
        "vega": scripts,
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in parts.items():
        text = text.replace(f"<!-- {name} -->", value)
    return text


def lessons(found: Found) -> str:
    """The way through the lessons: each with what it asks, in English and Spanish."""
    items = [
        f'<li><a href="../lessons/{escape(name)}/index.html">{question(html)}</a><p lang="es">{spanish(html)}</p></li>'
        for name, html in found.lessons.items()
    ]
    return _LESSONS.format(data=escape(described(found.facts["source"])), items="\n".join(items))


def markdown(found: Found) -> str:
    """What a pull request needs: the table of runs, what params were changed, and where the mistakes lie."""
    lines = ["# What the pipeline found", "", found.pages["summary"].strip(), ""]
    rows = changed(found.params, found.defaults)
    lines += [f"Params changed: {len(rows)}." if rows else "No param was changed.", ""]
    lines += [f"- `{row['param']}`: {_cell(row['default'])} → {_cell(row['now'])}" for row in rows[:20]]
    lines += [f"- and {len(rows) - 20} more"] if len(rows) > 20 else []
    lines += ["", "| mistakes on test | " + " | ".join(mistakes.KINDS) + " |"]
    lines += ["| --- |" + " ---: |" * len(mistakes.KINDS)]
    for run, of in found.facts["mistakes"].items():
        lines.append(f"| {run} | " + " | ".join(str(of.get(kind, 0)) for kind in mistakes.KINDS) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = as_text(value)
    return f"`{text[:60].replace('`', chr(39))}{'…' if len(text) > 60 else ''}`"


def _errors(found: Found) -> list[dict[str, Any]]:
    """Utterances that a run got wrong, in its order: what the page's script filters and marks."""
    return [
        {
            "run": run,
            "intent": row["intent"],
            "told": row.get("predicted_intent"),
            "text": row["text"],
            "gold": [[slot["start"], slot["end"], slot["label"]] for slot in row["slots"]],
            "predicted": _predicted(row),
            "mistakes": [[one["kind"], one["label"]] for one in mistakes.of(row)],
        }
        for run, rows in found.predictions.items()
        for row in rows
        if not row["right"]
    ]


def _predicted(row: dict[str, Any]) -> list[list[Any]] | None:
    """Spans that the run found, None where it looks for none."""
    if "predicted_slots" not in row and "predicted_answers" not in row:
        return None
    return [[slot["start"], slot["end"], slot["label"]] for slot in mistakes.predicted(row)]


def _json(value: Any) -> str:
    """JSON that may stand in a script: no sign in it can end one."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
