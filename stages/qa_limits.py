"""Ask a qa run what no extractive model can answer; and what its F1 owes to who chooses the questions."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.core.markdown import plain
from pipelines.core.provenance import described
from pipelines.data.source import Data
from pipelines.reports.reading import read_yaml
from pipelines.tasks.qa import squad

QUESTIONS = Path("data/qa_limits.yaml")
MODELS = Path("data/models")
SPLITS = Path("data/splits")
RUNS = Path("data/runs")
REPORT = Path("metrics/qa_limits.json")
PAGE = Path("data/limits")
WHY = {
    "counting": "points at words, where the number stands nowhere",
    "paraphrase": "points at words, where the answer has none of its own in the text",
    "two spans": "one span, where the answer lies in two",
    "yes or no": "points at words, where the answer is yes or no",
}


def qa_limits() -> None:
    """Make metrics/qa_limits.json and the Markdown page data/limits/qa.md."""
    run, intent = blocks.load("qa_limits.run", blocks.RunName), blocks.load("qa_limits.intent", blocks.RunName)
    there = _there(run)
    cases = _asked(run) if there else []
    choosers = _choosers(run, intent if _there(intent) else None) if there else []
    answered = sum(bool(case["answer"]) for case in cases)
    source = blocks.load("data", Data).name
    report = {"source": source, "questions": len(cases), "answered": answered, "cases": cases, "choosers": choosers}
    absent = [f"params.yaml has no run `{name}`" for name in (run, intent) if not _there(name)]
    files.write_details(REPORT, report | ({"absent": absent} if absent else {}))
    for line in absent:
        print(f"qa_limits: {line}")
    with files.whole(PAGE) as folder:
        folder.mkdir()
        files.write_text(folder / "qa.md", _page(run, source, cases, choosers) if there else f"{absent[0]}.\n")


def _there(run: str) -> bool:
    return files.read_json(RUNS / f"{run}.json")["files"] is not None


def _choosers(run: str, intent: str | None) -> list[dict[str, Any]]:
    """Span F1 by who chooses the questions: the gold intent, that which the run `intent` predicts, or nobody."""
    from pipelines.analysis import asking
    from pipelines.data import parquet
    from pipelines.models import inference, loading
    from pipelines.models.precision import as_trained
    from pipelines.tasks.intent.task import TASK as INTENT
    from pipelines.tasks.qa.task import TASK as QA

    found = []
    model, tokenizer = loading.load_model(QA.auto_class, MODELS / run), loading.load_tokenizer(MODELS / run)
    judge = loading.load_model(INTENT.auto_class, MODELS / intent) if intent else None
    for part in ("validation", "test"):
        rows = parquet.read(SPLITS / f"{part}.parquet")
        predicted = None
        if judge:
            parts = judge, loading.load_tokenizer(MODELS / intent), rows, as_trained(MODELS / intent)
            read = inference.predictions(INTENT, *parts)
            predicted = [one["intent"] for one in read]
        found.append(asking.ask(model, tokenizer, rows, predicted, as_trained(MODELS / run)))
    return asking.by_chooser(*found)


def _asked(run: str) -> list[dict[str, str]]:
    """The cases with the model's answer, and why it is wrong."""
    from pipelines.tasks.qa import task as qa

    cases = _cases()
    ask = qa.pipeline(MODELS / run)
    for case in cases:
        case["answer"] = ask(case["question"], case["text"])["answer"]
        case["why"] = _why(case)
    return cases


def _cases() -> list[dict[str, str]]:
    cases = read_yaml(QUESTIONS)
    for number, case in enumerate(cases if cases and isinstance(cases, list) else [None]):
        whole = isinstance(case, dict) and set(case) == {"kind", "text", "question", "right"}
        if not whole or not all(isinstance(value, str) for value in case.values()) or case["kind"] not in WHY:
            raise InputError(
                f"{QUESTIONS}: entry {number}: needs kind ({', '.join(WHY)}), text, question and right as text; mend it"
            )
    return cases


def _why(case: dict[str, str]) -> str:
    """Why the model's answer cannot be right, from what it answered."""
    if not case["answer"]:
        return "refused, as no span of the text answers it"
    if squad.exact_match(case["answer"], case["right"]):
        return "right after all: a span of the text happens to say it"
    return WHY[case["kind"]]


def _page(run: str, source: str, cases: list[dict[str, str]], choosers: list[dict[str, Any]]) -> str:
    data = described(source)
    lines = [f"What `{run}` (trained on {data}) answers to questions that no single span answers.", ""]
    lines += ["| kind | text | question | right | model's answer | why it is wrong |", "| --- " * 6 + "|"]
    lines += [
        f"| {c['kind']} | {plain(c['text'])} | {plain(c['question'])} | {plain(c['right'])} "
        f"| {plain(c['answer']) or '(refused)'} | {c['why']} |"
        for c in cases
    ]
    lines += [
        "",
        "Who chooses the questions on test. A tagger is told no intent, so its F1 stands beside that of nobody,",
    ]
    lines += ["who asks everything; the margin that an answer needs is chosen on validation.", ""]
    lines += ["| chosen by | questions | answered | span F1 |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {c['chosen_by']} | {c['questions']:,} | {c['answered']:,} | {c['span_f1']:.4f} |" for c in choosers]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command(qa_limits, computes=True)
