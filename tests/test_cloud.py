"""What starts the pipeline elsewhere: read as its own tool reads it, as far as that can be without the tool.

SkyPilot by the keys of its own schema; Slurm 22.05 took its script by hand, see cloud/README.md.
"""

import json
import os
import re
import signal
import subprocess
import time

import jsonschema
import pytest
import yaml

from tests.conftest import ROOT, read_details

CLOUD = ROOT / "cloud"
# man sbatch
SBATCH = {
    "job-name",
    "nodes",
    "ntasks",
    "cpus-per-task",
    "mem",
    "gres",
    "time",
    "signal",
    "requeue",
    "output",
    "open-mode",
}


def test_the_task_of_skypilot_is_one():
    task = yaml.safe_load((CLOUD / "sky.yaml").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "tests/skypilot.json").read_text(encoding="utf-8"))
    jsonschema.validate(task, schema)
    with pytest.raises(jsonschema.ValidationError, match="'accelerator' was unexpected"):
        jsonschema.validate(task | {"resources": {"accelerator": "L4"}}, schema)
    assert task["envs"]["REMOTE"] is None  # to be given: sky asks for it
    for part in ("setup", "run"):
        subprocess.run(["bash", "-n"], input=task[part], text=True, check=True)
        assert set(re.findall(r"\$\{?([A-Z]+)", task[part])) <= set(task["envs"])


def test_the_script_of_slurm_asks_for_what_there_is():
    text = (CLOUD / "slurm.sh").read_text(encoding="utf-8")
    options = re.findall(r"^#SBATCH --([a-z-]+)", text, flags=re.MULTILINE)
    assert set(options) <= SBATCH
    assert len(options) == len(set(options)) == text.count("#SBATCH")
    assert "--ntasks=1" in text  # several would each train a model of their own


@pytest.fixture
def cluster(tmp_path):
    """A folder as Slurm finds it: a clone with its environment; and a queue that only notes what is asked of it."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    (tmp_path / "bin").mkdir()
    queue = tmp_path / "bin/scontrol"
    queue.write_text('#!/bin/sh\necho "$@" > asked\n')
    queue.chmod(0o755)
    return tmp_path


def job(folder, *command):
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(folder),
        "SLURM_JOB_ID": "7",
    }
    return subprocess.Popen(["bash", CLOUD / "slurm.sh", *command], env=environment)


def test_a_job_ends_as_its_command_does(cluster):
    assert job(cluster, "true").wait() == 0
    assert job(cluster, "sh", "-c", "exit 3").wait() == 3
    assert not (cluster / "asked").exists()


def test_a_job_whose_time_is_up_stops_its_command_and_stands_in_the_queue_again(cluster):
    (cluster / "stage").write_text(
        "trap 'sleep 0.5; echo stopped > said; exit 143' TERM; touch begun; while :; do sleep 0.1; done"
    )
    running = job(cluster, "sh", "-c", "sh stage; true")  # as dvc starts a stage
    end = time.monotonic() + 60
    while not (cluster / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    running.send_signal(signal.SIGUSR1)
    running.wait(timeout=60)
    assert (cluster / "said").read_text() == "stopped\n"
    assert (cluster / "asked").read_text() == "requeue 7\n"


def test_the_sums_of_what_it_costs_are_right():
    text = (CLOUD / "README.md").read_text(encoding="utf-8")
    weights, tokens = 24 * 12 * 1024**2, 13_084 * 100 * 12.5
    work = 6 * weights * tokens * 15
    assert f"{weights / 1e6:.0f} M; a step takes" in text
    assert f"{tokens / 1e6:.1f} M tokens" in text
    assert "= 445 PFLOP." in text
    assert work / 1e15 == pytest.approx(445, abs=0.5)
    for gpus in (1, 8, 64):
        (cells,) = re.findall(rf"^\| {gpus} \| (\S+) (min|s) \| (\S+) (min|s) \|$", text, re.M)
        for share, stated, unit in ((0.4, *cells[:2]), (0.2, *cells[2:])):
            seconds = work / (989e12 * share * gpus)
            assert float(stated) == pytest.approx(seconds / {"min": 60, "s": 1}[unit], rel=0.03)
    steps = 13_084 * 100 * 15 / 32
    assert f"{steps / 1000:.0f},000 steps" in text
    at_once = _stated(r"trains on (\d+) utterances a second", text)
    milliseconds = _stated(r"(\d+) ms a step, encoding", text)
    assert milliseconds == pytest.approx(32 / at_once * 1000, abs=0.5)
    assert _stated(r"are (\d+) ms; ", text) == pytest.approx(4 * milliseconds, rel=0.03)
    hours = _stated(r"steps of 32 are (\d+) hours", text)
    assert steps * 4 * 32 / at_once / 3600 == pytest.approx(hours, abs=0.5)
    assert f"{hours:.0f} with those of today" in text
    reached = 6 * 10.6e6 * 12.5 * at_once / 1e12
    assert reached == pytest.approx(_stated(r"([\d.]+) TFLOP/s, ", text), abs=0.01)
    assert reached / 989 * 100 == pytest.approx(_stated(r"([\d.]+) % of the peak", text), abs=0.005)
    large = 6 * weights * 1024 * 12.5 / 1e12
    assert large == pytest.approx(_stated(r"tokens, (\d+) TFLOP", text), abs=0.5)
    assert large / (989 * 0.4) * 1000 == pytest.approx(_stated(r"(\d+) ms at 40 %", text), abs=0.5)
    counted = read_details(ROOT / "metrics/lessons/architecture.json")["encoder"]["multiply_adds_a_piece"] / 1e6
    assert f"counts {counted:.1f} M multiply-adds" in text


def _stated(pattern, text):
    """The one number that stands there."""
    (found,) = re.findall(pattern, text)
    return float(found)


@pytest.fixture
def rented(tmp_path, monkeypatch):
    """A machine whose `dvc` only notes what is asked of it, and fails where the file of that name lies."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    (tmp_path / "bin").mkdir()
    for name, does in {"dvc": 'echo "$@" >> asked; test ! -e "fails-$1"', "python": 'test ! -e "fails-$1"'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    run = yaml.safe_load((CLOUD / "sky.yaml").read_text(encoding="utf-8"))["run"]

    def work(command):
        environment = os.environ | {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "REMOTE": "s3://bucket",
            "COMMAND": command,
        }
        ended = subprocess.run(["bash", "-c", run], cwd=tmp_path, env=environment, check=False).returncode
        return ended, (tmp_path / "asked").read_text().splitlines()[1:]

    return tmp_path, work


BEFORE = ["pull --allow-missing"]


def test_what_ended_whole_comes_back_from_a_rented_machine_whose_command_fails(rented):
    _, work = rented
    assert work("dvc exp run && exit 3") == (3, [*BEFORE, "exp run", "push"])


def test_a_remote_that_takes_nothing_ends_a_rented_machine_before_it_works(rented):
    folder, work = rented
    (folder / "fails-cloud").mkdir()
    (folder / "fails-cloud/can_push.py").touch()
    assert work("dvc exp run") == (1, BEFORE)


def test_a_last_push_that_fails_is_no_success(rented):
    _, work = rented
    assert work("dvc exp run; touch fails-push") == (1, [*BEFORE, "exp run", "push"])
