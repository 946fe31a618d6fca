"""Run any model over features in batches of like length, on the device that there is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

BATCH = 64  # features
PADDING = {"input_ids": 0, "attention_mask": 0, "token_type_ids": 0, "labels": -100}


def on_gpu() -> bool:
    """Whether there is a GPU. The one place that chooses the device."""
    return torch.cuda.is_available()


def predict(model: Any, features: list[dict[str, Any]]) -> list[np.ndarray]:
    """Logits of each feature, without padding: shape (labels,) for a text, (pieces, labels) for its pieces."""
    results: list[Any] = [None] * len(features)
    for batch, output in batches(model, features):
        for n, logits in zip(batch, output.logits.float().cpu().numpy(), strict=True):
            results[n] = logits[: length(features[n])] if logits.ndim > 1 else logits
    return results


def collate(features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad model inputs to the longest of the batch; keys that no model takes are left out."""
    longest = max(length(feature) for feature in features)
    batch = {}
    for name, filler in PADDING.items():
        if all(name in feature for feature in features):
            values = [feature[name] for feature in features]
            if isinstance(values[0], list):
                values = [value + [filler] * (longest - len(value)) for value in values]
            batch[name] = torch.tensor(values)
    if "inputs_embeds" in features[0]:
        rows = [feature["inputs_embeds"] for feature in features]
        batch["inputs_embeds"] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        del batch["input_ids"]  # a model takes the one or the other
    return batch


@torch.no_grad()
def batches(model: Any, features: list[dict[str, Any]]) -> Iterator[tuple[list[int], Any]]:
    """Run `model` over batches of like length; yield the positions of their features and the output."""
    device = "cuda" if on_gpu() else "cpu"
    model.to(device).eval()
    order = sorted(range(len(features)), key=lambda n: length(features[n]))
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        inputs = collate([{k: v for k, v in features[n].items() if k != "labels"} for n in batch])
        yield batch, model(**{name: value.to(device) for name, value in inputs.items()})


def length(feature: dict[str, Any]) -> int:
    """Word pieces of a feature."""
    return len(feature["input_ids"])
