"""BERT learns to fill in what is masked (Devlin et al. 2019, section 3.1); the functions of a task, for training.

Whole words are masked, all their tokens at once (the rule that BERT's authors added in 2019).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import transformers
from transformers.modeling_outputs import MaskedLMOutput

from pipelines.data.utterances import Utterance
from pipelines.models import loading
from pipelines.models.task import Task
from pipelines.tasks.masked_lm import Options

NO_LABEL = -100  # what the loss passes over


class BertForMaskedLM(transformers.BertForMaskedLM):
    """BERT whose head, in training, sees the chosen tokens alone: over all of them it costs as much as the encoder.

    Its encoder keeps the pooler, untouched, for the tasks that start from it and read it.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bert = transformers.BertModel(config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **options: Any,
    ) -> Any:
        inputs = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        if not self.training:
            return super().forward(input_ids, labels=labels, **inputs, **options)
        chosen = labels != NO_LABEL
        logits = self.cls(self.bert(input_ids, **inputs).last_hidden_state[chosen])
        return MaskedLMOutput(loss=torch.nn.functional.cross_entropy(logits, labels[chosen]), logits=logits)


def build(base: Path, rows: list[Utterance], options: Options) -> Any:
    """The encoder in `base` with a head that is tied to its word embeddings; new where `base` has none."""
    model = loading.load_model(BertForMaskedLM, base, new_head=True, pooler="optional")
    if model.bert.pooler is not None:
        model.bert.pooler.requires_grad_(False)  # nothing here reads it
    return model


def encode(
    rows: list[Utterance], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """Masked model inputs with what was masked as labels, by the seed, the row's id and its epoch, see `shown`.

    Without `options` nothing is masked but what the texts mask themselves.
    """
    texts = [row["text"] for row in rows]
    plain = loading.tokenize(tokenizer, texts, loading.max_positions(model))
    if options is None:
        return plain
    words = [tokenizer(text).word_ids() for text in texts]
    special = set(tokenizer.all_special_ids)
    others = [number for number in range(len(tokenizer)) if number not in special]
    features = []
    for feature, of_words, row in zip(plain, words, rows, strict=True):
        random = Random(f"{options.seed}/{row.get('epoch', 0)}/{row['id']}")
        shares = [options.masked_share, options.replaced_share]
        chosen = choose(of_words, options.mask_rate, shares, random)
        ids, labels = mask(feature["input_ids"], of_words, chosen, tokenizer.mask_token_id, others, random)
        features.append(feature | {"input_ids": ids, "labels": labels})
    return features


def shown(rows: Iterable[Utterance], options: Options, epoch: int) -> Iterator[dict[str, Any]]:
    """The rows with their epoch, so that each masks anew (Liu et al. 2019, RoBERTa, section 4.1)."""
    return (row | {"epoch": epoch} for row in rows)


def choose(words: list[int | None], rate: float, shares: list[float], random: Random) -> dict[int, str]:
    """Choose a share of the words, at least one, and what becomes of each: `masked`, `replaced` or `kept`.

    Args:
        words: of each token the word that it belongs to, None for special tokens.
        shares: of the chosen words, those that are masked, and those that are replaced; the rest is kept.
    """
    masked, replaced = shares
    all_words = sorted({word for word in words if word is not None})
    chosen = {}
    for word in random.sample(all_words, min(len(all_words), max(1, round(rate * len(all_words))))):
        drawn = random.random()
        chosen[word] = "masked" if drawn < masked else "replaced" if drawn < masked + replaced else "kept"
    return chosen


def mask(
    pieces: list[int], words: list[int | None], chosen: dict[int, str], mask_id: int, others: list[int], random: Random
) -> tuple[list[int], list[int]]:
    """The tokens that the model sees once `chosen` is done, and those that it has to find, else `NO_LABEL`.

    A masked word is `mask_id` at all its tokens, in a replaced one each token is drawn out of `others`.
    """
    shown, labels = list(pieces), [NO_LABEL] * len(pieces)
    for place, word in enumerate(words):
        if word in chosen:
            labels[place] = pieces[place]
            if chosen[word] == "masked":
                shown[place] = mask_id
            elif chosen[word] == "replaced":
                shown[place] = random.choice(others)
    return shown, labels


def reduce(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (rows, tokens, vocabulary) -> 1 where the likeliest token is the label, else 0; (rows, tokens)."""
    return (logits.argmax(dim=-1) == labels).to(torch.int8)


def decode(
    values: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """What `reduce` gives for each row, (tokens,) -> how many tokens were `masked`, and found (`right`).

    For new text, logits (tokens, vocabulary) -> `likeliest`, the id of the likeliest token at each place.
    """
    if features and "labels" not in features[0]:
        return [{"likeliest": row.argmax(axis=-1).tolist()} for row in values]
    masked = [sum(label != NO_LABEL for label in feature["labels"]) for feature in features]
    return [{"right": int(row.sum()), "masked": count} for row, count in zip(values, masked, strict=True)]


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, float]:
    """`masked_accuracy`: share of the masked tokens that the model finds."""
    masked = sum(prediction["masked"] for prediction in predictions)
    return {"masked_accuracy": sum(prediction["right"] for prediction in predictions) / max(1, masked)}


TASK = Task(
    name="masked_lm",
    auto_class=BertForMaskedLM,
    best="masked_accuracy",
    outputs={"logits": True},
    labels={"labels": NO_LABEL},
    build=build,
    encode=encode,
    decode=decode,
    score=score,
    reduce=reduce,
    epochs_differ=lambda options: True,
    shown=shown,
    shuffle_batches=True,
)
