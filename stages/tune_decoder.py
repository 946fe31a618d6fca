"""Teach the base decoder to write SNIPS utterances for an intent; keep the epoch that is best on validation."""

from pathlib import Path

from pipelines import dataset, language_model, params
from stages.command import command
from stages.finetune import SPLITS, save, train_task

BASE = Path("data/models/base-decoder")
RUN = "decoder"


def tune_decoder() -> None:
    """Make data/models/decoder and its curves."""
    everything = params.load()
    options = everything.tune_decoder
    intents = {row["intent"] for row in dataset.read(SPLITS / "train.parquet")}
    tokenizer = language_model.load_tokenizer(BASE, sorted(intents))
    trained = train_task(language_model, BASE, RUN, options, tokenizer)
    save(RUN, everything, everything.decoder, options, tokenizer, trained)


if __name__ == "__main__":
    command(tune_decoder)
