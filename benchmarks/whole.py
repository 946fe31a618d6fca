"""The whole line: `dvc repro` of the sample here, and at the commit that everything is set beside; by stage."""

import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEFORE = "c949071"
STAGE = re.compile(r"Running stage '([^']+)'")


def sample(commit: str, folder: str) -> dict[str, float]:
    """Seconds of `dvc repro` on the sample in a clean clone of `commit` in `folder`: of each stage, and `total`."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
    params = Path(folder) / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("source: snips", "source: sample", 1), encoding="utf-8"
    )
    environment = {name: value for name, value in os.environ.items() if name != "SNIPS_CHECKPOINTS"}
    start = time.perf_counter()
    with subprocess.Popen(
        ["dvc", "repro"], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        marks = [(found[1], time.perf_counter()) for line in process.stdout if (found := STAGE.search(line))]
    if process.returncode:
        raise RuntimeError(f"{commit}: dvc repro ended with {process.returncode}")
    end = time.perf_counter()
    ends = [at for _, at in marks[1:]] + [end]
    return {name: until - at for (name, at), until in zip(marks, ends, strict=True)} | {"total": end - start}
