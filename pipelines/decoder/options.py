"""What params.yaml says of the decoder: sizes from scratch, how it is tuned, what it writes."""

from typing import Literal

from pydantic import Field, ValidationError, model_validator

from pipelines.core.blocks import Block, Seed
from pipelines.core.errors import InputError
from pipelines.models.options import Card, Run


class Scratch(Block):
    """Sizes of a GPT-2 from random weights, by the names of `transformers.GPT2Config`."""

    vocab_size: int = Field(gt=256)
    least_frequency: int = Field(default=0, ge=0)
    lowercase: bool
    n_positions: int = Field(gt=1)
    n_embd: int = Field(gt=0)
    n_layer: int = Field(gt=0)
    n_head: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    seed: Seed

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Scratch":
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")
        return self


class Options(Run):
    """How the decoder learns to write utterances: every weight, and at one rate for all layers."""

    task: Literal["generation"] = "generation"
    mode: Literal["full"] = "full"
    layer_decay: Literal[1.0] = 1.0
    swap_rate: float = Field(default=0.0, ge=0, le=1)


CARD = Card(
    tag="text-generation",
    auto_class="GPT2LMHeadModel",
    where="; what it writes is judged in `metrics/generation.json`",
)


class Strategies(Block):
    """Sampling strategies of `pipelines.decoder.sampling`, each with its one number; those left out are not sampled."""

    greedy: Literal[1] | None = None
    beam: int | None = Field(default=None, gt=1)
    temperature: float | None = Field(default=None, gt=0)
    top_k: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    typical: float | None = Field(default=None, gt=0, lt=1)
    min_p: float | None = Field(default=None, gt=0, lt=1)

    def listed(self) -> dict[str, float]:
        """Strategy -> its number, of those that are to be sampled."""
        return {name: value for name, value in self if value is not None}


class Generate(Block):
    """What the tuned decoder writes."""

    n: int = Field(gt=0)
    seed: Seed
    max_new_tokens: int = Field(gt=0)
    strategies: Strategies

    @model_validator(mode="after")
    def _enough_beams(self) -> "Generate":
        if self.strategies.beam is not None and self.strategies.beam < self.n:
            raise ValueError(f"strategies.beam {self.strategies.beam} is less than n {self.n}")
        return self


def strategy(name: str, value: float | None) -> float:
    """The number of a sampling strategy, once checked.

    Raises:
        InputError: there is no such strategy, it has no number, or one out of range.
    """
    if name not in Strategies.model_fields:
        raise InputError(f"strategy {name}: there is no such; there are: {', '.join(Strategies.model_fields)}")
    if value is None:
        raise InputError(f"strategy {name}: not under generate.strategies of params.yaml; give it a --value")
    try:
        return Strategies.model_validate({name: value}).listed()[name]
    except ValidationError as error:
        raise InputError(f"strategy {name}: {error.errors()[0]['msg']} (got {value}); give another --value") from None
