"""Train one run of params.yaml again with other seeds, and evaluate each on test; the models are not kept."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.models import inference, loading
from pipelines.models import task as tasks
from pipelines.models.options import Start
from pipelines.reports import on_demand
from pipelines.training import runs

SPLITS = Path("data/splits")
MODELS = Path("data/models")
REPORTS = Path("metrics/on_demand")


def repeat(run: str) -> None:
    """Make metrics/on_demand/repeat-<run>.json: test metrics of each seed, and what it gets wrong."""
    options = tasks.run_options(run)
    task = tasks.get(options.task)
    split = blocks.load("split", dict)
    start = blocks.load("finetune_from", Start)
    base = MODELS / f"{start}-encoder"
    tokenizer = loading.load_tokenizer(base)
    rows = parquet.read(SPLITS / "test.parquet")
    results: list[dict[str, Any]] = []
    for seed in blocks.load("repeat.seeds", on_demand.Seeds):
        settings = options.model_copy(update={"seed": seed})
        trained = runs.train(f"{run}-{seed}", task, base, SPLITS, settings, tokenizer)
        predictions = inference.predictions(task, trained.model, tokenizer, rows, options.precision)
        scores = {name: value for name, value in task.score(predictions, rows).items() if isinstance(value, float)}
        pairs = zip(rows, predictions, strict=True)
        wrong = sorted(row["id"] for row, prediction in pairs if not task.is_right(prediction, row))
        results.append({"seed": seed, "validation": trained.facts["validation"], "wrong": wrong} | scores)
    report = {
        "run": run,
        "source": blocks.load("data", Data).name,
        "protocol": split["protocol"],
        "split": "test",
        "made_from": on_demand.made_from_run(options, start, blocks.load("encoder", dict), split),
        "seeds": results,
    }
    files.write_details(REPORTS / f"repeat-{run}.json", report)


if __name__ == "__main__":
    command(repeat)
