"""Slots: token classification, IOB2 on words, the first word piece labelled (Devlin et al. 2019, section 5.3)."""

from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoModelForTokenClassification

from pipelines import encoders, tagging
from pipelines.params import Finetune
from pipelines.snips import Utterance

AUTO_CLASS = AutoModelForTokenClassification
BEST = "f1"
LABELS = ("labels",)
OUTPUTS = {"logits": True}

score, is_right, plots = tagging.score, tagging.is_right, tagging.plots


def build(base: Path, rows: list[Utterance], options: Finetune) -> Any:
    """A tagger over the tags of the slot labels of `rows` on the encoder in `base`."""
    return encoders.load_model(AUTO_CLASS, base, **encoders.label_config(tagging.tag_names(rows)))


def encode(rows: list[Utterance], tokenizer: Any, model: Any, training: bool = False) -> list[dict[str, Any]]:
    """Model inputs, labels and `first_pieces` of each row, see `tagging.encode`."""
    return tagging.encode(rows, tokenizer, encoders.label_names(model), encoders.max_positions(model))


def decode(
    logits: list[np.ndarray], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """Logits of shape (pieces, tags) for each row -> `slots`, see `tagging.decode`."""
    return tagging.decode(logits, features, rows, encoders.label_names(model))
