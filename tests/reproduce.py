"""The sample in two fresh clones, from nothing to the end: no output may differ. `make reproduce`.

The clones have other names, one with a blank, and share no cache, so that a path, a clock or an order that gets into an
output shows. With the names of stages, those alone: `python -m tests.reproduce split`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.files import sha256
from tests.conftest import ROOT

NAMES = ("one", "another place")


def clone(source: Path, folder: Path) -> Path:
    """A clone of the last commit of `source`, with a DVC cache of its own."""
    subprocess.run(["git", "clone", "--quiet", str(source), str(folder)], check=True)
    return folder


def run(folder: Path, settings: list[str], stages: list[str], **environment: str) -> None:
    """Set params (`data.source=sample`) in the clone, and run its pipeline as a person does."""
    set_params(folder / "params.yaml", settings)
    subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *stages],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "SNIPS_CHECKPOINTS": str(folder / ".checkpoints"), **environment},
        check=True,
    )


def set_params(path: Path, settings: list[str]) -> None:
    """Set `key.in.the.file=value` in a params.yaml."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for setting in settings:
        key, _, value = setting.partition("=")
        *sections, last = key.split(".")
        block = content
        for section in sections:
            block = block[section]
        block[last] = yaml.safe_load(value)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def sums(folder: Path) -> dict[str, dict[str, str]]:
    """Of each output, by stage and path: MD5 as dvc.lock has it, and SHA-256 of each of its files as they lie there."""
    lock: dict[str, Any] = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    outs = [(name, out) for name, stage in lock["stages"].items() for out in stage.get("outs", [])]
    return {f"{name}: {out['path']}": {"md5": out["md5"]} | files_in(folder, out["path"]) for name, out in outs}


def files_in(folder: Path, out: str) -> dict[str, str]:
    """SHA-256 of the file `out` in `folder`, or of each file in the folder of that name."""
    paths = [folder / out, *sorted((folder / out).rglob("*"))]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths if path.is_file()}


def different(folders: list[Path]) -> tuple[dict[str, list[str]], int]:
    """Outputs that are not the same in both folders, each with what in it differs; and how many outputs there are."""
    first, second = map(sums, folders)
    found = {}
    for out in sorted(first | second):
        one, other = first.get(out, {}), second.get(out, {})
        if one != other:
            found[out] = [name for name in sorted(one | other) if one.get(name) != other.get(name)]
    return found, len(first | second)


def main(source: Path, stages: list[str]) -> int:
    """Run both; -> how many outputs differ."""
    with tempfile.TemporaryDirectory() as place:
        folders = [clone(source, Path(place) / name) for name in NAMES]
        for folder in folders:
            (folder / "dvc.lock").unlink(missing_ok=True)  # what is compared is what these runs made
            run(folder, ["data.source=sample"], stages)
        found, total = different(folders)
    for out, names in found.items():
        print(f"differs: {out} ({', '.join(names)})")
    print(f"{total - len(found)} of {total} outputs have the same bytes in both clones")
    return len(found)


if __name__ == "__main__":
    sys.exit(main(ROOT, sys.argv[1:]) > 0)
