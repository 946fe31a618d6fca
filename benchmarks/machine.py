"""What machine this is, and how fast it multiplies matrices."""

import os
import platform
import time
from typing import Any

from pipelines.reports.environment import environment

SIZES = (384, 768, 1024, 2048)  # of square matrices; the fastest counts
SECONDS = 0.5  # of each size and type


def facts() -> dict[str, Any]:
    """Processor, cores, threads, versions, and the peak of matrix products in GFLOP/s by type."""
    import torch
    import transformers

    name = environment(torch.get_num_threads())["processor"]["name"]
    return {
        "processor": f"{name}, {torch.backends.cpu.get_cpu_capability()}",  # one name stands for several kinds
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peak_gflops_fp32": peak("float32"),
        "peak_gflops_bf16": peak("bfloat16"),
    }


def peak(dtype: str) -> float:
    """The highest rate of square matrix products of this type over `SIZES`, in GFLOP/s."""
    import torch

    best = 0.0
    for size in SIZES:
        a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
        a @ b
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            a @ b
            count += 1
        best = max(best, 2 * size**3 * count / (time.perf_counter() - start) / 1e9)
    return best
