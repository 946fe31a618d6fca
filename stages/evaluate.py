"""Evaluate one trained run on the test partition: metrics, confusion plot, and predictions with the errors first."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data import parquet
from pipelines.data.utterances import AT_ONCE
from pipelines.models import inference, loading
from pipelines.models import task as tasks

MODELS = Path("data/models")
SPLITS = Path("data/splits")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
SPLIT = "test"


def evaluate(run: str) -> None:
    """Make metrics/<run>.json, metrics/plots/<run>/confusion.csv and data/predictions/<run>."""
    options = tasks.run_options(run)
    task = tasks.get(options.task)
    rows = parquet.read(SPLITS / f"{SPLIT}.parquet")
    model = loading.load_model(task.auto_class, MODELS / run)
    predictions = inference.predictions(task, model, loading.load_tokenizer(MODELS / run), rows, options.precision)
    report = json.loads((MODELS / run / "training.json").read_text(encoding="utf-8"))
    protocol = blocks.load("split.protocol", str)
    report |= {"split": SPLIT, "protocol": protocol} | task.score(predictions, rows)

    pairs = task.plots(predictions, rows) if task.plots else []
    files.write_csv(METRICS / "plots" / run / "confusion.csv", pairs, ["actual", "predicted"])
    table = [
        {"right": task.is_right(prediction, row)}
        | row
        | {f"predicted_{name}": value for name, value in prediction.items()}
        for prediction, row in zip(predictions, rows, strict=True)
    ]
    table.sort(key=lambda entry: (entry["right"], entry["id"]))
    weights = {path.name: files.sha256(path) for path in sorted((MODELS / run).glob("*.*"))}
    with files.whole(PREDICTIONS / run) as folder:
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(table), folder / f"{SPLIT}.parquet", row_group_size=AT_ONCE)
        # for `runs`, which reads the folder of all runs
        files.write_json(folder / "run.json", {"headline": task.best, "files": weights, "report": report})
    files.write_details(METRICS / f"{run}.json", report)


if __name__ == "__main__":
    command(evaluate, computes=True)
