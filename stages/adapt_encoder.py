"""Teach the base encoder to fill in what is masked in the corpus; keep the epoch that is best on validation."""

from pathlib import Path

from pipelines.core import blocks
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.models import loading
from pipelines.tasks import masked_lm
from pipelines.training import runs

SPLITS = Path("data/splits")
PLACES = runs.Places(models=Path("data/models"), plots=Path("metrics/plots"), monitor=Path("data/monitor"))
RUN = "adapted-encoder"


def adapt_encoder() -> None:
    """Make data/models/adapted-encoder and its curves."""
    from pipelines.tasks.masked_lm.task import TASK

    options = blocks.load("adapt_encoder", masked_lm.Options)
    base = PLACES.models / "base-encoder"
    tokenizer = loading.load_tokenizer(base)
    trained = runs.train(RUN, TASK, base, SPLITS, options, tokenizer)
    origin = runs.Origin(blocks.load("data", Data).name, blocks.load("encoder.name", str))
    runs.save(RUN, origin, masked_lm.CARD, options, tokenizer, trained, PLACES)


if __name__ == "__main__":
    command(adapt_encoder, computes=True, trains=True)
