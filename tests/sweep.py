"""Many experiments in DVC's queue, on two workers: `python -m tests.sweep 20`.

None may be lost, each has its log, and one that fails does not stop the others. The project is a copy with a tiny
encoder, on the sample.
"""

import csv
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import commit, copy_project, dvc, edit_params, make_repository, make_tiny_encoder

RUN = "intent-full"
BAD = "mode=half"  # no value of it, which its stage says
WORKERS = 2


def prepare(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Make a project with one run in `folder`, go there (`patch` goes back), and run what experiments share."""
    encoder = make_tiny_encoder(folder / "tiny-encoder")
    copy_project(folder / "a project", encoder, patch)
    edit_params(lambda content: content.update(finetune={RUN: content["finetune"][RUN]}))
    make_repository()
    dvc("repro", f"evaluate@{RUN}")
    commit()


def queue(count: int) -> list[str]:
    """Put so many experiments in the queue, the second of which fails; -> their names."""
    names = [f"swept-{n}" for n in range(count)]
    for n, name in enumerate(names):
        setting = BAD if n == 1 else f"learning_rate={(n + 2) / 1e4:g}"
        dvc("exp", "run", "--queue", "-n", name, "-S", f"finetune.{RUN}.{setting}", f"evaluate@{RUN}")
    return names


def status() -> dict[str, str]:
    """Name -> what DVC's queue says of it: Queued, Running, Success, Failed."""
    lines = [line.split() for line in dvc("queue", "status").splitlines() if "swept-" in line]
    return {line[1]: line[-1] for line in lines}


def start() -> None:
    """Start the workers."""
    command = ["dvc", "queue", "start", "--jobs", str(WORKERS)]
    with Path("queue-start.log").open("w") as said:  # no pipe: the workers would hold it until they have nothing to do
        subprocess.run(command, stdout=said, stderr=said, timeout=600, check=True)


def work(seconds: float) -> dict[str, str]:
    """Start the workers; -> `status` once nothing is queued or runs, or after so many seconds."""
    start()
    end = time.monotonic() + seconds
    while {"Queued", "Running"} & set(status().values()) and time.monotonic() < end:
        time.sleep(2)
    return status()


def table() -> dict[str, str]:
    """Name -> learning rate, of `dvc exp show --csv`; empty where it has none."""
    rows = csv.DictReader(io.StringIO(dvc("exp", "show", "--csv")))
    key = f"{RUN}.learning_rate"
    return {row["Experiment"]: next((row[name] for name in row if name.endswith(key)), "") for row in rows}


def main(count: int) -> int:
    """Run a sweep of `count`; -> how many of them did not end as they should."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), pytest.MonkeyPatch())
        begun = time.monotonic()
        names = queue(count)
        queued = time.monotonic()
        found, shown = work(60.0 * count), table()
        for name in names:
            print(f"{name:10} {found.get(name, 'lost'):8} learning rate {shown.get(name, '')}")
        print(f"queued in {queued - begun:.0f} s, done in {time.monotonic() - queued:.0f} s, on {WORKERS} workers")
        wrong = [name for name in names if found.get(name) != ("Failed" if name == names[1] else "Success")]
        lost = [name for name in names if name not in wrong and name != names[1] and name not in shown]
        return len(wrong) + len(lost)


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]))))
