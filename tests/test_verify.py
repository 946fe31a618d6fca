"""`snips verify` as a reviewer runs it: a finished run beside a commit of it, on real stages of the sample."""

import json
from pathlib import Path

import pytest
import yaml

from pipelines.reports import environment
from tests.conftest import assert_one_line_error, commit, dvc, edit_params, make_repository, run_stage

STAGES = ("download", "convert", "split")
NOTED = "metrics/environment.json"


@pytest.fixture
def finished(project):
    """The first stages alone, run and committed."""
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {name: pipeline["stages"][name] for name in STAGES}}))
    Path("metrics/tolerances.yaml").write_text("sample: [{match: metrics/split.json *_in_train, within: 3}]\n")
    make_repository()
    dvc("repro")
    commit()


def verify(*arguments):
    return run_stage("pipelines.cli", "verify", *arguments)


def test_a_run_is_that_of_the_commit_or_it_is_said_what_differs(finished):
    result = verify()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].startswith("Outputs: 5 of 5 have the bytes of ")
    assert result.stdout.splitlines()[1:] == ["Figures: all the same."]

    edit_params(lambda content: content["split"].update(protocol="random"))
    assert_one_line_error(verify(), "not finished", "dvc repro")
    dvc("repro")
    result = verify()
    assert result.returncode == 1
    assert "Outputs: 3 of 5" in result.stdout
    assert "metrics/split.json protocol: 'literature' -> 'random'" in result.stdout
    assert "metrics/split.json train: " in result.stdout


def note(machine: dict) -> None:
    """Have a stage write metrics/environment.json, as `summary` does, and run it."""
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    noted = {"cmd": f"echo '{json.dumps([machine])}' > {NOTED}", "metrics": [{NOTED: {"cache": False}}]}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": pipeline["stages"] | {"note": noted}}), encoding="utf-8")
    dvc("repro")


def test_where_outputs_differ_it_is_said_how_the_machine_does(finished):
    here = environment.environment(1)
    note(here | {"threads": 7, "python": "2.7"})
    commit()
    assert "Machine" not in verify().stdout
    note(here)
    result = verify()
    assert result.returncode == 0  # it explains figures and is none
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Outputs: 5 of 6 have the bytes of ")
    assert lines[1:3] == [f"  {NOTED}", "Figures: all the same."]
    assert lines[3].startswith("Machine: other than that of ")
    assert lines[4:] == [f"  python: '2.7' -> '{here['python']}'", "  threads: 7 -> 1"]


def test_what_cannot_be_compared_is_one_line(finished):
    assert_one_line_error(verify("nowhere"), "nowhere", "name a commit")
    Path("metrics/tolerances.yaml").write_text("snips: []\n")
    assert_one_line_error(verify(), "no tolerances for sample", "write a section")
    edit_params(lambda content: content["data"].update(source="snips"))
    assert_one_line_error(verify(), "ran on sample", "this run on snips")
