"""Joint frames: intent and slots on one encoder (Chen et al. 2019), measured by whole frames."""

from collections.abc import Collection, Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from scipy.special import softmax

from pipelines.data import mentions
from pipelines.data.utterances import Utterance
from pipelines.labels import metrics, tagging
from pipelines.models import loading
from pipelines.models.inference import likeliest
from pipelines.models.task import Task
from pipelines.tasks.joint import Options
from pipelines.tasks.joint.model import JointBert, Objective


def tokenizer(base: Path, options: Options) -> Any:
    """The tokenizer of `base`, which marks capitals where the options say so."""
    return loading.load_tokenizer(base, options.capitals)


def build(base: Path, rows: list[Utterance], options: Options) -> Any:
    """A joint model over the intents and the tags of `rows` on the encoder in `base`."""
    intents = sorted({row["intent"] for row in rows})
    config = {"intents": intents, "tags": tagging.tag_names(rows), "head": options.head}
    config |= {"pooling": "mean"} if options.pooling == "mean" else {}
    model = loading.load_model(JointBert, base, new_head=True, pooler=options.pooler, **config)
    model.objective = Objective(
        slot_loss_weight=options.slot_loss_weight,
        slot_dropout=options.slot_dropout,
        label_smoothing=options.label_smoothing,
        r_drop=options.r_drop,
        taught=options.taught if options.teachers else 0.0,
        mask_token_id=loading.load_tokenizer(base).mask_token_id,
    )
    return model


def encode(
    rows: list[Utterance], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """As `tagging.encode`, with the intent id under `intent_labels` where the model knows the row's intent."""
    features = tagging.encode(rows, tokenizer, model.config.tags, loading.max_positions(model))
    ids = {name: n for n, name in enumerate(model.config.intents)}
    for feature, row in zip(features, rows, strict=True):
        if row.get("intent") in ids:
            feature["intent_labels"] = ids[row["intent"]]
    return features


def shown(rows: Collection[Utterance], options: Options, epoch: int) -> Iterable[Utterance]:
    """With `swap_rate` the rows with other values in their slots, others in each epoch."""
    return mentions.swapped(rows, options.swap_rate, Random(f"{options.seed}/{epoch}")) if options.swap_rate else rows


def teach(features: list[dict[str, Any]], logits: list[list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Add to each feature the mean probabilities of the teachers, whose logits are given: of intents, and of tags.

    Those of tags stand in one list, token after token.
    """
    for feature, *said in zip(features, *logits, strict=True):
        intents, tags = (np.mean([softmax(one, axis=-1) for one in of], axis=0) for of in zip(*said, strict=True))
        feature |= {"taught_intents": intents.astype(np.float32), "taught_tags": tags.astype(np.float32).ravel()}


def decode(
    logits: list[tuple[np.ndarray, np.ndarray]], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """Logits (intents,) and (tokens, tags) of each row -> `intent`, its probability `score`, and `slots`."""
    intent_logits, slot_logits = map(list, zip(*logits, strict=True))
    intents = likeliest(intent_logits, model.config.intents)
    filled = tagging.decode(slot_logits, features, rows, model.config.tags, chain(model))
    return [{"intent": name, "score": share} | of for (name, share), of in zip(intents, filled, strict=True)]


def chain(model: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Scores of the CRF as `tagging.decode` takes them, None without one."""
    if model.crf is None:
        return None
    parts = (model.crf.transitions, model.crf.start_transitions, model.crf.end_transitions)
    steps, starts, ends = (part.detach().cpu().double().numpy() for part in parts)
    return np.vstack([steps, starts]), ends


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Any]:
    """`intent_accuracy`, `slot_f1`, `frame_accuracy` (intent and all slots right), and the details of both tasks."""
    of_intent = metrics.classification([row["intent"] for row in rows], [p["intent"] for p in predictions])
    of_slots = tagging.score(predictions, rows)
    right = sum(is_right(prediction, row) for prediction, row in zip(predictions, rows, strict=True))
    return {
        "intent_accuracy": of_intent["accuracy"],
        "slot_f1": of_slots["f1"],
        "slot_precision": of_slots["precision"],
        "slot_recall": of_slots["recall"],
        "frame_accuracy": right / len(rows),
        "per_intent": of_intent["per_class"],
        "per_slot": of_slots["per_slot"],
    }


def is_right(prediction: dict[str, Any], row: Utterance) -> bool:
    """Whether the whole frame is right."""
    return prediction["intent"] == row["intent"] and tagging.is_right(prediction, row)


def plots(predictions: list[dict[str, Any]], rows: list[Utterance]) -> list[dict[str, str]]:
    """Pairs of actual and predicted intent."""
    return [
        {"actual": row["intent"], "predicted": prediction["intent"]}
        for row, prediction in zip(rows, predictions, strict=True)
    ]


TASK = Task(
    name="joint",
    auto_class=JointBert,
    best="frame_accuracy",
    outputs={"intent_logits": False, "slot_logits": True},
    labels={"intent_labels": None, "labels": tagging.IGNORED},
    build=build,
    tokenizer=tokenizer,
    encode=encode,
    decode=decode,
    score=score,
    is_right=is_right,
    plots=plots,
    epochs_differ=lambda options: options.swap_rate > 0,
    shown=shown,
    teach=teach,
)
