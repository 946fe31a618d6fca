"""A folder of one's own is watched: its bytes decide, not its name."""

import shutil
from pathlib import Path

from tests.conftest import assert_one_line_error, dvc, edit_params, make_repository, ran, run_stage


def test_another_byte_in_a_folder_of_ones_own_is_seen(project, tiny_encoder):
    shutil.copytree("data/sample", "mine")
    encoder = str(shutil.copytree(tiny_encoder, project.parent / "my encoder"))
    edit_params(lambda content: (content["data"].update(source="mine"), content["encoder"].update(name=encoder)))
    make_repository()
    assert_one_line_error(run_stage("stages.download"), "data.source mine", "add -S watch.data='mine'")
    assert_one_line_error(run_stage("stages.fetch_encoder"), "encoder.name", f"add -S watch.encoder='{encoder}'")
    edit_params(lambda content: content["watch"].update(data="mine", encoder=encoder))
    assert sorted(ran(dvc("repro", "download", "fetch_encoder"))) == ["download", "fetch_encoder"]  # in any order
    assert ran(dvc("repro", "download", "fetch_encoder")) == []

    (Path(encoder) / "vocab.txt").write_text("one more file")
    assert ran(dvc("repro", "download", "fetch_encoder")) == ["fetch_encoder"]
    file = next(Path("mine").rglob("train_*_full.json"))
    file.write_bytes(file.read_bytes() + b"\n")
    assert ran(dvc("repro", "download", "fetch_encoder")) == ["download"]


def test_a_folder_that_cannot_be_watched_says_so(project, tiny_encoder):
    model = {"name": str(tiny_encoder), "revision": "main", "sha256": None}
    edit_params(lambda content: content.update(models={"other": model}))
    said = run_stage("stages.fetch_model", "other")
    assert said.returncode == 0
    assert f"DVC does not watch {tiny_encoder}; after a change: dvc repro -f fetch_model@other" in said.stderr
