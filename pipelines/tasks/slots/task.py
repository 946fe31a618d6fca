"""Slots: token classification, IOB2 on words, the first token labelled (Devlin et al. 2019, section 5.3)."""

from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoModelForTokenClassification

from pipelines.data.utterances import Utterance
from pipelines.labels import tagging
from pipelines.models import loading
from pipelines.models.task import Task
from pipelines.tasks.slots import Options

score, is_right, plots = tagging.score, tagging.is_right, tagging.plots


def build(base: Path, rows: list[Utterance], options: Options) -> Any:
    """A tagger over the tags of the slot labels of `rows` on the encoder in `base`."""
    labels = loading.label_config(tagging.tag_names(rows))
    return loading.load_model(AutoModelForTokenClassification, base, new_head=True, **labels)


def encode(
    rows: list[Utterance], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """Model inputs, labels and `first_tokens` of each row, see `tagging.encode`."""
    return tagging.encode(rows, tokenizer, loading.label_names(model), loading.max_positions(model))


def decode(
    logits: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """Logits of shape (tokens, tags) for each row -> `slots`, see `tagging.decode`."""
    return tagging.decode(logits, features, rows, loading.label_names(model))


TASK = Task(
    name="slots",
    auto_class=AutoModelForTokenClassification,
    best="f1",
    outputs={"logits": True},
    labels={"labels": tagging.IGNORED},
    build=build,
    encode=encode,
    decode=decode,
    score=score,
    is_right=is_right,
    plots=plots,
)
