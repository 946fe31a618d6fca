"""Growth: time and peak memory of `convert` and `split` on a corpus that is 1, 10 and 100 times the sample."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def prepare(copies: int) -> dict[str, float]:
    """`download`, `convert` and `split` of a folder in SNIPS layout with so many copies of the sample's utterances."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for path in sorted((ROOT / "data/sample").glob("*/*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            target = work / "corpus" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps({name: rows * copies for name, rows in content.items()}), encoding="utf-8")
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params["data"]["source"] = params["watch"]["data"] = str(work / "corpus")
        params["split"] |= {"protocol": "official", "validation_per_intent": 10}
        (work / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for name in ("stages", "pipelines"):
            (work / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "data/sample", work / "data/sample")
        figures = {}
        for stage in ("download", "convert", "split"):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", f"stages.{stage}"], cwd=work, check=True, env=dict(os.environ))
            figures[f"{stage}_seconds"] = time.perf_counter() - start
        figures["peak_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return figures
