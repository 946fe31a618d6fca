"""Where the seconds of a training go. As a script, `step.py <run>` in a checkout of any commit: one pass, as JSON.

It imports nothing of this project but the stage that it runs, as old commits have other modules. What it times are
methods of transformers and accelerate, which all commits train by.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STAGES = {"adapted-encoder": "adapt_encoder", "decoder": "tune_decoder"}  # those that are no run of finetune
PRODUCTS = ("aten::addmm", "aten::mm", "aten::bmm", "aten::_scaled_dot_product_flash_attention_for_cpu")
PROFILED = range(10, 30)  # steps


def budget(commit: str, run: str, utterances: int) -> dict[str, float]:
    """One pass over some utterances of train at `commit`, validation and saving as they are.

    Returns:
        `seconds` of the training; and of them `multiply`, `around` (forward and backward but for matrix products),
        `optimizer`, `data`, `evaluation`, `saving`, `rest`.
    """
    import yaml

    from pipelines.data import parquet

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
        data = Path(folder) / "data"
        (data / "models").mkdir(exist_ok=True)
        (data / "splits").mkdir(exist_ok=True)
        for model in ("base-encoder", "base-decoder"):
            (data / "models" / model).symlink_to(ROOT / "data/models" / model)
        (data / "splits/validation.parquet").symlink_to(ROOT / "data/splits/validation.parquet")
        rows = parquet.read(ROOT / "data/splits/train.parquet")
        step = max(1, len(rows) // utterances)
        parquet.write(rows[::step][:utterances], data / "splits/train.parquet")
        path = Path(folder) / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        block = params["finetune"].get(run) or params[STAGES[run]]
        block["epochs"] = 1
        if "least_steps" in block:  # not in old commits
            block["least_steps"] = 0
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        script = [sys.executable, str(Path(__file__).resolve()), run]
        done = subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{commit} {run}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])


def main(run: str) -> None:
    """Train `run` in the working folder and print what `budget` says."""
    sys.path.insert(0, ".")
    import importlib

    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer
    from transformers import Trainer

    took: dict[str, float] = defaultdict(float)
    steps = _Steps(Trainer.training_step)
    Trainer.training_step = lambda *arguments, **named: steps.take(*arguments, **named)
    for owner, method, part in (
        (Trainer, "train", "seconds"),
        (Trainer, "get_batch_samples", "data"),
        (Trainer, "evaluate", "evaluation"),
        (Trainer, "_save_checkpoint", "saving"),
        (AcceleratedOptimizer, "step", "optimizer"),
        (Accelerator, "clip_grad_norm_", "optimizer"),
    ):
        setattr(owner, method, _timed(getattr(owner, method), took, part))
    stage = STAGES.get(run, "finetune")
    function = getattr(importlib.import_module(f"stages.{stage}"), stage)
    function(*([run] if stage == "finetune" else []))
    found = dict(took)
    found["seconds"] += steps.seconds() - steps.lost  # as if nothing had been profiled
    found["multiply"] = steps.seconds() * steps.products
    found["around"] = steps.seconds() - found["multiply"]
    found["rest"] = found["seconds"] - sum(value for name, value in found.items() if name != "seconds")
    print(json.dumps(found))


class _Steps:
    """Times the steps of a Trainer, and lets some run under the profiler, whose time does not count."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        from torch.profiler import ProfilerActivity, profile

        self.plain, self.count, self.clean, self.lost, self.products = plain, 0, 0.0, 0.0, 0.0
        self.profiler = profile(activities=[ProfilerActivity.CPU])

    def take(self, *arguments: Any, **named: Any) -> Any:
        """One step; the time of all of them, whichever way, is in `lost`, that of those not profiled in `clean`."""
        start = time.perf_counter()
        self.count += 1
        if self.count == PROFILED.start:
            self.profiler.start()
        result = self.plain(*arguments, **named)
        if self.count == PROFILED.stop - 1:
            self.profiler.stop()
            events = self.profiler.key_averages()
            inside = [event for event in events if not event.key.startswith(("Optimizer.", "ProfilerStep"))]
            products = sum(event.self_cpu_time_total for event in inside if event.key in PRODUCTS)
            self.products = products / sum(event.self_cpu_time_total for event in inside)
        took = time.perf_counter() - start
        self.lost += took
        if self.count not in PROFILED:
            self.clean += took
        return result

    def seconds(self) -> float:
        """All steps, those that were profiled at the rate of the others."""
        return self.clean * self.count / max(1, self.count - len(PROFILED))


def _timed(method: Callable[..., Any], took: dict[str, float], part: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            if part == "seconds" or "seconds" not in took:  # after the training, the best epoch is evaluated again
                took[part] += time.perf_counter() - start

    return timed


if __name__ == "__main__":
    main(sys.argv[1])
