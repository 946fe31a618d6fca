"""Train one run of params.yaml again with other seeds, and evaluate each on test; the models are not kept."""

from pathlib import Path

from pipelines import dataset, encoders, files, inference, params, tasks
from stages.command import command
from stages.finetune import SPLITS, start, train

REPORTS = Path("metrics/on_demand")


def repeat(run: str) -> None:
    """Make metrics/on_demand/repeat-<run>.json: test metrics of each seed, and what it gets wrong."""
    everything = params.load()
    options = params.finetune(everything, run)
    task = tasks.get(options.task)
    base = start(everything)
    tokenizer = encoders.load_tokenizer(base)
    rows = dataset.read(SPLITS / "test.parquet")
    results = []
    for seed in everything.repeat.seeds:
        trained = train(f"{run}-{seed}", base, options.model_copy(update={"seed": seed}), tokenizer)
        predictions = inference.predictions(task, trained.model, tokenizer, rows)
        scores = {name: value for name, value in task.score(predictions, rows).items() if isinstance(value, float)}
        pairs = zip(rows, predictions, strict=True)
        wrong = sorted(row["id"] for row, prediction in pairs if not task.is_right(prediction, row))
        results.append({"seed": seed, "validation": trained.facts["validation"], "wrong": wrong} | scores)
    report = {
        "run": run,
        "source": everything.data.source,
        "protocol": everything.split.protocol,
        "split": "test",
        "options": params.written_run(everything, options),
        "seeds": results,
    }
    files.write_json(REPORTS / f"repeat-{run}.json", report)


if __name__ == "__main__":
    command(repeat)
