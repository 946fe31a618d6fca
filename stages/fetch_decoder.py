"""Bring the base decoder (folder, installed package or Hub) into data/models/base-decoder, or make one from scratch."""

import json
from pathlib import Path

from pipelines import dataset, encoders, files, params
from pipelines.errors import InputError
from stages.command import command

BASE = Path("data/models/base-decoder")
TRAIN = Path("data/splits/train.parquet")


def fetch_decoder() -> None:
    """Make data/models/base-decoder."""
    decoder = params.load().decoder
    with files.whole(BASE) as folder:
        if decoder.name != "scratch":
            encoders.copy(encoders.find(decoder), decoder, folder)
            found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
            if found != "gpt2":
                raise InputError(f"decoder.name {decoder.name}: a model of type {found}; use a GPT-2")
            return
        from pipelines.language_model import scratch

        model, tokenizer = scratch(decoder.scratch, [row["text"] for row in dataset.read(TRAIN)])
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    command(fetch_decoder)
