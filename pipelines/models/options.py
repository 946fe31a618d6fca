"""How a run is trained: its block of params.yaml, to which each task adds its own options."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipelines.core.blocks import Block, Seed

Start = Literal["base", "adapted"]  # which encoder fine-tuning starts from
Pooler = Literal["needed", "new", "optional"]  # what becomes of a pooler that a folder lacks, see `loading.load_model`
Pooling = Literal["cls", "mean"]  # what a layer for the whole utterance reads: the pooled `[CLS]`, or all tokens
Precision = Literal["auto", "fp32", "bf16"]  # of the encoder's matrix products; auto: bf16 where it is faster

SMALLEST = 8  # rows of a batch that few data lead to


class Run(Block):
    """One training run. Defaults stand here so that a new run needs to name only what it changes."""

    in_finetune: ClassVar[bool] = True  # whether `finetune` and `evaluate` take it; others have a stage of their own

    task: str
    mode: Literal["full", "head"]
    epochs: int = Field(default=6, gt=0)
    batch_size: int = Field(default=32, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine"] = "linear"
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    ema: float = Field(default=0.0, ge=0, lt=1)
    seed: Seed = 13
    precision: Precision = "auto"
    least_steps: int = Field(default=0, ge=0)  # of the optimizer, see `fitted`

    @model_validator(mode="after")
    def _a_frozen_encoder_has_no_rates(self) -> Self:
        if self.mode == "head" and self.layer_decay != 1:
            raise ValueError("layer_decay needs mode full: the layers of a frozen encoder are not trained")
        return self

    def fitted(self, rows: int) -> Self:
        """This run where an epoch has so many rows: few rows give few steps, and a model that has learned nothing.

        Until there are `least_steps`, batches are halved down to `SMALLEST`, which costs least, and then epochs added.
        """
        batch = self.batch_size
        while self.epochs * -(-rows // batch) < self.least_steps and batch >= 2 * SMALLEST:
            batch //= 2
        epochs = max(self.epochs, -(-self.least_steps // max(1, -(-rows // batch))))
        return self.model_copy(update={"batch_size": batch, "epochs": epochs})


class PooledRun(Run):
    """A run whose head reads the whole utterance: the pooler, which a base model may lack, or the mean of all tokens.
    A new pooler starts at random.

    In mode head nobody would ever train it, so that is refused unless `random_pooler` says that it may be so.
    """

    random_pooler: bool = False
    pooling: Pooling = "cls"

    @model_validator(mode="after")
    def _the_mean_has_no_pooler(self) -> Self:
        if self.random_pooler and self.pooling == "mean":
            raise ValueError("random_pooler needs pooling cls: the mean of all tokens reads no pooler")
        return self

    @property
    def pooler(self) -> Pooler:
        """What becomes of a missing pooler; the mean of all tokens needs none."""
        if self.pooling == "mean":
            return "optional"
        return "new" if self.mode == "full" or self.random_pooler else "needed"


class Card(Block):
    """What a model card says of a task: the hub's tag (none where no tag fits), and how the model is loaded."""

    tag: str | None
    auto_class: str
    module: str = "transformers"
    where: str = "; test figures stand in `metrics/{run}.json`"  # where more figures are
