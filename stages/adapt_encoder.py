"""Teach the base encoder to fill in what is masked in SNIPS; keep the epoch that is best on validation."""

from pipelines import encoders, masked_lm, params
from stages.command import command
from stages.finetune import BASE, save, train_task

RUN = "adapted-encoder"


def adapt_encoder() -> None:
    """Make data/models/adapted-encoder and its curves."""
    everything = params.load()
    options = everything.adapt_encoder
    tokenizer = encoders.load_tokenizer(BASE)
    save(RUN, everything, everything.encoder, options, tokenizer, train_task(masked_lm, BASE, RUN, options, tokenizer))


if __name__ == "__main__":
    command(adapt_encoder)
