"""`snips search`: optuna over `dvc exp run`; what was cut off goes on, and ends as if nothing had happened."""

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
from tests.conftest import assert_one_line_error, commit, dvc, edit_params, make_repository

AXES = ["learning_rate=1e-4..1e-2:log", "batch_size=8,16"]
COMMAND = [sys.executable, "-m", "pipelines.cli", "search", "intent-full", *AXES]


def trials():
    return json.loads((study.METRICS / "intent-full.json").read_text(encoding="utf-8"))[0]["trials"]


@pytest.fixture
def repository(project):
    edit_params(lambda content: content.update(finetune={"intent-full": content["finetune"]["intent-full"]}))
    make_repository()
    dvc("repro", "split", "fetch_encoder")
    commit()
    return project


def test_a_search_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(repository):
    with subprocess.Popen([*COMMAND, "--trials", "4"], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("trial 0:"):
                break
        time.sleep(3)  # trial 1 is at work
        for one in (process, *psutil.Process(process.pid).children(recursive=True)):
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
        assert values == pytest.approx(trial["params"], abs=1e-6)
        calm.tell(proposed, trial["value"])

    # each experiment is there, with its figures of validation
    for trial in found:
        import dvc.api

        content = dvc.api.read("metrics/intent-full.json", rev=trial["experiment"])
        assert json.loads(content)[0]["validation"]["accuracy"] == pytest.approx(trial["value"])
    best = max(found, key=lambda trial: trial["value"])
    assert f"best: trial {best['number']}, accuracy {best['value']:.4f} on validation" in done.stdout
    assert f"dvc exp branch {best['experiment']} NAME" in done.stdout

    # nothing left to do, and no other values
    again = subprocess.run([*COMMAND, "--trials", "4"], capture_output=True, text=True, check=True)
    assert "trial" not in again.stdout.splitlines()[0].partition("best: ")[0]
    other = subprocess.run([*COMMAND, "--trials", "4", "--seed", "7"], capture_output=True, text=True, check=False)
    assert_one_line_error(other, "begun over other values")


def test_first_trials_that_fail_end_it_with_where_to_look(repository):
    edit_params(lambda content: content["encoder"].update(name="nowhere"))
    commit()
    done = subprocess.run([*COMMAND, "--trials", "9"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: the first 3 trials failed; see .search/intent-full/trial-0.log\n"
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["trial 0", "trial 1", "trial 2"]
    assert [trial["value"] for trial in trials()] == [None] * 3
    assert "nowhere" in Path(".search/intent-full/trial-0.log").read_text(encoding="utf-8")


def test_two_searches_of_a_run_do_not_meet(project):
    with study._alone("intent-full"), pytest.raises(InputError, match="at work here"), study._alone("intent-full"):
        pass


def test_values_are_read_as_they_are_typed(project):
    options = tasks.run_options("joint-full")
    assert space.parse("learning_rate=5e-5..5e-4:log", options) == space.Axis("learning_rate", 5e-5, 5e-4, log=True)
    assert space.parse("epochs=4..10", options) == space.Axis("epochs", 4, 10)
    assert space.parse("head=linear,crf", options) == space.Axis("head", choices=("linear", "crf"))
    assert space.parse("ema=0,1e-1", options) == space.Axis("ema", choices=(0, 0.1))


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
        ("learning_rate=a..b", "is no number"),
        ("learning_rate=-1..1", "greater than 0"),
        ("epochs=1.5,2", "integer"),
        ("head=linear,forest", "'linear' or 'crf'"),
    ],
)
def test_values_that_cannot_be_are_refused(text, problem, project):
    with pytest.raises(InputError, match=problem):
        space.parse(text, tasks.run_options("joint-full"))
