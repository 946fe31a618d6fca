"""`kill -9` at random moments, over all stages that download, train or generate: `python -m tests.kills 100`.

After the next `dvc repro` each output must have the bytes of a run that nobody disturbed. The project is a copy with a
tiny encoder, on the sample. With another signal, `python -m tests.kills 16 SIGTERM`, the stage alone gets it, and is to
say so in one line.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from pipelines.core.files import sha256
from tests.conftest import commit, copy_project, dvc, edit_params, make_repository, make_tiny_encoder

# stage -> what it writes
STAGES = {
    "download": ["data/raw"],
    "fetch_encoder": ["data/models/base-encoder"],
    "adapt_encoder": ["data/models/adapted-encoder", "metrics/plots/adapted-encoder"],
    "finetune@intent-full": ["data/models/intent-full", "metrics/plots/intent-full"],
    "finetune@intent-head": ["data/models/intent-head", "metrics/plots/intent-head"],
    "finetune@slots-full": ["data/models/slots-full", "metrics/plots/slots-full"],
    "finetune@qa-head": ["data/models/qa-head", "metrics/plots/qa-head"],
    "finetune@slots-head": ["data/models/slots-head", "metrics/plots/slots-head"],
    "finetune@qa-full": ["data/models/qa-full", "metrics/plots/qa-full"],
    "finetune@joint-full": ["data/models/joint-full", "metrics/plots/joint-full"],
    "fetch_decoder": ["data/models/base-decoder"],
    "tune_decoder": ["data/models/decoder", "metrics/plots/decoder"],
    "generate": ["data/generated"],
    "lesson@transfer": ["data/lessons/transfer", "metrics/lessons/transfer.json"],
    "lesson@next_sentence": ["data/lessons/next_sentence", "metrics/lessons/next_sentence.json"],
    "lesson@answers": ["data/lessons/answers", "metrics/lessons/answers.json"],
}


def prepare(folder: Path, stages: list[str], patch: pytest.MonkeyPatch) -> dict[str, float]:
    """Make a project in `folder`, go there (`patch` goes back), run `stages` undisturbed; -> seconds of each."""
    encoder = make_tiny_encoder(folder / "tiny-encoder")
    copy_project(folder / "a project", encoder, patch)

    def longer(content: dict) -> None:
        for run in (*content["finetune"].values(), content["adapt_encoder"], content["tune_decoder"]):
            run["epochs"] = 3
        content["finetune"]["joint-full"]["epochs"] = 6  # so that there is time to stop it
        content["lessons"]["transfer"]["sizes"] = {"10": content["lessons"]["transfer"]["sizes"]["10"]}

    edit_params(longer)
    make_repository()
    took = {}
    for stage in stages:
        dvc("repro", stage)
        start = time.monotonic()
        dvc("repro", "--single-item", "--force", "--no-run-cache", stage)
        took[stage] = time.monotonic() - start
    commit()
    return took


def sums(stage: str) -> dict[str, str]:
    """SHA-256 of each file that the stage writes."""
    files = [path for out in STAGES[stage] for path in (Path(out), *sorted(Path(out).rglob("*"))) if path.is_file()]
    return {path.as_posix(): sha256(path) for path in files}


def kill(stage: str, after: float | None, number: int = signal.SIGKILL, alone: bool = False) -> tuple[bool, str]:
    """Start the stage, and send a signal: to DVC and all that it started, or to the stage `alone`.

    Args:
        after: seconds; None for once its training has saved a checkpoint.

    Returns:
        Whether it was still at work, and what it said until the last of its processes had ended.
    """
    process = subprocess.Popen(
        ["dvc", "repro", "--single-item", "--force", "--no-run-cache", stage],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if after is None:
        _until_saved(stage, process)
    try:
        return False, process.communicate(timeout=after or 0)[0]
    except subprocess.TimeoutExpired:
        if alone:
            hit = False
            while not hit and process.poll() is None:  # until DVC has started it
                hit = _signal_stage(process.pid, number)
        else:
            hit = True
            os.killpg(process.pid, number)
        return hit, process.communicate()[0]  # until nobody holds the pipe


def _until_saved(stage: str, process: subprocess.Popen) -> None:
    """Wait until the training of the stage has a whole checkpoint, or the process has ended."""
    run = stage.partition("@")[2]
    while process.poll() is None and not any(Path(".checkpoints").glob(f"{run}.*/checkpoint-*/trainer_state.json")):
        time.sleep(0.01)


def _signal_stage(dvc_process: int, number: int) -> bool:
    """Send a signal to the Python process of the stage that DVC runs, once it heeds it; -> whether there was one.

    While Python starts, before the first line of the stage, nobody is there to say anything.
    """
    try:
        for child in psutil.Process(dvc_process).children(recursive=True):
            words = child.cmdline()
            if words[1:2] == ["-m"] and words[2].startswith("stages.") and _heeds(child.pid, number):
                child.send_signal(number)  # to it, not to the shell around it
                return True
    except (psutil.NoSuchProcess, FileNotFoundError):
        pass  # it had just ended
    return False


def _heeds(process: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal (proc(5), SigCgt)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)


def survives(
    stage: str, after: float | None, expected: dict[str, str], number: int = signal.SIGKILL, alone: bool = False
) -> tuple[list[str], str]:
    """Kill the stage at work, then run it as a person does; -> the files that differ then, and what the killed said.

    DVC would bring the outputs back from its cache without running anything, so it is forced to run the stage, which
    goes on from what the killed one left. Where DVC itself was hit while it wrote dvc.lock, it says that the file is
    broken, and git has it as it was.
    """
    hit, said = kill(stage, after, number, alone)
    while not hit:  # it had ended before
        after = None if after is None else 0.8 * after
        hit, said = kill(stage, after, number, alone)
    try:
        dvc("repro", "--single-item", "--force", "--no-run-cache", stage)
    except AssertionError as failed:
        if "dvc.lock' validation failed" not in str(failed):
            raise
        subprocess.run(["git", "checkout", "--quiet", "dvc.lock"], check=True)
        said += "\ndvc.lock was broken\n"
        dvc("repro", "--single-item", "--force", "--no-run-cache", stage)
    found = sums(stage)
    return [name for name in sorted(expected | found) if expected.get(name) != found.get(name)], said


def main(count: int, number: int) -> int:
    """Kill or stop `count` times; -> how many left something wrong, or said it wrongly."""
    stopped = number != signal.SIGKILL
    seeded, failures, broken = random.Random(13), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        stages = list(STAGES)[:count]
        took = prepare(Path(folder), stages, pytest.MonkeyPatch())
        expected = {stage: sums(stage) for stage in stages}
        for n in range(count):
            stage = stages[n % len(stages)]
            after = seeded.uniform(0, took[stage])
            wrong, said = survives(stage, after, expected[stage], number, alone=stopped)
            too_late = "Use `dvc push`" in said  # the work was done
            if stopped and (said.count("stopped: ") != (not too_late) or "Traceback" in said):
                wrong.append(f"it said {said[-300:]!r}")
            failures += bool(wrong)
            broken += "dvc.lock was broken" in said
            when = f"killed after {after:5.1f} of {took[stage]:4.1f} s"
            print(f"{n + 1:4d}  {stage:22s} {when}: {', '.join(wrong) or 'the same bytes'}", flush=True)
        os.chdir("/")
    print(f"{count} kills, {failures} left something wrong, {broken} broke dvc.lock, which git has")
    return failures


if __name__ == "__main__":
    times, name = sys.argv[1:] + ["100", "SIGKILL"][len(sys.argv) - 1 :]
    sys.exit(main(int(times), signal.Signals[name]) > 0)
