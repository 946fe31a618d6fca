"""Intent: sequence classification. Its options and what its card says; the functions stand in `task`."""

from typing import Literal

from pipelines.models.options import Card, PooledRun


class Options(PooledRun):
    """A run of this task."""

    task: Literal["intent"] = "intent"


CARD = Card(tag="text-classification", auto_class="AutoModelForSequenceClassification")
