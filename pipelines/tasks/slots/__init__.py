"""Slots: token classification. Its options and what its card says; the functions stand in `task`."""

from typing import Literal

from pipelines.models.options import Card, Run


class Options(Run):
    """A run of this task."""

    task: Literal["slots"] = "slots"

    @property
    def card(self) -> Card:
        """What a model card says of it."""
        return CARD


CARD = Card(tag="token-classification", auto_class="AutoModelForTokenClassification")
