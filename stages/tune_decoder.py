"""Teach the base decoder to write utterances for an intent; keep the epoch that is best on validation."""

from pathlib import Path

from pipelines.core import blocks
from pipelines.core.command import command
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.decoder import language_model
from pipelines.decoder.options import CARD, Options
from pipelines.training import runs

SPLITS = Path("data/splits")
PLACES = runs.Places(models=Path("data/models"), plots=Path("metrics/plots"), monitor=Path("data/monitor"))
RUN = "decoder"


def tune_decoder() -> None:
    """Make data/models/decoder and its curves."""
    options = blocks.load("tune_decoder", Options)
    base = PLACES.models / "base-decoder"
    intents = {row["intent"] for row in parquet.Rows(SPLITS / "train.parquet")}
    tokenizer = language_model.load_tokenizer(base, sorted(intents))
    trained = runs.train(RUN, language_model.TASK, base, SPLITS, options, tokenizer)
    origin = runs.Origin(blocks.load("data", Data).name, blocks.load("decoder.name", str))
    runs.save(RUN, origin, CARD, options, tokenizer, trained, PLACES)


if __name__ == "__main__":
    command(tune_decoder, computes=True, trains=True)
