"""Start-up: seconds until each stage says what it does, and until DVC says that there is nothing to do."""

import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> dict[str, float]:
    """Wall time of a command, which must end well; its output is thrown away."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return {"seconds": time.perf_counter() - start}


def commands() -> dict[str, list[str]]:
    """What is timed, by how a person types it; `dvc` in the working folder, whose pipeline has run."""
    stages = sorted(path.stem for path in Path("stages").glob("*.py") if path.stem != "__init__")
    return {
        **{f"python -m stages.{name} --help": [sys.executable, "-m", f"stages.{name}", "--help"] for name in stages},
        "snips --help": ["snips", "--help"],
        "dvc --version": ["dvc", "--version"],
        "dvc repro, nothing to do": ["dvc", "repro"],
        "dvc status": ["dvc", "status"],
    }
