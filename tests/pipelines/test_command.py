"""How a stage starts and ends: threads that params name, one process, one line for what a person can mend."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch

from pipelines.core import command as commands
from pipelines.core import processes
from tests.conftest import ROOT

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Run a stage that does `body` in a folder whose params.yaml asks for 3 threads; -> its error, or None."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("threads: 3\n")
    monkeypatch.setattr(sys, "argv", ["stage"])
    for name in (*commands.SEVERAL, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()

    def started(body, computes=True):
        def stage():
            body()

        try:
            commands.command(stage, computes)
        except SystemExit as stopped:
            return stopped.code
        return None

    yield started
    torch.set_num_threads(before)


def test_threads_are_those_of_params_and_not_of_the_machine(start, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = []
    assert start(lambda: found.append(torch.get_num_threads())) is None
    assert found == [3]


@pytest.mark.parametrize("value", ["0", "many", "1.5", "[]"])
def test_threads_that_are_no_count_are_one_line(start, tmp_path, value):
    (tmp_path / "params.yaml").write_text(f"threads: {value}\n")
    assert start(lambda: None).startswith("error: params.yaml: threads: ")


@pytest.mark.parametrize("name", commands.SEVERAL)
def test_several_processes_are_refused(start, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert start(lambda: None) is None
    monkeypatch.setenv(name, "2")
    ran = []
    said = start(lambda: ran.append(1), computes=False)
    assert said.startswith(f"error: {name} is 2: a stage runs in one process")
    assert ran == []


def test_one_gpu_of_several_is_seen(start, monkeypatch):
    assert start(lambda: None) is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert "error: CUDA_VISIBLE_DEVICES is 0,1: a stage computes on one GPU; name one" in start(lambda: None)


def raises(error, cause=None):
    def body():
        raise error from cause

    return body


@pytest.mark.parametrize(
    "body",
    [
        raises(FULL),
        raises(RuntimeError("while writing"), FULL),
        raises(RuntimeError("I/O error: No space left on device (os error 28)")),
        raises(RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0")),
    ],
)
def test_a_full_disk_is_one_line(start, body):
    assert start(body).startswith("error: no space left on the disk; make room")


@pytest.mark.parametrize(
    "body",
    [
        raises(MemoryError()),
        raises(torch.OutOfMemoryError("CUDA out of memory.")),
        lambda: torch.empty(10**17),
    ],
)
def test_memory_that_is_short_is_one_line(start, body):
    assert start(body).startswith("error: out of memory; take smaller batches")


def test_a_process_whose_others_do_not_answer_is_one_line(start, monkeypatch):
    for name, value in {processes.STARTED: "torchrun", "WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processes, "GRACE", 0.0)
    timeout = torch.distributed.DistStoreError("wait timeout after 1800000ms, keys: /default_pg/0\nmore")

    def body():
        raise timeout

    assert start(body, computes=False) == (
        "error: launch: another process of this training is gone or did not answer (wait timeout after 1800000ms, "
        "keys: /default_pg/0); dvc repro goes on, a training from its last whole epoch"
    )
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(torch.distributed.DistStoreError):
        start(body, computes=False)


def test_another_error_is_a_bug_and_keeps_its_traceback(start):
    with pytest.raises(ZeroDivisionError):
        start(lambda: 1 / 0)
    with pytest.raises(PermissionError):
        start(raises(PermissionError(errno.EACCES, "not allowed")))


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_stop_is_one_line_and_takes_away_what_is_unfinished(tmp_path, number, name):
    script = """
        from pathlib import Path
        import time
        from pipelines.core import files, stopping
        stopping.in_one_line()
        with files.whole(Path("out")) as made:
            made.mkdir()
            print("ready", flush=True)
            try:
                time.sleep(60)
            except Exception:
                print("caught")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, said = process.communicate(timeout=10)
    assert (process.returncode, out) == (128 + number, "")
    assert said == f"stopped: {name}; dvc repro goes on, a training from its last whole epoch\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("where", "body"),
    [
        ("in __del__", "class A:\n    def __del__(self):\n        ready(1.5)\nA()"),
        ("in a callback of gc", "import gc\ngc.callbacks.append(lambda *_: ready(1.5))\ngc.collect()"),
        ("nobody reads", "ready(0)"),
    ],
)
def test_a_stop_is_never_dropped(where, body):
    script = f"""
import time
from pipelines.core import stopping
stopping.in_one_line()
def ready(seconds):
    print("ready", flush=True)
    time.sleep(seconds)
{body}
time.sleep(60)
print("went on")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    if where == "nobody reads":
        process.stderr.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert "went on" not in process.stdout.read()
    if where != "nobody reads":
        assert process.stderr.read() == "stopped: SIGTERM; dvc repro goes on, a training from its last whole epoch\n"


def test_a_second_stop_is_not_put_off():
    script = """
import time
from pipelines.core import stopping
stopping.PATIENCE = 0.5
stopping.in_one_line()
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("waits", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)  # DVC's, of the same stop
    time.sleep(0.7)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 128 + signal.SIGTERM


def test_a_stop_after_the_work_is_passed_over():
    script = """
import atexit, sys, time
from pipelines.core import stopping
from pipelines.core.command import command
def stage():
    pass
stopping.in_one_line()
sys.argv = ["stage"]
atexit.register(lambda: (print("ready", flush=True), time.sleep(1)))
command(stage)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
