"""`make reproduce` in small: the first stages in two clones; and a clock in an output is found."""

from pathlib import Path

import yaml

from tests import reproduce
from tests.conftest import commit, make_repository

STAGES = ["convert", "split"]


def test_two_clones_make_the_same_and_a_clock_is_found(project, capsys):
    make_repository()
    assert reproduce.main(Path.cwd(), STAGES) == 0
    assert capsys.readouterr().out.endswith("5 of 5 outputs have the same bytes in both clones\n")

    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    pipeline["stages"]["split"]["cmd"] = ["python -m stages.split", "date +%N >> data/splits/README.md"]
    Path("dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    commit()
    assert reproduce.main(Path.cwd(), STAGES) == 1
    assert "differs: split: data/splits (data/splits/README.md, md5)\n" in capsys.readouterr().out


def test_a_file_that_is_not_what_dvc_lock_says_is_found(tmp_path):
    for name in reproduce.NAMES:
        (tmp_path / name / "out").mkdir(parents=True)
        (tmp_path / name / "dvc.lock").write_text("stages: {a: {outs: [{path: out, md5: 1.dir}]}, b: {}}\n")
        (tmp_path / name / "out/file").write_text("the same")
    folders = [tmp_path / name for name in reproduce.NAMES]
    assert reproduce.different(folders) == ({}, 1)
    (folders[1] / "out/file").write_text("another")
    (folders[1] / "out/more").write_text("")
    assert reproduce.different(folders) == ({"a: out": ["out/file", "out/more"]}, 1)


def test_params_are_set_by_their_path(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("threads: 2\ndata:\n  source: snips\n")
    reproduce.set_params(path, ["threads=4", "data.source=sample"])
    assert yaml.safe_load(path.read_text()) == {"threads": 4, "data": {"source": "sample"}}
