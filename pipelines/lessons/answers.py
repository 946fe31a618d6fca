"""Point at the answer, or write it?"""

from itertools import chain
from random import Random
from typing import Any

from pydantic import Field
from scipy.stats import binomtest

from pipelines.analysis import answering
from pipelines.analysis.answering import KINDS, Question
from pipelines.core.blocks import Block
from pipelines.data import drawing
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName, Sentence
from pipelines.models import loading
from pipelines.training import trainer

VARY = """
dvc exp run -S 'lessons.answers.shape={width: 192, layers: 2, heads: 6}' lesson@answers
dvc exp run -S lessons.answers.utterances=8000 lesson@answers   # does GPT-2 learn to copy?
dvc exp run -S 'lessons.answers.own=[{text: play so what by miles davis, question: "Which track?"}]' lesson@answers
"""
WAYS = {"bert": "BERT points", "gpt2": "GPT-2 writes", "commonest": "commonest answer"}
TASKS = {"bert": answering.POINTING, "gpt2": answering.WRITING}
GROUPS = {
    "BERT alone is right": (True, False),
    "GPT-2 alone is right": (False, True),
    "both are right": (True, True),
    "neither is right": (False, False),
}
SHOWN = 3  # cases of each kind in each group
COUNTED = 50  # questions of test whose multiply-adds are counted
CONFIDENCE = 0.95


class Own(Block):
    """A question of one's own on a text of one's own."""

    text: Sentence
    question: Sentence


class Options(LessonOptions):
    """Whose tokens, the size of both models, how and on how much both are trained, and what else they are asked."""

    tokenizer: ModelName
    shape: answering.Shape
    training: answering.Training
    utterances: int = Field(gt=0)
    validation: int = Field(gt=0)
    own: list[Own] = Field(default_factory=list)


