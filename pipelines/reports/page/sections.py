"""The sections of the page: HTML of what was found, and the charts that it holds by name."""

import json
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from pipelines.core.provenance import described
from pipelines.lessons.common import page
from pipelines.reports.page import charts, mistakes
from pipelines.reports.page.found import Found, changed, first_picture, pairs, question

Charts = dict[str, dict[str, Any]]
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
AGAIN = """\
git checkout <commit>
make setup && source .venv/bin/activate
dvc repro      # what is there already is not made again
make verify    # bytes first, then figures within tolerance
"""
BINS = {"of": "of", "probability": "mean probability", "right": "share right", "count": "predictions"}
SHOWN = 3  # texts of each intent and strategy


def made_of(found: Found, drawn: Charts) -> str:
    """Data, split, machine, and the params that differ from those that the project comes with."""
    split, environment = found.metrics["split"], found.metrics["environment"]
    known = ", ".join(f"{split[part]:,} {part}" for part in ("train", "validation", "test"))
    machine = [{"of": "processor", "is": environment["processor"]["name"]}]
    machine += [{"of": name, "is": environment[name]} for name in ("gpu", "threads", "python", "system")]
    machine += [{"of": name, "is": environment["libraries"][name]} for name in ("torch", "transformers")]
    rows = [
        {"param": row["param"]} | {name: as_text(row[name]) for name in ("default", "now")}
        for row in changed(found.params, found.defaults)
    ]
    columns = {"param": "param", "default": "as it comes", "now": "in this run"}
    told = "Params that were changed:" if rows else "No param was changed."
    return "\n".join(
        [
            page.text(f"Data: {described(found.facts['source'])}; split `{split['protocol']}`: {known} utterances."),
            page.text(told),
            page.table(rows, columns) if rows else "",
            _folded("The machine", page.table(machine, {"of": "what", "is": "value"})),
        ]
    )


def results(found: Found, drawn: Charts) -> str:
    """Every run, full beside head, and published figures."""
    rows = [
        {
            "run": run,
            "metric": of["headline"],
            "value": of["report"][of["headline"]],
            "mode": of["report"]["mode"],
        }
        for run, of in found.runs.items()
    ]
    drawn["results"] = charts.results(rows)
    return "\n".join(
        [
            page.text(
                "`full` trains every weight, `head` the new layer alone. With few utterances small differences are "
                "noise."
            ),
            _chart("results", "Test, by run."),
            markdown(found.pages["summary"]),
            _folded("Beside published figures", markdown(found.pages["literature"])),
            _folded("Beside the vendors of 2017, few-shot", markdown(found.pages["few_shot"])),
        ]
    )


def curves(found: Found, drawn: Charts) -> str:
    """The headline metric on validation, epoch by epoch."""
    drawn["curves"] = charts.curves(
        [
            {"run": run, "epoch": row["epoch"], "value": row[found.runs[run]["headline"]]}
            for run, rows in found.curves.items()
            for row in rows
        ]
    )
    table = page.table(drawn["curves"]["data"]["values"], {"run": "run", "epoch": "epoch", "value": "validation"})
    return _chart("curves", "Validation after each epoch; the best epoch is kept.") + _folded("As a table", table)


def confused(found: Found, drawn: Charts) -> str:
    """Which intents are taken for which."""
    parts = []
    for run in found.of_task("intent", "joint"):
        rows = pairs(found.confusions[run])
        drawn[f"confusion-{run}"] = charts.confusion(run, rows)
        wrong = sorted((row for row in rows if row["actual"] != row["predicted"]), key=lambda row: -row["count"])
        table = page.table(wrong, {"actual": "actual", "predicted": "predicted", "count": "utterances"})
        told = page.text("None is taken for another.") if not wrong else table
        parts.append(_folded(run, _chart(f"confusion-{run}", f"{run}: rows are actual intents.") + told, not parts))
    return "\n".join(parts) or page.text("No run tells intents.")


def slots(found: Found, drawn: Charts) -> str:
    """F1 of each slot label, with how often it stands in test."""
    parts = []
    for run in found.of_task("joint", "slots"):
        rows = sorted(found.runs[run]["report"]["per_slot"], key=lambda row: (row["f1"], row["label"]))
        drawn[f"slots-{run}"] = charts.slots(run, [{k: row[k] for k in ("label", "f1", "support")} for row in rows])
        chart = _chart(f"slots-{run}", f"{run}: worst first; the number is how often the slot stands in test.")
        columns = {"label": "label", "f1": "F1", "precision": "precision", "recall": "recall", "support": "in test"}
        table = _folded("As a table", page.table(rows, columns))
        parts.append(_folded(run, chart + table, not parts))
    return "\n".join(parts) or page.text("No run finds slots.")


def errors(found: Found, drawn: Charts) -> str:
    """Counts by kind; the sentences themselves are shown by the page's script."""
    rows = [
        {"run": run} | {kind: of.get(kind, 0) for kind in mistakes.KINDS} for run, of in found.facts["mistakes"].items()
    ]
    meant = "".join(f"<dt>{escape(kind)}</dt><dd>{escape(told)}</dd>" for kind, told in mistakes.KINDS.items())
    return "\n".join(
        [
            page.table(rows, {"run": "mistakes on test"} | {kind: kind for kind in mistakes.KINDS}),
            _folded("What the kinds mean", f"<dl>{meant}</dl>"),
            '<div id="errors"></div>',
            "<noscript><p>The sentences need JavaScript; they stand in data/predictions too.</p></noscript>",
        ]
    )


