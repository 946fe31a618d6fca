"""One size of the benchmark of 2017: train on few utterances an intent, several draws, and score on `validate`."""

from pathlib import Path

from pipelines import benchmark_2017, corpus, dataset, encoders, files, inference, params, snips, tasks, training
from pipelines.errors import InputError
from pipelines.snips import Utterance
from stages.command import command

RAW = Path("data/raw")
CORPUS = Path("data/corpus")
BASE = Path("data/models/base-encoder")
REPORTS = Path("metrics/on_demand")


def few_shot(size: str) -> None:
    """Make metrics/on_demand/few_shot-<size>.json."""
    everything = params.load()
    options = params.few_shot(everything, size)
    task = tasks.get(options.task)
    tokenizer = encoders.load_tokenizer(BASE)
    test = dataset.read(CORPUS / "validate.parquet")
    pool, removed = benchmark_2017.without(_pool(options.per_intent), test)
    draws = []
    for number in range(options.draws):
        rows = pool
        if options.per_intent:
            key = f"few_shot.sizes.{size}.per_intent"
            drawn = corpus.draw(pool, options.per_intent, f"{options.seed}/{number}", key)
            rows = [row for row in pool if row["id"] in drawn]
        training.seed(options.seed + number)
        model = task.build(BASE, rows, options)
        trained = training.train(task, options, model, tokenizer, rows, [], Path(".checkpoints") / f"few-shot-{size}")
        predictions = inference.predictions(task, trained.model, tokenizer, test)
        draws.append({"train_utterances": len(rows)} | benchmark_2017.mean_slot_f1(predictions, test))
    report = {
        "source": everything.data.source,
        "split": "validate",
        "per_intent": options.per_intent,
        "options": params.written(options, everything.encoder),
        "removed_from_pool": removed,
        "slot_f1": sum(draw["slot_f1"] for draw in draws) / len(draws),
        "draws": draws,
    }
    files.write_json(REPORTS / f"few_shot-{size}.json", report)


def _pool(per_intent: int | None) -> list[Utterance]:
    """What is drawn from: the small training files of 2017, or the whole ones."""
    if per_intent is None:
        return dataset.read(CORPUS / "train_full.parquet")
    rows = []
    for intent in snips.INTENTS:
        path = RAW / snips.FEW_SHOT.format(intent)
        if not path.is_file():
            raise InputError(f"{path}: missing; the sample has no such file: set data.source: snips, run dvc repro")
        rows += snips.parse(path.read_bytes(), "train", intent, str(path))[0]
    return rows


if __name__ == "__main__":
    command(few_shot)
