"""Fine-tune an encoder for one run of params.yaml; keep the epoch that is best on validation."""

import hashlib
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from pipelines import dataset, encoders, files, monitor, params, tasks, training
from pipelines.model_card import model_card
from stages.command import command

BASE = Path("data/models/base-encoder")
SPLITS = Path("data/splits")
MODELS = Path("data/models")
PLOTS = Path("metrics/plots")
MONITOR = Path("data/monitor")  # not DVC's: what a run used of the machine differs each time


def finetune(run: str) -> None:
    """Make data/models/<run> and its curves."""
    everything = params.load()
    options = params.finetune(everything, run)
    base = start(everything)
    tokenizer = encoders.load_tokenizer(base)
    save(run, everything, everything.encoder, options, tokenizer, train(run, base, options, tokenizer))


def start(everything: params.Params) -> Path:
    """Folder of the encoder that fine-tuning starts from."""
    return MODELS / f"{everything.finetune_from}-encoder"


def train(name: str, base: Path, options: params.Finetune, tokenizer: Any) -> training.Trained:
    """Train the encoder in `base` by `options` on the split; `name` tells unfinished runs apart."""
    return train_task(tasks.get(options.task), base, name, options, tokenizer)


def train_task(task: ModuleType, base: Path, name: str, options: params.Finetune, tokenizer: Any) -> training.Trained:
    """Train the model in `base` for `task` on the split."""
    rows = {part: dataset.read(SPLITS / f"{part}.parquet") for part in ("train", "validation")}
    training.seed(options.seed)
    model = task.build(base, rows["train"], options)
    checkpoints = _checkpoints(name, base, repr(options))
    return training.train(task, options, model, tokenizer, rows["train"], rows["validation"], checkpoints)


def save(
    run: str,
    everything: params.Params,
    base: params.Encoder,
    options: params.Finetune,
    tokenizer: Any,
    trained: training.Trained,
) -> None:
    """Write data/models/<run> and its curves."""
    source = everything.data.source
    adapted = options.task in get_args(params.Task) and everything.finetune_from == "adapted"
    with files.whole(MODELS / run) as folder:
        trained.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        facts = {"run": run, "source": source, "task": options.task, "mode": options.mode} | trained.facts
        files.write_json(folder / "training.json", facts)
        files.write_text(folder / "README.md", model_card(run, source, base, options, trained.facts, adapted))
    for name, curve in (("train", trained.train_curve), ("validation", trained.validation_curve)):
        files.write_csv(PLOTS / run / f"{name}.csv", curve, list(curve[0]))
    if trained.device_use:
        files.write_csv(MONITOR / f"{run}.csv", trained.device_use, list(trained.device_use[0]))
        with files.whole(MONITOR / f"{run}.svg") as picture:
            monitor.draw(trained.device_use, run, picture)


def _checkpoints(run: str, base: Path, options: str) -> Path:
    """Folder of the unfinished run, outside its outputs; keyed by all that goes into the run."""
    key = hashlib.sha256(options.encode())
    code = [path for path in Path("pipelines").rglob("*") if path.suffix in (".py", ".yaml")]
    for path in sorted([*code, *(base / name for name in encoders.FILES), *SPLITS.glob("*.parquet")]):
        if not path.is_file():
            continue  # a tokenizer can lack some
        key.update(path.read_bytes())
    root = Path(os.environ.get("SNIPS_CHECKPOINTS", ".checkpoints"))
    for stale in root.glob(f"{run}.*"):
        if stale.suffix != f".{key.hexdigest()[:16]}":
            shutil.rmtree(stale, ignore_errors=True)
    return root / f"{run}.{key.hexdigest()[:16]}"


if __name__ == "__main__":
    command(finetune)
