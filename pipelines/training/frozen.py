"""What a frozen encoder gives, computed once and kept in a file, so that memory does not grow with the data."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from pipelines.models.inference import batches, length
from pipelines.models.options import Precision
from pipelines.models.precision import chosen


class Kept:
    """Last hidden states of one feature, (tokens, hidden), somewhere in a file; read where they are needed."""

    __slots__ = ("file", "offset", "shape")

    def __init__(self, file: "Outputs", offset: int, shape: tuple[int, int]) -> None:
        self.file, self.offset, self.shape = file, offset, shape

    def read(self) -> torch.Tensor:
        """The states in fp32."""
        size = self.shape[0] * self.shape[1] * self.file.dtype.itemsize
        values = np.frombuffer(bytearray(os.pread(self.file.number, size, self.offset)), self.file.dtype)
        return torch.from_numpy(values.astype(np.float32, copy=False)).view(self.shape)


class Outputs:
    """An open file of hidden states, of two bytes each where they were computed in bf16."""

    def __init__(self, number: int, precision: Precision) -> None:
        self.number, self.end = number, 0
        self.dtype = np.dtype(np.float32 if chosen(precision) == "fp32" else np.float16)

    def keep(self, hidden: torch.Tensor) -> Kept:
        """Append the states of one feature, (tokens, hidden)."""
        kept = Kept(self, self.end, tuple(hidden.shape))
        values = memoryview(hidden.numpy().astype(self.dtype).tobytes())
        while values:  # a disk that is nearly full takes a part, and the rest is an error
            written = os.pwrite(self.number, values, self.end)
            self.end, values = self.end + written, values[written:]
        return kept


class CachedEncoder(torch.nn.Module):
    """Stands in for a frozen encoder whose outputs are already there; the pooler, if any, is applied to them."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.pooler = getattr(encoder, "pooler", None)

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **_: Any) -> BaseModelOutputWithPooling:
        pooled = self.pooler(inputs_embeds) if self.pooler is not None else None
        return BaseModelOutputWithPooling(last_hidden_state=inputs_embeds, pooler_output=pooled)


@contextmanager
def outputs_kept(
    model: Any, features: list[dict[str, Any]], folder: Path, precision: Precision = "auto"
) -> Iterator[None]:
    """Within, the encoder of `model` is frozen and each feature has what it gives under `inputs_embeds`.

    The file lies in `folder` without a name, so that nothing of it is left, whatever ends the process.
    """
    encoder = model.base_model
    encoder.requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        outputs = Outputs(file.fileno(), precision)
        for batch, output in batches(encoder, features, precision):
            for n, hidden in zip(batch, output.last_hidden_state.float().cpu(), strict=True):
                features[n]["inputs_embeds"] = outputs.keep(hidden[: length(features[n])])
        setattr(model, model.base_model_prefix, CachedEncoder(encoder))
        try:
            yield
        finally:
            setattr(model, model.base_model_prefix, encoder)
