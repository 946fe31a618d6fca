"""Intent: sequence classification on the pooled `[CLS]` (Devlin et al. 2019, figure 4b)."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from pipelines import encoders, metrics
from pipelines.snips import Utterance

AUTO_CLASS = AutoModelForSequenceClassification
BEST = "accuracy"


def build(base: Path, rows: list[Utterance]) -> Any:
    """A classifier over the intents of `rows` on the encoder in `base`."""
    labels = sorted({row["intent"] for row in rows})
    return encoders.load_model(AUTO_CLASS, base, **encoders.label_config(labels))


def encode(rows: list[Utterance], tokenizer: Any, model: Any) -> list[dict[str, Any]]:
    """Model inputs and the label of each row; a label that the model does not know is left out."""
    texts = [row["text"] for row in rows]
    features = encoders.tokenize(tokenizer, texts, encoders.max_positions(model))
    for feature, row in zip(features, rows, strict=True):
        if row.get("intent") in model.config.label2id:
            feature["labels"] = model.config.label2id[row["intent"]]
    return features


def decode(
    logits: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """Logits of shape (labels,) for each row -> the likeliest `intent` and its probability `score`."""
    shares = softmax(np.stack(logits).astype(np.float64), axis=-1)
    best = shares.argmax(axis=-1)
    return [
        {"intent": model.config.id2label[int(n)], "score": float(share[n])}
        for n, share in zip(best, shares, strict=True)
    ]


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Any]:
    """Accuracy, macro F1, and a row for each intent under `per_intent`."""
    result = metrics.classification([row["intent"] for row in rows], [p["intent"] for p in predictions])
    result["per_intent"] = result.pop("per_class")
    return result


def is_right(prediction: dict[str, Any], row: Utterance) -> bool:
    """Whether the whole prediction is right."""
    return prediction["intent"] == row["intent"]


def plots(predictions: list[dict[str, Any]], rows: list[Utterance]) -> list[dict[str, str]]:
    """Pairs of actual and predicted intent, for a confusion matrix."""
    return [
        {"actual": row["intent"], "predicted": prediction["intent"]}
        for row, prediction in zip(rows, predictions, strict=True)
    ]
