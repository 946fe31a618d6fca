"""Several processes train one model: each computes its share of the rows of a batch in the encoder.

What the encoder gives is then gathered, so that head, loss, scores and logs are those of the whole batch, and the same
in every process: a training in several processes is that of one, but for the last bits. Gradients are averaged by
torch's DistributedDataParallel.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import load_file
from torch import distributed
from torch.distributed.tensor import DTensor

from pipelines.core import processes
from pipelines.core.errors import InputError
from pipelines.models.options import Run
from pipelines.models.precision import on_gpu

WEIGHTS = "model.safetensors"  # of a checkpoint
PATIENCE = timedelta(days=1)  # while the first waits for another training of the same run; a launcher sees who is gone


class _Gathered(torch.autograd.Function):
    """The shares of all processes, one after the other, (rows, …) -> (processes x rows, …).

    Every process has the same loss, so the gradient of its own rows is already there; it counts as often as there are
    processes, because their gradients are averaged later.
    """

    @staticmethod
    def forward(context: Any, own: torch.Tensor) -> torch.Tensor:
        shares = [torch.empty_like(own) for _ in range(processes.size())]
        distributed.all_gather(shares, own.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.chunk(processes.size())[processes.rank()] * processes.size()


def check(options: Run) -> None:
    """Let the processes find each other.

    Raises:
        InputError: they cannot train a run with these options.
    """
    count = processes.size()
    if count == 1 and os.environ.get(processes.STARTED, "").startswith("accelerate"):
        raise InputError("launch: accelerate started one process; ask for more, without --cpu, or set launch: python")
    if count == 1:
        return
    if processes.here() != count:
        raise InputError(
            f"launch: {count} processes on several machines, {processes.here()} of them here; a training reads and "
            "writes on one machine: take one"
        )
    if on_gpu() and count > torch.cuda.device_count():
        raise InputError(
            f"launch: {count} processes for {torch.cuda.device_count()} GPU; take as many as there are GPUs"
        )
    if count > options.batch_size:
        raise InputError(
            f"launch: {count} processes for a batch of {options.batch_size}; take fewer, or larger batches"
        )
    if processes.in_parts() and (options.mode == "head" or options.ema):
        unfit = "mode: head" if options.mode == "head" else "ema"
        raise InputError(
            f"launch: weights in parts (FSDP) do not go with {unfit}; take torchrun, or set this otherwise"
        )
    found = PartialState(cpu=not on_gpu(), timeout=PATIENCE).num_processes
    if found != count:
        raise InputError(f"launch: {count} processes were started, and {found} found each other; look at its options")


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if processes.size() > 1:
        distributed.barrier()


def from_first(value: Any) -> Any:
    """`value` of the first process, in each."""
    if processes.size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def whole_again(model: Any, kind: type) -> Any:
    """`model`, whose weights lie in parts over the processes, as a model of the class `kind` with all of them."""
    one = kind(model.config)
    one.load_state_dict(_whole_weights(model))
    return one


def holds(model: Any, folder: Path) -> bool:
    """Whether `model` has the weights that a checkpoint in `folder` has."""
    own = _whole_weights(model)
    return all(name in own and torch.equal(own[name], weight) for name, weight in load_file(folder / WEIGHTS).items())


def _whole_weights(model: Any) -> dict[str, torch.Tensor]:
    weights = model.state_dict()
    return {n: (w.full_tensor() if isinstance(w, DTensor) else w).cpu() for n, w in weights.items()}


@contextmanager
def shared(model: Any) -> Iterator[None]:
    """Within, the encoder of `model` (its `base_model`) computes the rows of each batch in shares, one a process."""
    if processes.size() == 1:
        yield
        return
    encoder = model.base_model
    before, plain = encoder.__dict__.get("forward"), encoder.forward

    def forward(*inputs: Any, **named: Any) -> Any:
        rows = next(len(value) for value in (*inputs, *named.values()) if _has_rows(value))
        own = _own(rows)
        with _drawn_for(rows, own):
            output = plain(
                *(_rows(value, own) for value in inputs), **{name: _rows(value, own) for name, value in named.items()}
            )
        for name, value in output.items():
            if torch.is_tensor(value):
                output[name] = _Gathered.apply(value)[:rows]
        return output

    encoder.forward = forward
    try:
        yield
    finally:
        del encoder.forward
        if before is not None:
            encoder.forward = before


def _own(rows: int) -> torch.Tensor:
    """Numbers of the rows of this process, as many as every other has: the last row again where it does not divide."""
    share = -(-rows // processes.size())
    return (torch.arange(share) + processes.rank() * share).clamp(max=rows - 1)


def _rows(value: Any, own: torch.Tensor) -> Any:
    return value[own.to(value.device)] if _has_rows(value) else value


def _has_rows(value: Any) -> bool:
    return torch.is_tensor(value) and value.dim() > 0


# While a share is computed: the rows of the whole batch, and which of them are ours.
_drawing: list[tuple[int, torch.Tensor]] = []


@contextmanager
def _drawn_for(rows: int, own: torch.Tensor) -> Iterator[None]:
    _drawing.append((rows, own))
    try:
        yield
    finally:
        _drawing.pop()


def whole(shape: torch.Size) -> tuple[torch.Size, torch.Tensor | None]:
    """For random numbers of a share, (rows, …): the shape of the whole batch's, and which of its rows to take.

    So each process draws what one alone would draw, and all of them stay in step. There may be several entries a row
    (its heads, one after the other). What is not of rows, as an embedding of relative positions, is drawn as it is.
    """
    if not _drawing:
        return shape, None
    rows, own = _drawing[-1]
    entries, left = divmod(shape[0], len(own))
    if left or (entries > 1 and len(shape) < 3):
        return shape, None
    taken = own if entries == 1 else (own[:, None] * entries + torch.arange(entries)).flatten()
    return torch.Size([rows * entries, *shape[1:]]), taken
