"""One size of the benchmark of 2017: train on few utterances per intent, several draws, and score on `validate`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.data.source import PUBLISHED, SAMPLE, Data
from pipelines.data.utterances import Utterance
from pipelines.models import inference
from pipelines.models import task as tasks
from pipelines.models.options import Run
from pipelines.reports import benchmark_2017, on_demand
from pipelines.training import trainer

RAW = Path("data/raw")
CORPUS = Path("data/corpus")
BASE = Path("data/models/base-encoder")
REPORTS = Path("metrics/on_demand")
CHOSEN = ("learning_rate", "epochs")  # options that each size chooses on what is held out of its draws


def few_shot(size: str) -> None:
    """Make metrics/on_demand/few_shot-<size>.json."""
    source = blocks.load("data", Data).name
    if source not in (PUBLISHED, SAMPLE):
        raise InputError(
            f"few_shot: the benchmark of 2017 is on SNIPS alone, and data.source is {source}; leave it out"
        )
    key = f"few_shot.sizes.{size}"
    drawn_by, options = on_demand.few_shot_size(blocks.raw(f"few_shot.sizes.{size}"), key)
    choice = blocks.load("few_shot.choice", on_demand.Choice)
    test = parquet.read(CORPUS / "validate.parquet")
    drawn, removed = benchmark_2017.draws(RAW, CORPUS, drawn_by.per_intent, drawn_by.draws, options.seed, key)
    tried: list[dict[str, Any]] = []

    def attempt(changed: Run) -> None:
        """Note how well these options do on what is held out of each draw."""
        scores = [_on_held_out(rows, n, changed, choice.held_out) for n, rows in enumerate(drawn)]
        tried.append(changed.model_dump(include={*CHOSEN}) | {"held_out": mean(scores)})

    def best() -> Run:
        """The options that did best so far."""
        one = max(tried, key=lambda one: one["held_out"])
        return options.model_copy(update={name: one[name] for name in CHOSEN})

    for rate in choice.learning_rates:
        attempt(options.model_copy(update={"learning_rate": rate}))
    at_best_rate = best()
    for epochs in drawn_by.other_epochs:
        attempt(at_best_rate.model_copy(update={"epochs": epochs}))
    chosen = best()
    draws = [
        {"train_utterances": len(rows)} | _scores(options.task, _trained(rows, n, chosen)(test), test)
        for n, rows in enumerate(drawn)
    ]
    metric = "accuracy" if options.task == "intent" else "slot_f1"
    values = [draw[metric] for draw in draws]
    report = {
        "source": source,
        "split": "validate",
        "task": options.task,
        "per_intent": drawn_by.per_intent,
        "made_from": on_demand.made_from_size(
            drawn_by,
            options,
            choice,
            benchmark_2017.CODE,
            encoder=blocks.load("encoder", dict),
            threads=blocks.load("threads", blocks.Threads),
        ),
        "removed_from_pool": removed,
        "tried": tried,
        **{name: getattr(chosen, name) for name in CHOSEN},
        metric: mean(values),
        "sd": stdev(values) if len(values) > 1 else None,
        "draws": draws,
    }
    files.write_details(REPORTS / f"few_shot-{size}.json", report)


def _on_held_out(rows: list[Utterance], number: int, options: Run, share: float) -> float:
    """The headline metric on a share of the draw that training did not see; `validate` plays no part in it."""
    kept, held = benchmark_2017.held_out(rows, share, f"{options.seed}/{number}/held out")
    task = tasks.get(options.task)
    return task.score(_trained(kept, number, options)(held), held)[task.best]


def _scores(task: str, predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Any]:
    if task == "intent":
        return {"accuracy": tasks.get(task).score(predictions, rows)["accuracy"]}
    return benchmark_2017.mean_slot_f1(predictions, rows)


def _trained(rows: list[Utterance], number: int, options: Run) -> Callable[[list[Utterance]], Any]:
    """What predicts after training on `rows`; the last epoch is kept, as there is no validation."""
    task = tasks.get(options.task)
    tokenizer = task.tokenizer(BASE, options)
    options = options.model_copy(update={"seed": options.seed + number})
    trainer.seed(options.seed)
    model = task.build(BASE, rows, options)
    with tempfile.TemporaryDirectory() as unfinished:
        trained = trainer.train(task, options, model, tokenizer, rows, [], Path(unfinished) / "run")
    return lambda asked: inference.predictions(task, trained.model, tokenizer, asked, options.precision)


if __name__ == "__main__":
    command(few_shot, computes=True, trains=True)
