"""Training and prediction on a corpus that is 1, 10 and 100 times SNIPS: time and memory, a process each."""

import os
import resource
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fine_tuning import parts
from pipelines.data import parquet
from pipelines.models import inference, loading
from pipelines.training import runs, trainer

SPLITS = Path("data/splits")


def corpus(copies: int, folder: str) -> dict[str, float]:
    """Write train and test of SNIPS so many times into `folder`, each copy with ids of its own, and validation once."""
    sizes = {}
    for part, times in (("train", copies), ("test", copies), ("validation", 1)):
        rows = pq.read_table(SPLITS / f"{part}.parquet")
        with pq.ParquetWriter(Path(folder) / f"{part}.parquet", rows.schema) as writer:
            for copy in range(times):
                ids = pa.array([f"{one}/{copy}" for one in rows["id"].to_pylist()])
                writer.write_table(rows.set_column(rows.schema.get_field_index("id"), rows.schema.field("id"), ids))
        sizes[part] = float(len(rows) * times)
    return sizes


def training(run: str, folder: str, steps: int) -> dict[str, float]:
    """The first steps of a training on `folder`: `encoding` seconds, `steps_per_second`, and memory, see `_Memory`."""
    task, options, base, tokenizer = parts(run)
    options = options.model_copy(update={"epochs": 1, "least_steps": 0})
    encoded, seconds = trainer.encoded, []

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        result = encoded(*arguments)
        seconds.append(time.perf_counter() - start)
        return result

    trainer.encoded = timed
    trainer.TrainingArguments = partial(trainer.TrainingArguments, max_steps=steps)  # an epoch of 100 x takes hours
    with tempfile.TemporaryDirectory() as checkpoints, _Memory() as memory:
        os.environ["SNIPS_CHECKPOINTS"] = checkpoints
        start = time.perf_counter()
        runs.train("larger", task, base, Path(folder), options, tokenizer)
        rest = time.perf_counter() - start - seconds[0]
    return {"encoding": seconds[0], "steps_per_second": steps / rest} | memory.figures()


def prediction(run: str, folder: str) -> dict[str, float]:
    """What `run` says of all of test: `seconds`, and memory, see `_Memory`."""
    task, options, _, _ = parts(run)
    model = loading.load_model(task.auto_class, Path("data/models") / run)
    tokenizer = loading.load_tokenizer(Path("data/models") / run)
    with _Memory() as memory:
        start = time.perf_counter()
        inference.predictions(task, model, tokenizer, parquet.Rows(Path(folder) / "test.parquet"), options.precision)
        seconds = time.perf_counter() - start
    return {"seconds": seconds} | memory.figures()


class _Memory:
    """Highest memory of the process: `peak_mib`, with pages of files that are mapped, and `own_mib`, without."""

    def __enter__(self) -> "_Memory":
        self.own, self.done = 0, threading.Event()
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.watch.join()

    def _watch(self) -> None:
        while not self.done.wait(0.05):
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            self.own = max(self.own, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))

    def figures(self) -> dict[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"peak_mib": peak / 1024, "own_mib": self.own / 1024}
