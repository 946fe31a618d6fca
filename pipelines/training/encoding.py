"""From rows to the features of a training, which lie in files beside its checkpoints and are read from there."""

import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipelines.core import processes
from pipelines.data.utterances import Utterance, some_at_once
from pipelines.models.features import Features, write
from pipelines.models.inference import predict
from pipelines.models.options import Run
from pipelines.models.task import Task
from pipelines.training import pool, shares

MANY = 100_000  # rows, from which on processes that share them save more than they take to start


def encoded(
    task: Task,
    options: Run,
    model: Any,
    tokenizer: Any,
    train_rows: Collection[Utterance],
    validation_rows: Collection[Utterance],
    folder: Path,
    teachers: Sequence[Any] = (),
) -> tuple[Run, Features, int]:
    """Encode what training and validation read, unless it lies in `folder` already.

    Returns:
        the options fitted to how many features an epoch has; all features, those of train first, once for each epoch
        where epochs differ; and how many are those of train.
    """

    def made(name: str, rows: Collection[Utterance], epoch: int | None = None) -> Path:
        path = folder / f"{name}.arrow"
        while processes.rank() and not path.exists():  # for minutes, longer than processes wait for each other
            time.sleep(0.2)
        if not path.exists():
            write(path, of_rows(task, options, model, tokenizer, rows, epoch, teachers), task.labels)
        shares.wait_for_all()
        return path

    if not processes.rank():
        for left in folder.glob(".unfinished-*"):  # of one that was killed
            shutil.rmtree(left, ignore_errors=True)
    folder = shares.from_first(folder)
    paths = [made("train-1", train_rows, 0)]
    options = options.fitted(len(Features.of(paths)))
    if task.epochs_differ(options):
        paths += [made(f"train-{epoch + 1}", train_rows, epoch) for epoch in range(1, options.epochs)]
    count = len(Features.of(paths))
    if validation_rows:
        paths.append(made("validation", validation_rows))
    return options, Features.of(paths), count


def of_rows(
    task: Task,
    options: Run,
    model: Any,
    tokenizer: Any,
    rows: Collection[Utterance],
    epoch: int | None,
    teachers: Sequence[Any] = (),
) -> Iterator[list[dict[str, Any]]]:
    """Features of `rows`, some at a time; as `epoch` of training shows them, or as validation does where it is None.

    `MANY` rows and more are shared by as many processes as torch has threads.
    """
    training, before = epoch is not None, 0
    count = torch.get_num_threads() * processes.here() if len(rows) >= MANY else 1  # the other ranks wait
    known = model if count < 2 else _without_weights(model)
    encode = partial(task.encode, tokenizer=tokenizer, model=known, options=options, training=training)
    lists = some_at_once(task.shown(rows, options, epoch) if training else rows)
    for some, features in pool.mapped(encode, lists, count, [__name__, task.encode.__module__]):
        if teachers and training:
            task.teach(features, [predict(one, features, task.outputs, options.precision) for one in teachers])
        for feature in features:
            if "row" in feature:
                feature["row"] += before
        yield features
        before += len(some)


def _without_weights(model: Any) -> Any:
    """What `encode` reads of a model, small enough to send to other processes."""
    with torch.device("meta"):
        return type(model)(model.config)
