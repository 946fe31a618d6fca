"""The same options under several seeds: what `repeat` measures."""

from pathlib import Path
from typing import Any

from pipelines.data import parquet
from pipelines.models import inference
from pipelines.models import task as tasks
from pipelines.models.options import Run
from pipelines.reports.counting import counted
from pipelines.reports.differences import packed
from pipelines.training import runs


def measured(name: str, options: Run, base: Path, splits: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """Train on the encoder in `base` with each seed, and evaluate on test; the models are not kept.

    Returns:
        For each seed its test metrics, those on `validation`, how many `weights` its model has, the ids of what it gets
        `wrong` on test, and for each metric what is `not_whole`, see `differences.packed`.
    """
    task = tasks.get(options.task)
    tokenizer = task.tokenizer(base, options)
    rows = parquet.read(splits / "test.parquet")
    results = []
    for seed in seeds:
        settings = options.model_copy(update={"seed": seed})
        trained = runs.train(f"{name}-{seed}", task, base, splits, settings, tokenizer)
        predictions = inference.predictions(task, trained.model, tokenizer, rows, options.precision)
        scores = {name: value for name, value in task.score(predictions, rows).items() if isinstance(value, float)}
        pairs = zip(rows, predictions, strict=True)
        wrong = sorted(row["id"] for row, prediction in pairs if not task.is_right(prediction, row))
        facts = {"seed": seed} | {of: trained.facts[of] for of in ("validation", "weights")} | {"wrong": wrong}
        facts["not_whole"] = {metric: packed(of) for metric, of in counted(task, predictions, rows).items()}
        results.append(facts | scores)
    return results
