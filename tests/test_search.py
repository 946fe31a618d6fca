"""`snips search`: optuna over `dvc exp run`; what was cut off goes on, and ends as if nothing had happened."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest

from pipelines.core.errors import InputError
from pipelines.models import task as tasks
from pipelines.search import space, study
from tests.conftest import assert_one_line_error, commit, dvc, edit_params, make_repository, run_stage

AXES = ["learning_rate=1e-4..1e-2:log", "batch_size=8,16"]
COMMAND = [sys.executable, "-m", "pipelines.cli", "search", "intent-full", *AXES]


def until_training(log):
    """Wait until DVC has said of a trial that it trains."""
    end = time.monotonic() + 120
    words = "Running stage 'finetune@intent-full'"
    while not any(words in path.read_text(encoding="utf-8") for path in Path(".search").glob(f"*/{log}")):
        assert time.monotonic() < end
        time.sleep(0.05)


def trials():
    return json.loads((study.METRICS / "intent-full.json").read_text(encoding="utf-8"))[0]["trials"]


@pytest.fixture
def repository(project):
    edit_params(lambda content: content.update(finetune={"intent-full": content["finetune"]["intent-full"]}))
    edit_params(lambda content: content["finetune"]["intent-full"].pop("batch_size"))  # searched all the same
    make_repository()
    dvc("repro", "split", "fetch_encoder")
    commit()
    return project


def test_a_search_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(repository):
    with subprocess.Popen([*COMMAND, "--trials", "4"], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("trial 0:"):
                break
        until_training("trial-1.log")
        for one in (process, *psutil.Process(process.pid).children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    assert [trial["number"] for trial in trials()] == [0]
    done = subprocess.run([*COMMAND, "--trials", "4"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = trials()
    assert [trial["number"] for trial in found] == [0, 1, 2, 3]
    assert all(trial["value"] is not None for trial in found)
    assert (study.METRICS / "intent-full.svg").read_bytes().startswith(b"<?xml")

    # what an undisturbed search would have proposed, had it found these values
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    axes = [space.parse(text, tasks.run_options("intent-full")) for text in AXES]
    calm = optuna.create_study(direction="maximize")
    for trial in found:
        calm.sampler = optuna.samplers.TPESampler(seed=13 + trial["number"])
        proposed = calm.ask()
        values = {axis.name: axis.suggest(proposed) for axis in axes}
        assert trial["params"] == {
            "learning_rate": f"{values['learning_rate']:.6g}",
            "batch_size": values["batch_size"],
        }
        calm.tell(proposed, trial["value"])

    # each experiment is there, with its figures of validation
    for trial in found:
        import dvc.api

        content = dvc.api.read("metrics/intent-full.json", rev=trial["experiment"])
        assert json.loads(content)[0]["validation"]["accuracy"] == pytest.approx(trial["value"])
    best = max(found, key=lambda trial: trial["value"])
    assert f"best: trial {best['number']}, accuracy {best['value']:.4f} on validation" in done.stdout
    assert f"dvc exp branch {best['experiment']} NAME" in done.stdout

    # nothing left to do, though what was written last is gone; other values begin another study
    (study.METRICS / "intent-full.json").unlink()
    again = subprocess.run([*COMMAND, "--trials", "4"], capture_output=True, text=True, check=True)
    assert again.stdout.splitlines()[0].startswith(f"best: trial {best['number']}, ")
    assert trials() == found
    keys = {study._key("intent-full", axes, seed) for seed in (13, 7)}
    edit_params(lambda content: content["finetune"]["intent-full"].update(epochs=2))
    keys.add(study._key("intent-full", axes, 13))
    with Path("stages/finetune.py").open("a") as code:  # not committed, but an experiment takes it along
        code.write("# changed\n")
    keys.add(study._key("intent-full", axes, 13))
    with Path("data/snips.sha256").open("a") as watched:
        watched.write("\n")
    assert len(keys | {study._key("intent-full", axes, 13)}) == 5
    subprocess.run(["git", "checkout", "-q", "stages/finetune.py", "data"], check=True)

    # a DVC that was killed while it made an experiment leaves no branch checked out
    subprocess.run(["git", "checkout", "-q", "--detach"], check=True)
    detached = subprocess.run([*COMMAND, "--trials", "5"], capture_output=True, text=True, check=False)
    assert_one_line_error(detached, "no branch is checked out here")


def test_a_search_that_is_asked_to_end_leaves_no_dvc(repository):
    with subprocess.Popen([*COMMAND, "--trials", "1"], stderr=subprocess.PIPE, text=True) as process:
        until_training("trial-0.log")
        started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        errors = process.communicate(timeout=120)[1]
    assert (process.returncode, errors) == (
        1,
        "error: stopped; the same command goes on with the trial that it was at\n",
    )
    assert not [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not study.METRICS.exists()  # no trial has ended


def test_first_trials_that_fail_end_it_with_where_to_look(repository):
    edit_params(lambda content: content["encoder"].update(name="nowhere"))
    commit()
    done = subprocess.run([*COMMAND, "--trials", "9"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (log,) = Path(".search").glob("*/trial-2.log")
    assert done.stderr == f"error: 3 trials in a row failed; see {log}, mend it and rm -r {log.parent}*\n"
    assert {path.name for path in Path(".search").glob(f"{log.parent.name}*")} == {
        log.parent.name,
        f"{log.parent.name}.db",
    }
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["trial 0", "trial 1", "trial 2"]
    assert [trial["value"] for trial in trials()] == [None] * 3
    assert "nowhere" in log.read_text(encoding="utf-8")


def test_a_trial_that_dvc_was_too_busy_for_is_run_once_more(repository):
    command = [*COMMAND, "--trials", "1"]
    begin = "import dvc.repo, time; repo = dvc.repo.Repo(); repo.lock.lock(); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert_one_line_error(
            subprocess.run(command, capture_output=True, text=True, check=False), "DVC is at work here"
        )
        other.kill()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("trial 0: ")
    assert trials()[0]["value"] is not None


def test_two_searches_do_not_meet(project):
    with study._alone(), pytest.raises(InputError, match="at work here"), study._alone():
        pass


def test_values_are_read_as_they_are_typed(project):
    options = tasks.run_options("joint-full")
    assert space.parse("learning_rate=5e-5..5e-4:log", options) == space.Axis("learning_rate", 5e-5, 5e-4, log=True)
    assert space.parse("epochs=4..1e1", options) == space.Axis("epochs", 4, 10)
    assert repr(space.parse("weight_decay=0..1", options).high) == "1.0"  # all between, not 0 and 1 alone
    assert space.parse("head=linear,crf", options) == space.Axis("head", choices=("linear", "crf"))
    assert space.parse("ema=0,1e-1", options) == space.Axis("ema", choices=(0, 0.1))


def test_a_seed_that_no_generator_takes_is_refused(project):
    said = "--seed 4294967295: give one from 0 to 2147483647"
    assert_one_line_error(run_stage("pipelines.cli", *COMMAND[3:], "--seed", "4294967295"), said)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lr=1..2", "no option to search over"),
        ("seed=1,2", "no option to search over"),
        ("=1,2", "no option to search over"),
        ("learning_rate", "at least two different values"),
        ("learning_rate=1e-4", "at least two different values"),
        ("batch_size=8,8", "at least two different values"),
        ("learning_rate=2..1", "low below high"),
        ("weight_decay=0..1:log", "above 0"),
        ("learning_rate=a..b", "valid number"),
        ("head=crf..linear", "have no order"),
        ("learning_rate=-1..1", "greater than 0"),
        ("epochs=1.5,2", "integer"),
        ("head=linear,forest", "'linear' or 'crf'"),
    ],
)
def test_values_that_cannot_be_are_refused(text, problem, project):
    with pytest.raises(InputError, match=problem):
        space.parse(text, tasks.run_options("joint-full"))
