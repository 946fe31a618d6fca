"""One way to train any task, every weight or only the head: Trainer with a seeded, length-grouped order."""

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import Trainer, TrainingArguments, set_seed
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.trainer_callback import ProgressCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.models.inference import BATCH, batches, collate, length, on_gpu, predict, unpad
from pipelines.models.options import Run
from pipelines.models.task import Task
from pipelines.training import checkpoints as unfinished
from pipelines.training.averaging import WeightAverage
from pipelines.training.monitor import DeviceMonitor

LOGS_PER_EPOCH = 10
GONE = "the best checkpoint is gone, so there is no model to keep; train again, and let nothing else write there"
SAME = 1e-6  # two scores of one model on one machine differ by less


@dataclass(frozen=True)
class Trained:
    """What a run leaves: the model of its best epoch, its facts for metrics, its curves, one row a log entry, and
    what it used of the machine, which is no result."""

    model: Any
    facts: dict[str, Any]
    train_curve: list[dict[str, Any]]
    validation_curve: list[dict[str, Any]]
    device_use: list[dict[str, float]]


def seed(number: int) -> None:
    """Seed every generator; call it before the new layer of a model is made."""
    set_seed(number)


def train(
    task: Task,
    options: Run,
    model: Any,
    tokenizer: Any,
    train_rows: list[Utterance],
    validation_rows: list[Utterance],
    checkpoints: Path,
) -> Trained:
    """Train `model`, keep the epoch that is best on validation by `task.best`, and go on from `checkpoints` if cut off.

    `options.mode` full trains every weight. `head` trains what is not the encoder, on outputs of the frozen encoder
    that are computed once. `checkpoints` is removed at the end. Without validation rows, as in a few-shot setting, the
    last epoch is kept, and nothing is saved on the way.

    Raises:
        InputError: the best checkpoint is gone at the end, or the model that was loaded from it scores otherwise.
    """
    train_features = task.encode(train_rows, tokenizer, model, options, training=True)
    validation_features = task.encode(validation_rows, tokenizer, model, options)
    encoder = model.base_model
    if options.mode == "head":
        encoder.requires_grad_(False)
        _cache_outputs(encoder, train_features + validation_features)
        setattr(model, model.base_model_prefix, _CachedEncoder(encoder))
    trained_weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    monitor = DeviceMonitor(on_gpu())
    trainer = _trainer(task, options, model, train_features, validation_features, validation_rows, checkpoints, monitor)
    _run(trainer, checkpoints)
    log = list(trainer.state.log_history)
    if validation_rows:
        _check_the_best(trainer, task.best)
    if validation_rows and task.calibrate:  # the last epoch's calibration is not the best epoch's
        logits = predict(model, validation_features, task.outputs)
        task.calibrate(logits, validation_features, validation_rows, model)
    setattr(model, model.base_model_prefix, encoder)
    model.requires_grad_(True).to("cpu")
    shutil.rmtree(checkpoints, ignore_errors=True)

    validation_curve = [_curve_row(entry, "eval_") for entry in log if "eval_loss" in entry]
    # the first epoch, where several are best
    best = max(validation_curve, key=lambda row: row[task.best], default={"epoch": options.epochs})
    facts = {
        "best_epoch": round(best["epoch"]),
        "trained_weights": trained_weights,
        "weights": sum(p.numel() for p in model.parameters()),
        "validation": {name: value for name, value in best.items() if name not in ("step", "epoch")},
    }
    train_curve = [_curve_row(entry, "") for entry in log if "loss" in entry]
    return Trained(model, facts, train_curve, validation_curve, monitor.rows)


