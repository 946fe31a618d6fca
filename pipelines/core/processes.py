"""A training in several processes: `launch` of params.yaml names what starts them; the environment tells each its rank.

The launchers are those of torch and accelerate. What they write when a process fails, some dozen lines, becomes one.
"""

import contextlib
import ctypes
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator

from pipelines.core.errors import InputError

STARTED = "SNIPS_LAUNCH"  # environment variable of the processes that are started here: the launcher as params name it
LAUNCHERS = {"torchrun": ["torch.distributed.run"], "accelerate launch": ["accelerate.commands.launch"]}
# how a launcher's own lines begin: W1126 20:15:01.123456 4711 torch/distributed/…
OWN = re.compile(r"[IWEC]\d{4} [\d:.]+ +\d+ (\S*/)?torch/distributed/")
OF_ITS_TRACEBACKS = ("torch/distributed/run.py", "accelerate/commands/")
TAKEN = re.compile("EADDRINUSE|address already in use", re.IGNORECASE)
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
GRACE = 20.0  # seconds that processes get to end in peace


def _known(launch: str) -> str:
    name = named(launch)
    if launch != "python" and name is None:
        raise ValueError("it is none of python, torchrun …, accelerate launch …")
    return launch


def named(launch: str) -> str | None:
    """Which of `LAUNCHERS` a launch begins with; None for another, and for one that no shell would read."""
    try:
        words = shlex.split(launch)
    except ValueError:
        return None
    return next((name for name in LAUNCHERS if words[: len(name.split())] == name.split()), None)


Launch = Annotated[str, AfterValidator(_known)]


def rank() -> int:
    """The number of this process among those of one training; 0 writes, the others do not."""
    return int(os.environ["RANK"]) if STARTED in os.environ and "RANK" in os.environ else 0


def size() -> int:
    """How many processes train together."""
    return int(os.environ["WORLD_SIZE"]) if STARTED in os.environ and "WORLD_SIZE" in os.environ else 1


def here() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", size()))


def in_parts() -> bool:
    """Whether each process holds a part of the weights alone, as FSDP does."""
    return size() > 1 and os.environ.get("ACCELERATE_USE_FSDP") == "true"


def run(launch: str, module: str, arguments: list[str], threads: int) -> None:
    """Start `python -m module arguments` by `launch`, and wait; what the processes write to stderr goes on to ours.

    Args:
        threads: of each process.

    Raises:
        InputError: a process was killed, or the launcher ends without any of them having said why.
        SystemExit: a process ended with an error that it has written itself.
    """
    name = named(launch)
    options = shlex.split(launch)[len(name.split()) :]
    command = [sys.executable, "-m", *LAUNCHERS[name], *options, "-m", module, *arguments]
    in_time = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(round(GRACE / 2))}  # the launcher kills what does not end by then
    environment = os.environ | {STARTED: launch, "OMP_NUM_THREADS": str(threads)} | in_time
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_ends_with_us,
    )
    said: list[str] = []
    report: list[str] = []
    try:
        for line in _of_processes(process.stderr, report):
            if line.startswith("stopped: ") or (line.startswith("error: ") and line in said):
                continue  # each of them says it
            said.append(line)
            sys.stderr.write(line)
            sys.stderr.flush()
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    if code:
        if any(line.startswith("error: ") for line in said):
            sys.exit(1)
        raise InputError(f"launch: {launch}: {_why(report, code)}")


def _ends_with_us() -> None:
    """Let the system end a launcher, which ends its processes, where the one that started it is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def part() -> None:
    """Leave the other processes of this training in peace: without this NCCL warns at the end."""
    if size() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()


def is_left_alone(error: BaseException) -> bool:
    """Whether another process of this training is gone, so that this one waits for it in vain."""
    return size() > 1 and (type(error).__name__.startswith("Dist") or "gloo/transport" in str(error))


def wait_for_the_end() -> None:
    """Let the launcher see first which process is gone; it then ends the others, this one too."""
    time.sleep(GRACE)


def _of_processes(lines: Iterable[str], report: list[str]) -> Iterator[str]:
    """The lines that are of the processes; those of the launcher go to `report`, with all that follows its failure."""
    failed = False
    for part in _with_tracebacks(lines):
        failed = failed or _fails(part)
        if not part.startswith("error: ") and (failed or OWN.match(part)):
            report += part.splitlines(keepends=True)
        else:
            yield part


def _fails(part: str) -> bool:
    """Whether a launcher says by this that a process has failed, that it was asked wrongly, or that it fails itself."""
    if part.startswith("Traceback"):
        return any(module in part for module in OF_ITS_TRACEBACKS)
    return part.startswith("usage: ") or (OWN.match(part) is not None and "failed (exitcode" in part)


def _with_tracebacks(lines: Iterable[str]) -> Iterator[str]:
    """Each line, but a traceback of Python as a whole, to the line that names the exception."""
    traceback = ""
    for line in lines:
        begun = traceback or line.startswith("Traceback (most recent call last)")
        traceback = traceback + line if begun else ""
        if not begun:
            yield line
        elif not line.startswith((" ", "Traceback")):
            yield traceback
            traceback = ""
    if traceback:
        yield traceback


def _why(report: list[str], code: int) -> str:
    """One line out of a launcher's report."""
    text = "".join(report)
    if TAKEN.search(text):
        return "its port is taken by another program; add --standalone to torchrun, or name another port"
    killed = re.search(r"failed \(exitcode: -(\d+)\) local_rank: (\d+)", text)
    if killed:
        sent = signal.Signals(int(killed[1]))
        memory = ", as the system does where memory is short" if sent == signal.SIGKILL else ""
        return (
            f"process {killed[2]} was ended by {sent.name}{memory}; dvc repro goes on, a training from its last whole "
            "epoch"
        )
    failed = re.search(r"failed \(exitcode: \d+\) local_rank: (\d+)", text)
    if failed:
        return f"process {failed[1]} failed; what it said stands above"
    last = next((line.strip() for line in reversed(report) if line.strip() and not set(line.strip()) <= {"="}), "")
    return f"it ended with code {code}: {last or 'it gave no reason'}"


def _end(process: subprocess.Popen[str]) -> None:
    """Let the launcher end its processes; what is left after `GRACE` seconds is killed."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
        for one in started:  # each has a session of its own
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()
