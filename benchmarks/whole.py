"""The whole line by stage: of the sample, here and at the commit that everything is set beside; or of what runs now."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGE = re.compile(r"Running stage '([^']+)'")


def repro(folder: str = ".") -> dict[str, float]:
    """Seconds of `dvc repro` in `folder`: of each stage that runs, and `total`. What it says goes to stdout.

    Raises:
        RuntimeError: it failed.
    """
    marks = []
    start = time.perf_counter()
    with subprocess.Popen(
        ["dvc", "repro"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if found := STAGE.search(line):
                marks.append((found[1], time.perf_counter()))
    if process.returncode:
        raise RuntimeError(f"{folder}: dvc repro ended with {process.returncode}")
    end = time.perf_counter()
    ends = [at for _, at in marks[1:]] + [end]
    return {name: until - at for (name, at), until in zip(marks, ends, strict=True)} | {"total": end - start}


def sample(commit: str) -> dict[str, float]:
    """`repro` of the sample in a clean clone of `commit`, which is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
        params = Path(folder) / "params.yaml"
        text = params.read_text(encoding="utf-8").replace("source: snips", "source: sample", 1)
        params.write_text(text, encoding="utf-8")
        return repro(folder)
