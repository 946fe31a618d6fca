"""The sample as other machines would compute it: `python -m tests.elsewhere FOLDER`, where FOLDER is a finished run.

Each stand-in is a fresh clone of that folder's commit with its own cache: other numbers of threads, and other
instruction sets; it runs what the headlines need (`dvc repro judge summary`). Prints how far the figures lie from those
in FOLDER; the largest distances are what `metrics/tolerances.yaml` allows the sample.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

from pipelines.reports import verifying
from tests.reproduce import clone, run

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
# what no machine changes, and last, what follows from the headlines; the first that matches counts
FIXED = ("metrics/summary.json *", "metrics/decoder.json *", "metrics/corpus.json *", "metrics/split.json *")
FIXED_DETAILS = ("metrics/*.json *support", "metrics/*.json *weights")
STAGES = ["judge", "summary"]  # write the headline files
# stand-in -> threads, environment
STAND_INS = {
    "the same again": (2, {}),
    "1 thread": (1, {}),
    "4 threads": (4, {}),
    "AVX2": (2, AVX2),
    "AVX2, MKL compatible": (2, AVX2 | {"MKL_CBWR": "COMPATIBLE"}),
}


def distances(there: Path, here: Path) -> dict[str, float]:
    """Largest absolute difference of each figure (`file key`) in the headline files of two runs; infinite for texts."""
    found: dict[str, float] = defaultdict(float)
    for file in ("metrics/summary.json", "metrics/decoder.json"):
        contents = [json.loads((folder / file).read_text(encoding="utf-8")) for folder in (there, here)]
        for one in verifying.differences(file, *contents, []):
            found[f"{one.file} {one.key}"] = float("inf") if one.size is None else one.size
    return dict(found)


def tolerances(found: list[dict[str, float]]) -> list[str]:
    """Lines for tolerances.yaml: for each figure twice the largest distance that was found, rounded up.

    A text or a missing figure gets none, so it is beyond; a headline that was the same everywhere may not differ.
    """
    largest: dict[str, float] = defaultdict(float)
    for one in found:
        for key, size in one.items():
            largest[key] = max(largest[key], size)
    allowed = {key: math.ceil(2000 * size) / 1000 for key, size in sorted(largest.items()) if math.isfinite(size)}
    lines = [f"  - {{match: {key}, within: {within:g}}}" for key, within in allowed.items()]
    lines += [f"  - {{match: {pattern}, within: 0}}" for pattern in (*FIXED, *FIXED_DETAILS)]
    return [*lines, "  - {match: metrics/*, within: null}"]


def main(finished: Path) -> None:
    """Run all stand-ins, one after the other."""
    found: list[dict[str, float]] = []
    times: list[float] = []
    for name, (threads, environment) in STAND_INS.items():
        with tempfile.TemporaryDirectory() as place:
            folder = clone(finished, Path(place) / "elsewhere")
            (folder / "dvc.lock").unlink()  # so that it lists what ran
            start = time.monotonic()
            run(folder, ["data.source=sample", f"threads={threads}"], STAGES, **environment)
            times.append(time.monotonic() - start)
            locks = [yaml.safe_load((one / "dvc.lock").read_text(encoding="utf-8")) for one in (finished, folder)]
            locks[0]["stages"] = {name: locks[0]["stages"][name] for name in locks[1]["stages"]}
            same, other = verifying.outputs(*locks)
            found.append(distances(finished, folder))
        outputs = f"{len(same)} of {len(same) + len(other)} outputs have the same bytes"
        print(f"{name}: {times[-1]:.0f} s, {times[-1] / times[0]:.2f} of the first's time; {outputs}")
        for key, size in sorted(found[-1].items()):
            print(f"  {key}: {size:.4f}", flush=True)
    print("sample:", *tolerances(found), sep="\n")


if __name__ == "__main__":
    status = ["dvc", "status", "--quiet", *STAGES]
    if len(sys.argv) != 2 or subprocess.run(status, cwd=sys.argv[1], check=False).returncode:
        sys.exit("usage: python -m tests.elsewhere FOLDER, a clone in which the sample's judge and summary have run")
    main(Path(sys.argv[1]))
