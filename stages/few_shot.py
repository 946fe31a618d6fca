"""One size of the benchmark of 2017: train on few utterances per intent, several draws, and score on `validate`."""

import tempfile
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.data import drawing, parquet
from pipelines.data.source import PUBLISHED, SAMPLE, Data
from pipelines.data.utterances import Utterance
from pipelines.models import inference, loading
from pipelines.models import task as tasks
from pipelines.reports import benchmark_2017, on_demand
from pipelines.training import trainer

RAW = Path("data/raw")
CORPUS = Path("data/corpus")
BASE = Path("data/models/base-encoder")
REPORTS = Path("metrics/on_demand")


def few_shot(size: str) -> None:
    """Make metrics/on_demand/few_shot-<size>.json."""
    source = blocks.load("data", Data).name
    if source not in (PUBLISHED, SAMPLE):
        raise InputError(
            f"few_shot: the benchmark of 2017 is on SNIPS alone, and data.source is {source}; leave it out"
        )
    key = f"few_shot.sizes.{size}"
    drawn_by, options = on_demand.few_shot_size(blocks.raw(f"few_shot.sizes.{size}"), key)
    task = tasks.get(options.task)
    tokenizer = loading.load_tokenizer(BASE)
    test = parquet.read(CORPUS / "validate.parquet")
    pool, removed = benchmark_2017.without(_pool(drawn_by.per_intent), test)
    draws = []
    for number in range(drawn_by.draws):
        rows = pool
        if drawn_by.per_intent:
            drawn = drawing.draw(pool, drawn_by.per_intent, f"{options.seed}/{number}", f"{key}.per_intent")
            rows = [row for row in pool if row["id"] in drawn]
        trainer.seed(options.seed + number)
        model = task.build(BASE, rows, options)
        with tempfile.TemporaryDirectory() as unfinished:
            trained = trainer.train(task, options, model, tokenizer, rows, [], Path(unfinished) / "run")
        predictions = inference.predictions(task, trained.model, tokenizer, test)
        draws.append({"train_utterances": len(rows)} | benchmark_2017.mean_slot_f1(predictions, test))
    report = {
        "source": source,
        "split": "validate",
        "per_intent": drawn_by.per_intent,
        "made_from": on_demand.made_from_size(
            drawn_by, options, encoder=blocks.load("encoder", dict), threads=blocks.load("threads", blocks.Threads)
        ),
        "removed_from_pool": removed,
        "slot_f1": sum(draw["slot_f1"] for draw in draws) / len(draws),
        "draws": draws,
    }
    files.write_details(REPORTS / f"few_shot-{size}.json", report)


def _pool(per_intent: int | None) -> list[Utterance]:
    """What is drawn from: the small training files of 2017, or the whole ones."""
    if per_intent is None:
        return parquet.read(CORPUS / "train_full.parquet")
    rows = []
    for intent in snips.intents(RAW):
        path = RAW / snips.FEW_SHOT.format(intent)
        if not path.is_file():
            raise InputError(f"{path}: missing; SNIPS alone has such files: set data.source: snips, run dvc repro")
        rows += snips.parse(path.read_bytes(), "train", intent, str(path))[0]
    return rows


if __name__ == "__main__":
    command(few_shot, computes=True)
