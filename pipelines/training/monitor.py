"""What training uses of the machine, seen from Trainer: never a metric, never in an output that DVC tracks."""

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from pynvml import NVMLError
from transformers import TrainerCallback

INTERVAL = 1.0  # seconds between two samples, at least
MIB = 2**20


class DeviceMonitor(TrainerCallback):
    """Samples the machine after optimizer steps; `rows` holds one row a sample.

    CPU and memory are those of this process, by psutil: `cpu_percent` of all cores, `memory_mib` resident. Where
    training is on a GPU, NVML gives those of the whole device: `gpu_percent` (share of time in which it was busy) and
    `gpu_memory_mib`.
    """

    def __init__(self, on_gpu: bool) -> None:
        self.on_gpu = on_gpu and _nvml_answers()
        self.process = psutil.Process()
        self.rows: list[dict[str, float]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock, and the time span that psutil counts over."""
        self.started = self.sampled = time.monotonic()
        self.process.cpu_percent()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take a sample if the last one is `INTERVAL` old."""
        now = time.monotonic()
        if now - self.sampled < INTERVAL:
            return
        self.sampled = now
        row = {
            "seconds": round(now - self.started, 1),
            "step": state.global_step,
            "cpu_percent": round(self.process.cpu_percent() / psutil.cpu_count(), 1),
            "memory_mib": round(self.process.memory_info().rss / MIB),
        }
        if self.on_gpu:
            row |= {
                "gpu_percent": torch.cuda.utilization(),
                "gpu_memory_mib": round(torch.cuda.device_memory_used() / MIB),
            }
        self.rows.append(row)


def _nvml_answers() -> bool:
    try:
        torch.cuda.utilization()
    except (ModuleNotFoundError, RuntimeError, NVMLError) as error:  # a container can have a GPU without NVML
        print(f"monitor: NVML gives no figures of the GPU ({error!r:.80}); training goes on", file=sys.stderr)
        return False
    return True


def draw(rows: list[dict[str, float]], title: str, path: Path) -> None:
    """The samples of one run over time as a picture: shares of the processors above, memory below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    seconds = [row["seconds"] for row in rows]
    for name in rows[0]:
        axes, scale = (above, 1) if name.endswith("percent") else (below, 1024)
        if name.endswith(("percent", "mib")):
            label = "GPU" if name.startswith("gpu") else "this process"
            axes.plot(seconds, [row[name] / scale for row in rows], label=label)
    above.set(title=f"{title}: {rows[-1]['step']} optimizer steps", ylabel="use (%)", ylim=(0, 105))
    below.set(xlabel="seconds", ylabel="memory (GiB)", ylim=(0, None))
    for axes in (above, below):
        axes.legend(loc="lower right")
    figure.savefig(path, format="svg")
