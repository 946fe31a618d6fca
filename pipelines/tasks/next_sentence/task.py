"""BERT tells whether one sentence follows another (Devlin et al. 2019, section 3.1). Its rows are `Pair`s."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from scipy.special import softmax
from transformers import BertForNextSentencePrediction

from pipelines.models import loading
from pipelines.models.task import Task
from pipelines.tasks.next_sentence import Options
from pipelines.tasks.next_sentence.pairs import Pair, with_random

HEAD = "cls.seq_relationship.weight"


def build(base: Path, rows: list[Pair], options: Options) -> Any:
    """The encoder in `base` with a head for two classes; new where `base` has none. Its config keeps `longest_pair`."""
    return loading.load_model(
        BertForNextSentencePrediction, base, new_head=True, pooler="new", longest_pair=options.longest_pair
    )


def encode(
    rows: list[Pair], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """Inputs of `[CLS] first [SEP] second [SEP]`, label 0 where the second is next.

    Of a pair with more tokens than
    `model.config.longest_pair` or the model's positions, the longer sentence is cut at its end.
    """
    longest = min(model.config.longest_pair or loading.max_positions(model), loading.max_positions(model))
    batch = tokenizer(
        [row["first"] for row in rows], [row["second"] for row in rows], truncation=True, max_length=longest
    )
    return [
        {name: batch[name][n] for name in tokenizer.model_input_names if name in batch}
        | ({"labels": 0 if row["next"] else 1} if "next" in row else {})
        for n, row in enumerate(rows)
    ]


def shown(rows: list[Pair], options: Options, epoch: int) -> list[Pair]:
    """The rows, which are real pairs, each with a random reply after it, drawn anew for each epoch."""
    return with_random(rows, Random(f"{options.seed}/{epoch}"))


def decode(
    values: list[np.ndarray], features: list[dict[str, Any]], rows: list[Pair], model: Any
) -> list[dict[str, Any]]:
    """Logits (2,) a pair -> `probability` that the second is next."""
    return [{"probability": float(softmax(row.astype(np.float64))[0])} for row in values]


def score(predictions: list[dict[str, Any]], rows: list[Pair]) -> dict[str, float]:
    """`accuracy`: share of the pairs that are told rightly; a coin has 0.5."""
    right = [(one["probability"] > 0.5) == row["next"] for one, row in zip(predictions, rows, strict=True)]
    return {"accuracy": sum(right) / len(right)}


TASK = Task(
    name="next_sentence",
    auto_class=BertForNextSentencePrediction,
    best="accuracy",
    outputs={"logits": False},
    labels={"labels": None},
    build=build,
    encode=encode,
    decode=decode,
    score=score,
    epochs_differ=lambda options: True,
    shown=shown,
    shuffle_batches=True,
)
