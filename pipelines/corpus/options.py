"""The section `split` of params.yaml."""

from typing import Literal

from pydantic import Field

from pipelines.core.blocks import Block, Seed, Share


class Split(Block):
    """How the corpus becomes train, validation and test; see `pipelines.corpus.splits`."""

    protocol: Literal["literature", "official", "random", "given"]
    seed: Seed
    validation_per_intent: int = Field(gt=0)
    validation_share: Share
    test_share: Share
    per_intent: int | None = Field(gt=0)
