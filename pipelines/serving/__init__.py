"""Trained runs that answer. `Model.load("data/models/joint-full")("play some jazz")`; no training stage needs it."""

from pipelines.serving.model import Model

__all__ = ["Model"]
