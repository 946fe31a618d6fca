"""Train a variant on all utterances outside test but one part of them, and judge it on that part; no model is kept."""

import tempfile
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data import drawing, parquet
from pipelines.models import loading
from pipelines.models import task as tasks
from pipelines.reports import on_demand
from pipelines.reports.counting import counts
from pipelines.tasks import masked_lm
from pipelines.training import runs

SPLITS = Path("data/splits")
BASE = Path("data/models/base-encoder")
FOLDS = Path("data/folds")


def fold(variant: str, number: str) -> None:
    """Make data/folds/<variant>/<number>.json: what each utterance of the part adds to each metric."""
    of = blocks.load("variants.of", dict[blocks.RunName, on_demand.Variant])
    start, block = on_demand.variant(variant, of, blocks.load("finetune", dict[blocks.RunName, dict]))
    options = tasks.options(block, f"variants.of.{variant}")
    if options.task == "qa":
        raise InputError(f"variants.run {variant}: of a run of questions; name those of intent, slots or joint")
    folds, seed = blocks.load("variants.folds", on_demand.Folds), blocks.load("variants.seed", blocks.Seed)
    if number not in map(str, folds):
        raise InputError(f"params.yaml: variants.folds: there is no {number}; name it there")
    parts = drawing.parts(on_demand.outside_test(SPLITS), len(folds), seed)
    judged = parts.pop([str(one) for one in folds].index(number))
    task = tasks.get(options.task)
    tokenizer, name = task.tokenizer(BASE, options), f"{variant}-{number}"
    with tempfile.TemporaryDirectory() as folder:
        splits, base = Path(folder), BASE
        parquet.write([row for part in parts for row in part], splits / "train.parquet")
        parquet.write([], splits / "validation.parquet")  # nothing is chosen, so the last epoch is kept
        if start == "adapted":
            base = _adapted(name, splits)
        trained = runs.train(name, task, base, splits, options, tokenizer)
    found = counts(task, trained.model, tokenizer, judged, options.precision)
    ids = sorted(row["id"] for row in judged)
    report = {metric: dict(zip(ids, of_metric.tolist(), strict=True)) for metric, of_metric in found.items()}
    files.write_json(FOLDS / variant / f"{number}.json", report)


def _adapted(name: str, splits: Path) -> Path:
    """The base encoder after masked words of the same utterances, in a folder in `splits`."""
    task, tokenizer = tasks.get("masked_lm"), loading.load_tokenizer(BASE)
    options = blocks.load("adapt_encoder", masked_lm.Options)
    folder = splits / "adapted-encoder"
    runs.train(f"{name}-adapted", task, BASE, splits, options, tokenizer).model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    command(fold, computes=True, trains=True, threads_of="variants.threads")