def sure(found: Found, drawn: Charts) -> str:
    """Reliability and expected calibration error."""
    rows = [
        {"run": run, "of": name, **of}
        for run, named in found.facts["calibration"].items()
        for name, of in named.items()
    ]
    if not rows:
        return page.text("No run gives probabilities.")
    drawn["reliability"] = charts.reliability(
        [{"of": f"{row['run']}, {row['of']}"} | one for row in rows for one in row["bins"]]
    )
    columns = {"run": "run", "of": "of", "count": "predictions", "expected_error": "expected calibration error"}
    return "\n".join(
        [
            page.text(
                "Of the predictions given a probability of 0.9, nine in ten should be right: then a line lies on the "
                "diagonal. The expected calibration error is the mean distance from it, over ten bins, weighted "
                "by how many fall into each."
            ),
            _chart("reliability", "Share right by the probability given, in ten bins."),
            page.table(rows, columns),
            _folded("The bins", page.table(drawn["reliability"]["data"]["values"], BINS)),
        ]
    )


def questions(found: Found, drawn: Charts) -> str:
    """What was answered and what refused."""
    names = ("span_f1", "exact_match", "f1", "answerable_f1", "unanswerable_accuracy")
    rows = [{"run": run} | {name: found.runs[run]["report"].get(name) for name in names} for run in found.of_task("qa")]
    parts = [
        page.table(
            rows,
            {
                "run": "run",
                "span_f1": "span F1",
                "exact_match": "exact match",
                "f1": "F1",
                "answerable_f1": "F1, answerable",
                "unanswerable_accuracy": "rightly refused",
            },
        )
    ]
    for run in found.of_task("qa"):
        counted = pairs(found.confusions[run])
        columns = {"actual": "the question is", "predicted": "the model gives", "count": "questions", "share": "share"}
        parts.append(_folded(f"{run}: answered and refused", page.table(counted, columns), run == rows[0]["run"]))
    parts.append(_folded("What no span answers", markdown(found.pages["limits"])))
    parts.append(_folded("BERT and GPT-2 side by side", markdown(found.pages["bert_gpt"])))
    return "\n".join(parts)


def written(found: Found, drawn: Charts) -> str:
    """What GPT-2 wrote, by strategy, with its figures."""
    strategies = found.metrics["generation"]["strategies"]
    names = ("self_bleu", "intent_recognised", "novel")
    rows = [
        {"strategy": strategy} | {name: of[name] for name in names}
        for strategy, of in strategies.items()
        if of["intent_recognised"] is not None
    ]
    parts = [_folded("Figures", markdown(found.pages["generation"]), True)]
    if rows:
        drawn["strategies"] = charts.strategies(rows)
        told = "Each strategy. Further left: more varied. Further up: more often the intent asked for."
        parts.insert(0, _chart("strategies", told))
    for strategy in strategies:
        shown: dict[str, dict[str, None]] = {}
        for sample in found.samples:
            if sample["strategy"] == strategy:
                shown.setdefault(sample["intent"], {})[sample["text"]] = None
        rows = [
            {"intent": intent, "text": text or "(empty)"}
            for intent, texts in shown.items()
            for text in [*texts][:SHOWN]
        ]
        parts.append(_folded(f"Written by {strategy}", page.table(rows, {"intent": "intent", "text": "text"})))
    return "\n".join(parts)


def lessons(found: Found, drawn: Charts) -> str:
    """Each lesson with its question, its first picture and a link."""
    cards = [
        f'<article><h3><a href="../lessons/{escape(name)}/index.html">{escape(name)}</a></h3>'
        f"<p>{question(html)}</p>{first_picture(html)}</article>"
        for name, html in found.lessons.items()
    ]
    return "\n".join(['<p><a href="lessons.html">The way through them</a></p>', *cards])


def again(found: Found, drawn: Charts) -> str:
    """How to make it all anew."""
    return "\n".join(
        [
            page.text(
                "`git log -1 -- dvc.lock` names the commit that this page belongs to, once dvc.lock is committed: "
                "it holds its checksum "
                "beside those of all data, code and params."
            ),
            f"<pre>{escape(AGAIN)}</pre>",
        ]
    )


# anchor -> heading and what makes it
SECTIONS = {
    "run": ("What was run", made_of),
    "results": ("Results", results),
    "curves": ("Learning curves", curves),
    "intents": ("Intents confused", confused),
    "slots": ("Slots", slots),
    "errors": ("Errors", errors),
    "sure": ("How sure the models are", sure),
    "questions": ("Questions answered and refused", questions),
    "gpt2": ("What GPT-2 wrote", written),
    "lessons": ("Lessons", lessons),
    "again": ("Reproduce it", again),
}


def markdown(text: str) -> str:
    """A page of another stage as HTML, one level of headings lower, without its title; tables scroll by themselves."""
    html = MARKDOWN.render(text.partition("\n")[2] if text.startswith("# ") else text)
    html = html.replace("<h2>", "<h3>").replace("</h2>", "</h3>")
    return html.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")


def as_text(value: Any) -> str:
    """A value of params.yaml as a reader wants it."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _chart(name: str, caption: str) -> str:
    return (
        f'<figure><div class="chart" id="chart-{escape(name)}" data-chart="{escape(name)}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _folded(title: str, content: str, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{escape(title)}</summary>\n{content}\n</details>"
