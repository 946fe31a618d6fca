"""Intent: sequence classification. Its options and what its card says; the functions stand in `task`."""

from typing import Literal

from pipelines.models.options import Card, PooledRun


class Options(PooledRun):
    """A run of this task."""

    task: Literal["intent"] = "intent"

    @property
    def card(self) -> Card:
        """What a model card says of it; on the mean no class of transformers fits."""
        return CARD if self.pooling == "cls" else ON_MEAN


CARD = Card(tag="text-classification", auto_class="AutoModelForSequenceClassification")
ON_MEAN = Card(tag=None, auto_class="BertOnMean", module="pipelines.tasks.intent.model")
