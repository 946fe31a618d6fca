"""Fine-tune an encoder for one run of params.yaml; keep the epoch that is best on validation."""

from pathlib import Path

from pipelines.core import blocks
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.models import task as tasks
from pipelines.models.options import Start
from pipelines.training import runs

SPLITS = Path("data/splits")
PLACES = runs.Places(models=Path("data/models"), plots=Path("metrics/plots"), monitor=Path("data/monitor"))


def finetune(run: str) -> None:
    """Make data/models/<run> and its curves."""
    options = tasks.run_options(run)
    start = blocks.load("finetune_from", Start)
    base, task = PLACES.models / f"{start}-encoder", tasks.get(options.task)
    tokenizer = task.tokenizer(base, options)
    trained = runs.train(run, task, base, SPLITS, options, tokenizer)
    source, name = blocks.load("data", Data).name, blocks.load("encoder.name", str)
    origin = runs.Origin(source, name, adapted=start == "adapted")
    runs.save(run, origin, options.card, options, tokenizer, trained, PLACES)


if __name__ == "__main__":
    command(finetune, computes=True, trains=True)
