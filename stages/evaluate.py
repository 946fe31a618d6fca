"""Evaluate one trained run on the test partition: metrics, confusion plot, and predictions with the errors first."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import dataset, encoders, files, inference, params, tasks
from stages.command import command

MODELS = Path("data/models")
SPLITS = Path("data/splits")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
SPLIT = "test"


def evaluate(run: str) -> None:
    """Make metrics/<run>.json, metrics/plots/<run>/confusion.csv and data/predictions/<run>."""
    everything = params.load()
    options = params.finetune(everything, run)
    task = tasks.get(options.task)
    rows = dataset.read(SPLITS / f"{SPLIT}.parquet")
    model = encoders.load_model(task.AUTO_CLASS, MODELS / run)
    predictions = inference.predictions(task, model, encoders.load_tokenizer(MODELS / run), rows)
    report = json.loads((MODELS / run / "training.json").read_text(encoding="utf-8"))
    report |= {"split": SPLIT, "protocol": everything.split.protocol} | task.score(predictions, rows)

    files.write_csv(METRICS / "plots" / run / "confusion.csv", task.plots(predictions, rows), ["actual", "predicted"])
    table = [
        {"right": task.is_right(prediction, row)}
        | row
        | {f"predicted_{name}": value for name, value in prediction.items()}
        for prediction, row in zip(predictions, rows, strict=True)
    ]
    table.sort(key=lambda entry: (entry["right"], entry["id"]))
    with files.whole(PREDICTIONS / run) as folder:
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(table), folder / f"{SPLIT}.parquet")
        files.write_json(folder / "metrics.json", report)  # for `summary`, which reads the folder of all runs
    files.write_json(METRICS / f"{run}.json", report)


if __name__ == "__main__":
    command(evaluate)
