"""Who chooses the questions: the gold intent, a predicted one, or nobody; and what each leaves of the answers."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.data.utterances import Utterance
from pipelines.models.inference import predict
from pipelines.models.options import Precision
from pipelines.reports.differences import Counts, micro_f1, packed
from pipelines.tasks.qa import squad
from pipelines.tasks.qa import task as qa

GOLD, PREDICTED, NOBODY = "gold intent", "predicted intent", "nobody"


@dataclass(frozen=True)
class Part:
    """Rows with all that a model points at in them: by label the best span, sure or not, and its margin.

    `asked` says, by who chooses the questions, which labels each row is asked for.
    """

    rows: list[Utterance]
    answers: list[dict[str, dict[str, Any]]]
    asked: dict[str, list[set[str]]]


def ask(
    model: Any, tokenizer: Any, rows: list[Utterance], predicted: list[str] | None, precision: Precision = "auto"
) -> Part:
    """Ask each row for every label that the model knows; `predicted` is an intent a row, or there is none."""
    unlabelled = [{"id": row["id"], "text": row["text"]} for row in rows]  # so it is asked everything
    features = qa.encode(unlabelled, tokenizer, model)
    answers: list[dict[str, dict[str, Any]]] = [{} for _ in rows]
    for n, answer in qa.spans(predict(model, features, qa.OUTPUTS, precision), features, unlabelled):
        answers[n][answer["label"]] = answer
    of_intent: dict[str, set[str]] = defaultdict(set, {name: set(of) for name, of in model.config.asked.items()})
    asked = {GOLD: [of_intent[row["intent"]] | {slot["label"] for slot in row["slots"]} for row in rows]}
    if predicted is not None:
        asked[PREDICTED] = [of_intent[intent] for intent in predicted]
    return Part(rows, answers, asked | {NOBODY: [set(model.config.questions)] * len(rows)})


def by_chooser(validation: Part, test: Part) -> list[dict[str, Any]]:
    """For each that may choose the questions: how many test asks, and micro F1 of the spans (label, start, end).

    Which utterances of test are `not_whole` in that F1 is kept too, see `pipelines.reports.differences.packed`.

    The gold intent knows most: its questions are those of `evaluate`. A tagger is told nothing, so its F1 is to be set
    beside that of nobody, who asks everything. Slots that are not asked for are missed. From which margin on an answer
    is given is chosen for each on validation.
    """
    found = []
    for chooser in test.asked:
        chosen = _chosen(validation, chooser)
        margins = np.array([answer["margin"] for answer, _ in chosen])
        right = np.array([qa.is_gold(answer, row) for answer, row in chosen])
        threshold = squad.best_threshold(margins, right, _slots(validation))
        chosen = _chosen(test, chooser)
        given = [(answer, row) for answer, row in chosen if answer["margin"] >= threshold]
        counts = _counts(test.rows, given)
        found.append(
            {"chosen_by": chooser, "questions": len(chosen), "answered": len(given), "threshold": threshold}
            | {"span_f1": float(micro_f1(counts.sum(axis=0))), "not_whole": packed(counts)}
        )
    return found


def _counts(rows: list[Utterance], given: list[tuple[dict[str, Any], Utterance]]) -> Counts:
    """Right, predicted and gold spans of each row, in the order of their ids."""
    of = {row["id"]: [0, 0, len(row["slots"])] for row in sorted(rows, key=lambda row: row["id"])}
    for answer, row in given:
        of[row["id"]][0] += qa.is_gold(answer, row)
        of[row["id"]][1] += 1
    return np.array(list(of.values()), dtype=int)


def _chosen(part: Part, chooser: str) -> list[tuple[dict[str, Any], Utterance]]:
    """The answers to the questions that are asked, each with its row."""
    return [
        (answer, row)
        for row, answers, labels in zip(part.rows, part.answers, part.asked[chooser], strict=True)
        for label, answer in answers.items()
        if label in labels
    ]


def _slots(part: Part) -> int:
    return sum(len(row["slots"]) for row in part.rows)
