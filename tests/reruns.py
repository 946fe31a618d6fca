"""How many stage runs an edit of each module re-runs: `python -m tests.reruns`; before the rooms, and now.

Counted are the runs that depend on the module themselves; what comes after them runs where their outputs change. The
counts before are those of dvc.yaml at commit c949071, in `reruns_before.csv`.
"""

import csv
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.graph import CODE, stage_runs, under

BEFORE = Path(__file__).with_name("reruns_before.csv")


def now() -> dict[str, int]:
    """File of code -> stage runs that depend on it, without those on demand."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [run for run in stage_runs(Path(folder)).values() if _default(run.name)]
    files = [
        path.relative_to(ROOT).as_posix()
        for top in CODE
        for path in sorted((ROOT / top).rglob("*"))
        if path.suffix in (".py", ".yaml") and path.read_text(encoding="utf-8").count("\n") > 1  # says something
    ]
    counts = {path: sum(any(under(path, dep) for dep in run.code) for run in runs) for path in files}
    return {path: count for path, count in counts.items() if count}


def _default(name: str) -> bool:
    return name.split("@")[0] not in ("repeat", "few_shot", "augment", "fetch_model")


def main() -> None:
    """Print a row for each module: where it stood, where it stands, and both counts; the sums last."""
    with BEFORE.open(encoding="utf-8", newline="") as file:
        before = list(csv.DictReader(file))
    after = now()
    rows = [(row["before"], row["now"], int(row["runs"]), after.pop(row["now"], 0)) for row in before]
    rows += [("", path, 0, count) for path, count in after.items()]
    print(f"{'module':52} {'before':>7} {'now':>5}")
    for old, new, was, is_now in rows:
        print(f"{new or old:52} {was or '':>7} {is_now or '':>5}")
    print(f"{'sum':52} {sum(row[2] for row in rows):>7} {sum(row[3] for row in rows):>5}")


if __name__ == "__main__":
    main()
