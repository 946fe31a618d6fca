"""One way to train any task, every weight or only the head: Trainer with a seeded, length-grouped order."""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer, TrainingArguments, set_seed
from transformers.trainer_pt_utils import get_length_grouped_indices, safe_globals

from pipelines.core import processes
from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.models.features import Features
from pipelines.models.inference import BATCH, INPUTS, by_length, chosen, collate, unpad
from pipelines.models.options import Run
from pipelines.models.precision import chosen as precision_of
from pipelines.models.precision import computed, on_gpu
from pipelines.models.task import Task
from pipelines.training import checkpoints as unfinished
from pipelines.training import progress, shares
from pipelines.training.averaging import WeightAverage
from pipelines.training.dropout import fast_dropout
from pipelines.training.embeddings import rows_in_use
from pipelines.training.encoding import encoded
from pipelines.training.frozen import outputs_kept
from pipelines.training.monitor import DeviceMonitor

LOGS_PER_EPOCH = 10
LOGGED = ("loss", "grad_norm", "learning_rate")  # of a training step, before its epoch and number
PADDING = INPUTS["input_ids"]
SAME = 1e-6  # two scores of one model on one machine differ by less
ROUNDED = 0.01  # and on two machines


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
    train_rows: Collection[Utterance],
    validation_rows: list[Utterance],
    checkpoints: Path,
    teachers: Sequence[Any] = (),
) -> Trained:
    """Train `model`, keep the epoch that is best on validation by `task.best`, and go on from `checkpoints` if cut off.

    `options.mode` full trains every weight. `head` trains what is not the encoder, on outputs of the frozen encoder
    that are computed once. `checkpoints` is removed at the end. Without validation rows, as in a few-shot setting, the
    last epoch is kept, and no weights are saved on the way.

    Raises:
        InputError: the best checkpoint is gone at the end, or the model that was loaded from it scores otherwise.
    """
    shares.check(options)
    shares.wait_for_all()  # the first process holds the folder now, so all find the same in it
    options, features, count = encoded(
        task, options, model, tokenizer, train_rows, validation_rows, checkpoints / "features", teachers
    )
    monitor = DeviceMonitor(on_gpu())
    kind = type(model)
    if options.mode == "head":
        model.base_model.requires_grad_(False)
    trained_weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    with ExitStack() as made_fast:
        if options.mode == "head":
            made_fast.enter_context(shares.shared(model))
            made_fast.enter_context(outputs_kept(model, features, checkpoints, options.precision))
        else:
            if not processes.in_parts():
                made_fast.enter_context(rows_in_use(model, features.tokens() | {PADDING, *tokenizer.all_special_ids}))
            made_fast.enter_context(computed(model, options.precision))
            made_fast.enter_context(shares.shared(model))
            made_fast.enter_context(fast_dropout("cuda" if on_gpu() else "cpu"))
        parts = features.part(0, count), features.part(count, len(features))
        trainer = _trainer(task, options, model, *parts, validation_rows, checkpoints, monitor)
        _run(trainer, checkpoints)
        log = list(trainer.state.log_history)
        order = LOGGED
        if validation_rows:
            _check_the_best(trainer, task.best)  # and calibrates it, where the task does
            order += tuple(trainer.state.log_history[-1])
        model = shares.whole_again(model, kind) if processes.in_parts() else model.to("cpu")
    model.requires_grad_(True)
    if not processes.rank():
        unfinished.remove(checkpoints)

    validation_curve = [_curve_row(entry, "eval_", order) for entry in log if f"eval_{task.best}" in entry]
    # the first epoch, where several are best
    best = max(validation_curve, key=lambda row: row[task.best], default={"epoch": options.epochs})
    facts = {
        "best_epoch": round(best["epoch"]),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "trained_weights": trained_weights,
        "computed_in": precision_of(options.precision),
        "weights": sum(p.numel() for p in model.parameters()),
        "validation": {name: value for name, value in best.items() if name not in ("step", "epoch")},
    }
    train_curve = [_curve_row(entry, "", order) for entry in log if "loss" in entry]
    return Trained(model, facts, train_curve, validation_curve, monitor.rows)


