"""Matrix products of the encoder in bf16, where the machine computes them faster; all the rest stays in fp32.

Weights, sums, normalisation, the new layer and the loss are in fp32 in any case (mixed precision, Micikevicius et al.
2018; bfloat16, Kalamkar et al. 2019). So a model is saved in fp32, and can be run in either.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pipelines.core import files
from pipelines.models.options import Precision

# environment variables that keep oneDNN from using what the processor has
ISA = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def on_gpu() -> bool:
    """Whether there is a GPU. The one place that chooses the device."""
    return torch.cuda.is_available()


def chosen(precision: Precision) -> str:
    """`bf16` or `fp32`: `precision` itself, and for `auto` bf16 where the GPU or the processor has products of it."""
    if precision != "auto":
        return precision
    if on_gpu():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    has = torch.cpu.get_capabilities()
    allowed = torch.backends.cpu.get_cpu_capability() == "AVX512" and not os.environ.keys() & set(ISA)
    return "bf16" if allowed and (has.get("avx512_bf16") or has.get("amx_bf16")) else "fp32"


def as_trained(folder: Path) -> Precision:
    """`fp32` where the run in `folder` was trained in that, so that it stays so; else `auto`."""
    return "fp32" if files.read_json(folder / "training.json")["computed_in"] == "fp32" else "auto"


@contextmanager
def computed(model: Any, precision: Precision) -> Iterator[None]:
    """Within, the encoder of `model` (its `base_model`) multiplies in `chosen(precision)`; what it gives is fp32.

    A model with an output layer over the vocabulary, which multiplies as much, does so only while it trains: it is
    measured by log-probabilities, which feel the difference.
    """
    encoder, vocabulary = model.base_model, model.get_output_embeddings()
    changed = [module for module in (encoder, vocabulary) if module is not None and chosen(precision) == "bf16"]
    before = [module.__dict__.get("forward") for module in changed]
    for module in changed:
        module.forward = _in_bf16(module, "cuda" if on_gpu() else "cpu", only_training=vocabulary is not None)
    try:
        yield
    finally:
        for module, forward in zip(changed, before, strict=True):
            del module.forward  # the one of its class shows again
            if forward is not None:
                module.forward = forward


def _in_bf16(module: Any, device: str, only_training: bool) -> Callable[..., Any]:
    plain = module.forward

    def forward(*inputs: Any, **named: Any) -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=module.training or not only_training):
            output = plain(*inputs, **named)
        if torch.is_tensor(output):
            return output.float()
        for name, value in output.items():
            if torch.is_tensor(value):
                output[name] = value.float()
        return output

    return forward
