"""BERT learns to fill in what is masked (Devlin et al. 2019, section 3.1); the functions of a task, for training.

Whole words are masked, all their pieces at once (the rule that BERT's authors added in 2019).
"""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForMaskedLM

from pipelines import encoders
from pipelines.language_model import NO_LABEL
from pipelines.params import AdaptEncoder
from pipelines.snips import Utterance

AUTO_CLASS = AutoModelForMaskedLM
BEST = "masked_accuracy"
LABELS = ("labels",)
OUTPUTS = {"logits": True}
EPOCHS_DIFFER = True
SHUFFLE_BATCHES = True
MASKED, REPLACED = 0.8, 0.1  # shares of the chosen words that become [MASK], and other pieces; the rest stays


def build(base: Path, rows: list[Utterance], options: AdaptEncoder) -> Any:
    """The encoder in `base` with a head that is tied to its word embeddings; new where `base` has none."""
    masking = {"mask_rate": options.mask_rate, "mask_copies": options.epochs, "mask_seed": options.seed}
    return encoders.load_model(AUTO_CLASS, base, **masking)


def encode(rows: list[Utterance], tokenizer: Any, model: Any, training: bool = False) -> list[dict[str, Any]]:
    """Masked model inputs with what was masked as labels; for training a copy of `rows` an epoch, each masked anew.

    Dynamic masking (Liu et al. 2019, RoBERTa, section 4.1).
    """
    config = model.config
    texts = [row["text"] for row in rows]
    plain = encoders.tokenize(tokenizer, texts, encoders.max_positions(model))
    words = [tokenizer(text).word_ids() for text in texts]
    special = set(tokenizer.all_special_ids)
    others = [number for number in range(len(tokenizer)) if number not in special]
    features = []
    for copy in range(config.mask_copies if training else 1):
        for feature, of_words, row in zip(plain, words, rows, strict=True):
            random = Random(f"{config.mask_seed}/{copy}/{row['id']}")
            masked = mask(feature["input_ids"], of_words, config.mask_rate, tokenizer.mask_token_id, others, random)
            features.append(feature | dict(zip(("input_ids", "labels"), masked, strict=True)))
    return features


def mask(
    pieces: list[int], words: list[int | None], rate: float, mask_id: int, others: list[int], random: Random
) -> tuple[list[int], list[int]]:
    """Choose a share of the words, at least one: 80 % become `mask_id`, 10 % pieces out of `others`, 10 % stay.

    Args:
        words: of each piece the word that it belongs to, None for special pieces.

    Returns:
        The pieces that the model sees, and those that it has to find (`NO_LABEL` where it need not).
    """
    all_words = sorted({word for word in words if word is not None})
    chosen = {}
    for word in random.sample(all_words, min(len(all_words), max(1, round(rate * len(all_words))))):
        chosen[word] = random.random()
    shown, labels = list(pieces), [NO_LABEL] * len(pieces)
    for place, word in enumerate(words):
        if word in chosen:
            labels[place] = pieces[place]
            if chosen[word] < MASKED:
                shown[place] = mask_id
            elif chosen[word] < MASKED + REPLACED:
                shown[place] = random.choice(others)
    return shown, labels


def reduce(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (rows, pieces, vocabulary) -> 1 where the likeliest piece is the label, else 0; (rows, pieces)."""
    return (logits.argmax(dim=-1) == labels).to(torch.int8)


def decode(
    values: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """What `reduce` gives for each row, (pieces,) -> how many pieces were `masked`, and found (`right`)."""
    masked = [sum(label != NO_LABEL for label in feature["labels"]) for feature in features]
    return [{"right": int(row.sum()), "masked": count} for row, count in zip(values, masked, strict=True)]


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, float]:
    """`masked_accuracy`: share of the masked pieces that the model finds."""
    masked = sum(prediction["masked"] for prediction in predictions)
    return {"masked_accuracy": sum(prediction["right"] for prediction in predictions) / max(1, masked)}
