"""Intent: sequence classification on the pooled `[CLS]` (Devlin et al. 2019, figure 4b) or the mean of all tokens."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.labels import metrics
from pipelines.models import loading
from pipelines.models.inference import likeliest
from pipelines.models.task import Task
from pipelines.tasks.intent import Options
from pipelines.tasks.intent.model import BertOnMean, Classifier


def build(base: Path, rows: list[Utterance], options: Options) -> Any:
    """A classifier over the intents of `rows` on the encoder in `base`.

    Raises:
        InputError: there is but one.
    """
    intents = sorted({row["intent"] for row in rows})
    if len(intents) < 2:  # transformers would take one label for a regression
        raise InputError(
            f"train has one intent, {', '.join(intents)}, so there is nothing to choose; take this run out"
        )
    labels = loading.label_config(intents)
    if options.pooling == "mean":
        return loading.load_model(BertOnMean, base, new_head=True, pooling="mean", **labels)
    return loading.load_model(Classifier, base, new_head=True, pooler=options.pooler, **labels)


def encode(
    rows: list[Utterance], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """Model inputs and the label of each row; a label that is not there or that the model does not know is left out."""
    texts = [row["text"] for row in rows]
    features = loading.tokenize(tokenizer, texts, loading.max_positions(model))
    ids = model.config.label2id
    for feature, row in zip(features, rows, strict=True):
        if row.get("intent") in ids:
            feature["labels"] = ids[row["intent"]]
    return features


def decode(
    logits: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """Logits of shape (labels,) for each row -> the likeliest `intent` and its probability `score`."""
    return [{"intent": name, "score": share} for name, share in likeliest(logits, loading.label_names(model))]


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


TASK = Task(
    name="intent",
    auto_class=Classifier,
    best="accuracy",
    outputs={"logits": False},
    labels={"labels": None},
    build=build,
    encode=encode,
    decode=decode,
    score=score,
    is_right=is_right,
    plots=plots,
)
