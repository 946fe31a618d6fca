"""Train a run also on texts that are changed by rules, and set it beside the run as it is, on test as changed too."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipelines.analysis.robustness import KINDS, Noise, changed, with_changed
from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.data.utterances import Utterance
from pipelines.models import loading
from pipelines.models import task as tasks
from pipelines.models.options import Run, Start
from pipelines.reports.counting import counts
from pipelines.reports.differences import difference
from pipelines.training import runs

MODELS = Path("data/models")
SPLITS = Path("data/splits")
REPORTS = Path("metrics/on_demand")


def noise(run: str) -> None:
    """Make metrics/on_demand/noise-<run>.json; the model is not kept."""
    options = tasks.run_options(run)
    task = tasks.get(options.task)
    if task.name == "qa":
        raise InputError(f"noise.run {run}: a run of questions; name runs of intent, slots or joint")
    settings = blocks.load("noise", Noise)
    base = MODELS / f"{blocks.load('finetune_from', Start)}-encoder"
    tokenizer = task.tokenizer(base, options)
    train = parquet.read(SPLITS / "train.parquet")
    changed_too = with_changed(train, settings)
    # as near to the steps without as whole epochs come
    epochs = max(1, round(options.epochs * len(train) / len(changed_too)))
    options = options.model_copy(update={"epochs": epochs})
    models = {
        "without": loading.load_model(task.auto_class, MODELS / run),
        "with": _trained(run, task, base, options, tokenizer, changed_too),
    }
    rows = parquet.read(SPLITS / "test.parquet")
    report = []
    for kind in ("as they are", *KINDS):
        asked = rows if kind not in KINDS else [changed(row, kind, settings.seed) for row in rows]
        found = {name: counts(task, model, tokenizer, asked, options.precision) for name, model in models.items()}
        for metric in found["with"]:
            both = difference(*((name, found[name][metric]) for name in ("with", "without")), metric)
            report.append(
                {"change": kind, "trained_on": kind in settings.kinds, "metric": metric}
                | {"with": both["first_value"], "without": both["second_value"], "gain": both["difference"]}
                | {key: both[key] for key in ("low", "high", "p", "beyond_chance")}
            )
    facts = {"run": run, "source": blocks.load("data", Data).name, "epochs": options.epochs, "utterances": len(rows)}
    files.write_details(REPORTS / f"noise-{run}.json", facts | settings.model_dump(exclude={"run"}) | {"rows": report})


def _trained(run: str, task: Any, base: Path, options: Run, tokenizer: Any, rows: list[Utterance]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        splits = Path(folder)
        parquet.write(rows, splits / "train.parquet")
        shutil.copy(SPLITS / "validation.parquet", splits)
        return runs.train(f"{run}-noise", task, base, splits, options, tokenizer).model


if __name__ == "__main__":
    command(noise, computes=True, trains=True)
