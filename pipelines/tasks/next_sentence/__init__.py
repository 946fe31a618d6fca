"""Next-sentence prediction. Its options and what its card says; the functions stand in `task`."""

from typing import ClassVar, Literal

from pydantic import Field

from pipelines.models.options import Card, Run


class Options(Run):
    """A run of this task: every weight, and a head. Of longer pairs the longer sentence is cut."""

    in_finetune: ClassVar[bool] = False

    task: Literal["next_sentence"] = "next_sentence"
    mode: Literal["full"] = "full"
    longest_pair: int | None = Field(default=None, ge=8)  # tokens, None for all that the model takes


CARD = Card(tag=None, auto_class="BertForNextSentencePrediction", where="")
