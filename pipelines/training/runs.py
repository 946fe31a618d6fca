"""One training run from the split to its folder: train, then write the model, its card and its curves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core import files, processes
from pipelines.data import parquet
from pipelines.models.options import Card, Run
from pipelines.models.precision import chosen
from pipelines.models.task import Task
from pipelines.training import checkpoints, monitor, trainer
from pipelines.training.model_card import model_card


@dataclass(frozen=True)
class Origin:
    """What a model comes from: the corpus (`Data.name`), the base model by name, and whether that was adapted."""

    source: str
    base: str
    adapted: bool = False


@dataclass(frozen=True)
class Places:
    """Folders that runs are written to, each under its name; `monitor` is not DVC's, as its content differs."""

    models: Path
    plots: Path
    monitor: Path


def train(name: str, task: Task, base: Path, splits: Path, options: Run, tokenizer: Any) -> trainer.Trained:
    """Train the model in `base` for `task` on `splits`; `name` tells unfinished runs apart."""
    rows, validation = parquet.Rows(splits / "train.parquet"), parquet.read(splits / "validation.parquet")
    teachers = []
    if task.teach:
        for number in range(options.teachers):
            of = options.model_copy(update={"teachers": 0, "seed": options.seed + 1000 * (number + 1)})
            teachers.append(train(f"{name}-teacher-{number + 1}", task, base, splits, of, tokenizer).model)
    trainer.seed(options.seed)
    model = task.build(base, rows, options)
    inputs = [path for path in base.iterdir() if path.is_file() and path.suffix != ".md"]
    unfinished = checkpoints.keyed(
        name,
        [options.model_dump_json(), chosen(options.precision), *(["in parts"] if processes.in_parts() else [])],
        [*inputs, *splits.glob("*.parquet")],
        [__name__, task.build.__module__],
    )
    with checkpoints.locked(unfinished) as folder:
        return trainer.train(task, options, model, tokenizer, rows, validation, folder, teachers)


def save(
    run: str, origin: Origin, card: Card, options: Run, tokenizer: Any, trained: trainer.Trained, places: Places
) -> None:
    """Write the folder of the model, `training.json` in it, and its curves."""
    if processes.rank():
        return
    with files.whole(places.models / run) as folder:
        trained.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        facts = {"run": run, "source": origin.source, "task": options.task, "mode": options.mode} | trained.facts
        files.write_json(folder / "training.json", facts)
        text = model_card(run, origin.source, origin.base, origin.adapted, card, options, trained.facts)
        files.write_text(folder / "README.md", text)
    for name, curve in (("train", trained.train_curve), ("validation", trained.validation_curve)):
        files.write_csv(places.plots / run / f"{name}.csv", curve, list(curve[0]))
    if trained.device_use:
        files.write_csv(places.monitor / f"{run}.csv", trained.device_use, list(trained.device_use[0]))
        with files.whole(places.monitor / f"{run}.svg") as picture:
            monitor.draw(trained.device_use, run, picture)
