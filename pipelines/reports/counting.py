"""What each utterance adds to each metric of a model: whether its intent and its frame are right, and its spans."""

from typing import Any

from pipelines.data.utterances import Utterance
from pipelines.models import inference
from pipelines.models.options import Precision
from pipelines.models.task import Task
from pipelines.reports.differences import Counts, measured


def counts(task: Task, model: Any, tokenizer: Any, rows: list[Utterance], precision: Precision) -> dict[str, Counts]:
    """What each utterance adds to each metric of a run (see `differences.measured`)."""
    return counted(task, inference.predictions(task, model, tokenizer, rows, precision), rows)


def counted(task: Task, predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Counts]:
    """The same of what a run said of each row."""
    return measured(
        [
            row
            | {"right": task.is_right(prediction, row)}
            | {f"predicted_{name}": prediction[name] for name in ("intent", "slots", "answers") if name in prediction}
            for row, prediction in zip(rows, predictions, strict=True)
        ]
    )
