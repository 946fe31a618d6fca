"""Bring the base decoder (folder, installed package or Hub) into data/models/base-decoder, or make one from scratch."""

from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.decoder.options import Scratch
from pipelines.fetching import base_models, watching

BASE = Path("data/models/base-decoder")
TRAIN = Path("data/splits/train.parquet")


class Decoder(base_models.Encoder):
    """The base decoder: `scratch`, or a GPT-2 by name as for the encoder."""

    scratch: Scratch


def fetch_decoder() -> None:
    """Make data/models/base-decoder."""
    decoder = blocks.load("decoder", Decoder)
    watching.check("decoder", "decoder.name", decoder.name, blocks.load("watch.decoder", blocks.Place))
    longest = blocks.load("generate.max_new_tokens", int)  # known before minutes of training
    if decoder.name == "scratch" and longest >= decoder.scratch.n_positions - 1:  # and the control token
        raise InputError(
            f"params.yaml: generate.max_new_tokens {longest} has no room in decoder.scratch.n_positions "
            f"{decoder.scratch.n_positions}; lower the one or raise the other"
        )
    with files.whole(BASE) as folder:
        if decoder.name != "scratch":
            base_models.fetch(decoder, "decoder", "decoder", folder)
            return
        from pipelines.decoder.scratch import scratch

        model, tokenizer = scratch(decoder.scratch, [row["text"] for row in parquet.read(TRAIN)])
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    command(fetch_decoder)
