"""Joint frames: intent and slots at once. Its options and what its card says; the functions stand in `task`."""

from typing import Literal

from pydantic import Field, model_validator

from pipelines.models.options import Card, PooledRun


class Options(PooledRun):
    """A run of this task."""

    task: Literal["joint"] = "joint"
    head: Literal["linear", "crf"] = "linear"
    slot_loss_weight: float = Field(default=0.5, gt=0, lt=1)
    slot_dropout: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    capitals: bool = False
    swap_rate: float = Field(default=0.0, ge=0, le=1)
    r_drop: float = Field(default=0.0, ge=0)
    teachers: int = Field(default=0, ge=0)
    taught: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _teachers_fit(self) -> "Options":
        if self.head == "crf" and (self.teachers or self.r_drop):
            raise ValueError("teachers and r_drop read probabilities of tags, which head: crf has none of; take linear")
        if self.teachers and self.mode == "head":
            raise ValueError("teachers needs mode full")
        if "taught" in self.model_fields_set and not self.teachers:
            raise ValueError("taught is the share of teachers, and there are none; set teachers, or take it out")
        return self

    @model_validator(mode="after")
    def _nothing_hidden_from_a_frozen_encoder(self) -> "Options":
        if self.mode == "head" and self.slot_dropout:
            raise ValueError("slot_dropout needs mode full: the outputs of a frozen encoder are computed once")
        return self

    @property
    def card(self) -> Card:
        """What a model card says of it."""
        return CARD


# no tag of the hub fits: loaded as a plain token classifier it would get a random head
CARD = Card(tag=None, auto_class="JointBert", module="pipelines.tasks.joint.model")
