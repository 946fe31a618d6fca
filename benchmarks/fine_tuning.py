"""Fine-tuning, ours beside plain `transformers.Trainer`: the same model, rows, batch and number of utterances."""

import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.core import blocks
from pipelines.data import drawing, parquet
from pipelines.decoder import language_model
from pipelines.decoder.options import Options as DecoderOptions
from pipelines.models import inference, precision
from pipelines.models import task as tasks
from pipelines.training import encoding, trainer

MODELS = Path("data/models")
SPLITS = Path("data/splits")
SEED = 13


def ours(run: str, utterances: int, copies: int = 1, **changes: Any) -> dict[str, float]:
    """Train a run of params.yaml as its stage does, once through so many utterances; `changes` to its options.

    Returns:
        `seconds` from rows to the trained model, `per_second` (utterances that were passed over), `peak_mib` of the
        process; `best`, the headline metric on validation, where `validated` is among the changes.
    """
    task, options, base, tokenizer = parts(run)
    validated = changes.pop("validated", False)
    options = options.model_copy(update={"epochs": 1, "least_steps": 0} | changes)
    rows = _rows(utterances, copies)
    validation = parquet.read(SPLITS / "validation.parquet") if validated else []
    trainer.seed(options.seed)
    model = task.build(base, rows, options)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trained = trainer.train(task, options, model, tokenizer, rows, validation, Path(folder) / "checkpoints")
        seconds = time.perf_counter() - start
    return _figures(seconds, len(rows) * options.epochs) | (
        {"best": max(row[task.best] for row in trained.validation_curve)} if validated else {}
    )


def plain(
    run: str,
    utterances: int,
    batch_size: int = 32,
    epochs: int = 1,
    frozen: bool = False,
    reach: float | None = None,
    **arguments: Any,
) -> dict[str, float]:
    """Train the same model with `Trainer` as it is, padded to the longest of a batch; see `ours`.

    `frozen` lets only the new layer learn. With `reach`, training ends with the first epoch whose headline metric on
    validation is at least that; without, nothing is evaluated.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments

    task, options, base, tokenizer = parts(run)
    rows = _rows(utterances)
    trainer.seed(SEED)
    model = task.build(base, rows, options)
    model.set_attn_implementation("sdpa")  # as transformers loads it
    if frozen:
        model.base_model.requires_grad_(False)
    validation = parquet.read(SPLITS / "validation.parquet") if reach is not None else []
    best: list[float] = []

    class UntilReached(TrainerCallback):
        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            said = inference.predict(model, features_of_validation, task.outputs)
            found = task.score(task.decode(said, features_of_validation, validation, model), validation)[task.best]
            best.append(found)
            model.train()
            control.should_training_stop = found >= reach

    start = time.perf_counter()
    features = _encoded(task, options.model_copy(update={"epochs": epochs}), model, tokenizer, rows)
    features_of_validation = task.encode(validation, tokenizer, model) if validation else []
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            num_train_epochs=1 if task.epochs_differ(options) else epochs,  # `features` holds a copy an epoch
            per_device_train_batch_size=batch_size,
            remove_unused_columns=False,
            label_names=list(task.labels),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not precision.on_gpu(),
            **arguments,
        )
        Trainer(
            model,
            settings,
            data_collator=partial(inference.collate, labels=task.labels),
            train_dataset=features,
            callbacks=[UntilReached] if reach is not None else [],
        ).train()
    seconds = time.perf_counter() - start
    passed = len(rows) * (len(best) or epochs)
    return _figures(seconds, passed) | ({"best": max(best), "epochs": len(best)} if best else {})


def multiply_adds(run: str, utterances: int) -> dict[str, float]:
    """Floating-point operations of a training step per utterance, in millions: six a weight and token (Kaplan et al.
    2020, section 2.1), without embeddings, heads and attention itself; padding not counted."""
    task, options, base, tokenizer = parts(run)
    rows = _rows(utterances)
    model = task.build(base, rows, options)
    features = _encoded(task, options, model, tokenizer, rows)
    weights = sum(p.numel() for name, p in model.base_model.named_parameters() if ".layer." in name and p.dim() == 2)
    tokens = sum(inference.length(feature) for feature in features) / len(rows)
    return {"tokens": tokens, "mflop": 6 * weights * tokens / 1e6}


def parts(run: str) -> tuple[Any, Any, Path, Any]:
    """Task, options, base model and tokenizer of a run; `decoder` is the stage `tune_decoder`."""
    if run == "decoder":
        base = MODELS / "base-decoder"
        intents = {row["intent"] for row in parquet.read(SPLITS / "train.parquet")}
        tokenizer = language_model.load_tokenizer(base, sorted(intents))
        return language_model.TASK, blocks.load("tune_decoder", DecoderOptions), base, tokenizer
    options = tasks.run_options(run)
    base = MODELS / "base-encoder"
    task = tasks.get(options.task)
    return task, options, base, task.tokenizer(base, options)


def _encoded(task: Any, options: Any, model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Features of train, once for each epoch where epochs differ."""
    epochs = range(options.epochs if task.epochs_differ(options) else 1)
    some = (encoding.of_rows(task, options, model, tokenizer, rows, epoch) for epoch in epochs)
    return [feature for of_epoch in some for features in of_epoch for feature in features]


def _rows(utterances: int, copies: int = 1) -> list[dict[str, Any]]:
    """So many utterances of train drawn by seed, `copies` times, each time with other ids."""
    rows = drawing.some(parquet.read(SPLITS / "train.parquet"), utterances, SEED)
    return [row | {"id": f"{row['id']}/{copy}"} for copy in range(copies) for row in rows]


def _figures(seconds: float, passed: int) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "per_second": passed / seconds, "peak_mib": peak}
