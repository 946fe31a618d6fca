"""Few utterances per intent: intent accuracy with and without what GPT-2 writes after them; several draws."""

import tempfile
from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data import drawing, parquet
from pipelines.data.source import Data
from pipelines.data.utterances import Utterance
from pipelines.decoder import language_model, sampling
from pipelines.decoder.options import Scratch
from pipelines.decoder.scratch import scratch
from pipelines.models import inference, loading
from pipelines.models.options import Run
from pipelines.models.task import Task
from pipelines.reports import on_demand
from pipelines.reports.counting import counts
from pipelines.reports.differences import Counts, difference
from pipelines.tasks.intent.task import TASK as INTENT
from pipelines.training import trainer
from pipelines.writing import augmentation

SPLITS = Path("data/splits")
ENCODER = Path("data/models/base-encoder")
DECODER = Path("data/models/base-decoder")
REPORTS = Path("metrics/on_demand")


def augment(size: str) -> None:
    """Make metrics/on_demand/augment-<size>.json."""
    options = blocks.load("augment", augmentation.Options)
    sizes, decoder = blocks.load("decoder.scratch", Scratch), blocks.load("decoder.name", str)
    longest = blocks.load("generate.max_new_tokens", int)
    if not size.isdecimal() or int(size) == 0:
        raise InputError(f"size {size}: how many utterances per intent, at least 1; such as 10")
    train, test = (parquet.read(SPLITS / f"{part}.parquet") for part in ("train", "test"))

    def write(few: list[Utterance], seed: int) -> list[dict[str, Any]]:
        """What a decoder tuned on `few` alone writes; one from scratch learns its tokens from them too."""
        with tempfile.TemporaryDirectory() as folder:
            base = DECODER
            if decoder == "scratch":
                base = Path(folder)
                for part in scratch(sizes, [row["text"] for row in few]):
                    part.save_pretrained(base)
            intents = sorted({row["intent"] for row in few})
            tokenizer = language_model.load_tokenizer(base, intents)
            model = _train(language_model.TASK, base, options.decoder, tokenizer, few, seed)
        return [
            sample
            for name in intents
            for sample in sampling.generate(
                model, tokenizer, name, "top_p", options.top_p, options.samples, seed, longest
            )
        ]

    draws = []
    for number in range(options.draws):
        drawn = drawing.draw(train, int(size), f"{options.seed}/{number}", "augment.run")
        few = [row for row in train if row["id"] in drawn]
        draws.append(_draw(options, few, test, options.seed + number, write))
    shared = {section: blocks.load(section, Any) for section in ("encoder", "split", "threads")}
    shared["data"] = on_demand.data(SPLITS)
    settings = {"decoder.name": decoder, "decoder.scratch": sizes.model_dump(), "generate.max_new_tokens": longest}
    report = {
        "source": blocks.load("data", Data).name,
        "split": "test",
        "per_intent": int(size),
        "made_from": on_demand.made_from_augment(options, settings, augmentation.CODE, **shared),
        "draws": draws,
    }
    report |= {name: sum(draw[name] for draw in draws) / len(draws) for name in ("without", "with")}
    files.write_details(REPORTS / f"augment-{size}.json", report)


def _draw(
    options: augmentation.Options, few: list[Utterance], test: list[Utterance], seed: int, write: Any
) -> dict[str, Any]:
    """One draw: a classifier of the few, what `write` gives of them, and a classifier of both."""
    tokenizer = loading.load_tokenizer(ENCODER)

    def right(model: Any) -> Counts:
        return counts(INTENT, model, tokenizer, test, options.classifier.precision)["accuracy"]

    first = _train(INTENT, ENCODER, options.classifier, tokenizer, few, seed)
    samples = write(few, seed)
    texts = [{"text": sample["text"]} for sample in samples]
    said = inference.predictions(INTENT, first, tokenizer, texts, options.classifier.precision)
    kept = augmentation.select(samples, said, few, options.sure, options.keep)
    second = _train(INTENT, ENCODER, options.classifier, tokenizer, few + kept, seed)
    gain = difference(("with", right(second)), ("without", right(first)), "accuracy")
    return {
        "train_utterances": len(few),
        "written": len(samples),
        "kept": len(kept),
        "without": gain["second_value"],
        "with": gain["first_value"],
        "gain": {key: gain[key] for key in ("difference", "low", "high", "p", "beyond_chance")},
    }


def _train(task: Task, base: Path, options: Run, tokenizer: Any, rows: list[Utterance], seed: int) -> Any:
    options = options.model_copy(update={"seed": seed})
    trainer.seed(seed)
    model = task.build(base, rows, options)
    with tempfile.TemporaryDirectory() as unfinished:
        return trainer.train(task, options, model, tokenizer, rows, [], Path(unfinished) / "run").model


if __name__ == "__main__":
    command(augment, computes=True, trains=True)
