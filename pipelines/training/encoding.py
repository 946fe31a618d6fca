"""From rows to the features of a training, which lie in files beside its checkpoints and are read from there."""

import gc
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core import processes
from pipelines.data.utterances import Utterance, some_at_once
from pipelines.models.features import Features, write
from pipelines.models.inference import predict
from pipelines.models.options import Run
from pipelines.models.task import Task
from pipelines.training import shares


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
            with _no_cycles_sought():
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


@contextmanager
def _no_cycles_sought() -> Iterator[None]:
    """Within, Python does not go through all features again and again for cycles, of which they have none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def of_rows(
    task: Task,
    options: Run,
    model: Any,
    tokenizer: Any,
    rows: Collection[Utterance],
    epoch: int | None,
    teachers: Sequence[Any] = (),
) -> Iterator[list[dict[str, Any]]]:
    """Features of `rows`, some at a time; as `epoch` of training shows them, or as validation does where it is None."""
    training, before = epoch is not None, 0
    for some in some_at_once(task.shown(rows, options, epoch) if training else rows):
        features = task.encode(some, tokenizer, model, options, training=training)
        if teachers and training:
            task.teach(features, [predict(one, features, task.outputs, options.precision) for one in teachers])
        for feature in features:
            if "row" in feature:
                feature["row"] += before
        yield features
        before += len(some)