def measure(options: Options, materials: Materials) -> Measured:
    """Share of right answers of each way, by kind of question; what both cost; cases side by side."""
    seed = options.training.seed
    tokenizer = loading.load_tokenizer(materials.find("tokenizer", options.tokenizer, "gpt2"))
    parts = {
        "train": drawing.some(materials.rows("train"), options.utterances, seed),
        "validation": drawing.some(materials.rows("validation"), options.validation, seed),
        "test": materials.rows("test"),
    }
    asked = {part: answering.questions(rows, seed) for part, rows in parts.items()}
    own = [Question(id="", kind="own", answer="", start=0, end=0, **one.model_dump()) for one in options.own]
    positions, tokens = answering.longest([*chain(*asked.values()), *own], tokenizer)
    trainer.seed(seed)
    models = dict(zip(TASKS, answering.build(options.shape, tokenizer, positions), strict=True))
    best, steps = {}, 0
    for name, task in TASKS.items():
        trained = trainer.train(
            task, options.training, models[name], tokenizer, asked["train"], asked["validation"], materials.checkpoints
        )
        models[name], best[name] = trained.model, trained.facts["best_epoch"]
        steps = trained.facts["epochs"] * -(-len(asked["train"]) // trained.facts["batch_size"])  # of both
    test = asked["test"]
    counted = Random(seed).sample(test, min(COUNTED, len(test)))
    said = _said(models, tokenizer, [*test, *own], tokens)
    said["commonest"] = answering.commonest(asked["train"], test)
    known = {row["answer"].lower() for row in asked["train"]}
    rows = [
        {key: row[key] for key in ("kind", "text", "question", "answer")}
        | {"in_training": row["answer"].lower() in known}
        | {way: answers[n] for way, answers in said.items()}
        | {f"{way}_right": answering.same(answers[n], row["answer"]) for way, answers in said.items()}
        for n, row in enumerate(test)
    ]
    facts = {
        "tokenizer": options.tokenizer,
        "vocabulary": len(tokenizer),
        "shape": options.shape.model_dump(),
        "questions": {part: len(of) for part, of in asked.items()},
        "steps": steps,
        "best_epochs": best,
        "weights": {name: model.num_parameters() for name, model in models.items()},
        "million_multiply_adds": answering.work(models["bert"], models["gpt2"], tokenizer, counted, tokens),
        "counted": len(counted),
        "right": _right(rows),
        "cases": _cases(Random(seed).sample(rows, len(rows))),
        "own": [
            {"text": one["text"], "question": one["question"]} | {name: said[name][len(test) + n] for name in TASKS}
            for n, one in enumerate(own)
        ],
    }
    return Measured(facts, {"test": rows}, models={name: (model, tokenizer) for name, model in models.items()})


def _said(models: dict[str, Any], tokenizer: Any, rows: list[Question], tokens: int) -> dict[str, list[str]]:
    """The answers of both models."""
    return {
        "bert": answering.point(models["bert"], tokenizer, rows),
        "gpt2": answering.write(models["gpt2"], tokenizer, rows, tokens),
    }


def _right(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Share of right answers with its 95 % interval (Wilson 1927), by kind; those for extraction by whether train had
    the answer, to whatever question."""
    result = []
    for kind in KINDS:
        for in_training in (True, False) if kind == "extraction" else (None,):
            chosen = [row for row in rows if row["kind"] == kind and in_training in (None, row["in_training"])]
            if not chosen:
                continue
            found: dict[str, Any] = {"kind": kind, "in_training": in_training, "questions": len(chosen)}
            for way in WAYS:
                count = sum(row[f"{way}_right"] for row in chosen)
                interval = binomtest(count, len(chosen)).proportion_ci(CONFIDENCE, method="wilson")
                found |= {way: count / len(chosen), f"{way}_low": interval.low, f"{way}_high": interval.high}
            result.append(found)
    return result


def _cases(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of these questions of each kind on which the ways part, and on which they do not."""
    return [
        {"group": group} | {key: row[key] for key in ("kind", "text", "question", "answer", "bert", "gpt2")}
        for group, (bert, gpt2) in GROUPS.items()
        for kind in KINDS
        for row in [
            row for row in rows if row["kind"] == kind and (row["bert_right"], row["gpt2_right"]) == (bert, gpt2)
        ][:SHOWN]
    ]


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The calls load what this lesson trained, and no other model."""
    return {}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    right = [row | {"asked": _asked(row)} for row in facts["right"]]
    drawn = pictures.bars(
        {row["asked"]: {title: row[way] for way, title in WAYS.items()} for row in right}, "share answered right, test"
    )
    questions, shape, weights, work = (facts[key] for key in ("questions", "shape", "weights", "million_multiply_adds"))
    shown = [
        row | {way: page.interval(row[way], row[f"{way}_low"], row[f"{way}_high"]) for way in WAYS} for row in right
    ]
    sizes = [
        {"model": WAYS[name], "weights": weights[name], "work": work[name], "epoch": facts["best_epochs"][name]}
        for name in TASKS
    ]
    asked = {"text": "text", "question": "question"}
    both = {"bert": "BERT points at", "gpt2": "GPT-2 writes"}
    body = [
        page.heading("Which way answers what"),
        page.picture(drawn, f"Share of {questions['test']:,} test questions that are answered right, by kind."),
        page.table(shown, {"asked": "questions", "questions": "count"} | WAYS),
        page.text(
            "Right is the whole answer, but for case. In brackets the interval that so many questions leave. The "
            "last column answers each question with its commonest answer in train, and reads nothing; what is not "
            "above it shows no reading. Where the answer does not stand in the text, BERT can only refuse; outside "
            "extraction, questions whose answer happens to stand there are not asked."
        ),
        page.heading("Of one size, and at what work"),
        page.table(
            sizes,
            {"model": "model", "weights": "weights", "work": "million multiply-adds a question", "epoch": "best epoch"},
        ),
        page.text(
            f"Both have {shape['layers']} layers of width {shape['width']} with {shape['heads']} heads, the "
            f"{facts['vocabulary']:,} tokens of {facts['tokenizer']}, random weights at first, and "
            f"{facts['steps']:,} steps on the same {questions['train']:,} questions; the epoch is chosen on "
            f"{questions['validation']:,} others. BERT runs once for a question; GPT-2 once for the text and once "
            "more for each token that it writes, over what it keeps of the earlier ones (counted by PyTorch, mean of "
            f"{facts['counted']} questions)."
        ),
        page.heading("Case by case"),
        page.table(facts["cases"], {"group": "who", "kind": "kind"} | asked | {"answer": "right"} | both),
    ]
    if facts["own"]:
        body += [page.heading("Own questions"), page.table(facts["own"], asked | both)]
    return page.Page(body=body, vary=VARY, pictures={"right": drawn})


def _asked(row: dict[str, Any]) -> str:
    """The kind of question in words."""
    told = f"{row['kind']}: {KINDS[row['kind']]}"
    return told if row["in_training"] is None else f"{told}, and {'' if row['in_training'] else 'never '}in training"