def _trainer(
    task: Task,
    options: Run,
    model: Any,
    train_features: list[dict[str, Any]],
    validation_features: list[dict[str, Any]],
    validation_rows: list[Utterance],
    checkpoints: Path,
    monitor: DeviceMonitor,
) -> "_Trainer":
    """Trainer as `train` wants it: our order of rows, our figures, our callbacks."""

    def validate(output: Any) -> dict[str, float]:
        padded = output.predictions if isinstance(output.predictions, tuple) else (output.predictions,)
        logits = unpad(list(padded), validation_features, task.outputs)
        if task.calibrate:
            task.calibrate(logits, validation_features, validation_rows, model)
        scores = task.score(task.decode(logits, validation_features, validation_rows, model), validation_rows)
        return {name: value for name, value in scores.items() if isinstance(value, float)}

    copies = options.epochs if task.epochs_differ else 1
    trainer = _Trainer(
        model,
        _arguments(task, options, checkpoints, len(train_features) // copies, bool(validation_rows)),
        data_collator=partial(collate, labels=task.labels),
        train_dataset=train_features,
        eval_dataset=validation_features or None,
        compute_metrics=validate,
        preprocess_logits_for_metrics=task.reduce,
    )
    trainer.layer_decay = options.layer_decay
    trainer.copies, trainer.shuffle_batches = copies, task.shuffle_batches
    if options.ema:
        trainer.add_callback(WeightAverage(options.ema))
    trainer.add_callback(monitor)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(_Progress)
    return trainer


def _run(trainer: "_Trainer", checkpoints: Path) -> None:
    """Train, from the newest checkpoint on; one line where another process takes the checkpoints away meanwhile."""
    try:
        trainer.train(resume_from_checkpoint=unfinished.newest(checkpoints))
    except FileNotFoundError as error:
        if not str(error.filename).startswith(str(checkpoints)):
            raise
        raise InputError(f"{error.filename}: {GONE}") from None


def _check_the_best(trainer: "_Trainer", metric: str) -> None:
    """Trainer only warns where its best checkpoint is gone, and goes on with the last epoch's weights."""
    state = trainer.state
    if not state.best_model_checkpoint or not Path(state.best_model_checkpoint).is_dir():
        raise InputError(f"{state.best_model_checkpoint}: {GONE}")
    found = trainer.evaluate()[f"eval_{metric}"]
    if abs(found - state.best_metric) > SAME:
        raise InputError(
            f"{state.best_model_checkpoint}: its model scores {metric} {found:.6f}, where training measured "
            f"{state.best_metric:.6f}; train again, and let nothing else write there"
        )


def _arguments(task: Task, options: Run, checkpoints: Path, n_rows: int, validated: bool) -> TrainingArguments:
    steps_per_epoch = -(-n_rows // options.batch_size)
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=BATCH,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        warmup_steps=options.warmup_share,
        lr_scheduler_type=options.schedule,
        seed=options.seed,
        full_determinism=True,
        use_cpu=not on_gpu(),
        bf16=on_gpu() and torch.cuda.is_bf16_supported(),
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch" if validated else "no",
        save_total_limit=1,
        load_best_model_at_end=validated,
        metric_for_best_model=task.best,
        greater_is_better=True,
        logging_steps=max(1, steps_per_epoch // LOGS_PER_EPOCH),
        remove_unused_columns=False,
        label_names=list(task.labels),
        report_to=[],
        disable_tqdm=False,
    )


class _Progress(ProgressCallback):
    """The bar of Trainer, with the last figures beside it; Trainer's own prints them to stdout."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        shown = {
            name: value
            for name, value in (logs or {}).items()
            if name in ("loss", f"eval_{args.metric_for_best_model}")
        }
        if self.training_bar is not None and shown:
            self.training_bar.set_postfix(shown)


class _Trainer(Trainer):
    """The order of rows depends on seed and epoch alone, so that a resumed run ends in the same bytes.

    `layer_decay` below 1 makes the learning rate of each layer that much smaller than that of the layer above it
    (Howard & Ruder 2018, discriminative fine-tuning; Clark et al. 2020, ELECTRA). The rows are `copies` of train, one
    an epoch. `shuffle_batches` ends the order by length between batches, of which each 50 go from long to short.
    """

    layer_decay = 1.0
    copies = 1
    shuffle_batches = False

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        optimizer = super().create_optimizer(model)
        if self.layer_decay < 1:
            depths = _depths(self.model)
            groups = []
            for group in optimizer.param_groups:
                by_depth = defaultdict(list)
                for parameter in group["params"]:
                    by_depth[depths[parameter]].append(parameter)
                groups += [
                    group | {"params": parameters, "lr": group["lr"] * self.layer_decay**depth}
                    for depth, parameters in sorted(by_depth.items())
                ]
            optimizer.param_groups = groups
        return optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        lengths = [length(feature) for feature in train_dataset or self.train_dataset]
        size = self.args.per_device_train_batch_size
        return _LengthGrouped(lengths, size, self.args.seed, self.copies, self.shuffle_batches)


def _depths(model: Any) -> dict[torch.nn.Parameter, int]:
    """Parameter -> layers between it and the head: 0 for head and pooler, most for the embeddings."""
    layers = model.config.num_hidden_layers
    depths = {}
    for name, parameter in model.named_parameters():
        layer = re.search(r"\.layer\.(\d+)\.", name)
        depths[parameter] = layers - int(layer[1]) if layer else (layers + 1) * (".embeddings." in name)
    return depths


class _LengthGrouped(Sampler):
    def __init__(self, lengths: list[int], batch_size: int, seed: int, copies: int, shuffle_batches: bool) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.copies, self.shuffle_batches, self.epoch = copies, shuffle_batches, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) // self.copies

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        start = self.epoch % self.copies * len(self)
        lengths = self.lengths[start : start + len(self)]
        indices = get_length_grouped_indices(lengths, self.batch_size, generator=generator)
        if self.shuffle_batches:
            whole = len(indices) // self.batch_size
            batches = torch.tensor(indices[: whole * self.batch_size]).view(whole, self.batch_size)
            indices[: batches.numel()] = batches[torch.randperm(whole, generator=generator)].flatten().tolist()
        return (start + index for index in indices)


class _CachedEncoder(torch.nn.Module):
    """Stands in for a frozen encoder whose outputs are already there; the pooler, if any, is applied to them."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.pooler = getattr(encoder, "pooler", None)

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **_: Any) -> BaseModelOutputWithPooling:
        pooled = self.pooler(inputs_embeds) if self.pooler is not None else None
        return BaseModelOutputWithPooling(last_hidden_state=inputs_embeds, pooler_output=pooled)


def _cache_outputs(encoder: Any, features: list[dict[str, Any]]) -> None:
    """Add the encoder's last hidden states, (tokens, hidden), to each feature under `inputs_embeds`."""
    for batch, output in batches(encoder, features):
        for n, hidden in zip(batch, output.last_hidden_state.float().cpu(), strict=True):
            features[n]["inputs_embeds"] = hidden[: length(features[n])].clone()


def _curve_row(entry: dict[str, Any], prefix: str) -> dict[str, Any]:
    skipped = ("runtime", "samples_per_second", "steps_per_second")
    return {name.removeprefix(prefix): value for name, value in entry.items() if not name.endswith(skipped)}
