"""What a frozen encoder gives, computed once and kept in a file, so that memory does not grow with the data."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from pipelines.models.features import Features
from pipelines.models.inference import batches
from pipelines.models.options import Precision
from pipelines.models.precision import chosen


class Outputs:
    """An open file of last hidden states of `count` features, of two bytes each where `precision` comes to bf16.

    Fewer features than `inference.FEW` are then computed in fp32 under `auto`, and kept in two bytes all the same.
    """

    def __init__(self, number: int, count: int, precision: Precision) -> None:
        self.number, self.end = number, 0
        self.places = np.zeros(count, dtype=np.int64)
        self.shapes = np.zeros((count, 2), dtype=np.int32)
        self.dtype = np.dtype(np.float32 if chosen(precision) == "fp32" else np.float16)

    def keep(self, n: int, hidden: torch.Tensor) -> None:
        """Append the states of feature number `n`, (tokens, hidden)."""
        self.places[n], self.shapes[n] = self.end, hidden.shape
        values = memoryview(hidden.numpy().astype(self.dtype).tobytes())
        while values:  # a disk that is nearly full takes a part, and the rest is an error
            written = os.pwrite(self.number, values, self.end)
            self.end, values = self.end + written, values[written:]

    def read(self, n: int) -> torch.Tensor:
        """The states of feature number `n` in fp32, (tokens, hidden)."""
        tokens, width = map(int, self.shapes[n])
        read = os.pread(self.number, tokens * width * self.dtype.itemsize, self.places[n])
        values = np.frombuffer(bytearray(read), self.dtype)
        return torch.from_numpy(values.astype(np.float32, copy=False)).view(tokens, width)


class _First(torch.nn.Module):
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states[:, 0]


class CachedEncoder(torch.nn.Module):
    """Stands in for a frozen encoder whose outputs are already there; the pooler, if any, is applied to them."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.pooler = getattr(encoder, "pooler", None)
        if isinstance(self.pooler, torch.nn.Linear):  # ALBERT's
            self.pooler = torch.nn.Sequential(_First(), self.pooler, encoder.pooler_activation)

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **_: Any) -> BaseModelOutputWithPooling:
        pooled = self.pooler(inputs_embeds) if self.pooler is not None else None
        return BaseModelOutputWithPooling(last_hidden_state=inputs_embeds, pooler_output=pooled)


@contextmanager
def outputs_kept(model: Any, features: Features, folder: Path, precision: Precision = "auto") -> Iterator[None]:
    """Within, the encoder of `model` is frozen and each feature has a function for what it gives under `inputs_embeds`.

    The file lies in `folder` without a name, so that nothing of it is left, whatever ends the process.
    """
    encoder = model.base_model
    encoder.requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        outputs = Outputs(file.fileno(), len(features), precision)
        for batch, output in batches(encoder, features, precision):
            for n, hidden in zip(batch, output.last_hidden_state.float().cpu(), strict=True):
                outputs.keep(n, hidden[: features.lengths[n]])
        features.kept = lambda n: partial(outputs.read, n)
        setattr(model, model.base_model_prefix, CachedEncoder(encoder))
        try:
            yield
        finally:
            setattr(model, model.base_model_prefix, encoder)
