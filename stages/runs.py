"""Take stock of the runs: which there are, and which weights those have that judges and lessons look at.

DVC's stages cannot depend on a run that may not be there. So they depend on data/runs/<run>.json, which is written for
every run that params.yaml names anywhere, and says so where there is none of that name.
"""

import shutil
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command

PREDICTIONS = Path("data/predictions")
RUNS = Path("data/runs")
# params that name a run, or a mapping of them
LOOKED_AT = (
    "judge.intent",
    "judge.slots",
    "qa_limits.run",
    "qa_limits.intent",
    "lessons.embeddings.tuned",
    "lessons.attention.tuned",
    "lessons.transfer.models",
)


def runs() -> None:
    """Make data/runs; predictions of runs that params.yaml no longer has make way (DVC's cache keeps them)."""
    there = blocks.load("finetune", dict[blocks.RunName, dict])
    for path in PREDICTIONS.iterdir():
        if path.is_dir() and path.name not in there:
            shutil.rmtree(path)
    names = set(there)
    for section in LOOKED_AT:
        named = blocks.load(section, blocks.RunName | dict[str, blocks.RunName])
        names.update(named.values() if isinstance(named, dict) else [named])
    with files.whole(RUNS) as folder:
        folder.mkdir()
        for name in sorted(names):
            made = PREDICTIONS / name / "run.json"
            found = files.read_json(made)["files"] if name in there else None
            files.write_json(folder / f"{name}.json", {"run": name, "files": found})


if __name__ == "__main__":
    command(runs)
