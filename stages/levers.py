"""Set all variants that were measured, now or before, beside what each is a variant of."""

from pathlib import Path
from typing import Any

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data.source import Data
from pipelines.models import task as tasks
from pipelines.reports import folds, on_demand
from pipelines.reports import variants as tables

SPLITS = Path("data/splits")
ON_DEMAND = Path("metrics/on_demand")
REPORT = Path("metrics/levers.json")


def levers() -> None:
    """Make metrics/levers.json; print its table."""
    source = blocks.load("data", Data).name
    found = _variants(source)
    files.write_details(REPORT, {"source": source, "variants": found})
    print(tables.table(found) if found else "No variant was measured on this data; see variants in params.yaml.")


def _variants(source: str) -> dict[str, dict[str, Any]]:
    """What `variant` measured on this data, `beside` what each is a variant of.

    `older` says how one was made otherwise than it would be now.
    """
    finetune = blocks.load("finetune", dict[blocks.RunName, dict])
    of = blocks.load("variants.of", dict[blocks.RunName, on_demand.Variant])
    shared: dict[str, Any] = {section: blocks.load(section, Any) for section in ("encoder", "split")}
    shared["folds"] = len(blocks.load("variants.folds", on_demand.Folds))
    shared["folds_seed"] = blocks.load("variants.seed", blocks.Seed)
    shared["data"] = on_demand.data(SPLITS)
    shared["threads"] = blocks.load("variants.threads", blocks.Threads)
    reports = {name: on_demand.read(ON_DEMAND / f"variant-{name}.json") for name in of}
    known = {n: of for n, of in reports.items() if of and "not_whole" in of and of["source"] == source}
    if not known:
        return {}
    adapt, rows = blocks.load("adapt_encoder", dict), on_demand.outside_test(SPLITS)
    found = {}
    for name, report in known.items():
        try:
            start, block = on_demand.variant(name, of, finetune)
        except InputError as error:  # the run that it is of was taken out of params.yaml
            print(f"{name} is left out: {error}")
            continue
        options = tasks.options(block, f"variants.of.{name}")
        made_from = on_demand.made_from_variant(options, start, adapt, **shared)
        older = on_demand.difference(report, source, made_from)
        if not older and report["utterances"] != len(rows):
            older = f"measured on {report['utterances']} utterances, now {len(rows)}"
        found[name] = of[name].model_dump() | {"metrics": report["metrics"], "older": older}
    for name, shown in found.items():
        base = found.get(of[name].run)
        if base and not base["older"] and not shown["older"]:
            shown["beside"] = folds.beside(known[name], known[of[name].run], rows)
    return found


if __name__ == "__main__":
    command(levers)
