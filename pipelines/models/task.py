"""What a task is: one frozen record of plain functions, the same for training, evaluation and new text.

A task is a folder `pipelines/tasks/<name>/`. Its `__init__` loads no torch and holds `Options`, its block of
params.yaml, and `CARD`, what a model card says of it. Its module `task` holds the functions and ends in the record
`TASK`.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core import blocks
from pipelines.core.errors import InputError, shown
from pipelines.models import loading

TASKS = Path(__file__).parents[1] / "tasks"


def _plain(base: Path, options: Any) -> Any:
    return loading.load_tokenizer(base)


def _as_they_are(rows: Any, options: Any, epoch: int) -> Any:
    return rows


@dataclass(frozen=True, eq=False)
class Task:
    """The contract. Rows are utterances (see `pipelines.data.utterances`), but for what `encode` of a task says."""

    name: str
    auto_class: Any  # transformers' class for it, or one of ours with `from_pretrained`
    best: str  # the metric of `score` that chooses the epoch; higher is better
    outputs: dict[str, bool]  # outputs of the model that `decode` reads -> whether they have one entry a token
    labels: dict[str, Any]  # label inputs of the model -> what pads them, None for one value a feature
    build: Callable[..., Any]  # (base, rows, options): folder, train -> model with the task's new layer
    encode: Callable[..., Any]  # (rows, tokenizer, model, options, training): rows -> features, dicts of model inputs
    decode: Callable[..., Any]  # (logits, features, rows, model): logits -> predictions in the corpus's own terms
    score: Callable[..., Any]  # (predictions, rows): -> metrics
    tokenizer: Callable[..., Any] = _plain  # (base, options): what `encode` cuts texts with
    is_right: Callable[..., bool] | None = None  # (prediction, row): whether the whole prediction is right
    plots: Callable[..., Any] | None = None  # (predictions, rows): pairs of actual and predicted, for a confusion
    calibrate: Callable[..., None] | None = None  # (logits, features, rows, model): sets a threshold, on validation
    reduce: Callable[..., Any] | None = None  # (logits, labels): what validation keeps of them, a batch at a time
    epochs_differ: Callable[..., bool] = lambda options: False  # whether epochs show train in different ways, and then
    shown: Callable[..., Any] = _as_they_are  # (rows, options, epoch): the rows of train as an epoch shows them, from 0
    teach: Callable[..., None] | None = None  # (features, logits): adds what teachers say to features of train
    shuffle_batches: bool = False  # batches in random order, where the order by length costs accuracy


# `encode` without `options` is for evaluation and for new text: what a row does not say is left out of its labels.
# Where a row has several features, each has its number under `row`.


def names() -> list[str]:
    """The tasks that there are."""
    return sorted(path.parent.name for path in TASKS.glob("*/task.py"))


def get(name: str) -> Task:
    """The record of a task; `name` is one of `names()`."""
    return importlib.import_module(f"pipelines.tasks.{name}.task").TASK


def offered(name: str) -> Any:
    """The torch-free half of a task: a module with `Options` and `CARD`; `name` is one of `names()`.

    Options of tasks under finetune have `card`, which is `CARD` or what fits those options.
    """
    return importlib.import_module(f"pipelines.tasks.{name}")


def run_options(run: str) -> Any:
    """The options of a run of params.yaml, as its task has them.

    Raises:
        InputError: there is no such run or task, or a key is unknown, missing or out of range.
    """
    blocks.validated(blocks.RunName, run, f"finetune.{run}")
    found = options(blocks.raw(f"finetune.{run}"), f"finetune.{run}")
    if not found.in_finetune:
        known = ", ".join(name for name in names() if offered(name).Options.in_finetune)
        raise InputError(
            f"{blocks.PARAMS}: finetune.{run}.task: {found.task} has a stage of its own; take one of {known}"
        )
    return found


def options(block: Any, path: str) -> Any:
    """A block that names its task, at `path` in params.yaml, as the options of that task.

    Raises:
        InputError: there is no such task, or a key is unknown, missing or out of range.
    """
    if not isinstance(block, dict):
        raise InputError(
            f"{blocks.PARAMS}: {path}: expected a block with a task (got {shown(block, 40)}); mend this key"
        )
    task = block.get("task")
    if task not in names():
        raise InputError(
            f"{blocks.PARAMS}: {path}.task: expected {', '.join(names())} (got {shown(task, 40)}); mend this key"
        )
    kind = offered(task).Options
    for key in block:
        if key not in kind.model_fields:
            of = [name for name in names() if key in offered(name).Options.model_fields]
            if of:
                raise InputError(
                    f"{blocks.PARAMS}: {path}: {key} is an option of the task {', '.join(of)}, this is {task}; "
                    "take it out"
                )
    return blocks.validated(kind, block, path)
