"""What decides the last bits of a run, and so whether another has the same: processor, libraries, threads."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

CPU = Path("/proc/cpuinfo")
# instruction sets that PyTorch, oneDNN and MKL choose their kernels by
SETS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
# environment variables that choose among them
CHOOSE = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
)
LIBRARIES = (
    "accelerate",
    "datasets",
    "matplotlib",
    "numpy",
    "pyarrow",
    "pytorch-crf",
    "sacrebleu",
    "safetensors",
    "scikit-learn",
    "scipy",
    "seqeval",
    "tokenizers",
    "torch",
    "transformers",
)


def environment(threads: int) -> dict[str, Any]:
    """The machine as it matters to figures; nothing in it says where or whose it is, or when.

    Args:
        threads: what stages compute with, of params.yaml.
    """
    libc, libc_version = platform.libc_ver()
    return {
        "processor": _processor(),
        "gpu": _gpu(),
        "threads": threads,
        "chosen": {name: os.environ[name] for name in CHOOSE if name in os.environ},
        "system": f"{platform.system()} {platform.machine()}, {libc} {libc_version}".strip(", "),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _processor() -> dict[str, str]:
    """Its name, and which of `SETS` it has."""
    if not CPU.exists():
        return {"name": platform.processor(), "instructions": "unknown"}
    said = dict(line.split(":", 1) for line in CPU.read_text(encoding="utf-8").splitlines() if ":" in line)
    facts = {key.strip(): " ".join(value.split()) for key, value in said.items()}
    flags = facts.get("flags", facts.get("Features", "")).split()
    name = facts.get("model name", platform.processor())
    return {"name": name, "instructions": " ".join(one for one in SETS if one in flags)}


def _gpu() -> str:
    """Name of the GPU that stages compute on, the first that CUDA_VISIBLE_DEVICES names; `none` without one."""
    import pynvml

    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip()
    if not first.isdecimal():  # none, none by -1, or one by its UUID
        return "none" if first in ("", "-1") else first
    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(int(first)))
    except pynvml.NVMLError:
        return "none"
