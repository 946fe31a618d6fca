"""Exponential moving average of the weights: what is validated and kept is the average, what is trained goes on raw."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback
from transformers.trainer_utils import SaveStrategy


class WeightAverage(TrainerCallback):
    """average <- decay * average + (1 - decay) * weights, after every step (Tarvainen & Valpola 2017, mean teacher).

    The decay starts low, min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten, as in
    TensorFlow's `ExponentialMovingAverage` with `num_updates`. At the end of an epoch the average takes the place of
    the weights until the checkpoint is saved; the raw weights lie beside the checkpoint, so that a run that was cut off
    goes on as if it had not been. Where no checkpoint is saved, the average takes their place at the very end.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: dict[str, torch.Tensor] = {}
        self.raw: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.average = _copy(model)
        if state.global_step:  # resumed: the checkpoint holds the average
            _put(model, load_file(_raw_file(args, state)))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        weights = _trained(model)
        with torch.no_grad():
            torch._foreach_lerp_([self.average[name] for name in weights], list(weights.values()), 1 - decay)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not control.should_save:
            return
        self.raw = _copy(model)
        if state.is_world_process_zero:
            path = _raw_file(args, state)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(self.raw, path)
        _put(model, self.average)

    def on_save(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        _put(model, self.raw)
        for path in Path(args.output_dir).glob("raw-*.safetensors"):
            if state.is_world_process_zero and path != _raw_file(args, state):
                path.unlink()

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if args.save_strategy == SaveStrategy.NO:
            _put(model, self.average)


def _raw_file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"raw-{state.global_step}.safetensors"


def _trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _copy(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in _trained(model).items()}


def _put(model: Any, weights: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, weight in _trained(model).items():
            weight.copy_(weights[name])
