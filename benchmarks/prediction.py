"""Prediction of new texts, ours beside `transformers.pipeline`, one by one and many at once; and as it is exported."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.core import blocks
from pipelines.data import parquet
from pipelines.models import inference, loading
from pipelines.models import task as tasks

MODELS = Path("data/models")
TEST = Path("data/splits/test.parquet")
PIPELINES = {
    "intent": ("text-classification", {}),
    "slots": ("token-classification", {"aggregation_strategy": "first"}),
}
BATCH = 64  # texts that a pipeline takes at once
ALONE = 200  # texts that are asked one by one


def ours(run: str) -> dict[str, float]:
    """Texts of test a second by `inference.predictions`, the model loaded: `single` and `bulk`."""
    task = tasks.get(tasks.run_options(run).task)
    model, tokenizer = loading.load_model(task.auto_class, MODELS / run), loading.load_tokenizer(MODELS / run)

    def ask(texts: list[str]) -> None:
        inference.predictions(task, model, tokenizer, [{"text": text} for text in texts])

    return _rates(ask, lambda text: ask([text]))


def exported(run: str) -> dict[str, float]:
    """The same by the run as `snips export <run> --int8` writes it."""
    from pipelines.serving.exported import Exported
    from pipelines.serving.exporting import export

    with tempfile.TemporaryDirectory() as scratch:
        export(MODELS / run, Path(scratch) / run, "onnx", int8=True, texts=[])
        model = Exported.load(Path(scratch) / run, blocks.load("threads", blocks.Threads))
    return _rates(model, model)


def plain(run: str) -> dict[str, float]:
    """The same by `transformers.pipeline`, which is given `BATCH` texts at once where it is given many."""
    from transformers import pipeline

    name, options = PIPELINES[tasks.run_options(run).task]
    asked = pipeline(name, str(MODELS / run), device=-1, **options)
    return _rates(lambda texts: asked(texts, batch_size=BATCH), asked)


def _rates(many: Callable[[list[str]], object], one: Callable[[str], object]) -> dict[str, float]:
    """Texts a second after a first call of each, which is not counted."""
    texts = [row["text"] for row in parquet.read(TEST)]
    alone = texts[:ALONE]
    one(texts[0])
    start = time.perf_counter()
    for text in alone:
        one(text)
    between = time.perf_counter()
    many(texts[:BATCH])
    again = time.perf_counter()
    many(texts)
    return {"single": len(alone) / (between - start), "bulk": len(texts) / (time.perf_counter() - again)}