def _trainer(
    task: Task,
    options: Run,
    model: Any,
    train_features: Features,
    validation_features: Features,
    validation_rows: list[Utterance],
    checkpoints: Path,
    monitor: DeviceMonitor,
) -> "_Trainer":
    """Trainer as `train` wants it: our order of rows, our figures, our callbacks."""
    copies = options.epochs if task.epochs_differ(options) else 1
    trainer = _Trainer(
        model,
        _arguments(task, options, checkpoints, len(train_features) // copies, bool(validation_rows)),
        data_collator=partial(collate, labels=task.labels),
        train_dataset=train_features,
        eval_dataset=validation_features or None,
        compute_metrics=_Validation(task, validation_features, validation_rows, model),
        preprocess_logits_for_metrics=task.reduce,
    )
    if processes.in_parts() and not trainer.is_fsdp_enabled:
        raise InputError("launch: accelerate leaves the weights whole, as it does without GPUs; take torchrun")
    trainer.layer_decay = options.layer_decay
    trainer.copies, trainer.shuffle_batches = copies, task.shuffle_batches
    if options.ema:
        trainer.add_callback(WeightAverage(options.ema))
    trainer.add_callback(unfinished.LossesSinceLog(trainer))
    trainer.add_callback(monitor)
    progress.show(trainer, checkpoints.name.partition(".")[0] or task.name)
    return trainer


def _run(trainer: "_Trainer", checkpoints: Path) -> None:
    """Train, from the newest checkpoint on."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it has not written
    try:
        trainer.train(resume_from_checkpoint=unfinished.newest(checkpoints))
    except ValueError as error:
        if "transformer layer class" not in str(error):
            raise
        raise InputError(
            f"launch: {error} Name the class of this encoder's layers: fsdp_transformer_layer_cls_to_wrap"
        ) from None


def _check_the_best(trainer: "_Trainer", metric: str) -> None:
    """Trainer only warns where its best checkpoint is gone, and goes on with the last epoch's weights.

    The same weights score otherwise where a resumed run has other processes, threads or another device, which round
    otherwise; then the weights themselves are compared. Without a model to keep, the next run begins anew.
    """
    state = trainer.state
    best = Path(state.best_model_checkpoint or "")
    problem = ""
    if not state.best_model_checkpoint or not best.is_dir():
        problem = unfinished.GONE
    else:
        found = trainer.evaluate()[f"eval_{metric}"]
        apart = abs(found - state.best_metric)
        if apart > ROUNDED or (apart > SAME and not shares.holds(trainer.model, best)):
            problem = (
                f"its model scores {metric} {found:.6f}, where training measured {state.best_metric:.6f}; train again, "
                "and let nothing else write there"
            )
    if problem:
        unfinished.remove(Path(trainer.args.output_dir))
        raise InputError(f"{state.best_model_checkpoint}: {problem}")


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
        average_tokens_across_devices=False,  # of several processes each has the loss of the whole batch
        ddp_find_unused_parameters=False,
        use_cpu=not on_gpu(),
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch" if validated else "no",
        save_total_limit=1,
        load_best_model_at_end=validated,
        metric_for_best_model=task.best,
        batch_eval_metrics=True,
        greater_is_better=True,
        logging_steps=max(1, steps_per_epoch // LOGS_PER_EPOCH),
        remove_unused_columns=False,
        label_names=list(task.labels),
        report_to=[],
        disable_tqdm=not progress.watched(),
    )


class _Validation:
    """What Trainer asks after each batch of validation; the scores with the last, where `compute_result` is true.

    Logits are decoded at once, so that those of all need not be kept; but where they set a threshold, they are.
    """

    def __init__(self, task: Task, features: Features, rows: list[Utterance], model: Any) -> None:
        self.task, self.features, self.rows, self.model = task, features, rows, model
        self.order = by_length(features)
        self.said: list[Any] = []  # logits or predictions, in this order

    def __call__(self, output: Any, compute_result: bool) -> dict[str, float]:
        task, rows = self.task, self.rows
        padded = output.predictions if isinstance(output.predictions, tuple) else (output.predictions,)
        numbers = self.order[len(self.said) : len(self.said) + len(padded[0])]
        features = chosen(self.features, numbers)
        found = unpad([array.float().cpu().numpy() for array in padded], features, task.outputs)
        if not task.calibrate:
            found = task.decode(found, features, [rows[n] for n in numbers], self.model)
        self.said += found
        if not compute_result:
            return {}
        said = [one for _, one in sorted(zip(self.order, self.said, strict=True), key=lambda pair: pair[0])]
        self.said = []
        if task.calibrate:
            features = chosen(self.features, list(range(len(self.features))))
            task.calibrate(said, features, rows, self.model)
            said = task.decode(said, features, rows, self.model)
        return {name: value for name, value in task.score(said, rows).items() if isinstance(value, float)}


class _Trainer(Trainer):
    """The order of rows depends on seed and epoch alone, so that a resumed run ends in the same bytes.

    `layer_decay` below 1 makes the learning rate of each layer that much smaller than that of the layer above it
    (Howard & Ruder 2018, discriminative fine-tuning; Clark et al. 2020, ELECTRA). The rows are `copies` of train, one
    an epoch. `shuffle_batches` ends the order by length between batches, of which each 50 go from long to short.
    """

    layer_decay = 1.0
    copies = 1
    shuffle_batches = False

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        if processes.size() > 1:  # each process has all outputs
            self.accelerator.gather = _as_it_is

    def _get_dataloader(self, *arguments: Any, **named: Any) -> DataLoader:
        loader = super()._get_dataloader(*arguments, **named)
        if isinstance(loader.batch_sampler, BatchSamplerShard):  # each process goes through whole batches, see `shares`
            loader.batch_sampler.num_processes, loader.batch_sampler.process_index = 1, 0
            loader.batch_sampler.even_batches = False
        return loader

    def prediction_step(self, *arguments: Any, **named: Any) -> Any:
        """Trainer passes over a batch without labels, as of an intent that train lacks; it is judged, too."""
        loss, logits, labels = super().prediction_step(*arguments, **named)
        return loss, logits, torch.empty(0, device=self.args.device) if labels is None else labels

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """That of the first process for each, as they draw in step, whether several made it or one alone."""
        if checkpoint is None:
            return
        own = Path(checkpoint, f"rng_state_{processes.rank()}.pth" if processes.size() > 1 else "rng_state.pth")
        first = Path(checkpoint, "rng_state_0.pth")
        first = first if first.is_file() else first.with_name("rng_state.pth")
        if own != first:
            made = own.with_suffix(".part")
            shutil.copyfile(first, made)
            made.replace(own)
        super()._load_rng_state(checkpoint)
        if on_gpu():
            with safe_globals():
                states = torch.load(own, weights_only=True)["cuda"]
            torch.cuda.set_rng_state(states[0] if isinstance(states, list) else states)

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

    def _get_eval_sampler(self, eval_dataset: Any) -> list[int]:
        return by_length(eval_dataset)  # texts of like length, so little padding

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        size, lengths = self.args.per_device_train_batch_size, (train_dataset or self.train_dataset).lengths
        return _LengthGrouped(lengths, size, self.args.seed, self.copies, self.shuffle_batches)


def _as_it_is(value: Any, **_: Any) -> Any:
    return value


def _depths(model: Any) -> dict[torch.nn.Parameter, int]:
    """Parameter -> layers between it and the head: 0 for head and pooler, most for what comes before the layers.

    Raises:
        InputError: the encoder keeps no list of its layers.
    """
    depths = dict.fromkeys(model.parameters(), 0)
    encoder, count = model.base_model, model.config.num_hidden_layers
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    if not trained:
        return depths
    lists = (module for module in encoder.modules() if isinstance(module, torch.nn.ModuleList))
    layers = next((module for module in lists if len(module) == count), None)
    if layers is None:
        raise InputError(f"layer_decay: a {model.config.model_type} has no list of {count} layers; set layer_decay: 1")
    for n, layer in enumerate(layers):
        depths |= dict.fromkeys(layer.parameters(), count - n)
    first = next(layers[0].parameters())
    before = next(n for n, parameter in enumerate(trained) if parameter is first)
    return depths | dict.fromkeys(trained[:before], count + 1)


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


def _curve_row(entry: dict[str, Any], prefix: str, order: tuple[str, ...]) -> dict[str, Any]:
    """Figures of a log entry, in `order`; one that a resumed run read from its checkpoint has that of the alphabet."""
    skipped = ("runtime", "samples_per_second", "steps_per_second")
    places = {name: place for place, name in reversed(list(enumerate(order)))}
    names = sorted(entry, key=lambda name: places.get(name, len(order)))
    return {name.removeprefix(prefix): entry[name] for name in names if not name.endswith(skipped)}
