"""Intent: sequence classification. Its options and what its card says; the functions stand in `task`."""

from typing import Literal

from pipelines.models.options import Card, Run


class Options(Run):
    """A run of this task."""

    task: Literal["intent"] = "intent"


CARD = Card(tag="text-classification", auto_class="AutoModelForSequenceClassification")
