"""GPT-2 learns blocks `<intent> utterance <end>` (causal language modelling); the functions of a task, for training.

The intent is a control token in front (Keskar et al. 2019, CTRL); the loss is on the utterance and the end alone.
"""

import math
from collections.abc import Collection, Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import GPT2LMHeadModel

from pipelines.core.errors import InputError
from pipelines.data import mentions
from pipelines.data.utterances import Utterance
from pipelines.decoder.options import Options
from pipelines.models import inference, loading
from pipelines.models.task import Task

NO_LABEL = -100  # what the loss of transformers passes over


def control(intent: str) -> str:
    """The token that asks for an utterance of `intent`."""
    return f"<{intent}>"


def intents(tokenizer: Any) -> list[str]:
    """The intents that a tuned decoder knows, by its control tokens, in order."""
    others = {getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "unk", "pad", "sep", "cls", "mask")}
    return sorted(token.strip("<>") for token in tokenizer.all_special_tokens if token not in others)


def load_tokenizer(folder: Path, intents: list[str]) -> Any:
    """The tokenizer of `folder` with a control token for each of `intents`."""
    tokenizer = loading.load_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise InputError(f"{folder}: its tokenizer has no end token; use a GPT-2 with a complete tokenizer")
    tokenizer.add_special_tokens({"extra_special_tokens": [control(intent) for intent in intents]})
    return tokenizer


def build(base: Path, rows: list[Utterance], options: Options) -> Any:
    """The decoder in `base`, with embeddings for the control tokens of the intents of `rows`."""
    model = loading.load_model(GPT2LMHeadModel, base)
    model.resize_token_embeddings(len(load_tokenizer(base, sorted({row["intent"] for row in rows}))))
    return model


def encode(
    rows: list[Utterance], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """Model inputs of each block, and its tokens as labels, without the control token.

    Raises:
        InputError: a block has more tokens than the model has positions.
    """
    blocks = [f"{control(row['intent'])} {row['text']}"[: None if row["text"] else -1] for row in rows]
    blocks = [block + tokenizer.eos_token for block in blocks]
    features = loading.tokenize(tokenizer, blocks, loading.max_positions(model))
    for feature in features:
        feature["labels"] = [NO_LABEL, *feature["input_ids"][1:]]
    return features


def shown(rows: Collection[Utterance], options: Options, epoch: int) -> Iterable[Utterance]:
    """The rows with other values in a share of their slots, others in each epoch."""
    return mentions.swapped(rows, options.swap_rate, Random(f"{options.seed}/{epoch}"))


def reduce(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (rows, tokens, vocabulary), labels (rows, tokens) -> log-probability of each labelled token, in nats.

    0 where there is no label. Trainer calls it, so that the logits of a whole partition need not be kept.
    """
    scores = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    wanted = labels[:, 1:]
    values = scores.gather(-1, wanted.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return torch.nn.functional.pad(values.masked_fill(wanted == NO_LABEL, 0.0), (1, 0))


def decode(
    values: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """What `reduce` gives for each row, (tokens,) -> `log_probability` of its utterance and end, in nats."""
    return [{"log_probability": float(row.astype(np.float64).sum())} for row in values]


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, float]:
    """`log_probability_per_word` (nats), `perplexity_per_word`, `bits_per_byte`; see `perplexity`."""
    return perplexity(sum(prediction["log_probability"] for prediction in predictions), [row["text"] for row in rows])


def perplexity(log_probability: float, texts: list[str]) -> dict[str, float]:
    """Measures of a model that gives `texts` this log-probability, in nats.

    They compare between tokenizers that keep the same of a text: one in lower case predicts less than one with case.
    Words are what white space parts. The end of each text counts as one word, and as one byte, as it is predicted too
    (the convention of the Penn Treebank, Mikolov et al. 2010).
    """
    words = sum(len(text.split()) + 1 for text in texts)
    size = sum(len(text.encode()) + 1 for text in texts)
    return {
        "log_probability_per_word": log_probability / words,
        "perplexity_per_word": math.exp(-log_probability / words),
        "bits_per_byte": -log_probability / math.log(2) / size,
    }


def log_probabilities(model: Any, tokenizer: Any, rows: list[Utterance]) -> list[float]:
    """Log-probability of the text and end of each row, given its intent, in nats; over the tokenizer's own tokens."""
    features = encode(rows, tokenizer, model)
    results = [0.0] * len(rows)
    for batch, output in inference.batches(model, features):
        labels = inference.collate([features[n] for n in batch], TASK.labels)["labels"]
        for n, value in zip(batch, reduce(output.logits.cpu(), labels).double().sum(dim=1).tolist(), strict=True):
            results[n] = value
    return results


TASK = Task(
    name="generation",
    auto_class=GPT2LMHeadModel,
    best="log_probability_per_word",
    outputs={"logits": True},
    labels={"labels": NO_LABEL},
    build=build,
    encode=encode,
    decode=decode,
    score=score,
    reduce=reduce,
    epochs_differ=lambda options: True,
    shown=shown,
    shuffle_batches=True,  # short texts at the end of every 50 batches cost a fifth of the perplexity
)
