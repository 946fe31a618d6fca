"""Few utterances an intent: intent accuracy with and without what GPT-2 writes after them; several draws."""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from pipelines import (
    augmentation,
    corpus,
    dataset,
    encoders,
    files,
    generation,
    inference,
    language_model,
    params,
    training,
)
from pipelines.errors import InputError
from pipelines.snips import Utterance
from pipelines.tasks import intent
from stages.command import command

SPLITS = Path("data/splits")
ENCODER = Path("data/models/base-encoder")
DECODER = Path("data/models/base-decoder")
REPORTS = Path("metrics/on_demand")


def augment(size: str) -> None:
    """Make metrics/on_demand/augment-<size>.json."""
    everything = params.load()
    options = everything.augment
    if not size.isdecimal() or int(size) == 0:
        raise InputError(f"size {size}: how many utterances an intent, at least 1; such as 10")
    train, test = (dataset.read(SPLITS / f"{part}.parquet") for part in ("train", "test"))
    draws = []
    for number in range(options.draws):
        drawn = corpus.draw(train, int(size), f"{options.seed}/{number}", "augment.run")
        few = [row for row in train if row["id"] in drawn]
        draws.append(_draw(everything, few, test, options.seed + number))
    report = {
        "source": everything.data.source,
        "split": "test",
        "per_intent": int(size),
        "options": params.written_augment(everything),
        "draws": draws,
    }
    report |= {name: sum(draw[name] for draw in draws) / len(draws) for name in ("without", "with")}
    files.write_json(REPORTS / f"augment-{size}.json", report)


def _draw(everything: params.Params, few: list[Utterance], test: list[Utterance], seed: int) -> dict[str, Any]:
    """One draw: a classifier of the few, a decoder of the few, and a classifier of both."""
    options = everything.augment
    tokenizer = encoders.load_tokenizer(ENCODER)

    def accuracy(model: Any) -> float:
        return intent.score(inference.predictions(intent, model, tokenizer, test), test)["accuracy"]

    first = _train(intent, ENCODER, options.classifier, tokenizer, few, seed)
    samples = _write(everything, few, seed)
    said = inference.predictions(intent, first, tokenizer, [sample | {"slots": []} for sample in samples])
    kept = augmentation.select(samples, said, few, options.sure, options.keep)
    second = _train(intent, ENCODER, options.classifier, tokenizer, few + kept, seed)
    counts = {"train_utterances": len(few), "written": len(samples), "kept": len(kept)}
    return counts | {"without": accuracy(first), "with": accuracy(second)}


def _write(everything: params.Params, few: list[Utterance], seed: int) -> list[dict[str, Any]]:
    """What a decoder tuned on `few` alone writes; one from scratch learns its pieces from them too."""
    options = everything.augment
    intents = sorted({row["intent"] for row in few})
    with tempfile.TemporaryDirectory() as folder:
        base = DECODER
        if everything.decoder.name == "scratch":
            base = Path(folder)
            for part in language_model.scratch(everything.decoder.scratch, [row["text"] for row in few]):
                part.save_pretrained(base)
        tokenizer = language_model.load_tokenizer(base, intents)
        model = _train(language_model, base, options.decoder, tokenizer, few, seed)
    return [
        sample
        for name in intents
        for sample in generation.generate(
            model, tokenizer, name, "top_p", options.top_p, options.samples, seed, everything.generate.max_new_pieces
        )
    ]


def _train(
    task: ModuleType, base: Path, options: params.Finetune, tokenizer: Any, rows: list[Utterance], seed: int
) -> Any:
    options = options.model_copy(update={"seed": seed})
    training.seed(seed)
    model = task.build(base, rows, options)
    return training.train(task, options, model, tokenizer, rows, [], Path(".checkpoints/augment")).model


if __name__ == "__main__":
    command(augment)
