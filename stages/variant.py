"""Put together what the parts of a variant say: its metrics over all utterances outside test, each judged once."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data.source import Data
from pipelines.models import task as tasks
from pipelines.reports import folds, on_demand

FOLDS = Path("data/folds")
SPLITS = Path("data/splits")
REPORTS = Path("metrics/on_demand")


def variant(name: str) -> None:
    """Make metrics/on_demand/variant-<name>.json."""
    of = blocks.load("variants.of", dict[blocks.RunName, on_demand.Variant])
    start, block = on_demand.variant(name, of, blocks.load("finetune", dict[blocks.RunName, dict]))
    options = tasks.options(block, f"variants.of.{name}")
    shared: dict[str, Any] = {section: blocks.load(section, Any) for section in ("encoder", "split")}
    shared["data"] = on_demand.data(SPLITS)
    numbers, seed = blocks.load("variants.folds", on_demand.Folds), blocks.load("variants.seed", blocks.Seed)
    parts = {"folds": len(numbers), "folds_seed": seed, "threads": blocks.load("variants.threads", blocks.Threads)}
    adapt = blocks.load("adapt_encoder", dict)
    report = {
        "variant": name,
        "source": blocks.load("data", Data).name,
        "made_from": on_demand.made_from_variant(options, start, adapt, **parts, **shared),
    }
    report |= folds.report([files.read_json(FOLDS / name / f"{number}.json") for number in numbers])
    files.write_details(REPORTS / f"variant-{name}.json", report)


if __name__ == "__main__":
    command(variant)
