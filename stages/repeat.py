"""Train one run of params.yaml, or a variant, with other seeds, and evaluate each on test; no model is kept."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data.source import Data
from pipelines.models.options import Start
from pipelines.reports import on_demand, seeds

SPLITS = Path("data/splits")
MODELS = Path("data/models")
REPORTS = Path("metrics/on_demand")


def repeat(run: str) -> None:
    """Make metrics/on_demand/repeat-<run>.json: test metrics of each seed, and what it gets wrong."""
    finetune_from, finetune = blocks.load("finetune_from", Start), blocks.load("finetune", dict[blocks.RunName, dict])
    variants = blocks.load("variants.of", dict[blocks.RunName, on_demand.Variant])
    start, options = on_demand.repeated(run, finetune_from, variants, finetune)
    if start != finetune_from:  # this stage depends on no other encoder
        raise InputError(f"params.yaml: repeat.run: {run} starts from the {start} encoder; set finetune_from: {start}")
    shared = {section: blocks.load(section, Any) for section in ("encoder", "split", "threads")}
    shared["data"] = on_demand.data(SPLITS)
    numbers = blocks.load("repeat.seeds", on_demand.Seeds)
    if run in finetune:  # it was trained with its own
        numbers = [seed for seed in numbers if seed != options.seed]
    if not numbers:
        raise InputError(f"params.yaml: repeat.seeds: none but {options.seed}, which {run} has already; name others")
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
