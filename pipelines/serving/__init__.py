"""Trained runs that answer. `Model.load("data/models/joint-full")("play some jazz")`; no training stage needs it."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`Model`, when it is asked for: what was exported answers without torch."""
    if name == "Model":
        from pipelines.serving.model import Model

        return Model
    raise AttributeError(f"module {__name__} has no attribute {name}")
