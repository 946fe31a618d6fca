"""Train a run of params.yaml with some options changed, and evaluate it beside the run; the model is not kept."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.models import task as tasks
from pipelines.reports import on_demand, seeds

SPLITS = Path("data/splits")
MODELS = Path("data/models")
REPORTS = Path("metrics/on_demand")


def variant(name: str) -> None:
    """Make metrics/on_demand/variant-<name>.json: metrics of each seed on validation and test."""
    of = blocks.load("variants.of", dict[blocks.RunName, on_demand.Variant])
    start, block = on_demand.variant(name, of, blocks.load("finetune", dict[blocks.RunName, dict]))
    options = tasks.options(block, f"variants.of.{name}")
    shared = {section: blocks.load(section, Any) for section in ("encoder", "split", "threads")}
    numbers = blocks.load("variants.seeds", on_demand.Seeds)
    report = {
        "variant": name,
        "source": blocks.load("data", Data).name,
        "protocol": shared["split"]["protocol"],
        "made_from": on_demand.made_from_run(options, start, **shared),
        "seeds": seeds.measured(name, options, MODELS / f"{start}-encoder", SPLITS, numbers),
    }
    files.write_details(REPORTS / f"variant-{name}.json", report)


if __name__ == "__main__":
    command(variant, computes=True, trains=True)
