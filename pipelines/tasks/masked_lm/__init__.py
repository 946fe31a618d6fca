"""Masked language modelling. Its options and what its card says; the functions stand in `task`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipelines.core.blocks import Share
from pipelines.models.options import Card, Run


class Options(Run):
    """A run of this task: every weight, and a head. Of the words `mask_rate` is chosen, and of these `masked_share`
    becomes the mask token and `replaced_share` other tokens; the rest stays as it is."""

    in_finetune: ClassVar[bool] = False

    task: Literal["masked_lm"] = "masked_lm"
    mode: Literal["full"] = "full"
    mask_rate: Share = 0.15
    masked_share: float = Field(default=0.8, ge=0, le=1)
    replaced_share: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _shares_of_one(self) -> "Options":
        if self.masked_share + self.replaced_share > 1:
            raise ValueError(f"masked_share {self.masked_share} and replaced_share {self.replaced_share} exceed 1")
        return self


CARD = Card(tag="fill-mask", auto_class="AutoModelForMaskedLM", where="")
