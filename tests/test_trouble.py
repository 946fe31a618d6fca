"""A full disk, and two experiments side by side: one line or nothing at all, and no output is the worse for it."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import (
    MIRROR,
    assert_one_line_error,
    dvc,
    edit_params,
    make_repository,
    needs_snips,
    run_stage,
)
from tests.stages.test_stages import prepare, snapshot

RUN = "intent-full"


@pytest.fixture
def disk():
    """`disk(folder, size)` makes the folder a disk of its own, of so many bytes; again, it gets another size."""
    mounted = []

    def sized(folder: str, size: int) -> None:
        again = ["remount"] if folder in mounted else []
        options = ",".join([*again, f"size={size}"])
        Path(folder).mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a small disk")
        mounted.append(folder)

    yield sized
    for folder in set(mounted):
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("folder", [".checkpoints", "data/models"])
def test_a_full_disk_is_one_line_and_the_rest_is_done_once_there_is_room(project, disk, monkeypatch, folder):
    monkeypatch.delenv("SNIPS_CHECKPOINTS", raising=False)
    disk(folder, 10_000_000)
    prepare("download", "convert", "split", "fetch_encoder")
    assert run_stage("stages.finetune", RUN).returncode == 0
    before = snapshot("data/models") | snapshot("metrics/plots")
    used = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*"))
    edit_params(lambda content: content["finetune"][RUN].update(learning_rate=3e-4))
    disk(folder, used + 100_000)  # the model has twice as much
    assert_one_line_error(run_stage("stages.finetune", RUN), "no space left on the disk; make room")
    assert snapshot("data/models") | snapshot("metrics/plots") == before
    disk(folder, 10_000_000)
    assert run_stage("stages.finetune", RUN).returncode == 0
    assert snapshot("data/models") != before


@pytest.mark.parametrize("source", ["sample", pytest.param("snips", marks=needs_snips)])
def test_a_disk_that_is_full_while_downloading_is_one_line(project, disk, monkeypatch, source):
    monkeypatch.setenv("SNIPS_MIRROR", str(MIRROR))
    edit_params(lambda content: content["data"].update(source=source))
    kept = Path("data").rename("kept")
    disk("data", 20_000_000)
    shutil.copytree(kept, "data", dirs_exist_ok=True)
    prepare("download")
    before = snapshot("data")
    used = sum(path.stat().st_blocks * 512 for path in Path("data").rglob("*"))
    disk("data", used + 50_000)  # the least corpus has more
    assert_one_line_error(run_stage("stages.download"), "no space left on the disk; make room")
    assert snapshot("data") == before
    disk("data", 20_000_000)
    prepare("download")
    assert snapshot("data") == before


def test_two_experiments_side_by_side_disturb_nothing(project, tmp_path, monkeypatch):
    monkeypatch.setenv("SNIPS_CHECKPOINTS", str(tmp_path / "shared"))
    make_repository()
    dvc("repro", "split", "fetch_encoder")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", "next"], check=True)
    rates = {"slow": 1e-4, "fast": 3e-3}
    both = [
        subprocess.Popen(
            [
                "dvc",
                "exp",
                "run",
                "--temp",
                "-n",
                name,
                "-S",
                f"finetune.{RUN}.learning_rate={rate}",
                f"finetune@{RUN}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, rate in rates.items()
    ]
    for process in both:
        said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
    made = {}
    for name, rate in rates.items():
        dvc("exp", "branch", name, f"of-{name}")
        lock = subprocess.run(["git", "show", f"of-{name}:dvc.lock"], capture_output=True, text=True, check=True).stdout
        made[name] = _md5(yaml.safe_load(lock)["stages"][f"finetune@{RUN}"]["outs"], f"data/models/{RUN}")
        edit_params(lambda content, rate=rate: content["finetune"][RUN].update(learning_rate=rate))
        assert run_stage("stages.finetune", RUN).returncode == 0  # alone
        alone = Path(f"data/models/{RUN}/model.safetensors").read_bytes()
        assert made[name] == hashlib.md5(alone, usedforsecurity=False).hexdigest()
    assert made["slow"] != made["fast"]
    assert list((tmp_path / "shared").iterdir()) == []


def _md5(outs: list[dict], path: str) -> str:
    """MD5 of the weights in an output folder, as DVC's cache has it."""
    (digest,) = [out["md5"] for out in outs if out["path"] == path]
    listed = json.loads(Path(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}").read_text(encoding="utf-8"))
    return next(file["md5"] for file in listed if file["relpath"] == "model.safetensors")
