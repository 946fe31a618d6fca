"""How fast and how right a run is as it is, as ONNX and as OpenVINO, whole and with 8-bit integers; on demand."""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import PositiveInt

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.data.utterances import Utterance
from pipelines.models import task as tasks
from pipelines.reports.counting import counted
from pipelines.reports.differences import Counts, difference
from pipelines.serving.exported import Exported
from pipelines.serving.exporting import export
from pipelines.serving.model import Model

MODELS = Path("data/models")
SPLITS = Path("data/splits")
REPORTS = Path("metrics/on_demand")
FORMS = [("onnx", False), ("onnx", True), ("openvino", False), ("openvino", True)]
LOST = ("difference", "low", "high", "p", "beyond_chance")
BULK = 3  # all texts at once, so often in a turn


def latency(run: str) -> None:
    """Make metrics/on_demand/latency-<run>.json. Its seconds are of this machine, and no metric."""
    threads = blocks.load("threads", blocks.Threads)
    rows = parquet.read(SPLITS / "test.parquet")
    texts = [row["text"] for row in parquet.read(SPLITS / "train.parquet")]
    model = Model.load(MODELS / run)
    model.precision = "fp32"
    with tempfile.TemporaryDirectory() as scratch:
        answering: dict[str, Any] = {"torch": model}
        sizes = {"torch": (MODELS / run / "model.safetensors").stat().st_size}
        for kind, int8 in FORMS:
            name = f"{kind}{' int8' if int8 else ''}"
            folder = Path(scratch) / name.replace(" ", "-")
            export(MODELS / run, folder, kind, int8, texts)
            answering[name] = Exported.load(folder, threads)
            sizes[name] = sum(path.stat().st_size for path in folder.glob("model.*"))
        table = measured(answering, rows, model.task, blocks.load("latency.turns", PositiveInt))
    of_torch = table["torch"]
    report = [
        {"form": name, "megabytes": round(sizes[name] / 1e6, 1)}
        | of
        | {"single_share": of["single_p50_ms"] / of_torch["single_p50_ms"]}
        | {"bulk_times": of["texts_a_second"] / of_torch["texts_a_second"]}
        for name, of in table.items()
    ]
    facts = {"run": run, "source": blocks.load("data", Data).name, "threads": threads, "texts": len(rows)}
    files.write_details(REPORTS / f"latency-{run}.json", facts | {"forms": report})


def measured(
    answering: dict[str, Any], rows: list[Utterance], task: tasks.Task, turns: int
) -> dict[str, dict[str, Any]]:
    """For each that answers: median and 99th percentile of milliseconds for a text alone, tokenizer and all; texts a
    second at once; the scores on `rows`; and how far the first lies above it in each metric, paired by utterance.

    Each has its turn `turns` times, so that what else the machine does meets all alike.
    """
    texts = [row["text"] for row in rows]
    alone: dict[str, list[float]] = {name: [] for name in answering}
    bulk: dict[str, list[float]] = {name: [] for name in answering}
    for turn in range(turns):
        for name, answer in answering.items():
            for text in texts[:20]:  # not counted: another's threads were busy a moment ago
                answer(text)
            for text in texts[turn::turns]:
                start = perf_counter()
                answer(text)
                alone[name].append(perf_counter() - start)
            for _ in range(BULK):
                start = perf_counter()
                answer(texts)
                bulk[name].append(len(texts) / (perf_counter() - start))
    table: dict[str, dict[str, Any]] = {}
    first: dict[str, Counts] = {}
    for name, answer in answering.items():
        said = answer(texts)
        scores, counts = task.score(said, rows), counted(task, said, rows)
        first = first or counts
        lost = {of: difference(("first", first[of]), (name, counts[of]), of) for of in counts if table}
        table[name] = {
            "single_p50_ms": float(np.percentile(alone[name], 50)) * 1000,
            "single_p99_ms": float(np.percentile(alone[name], 99)) * 1000,
            "texts_a_second": float(np.median(bulk[name])),
        } | {score: value for score, value in scores.items() if isinstance(value, float)}
        table[name] |= {"lost": {of: {key: one[key] for key in LOST} for of, one in lost.items()}}
    return table


if __name__ == "__main__":
    command(latency, computes=True)
