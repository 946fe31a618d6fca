"""Questions: extractive question answering. Its options and what its card says; the functions stand in `task`."""

from typing import Literal

from pydantic import Field

from pipelines.models.options import Card, Run


class Options(Run):
    """A run of this task."""

    task: Literal["qa"] = "qa"
    unanswerable_rate: float = Field(default=0.5, ge=0, le=1)

    @property
    def card(self) -> Card:
        """What a model card says of it."""
        return CARD


CARD = Card(tag="question-answering", auto_class="AutoModelForQuestionAnswering")
