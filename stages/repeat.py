"""Train one run of params.yaml again with other seeds, and evaluate each on test; the models are not kept."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.models import task as tasks
from pipelines.models.options import Start
from pipelines.reports import on_demand, seeds

SPLITS = Path("data/splits")
MODELS = Path("data/models")
REPORTS = Path("metrics/on_demand")


def repeat(run: str) -> None:
    """Make metrics/on_demand/repeat-<run>.json: test metrics of each seed, and what it gets wrong."""
    options = tasks.run_options(run)
    start = blocks.load("finetune_from", Start)
    shared = {section: blocks.load(section, Any) for section in ("encoder", "split", "threads")}
    shared["data"] = on_demand.data(SPLITS)
    numbers = blocks.load("repeat.seeds", on_demand.Seeds)
    report = {
        "run": run,
        "source": blocks.load("data", Data).name,
        "protocol": shared["split"]["protocol"],
        "split": "test",
        "made_from": on_demand.made_from_run(options, start, **shared),
        "seeds": seeds.measured(run, options, MODELS / f"{start}-encoder", SPLITS, numbers),
    }
    files.write_details(REPORTS / f"repeat-{run}.json", report)


if __name__ == "__main__":
    command(repeat, computes=True, trains=True)
