"""Run any model over features in batches of like length, on the device that there is."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from pipelines.data.utterances import Utterance, some_at_once
from pipelines.models.features import Features
from pipelines.models.options import Precision
from pipelines.models.precision import computed, on_gpu
from pipelines.models.task import Task

BATCH = 64  # features
FEW = 16  # features, fewer are not worth the conversion of the weights to bf16
INPUTS = {"input_ids": 0, "attention_mask": 0, "token_type_ids": 0}  # model input -> what it is padded with


def predict(
    model: Any, features: Sequence[dict[str, Any]], outputs: dict[str, bool], precision: Precision = "auto"
) -> list[Any]:
    """Logits of each feature, without padding; a tuple of them where there are several `outputs`.

    Args:
        outputs: names of the model's outputs -> whether they have one entry a token, as the task's `outputs` says.
    """
    results: list[Any] = [None] * len(features)
    for batch, output in batches(model, features, precision):
        logits = [getattr(output, name).float().cpu().numpy() for name in outputs]
        for n, row in zip(batch, unpad(logits, chosen(features, batch), outputs), strict=True):
            results[n] = row
    return results


def predictions(
    task: Task, model: Any, tokenizer: Any, rows: list[Utterance], precision: Precision = "auto"
) -> list[dict[str, Any]]:
    """What `model` says of each row, in the terms of the corpus (see the task's `decode`)."""
    said = []
    for some in some_at_once(rows):
        features = task.encode(some, tokenizer, model)
        said += task.decode(predict(model, features, task.outputs, precision), features, some, model)
    return said


def unpad(logits: list[np.ndarray], features: list[dict[str, Any]], outputs: dict[str, bool]) -> list[Any]:
    """Padded arrays, one an output, each with a row a feature -> for each feature its logits (see `predict`)."""
    columns = [
        [row[: length(feature)] if by_piece else row for row, feature in zip(array, features, strict=True)]
        for array, by_piece in zip(logits, outputs.values(), strict=True)
    ]
    return list(zip(*columns, strict=True)) if len(columns) > 1 else columns[0]


def likeliest(logits: list[np.ndarray], names: list[str]) -> list[tuple[str, float]]:
    """For each row of logits, (names,), the likeliest name and its probability (softmax)."""
    shares = softmax(np.stack(logits).astype(np.float64), axis=-1)
    return [(names[int(share.argmax())], float(share.max())) for share in shares]


def collate(features: list[dict[str, Any]], labels: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Pad model inputs, and the task's `labels`, to the longest of the batch; keys that no model takes are left out."""
    longest = max(length(feature) for feature in features)
    batch = {}
    for name, filler in (INPUTS | labels).items():
        if all(name in feature for feature in features):
            values = [feature[name] for feature in features]
            if isinstance(values[0], list):
                values = [value + [filler] * (longest - len(value)) for value in values]
            batch[name] = torch.tensor(values)
    if "taught_intents" in features[0]:
        batch["taught_intents"] = torch.tensor(
            np.array([feature["taught_intents"] for feature in features], np.float32)
        )
        rows = [torch.tensor(feature["taught_tags"]).view(length(feature), -1) for feature in features]
        batch["taught_tags"] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    if "inputs_embeds" in features[0]:
        rows = [feature["inputs_embeds"]() for feature in features]
        batch["inputs_embeds"] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        del batch["input_ids"]  # a model takes the one or the other
    return batch


@torch.no_grad()
def batches(
    model: Any, features: Sequence[dict[str, Any]], precision: Precision = "auto"
) -> Iterator[tuple[list[int], Any]]:
    """Run `model` over batches of like length; yield the positions of their features and the output."""
    device = "cuda" if on_gpu() else "cpu"
    if model.training or model.device.type != device:  # it takes a while to look through a model
        model.to(device).eval()
    if precision == "auto" and len(features) < FEW:
        precision = "fp32"
    order = by_length(features)
    with computed(model, precision):
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            inputs = collate(chosen(features, batch), labels={})
            yield batch, model(**{name: value.to(device) for name, value in inputs.items()})


def chosen(features: Sequence[dict[str, Any]], numbers: list[int]) -> list[dict[str, Any]]:
    """The features with these numbers."""
    return features.__getitems__(numbers) if isinstance(features, Features) else [features[n] for n in numbers]


def by_length(features: Sequence[dict[str, Any]]) -> list[int]:
    """Positions of the features, those of like length together."""
    lengths = features.lengths if isinstance(features, Features) else [length(feature) for feature in features]
    return sorted(range(len(features)), key=lengths.__getitem__)


def length(feature: dict[str, Any]) -> int:
    """Tokens of a feature, special ones too."""
    return len(feature["input_ids"])
