"""What starts the pipeline elsewhere: read as its own tool reads it, as far as that can be without the tool.

SkyPilot 0.14.1's own schema and Slurm 22.05's own queue took both files, by hand; see cloud/README.md.
"""

import os
import re
import signal
import subprocess
import time

import pytest
import yaml

from tests.conftest import ROOT

CLOUD = ROOT / "cloud"
# https://docs.skypilot.co/en/latest/reference/yaml-spec.html
TASK = {"name", "workdir", "num_nodes", "resources", "envs", "secrets", "file_mounts", "setup", "run", "config"}
RESOURCES = {"accelerators", "cpus", "memory", "disk_size", "use_spot", "infra", "instance_type", "any_of", "ports"}
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
    assert set(task) <= TASK
    assert set(task["resources"]) <= RESOURCES
    assert task["envs"]["REMOTE"] is None  # to be given: sky asks for it
    for part in ("setup", "run"):
        subprocess.run(["bash", "-n"], input=task[part], text=True, check=True)
        assert set(re.findall(r"\$\{?([A-Z]+)", task[part])) <= set(task["envs"])


def test_the_task_is_one_for_skypilot_itself():
    sky = pytest.importorskip("sky", reason="SkyPilot is not installed")
    task = yaml.safe_load((CLOUD / "sky.yaml").read_text(encoding="utf-8"))
    assert sky.Task.from_yaml_config(task, env_overrides=[("REMOTE", "s3://bucket")]).name == "snips"


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
    for gpus, *stated in ((1, 19, 38), (8, 2.3, 4.7)):
        for share, minutes in zip((0.4, 0.2), stated, strict=True):
            assert work / (989e12 * share * gpus) / 60 == pytest.approx(minutes, rel=0.03)
    for share, seconds in ((0.4, 18), (0.2, 35)):
        assert work / (989e12 * share * 64) == pytest.approx(seconds, rel=0.03)
    steps = 13_084 * 100 * 15 / 32
    assert f"{steps / 1000:.0f},000 steps" in text
    assert steps * 4 * 32 / 812 / 3600 == pytest.approx(27, abs=0.5)
    reached = 6 * 10.6e6 * 12.5 * 812
    assert reached / 1e12 == pytest.approx(0.65, abs=0.01)
    assert 6 * weights * 1024 * 12.5 / 1e12 == pytest.approx(23, abs=0.5)
