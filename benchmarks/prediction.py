"""Prediction of new texts, ours beside `transformers.pipeline`, one by one and many at once."""

import time
from pathlib import Path

from pipelines.data import parquet
from pipelines.models import inference, loading
from pipelines.models import task as tasks

MODELS = Path("data/models")
SPLITS = Path("data/splits")
PIPELINES = {
    "intent-full": ("text-classification", {}),
    "slots-full": ("token-classification", {"aggregation_strategy": "first"}),
}
BATCH = 64


def ours(run: str, texts: int, single: bool) -> dict[str, float]:
    """Texts of test a second by `inference.predictions`, the model loaded, its first call not counted."""
    task = tasks.get(tasks.run_options(run).task)
    model, tokenizer = loading.load_model(task.auto_class, MODELS / run), loading.load_tokenizer(MODELS / run)
    rows = [{"text": text} for text in _texts(texts)]
    groups = [[row] for row in rows] if single else [rows]
    inference.predictions(task, model, tokenizer, rows[:1])
    start = time.perf_counter()
    for group in groups:
        inference.predictions(task, model, tokenizer, group)
    return {"per_second": len(rows) / (time.perf_counter() - start)}


def plain(run: str, texts: int, single: bool) -> dict[str, float]:
    """The same by `transformers.pipeline`, in batches of `BATCH` where they are not asked one by one."""
    from transformers import pipeline

    name, options = PIPELINES[run]
    ask = pipeline(name, str(MODELS / run), device=-1, **options)
    found = _texts(texts)
    ask(found[0])
    start = time.perf_counter()
    if single:
        for text in found:
            ask(text)
    else:
        ask(found, batch_size=BATCH)
    return {"per_second": len(found) / (time.perf_counter() - start)}


def _texts(count: int) -> list[str]:
    return [row["text"] for row in parquet.read(SPLITS / "test.parquet")][:count]
