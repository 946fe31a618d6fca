"""Start-up: seconds until a stage says what it does, and until DVC says that there is nothing to do."""

import subprocess
import sys
import time
from pathlib import Path


def commands() -> dict[str, list[str]]:
    """What is timed, by how a person types it; `dvc` in the working folder, whose pipeline has run."""
    stages = sorted(path.stem for path in Path("stages").glob("[a-z]*.py"))
    return {
        **{f"python -m stages.{name} --help": [sys.executable, "-m", f"stages.{name}", "--help"] for name in stages},
        "snips --help": ["snips", "--help"],
        "dvc status": ["dvc", "status"],
        "dvc repro, nothing to do": ["dvc", "repro"],
    }


def seconds(name: str) -> dict[str, float]:
    """Wall time of one of `commands`, which must end well; what it prints is thrown away."""
    start = time.perf_counter()
    subprocess.run(commands()[name], check=True, capture_output=True)
    return {"seconds": time.perf_counter() - start}
