"""What is noted of the machine: what decides figures, and nothing of whose it is."""

import json
import platform
from pathlib import Path

import pytest
import safetensors

from pipelines.reports import environment

CPUINFO = """\
processor\t: 0
model name\t: A  Processor 9000
flags\t\t: fpu avx2 fma avx512f avx512_bf16

processor\t: 1
model name\t: A  Processor 9000
flags\t\t: fpu avx2 fma avx512f avx512_bf16
"""


def test_the_processor_is_named_with_what_kernels_are_chosen_by(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(environment, "CPU", tmp_path / "cpuinfo")
    found = environment.environment(2)
    assert found["processor"] == {"name": "A Processor 9000", "instructions": "avx2 fma avx512f avx512_bf16"}
    monkeypatch.setattr(environment, "CPU", tmp_path / "nothing")
    assert environment.environment(2)["processor"]["instructions"] == "unknown"


def test_what_chooses_kernels_counts_and_versions_are_those_in_use(monkeypatch):
    for name in environment.CHOOSE:
        monkeypatch.delenv(name, raising=False)
    plain = environment.environment(2)
    assert plain["chosen"] == {}
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert environment.environment(2)["chosen"] == {"MKL_CBWR": "AVX2"}
    assert environment.environment(4) != plain
    pinned = dict(line.split("==") for line in Path("requirements.txt").read_text(encoding="utf-8").split())
    pinned["safetensors"] = safetensors.__version__  # comes with transformers
    found = {name: version.partition("+")[0] for name, version in plain["libraries"].items()}
    assert found == {name: pinned[name] for name in environment.LIBRARIES}


def test_it_says_nothing_of_where_whose_and_when():
    written = json.dumps(environment.environment(2))
    assert environment.environment(2) == json.loads(written)
    private = [name for name in (platform.node(), str(Path.home()), str(Path.cwd())) if len(name) > 3]
    assert [name for name in private if name in written] == []


def test_the_gpu_is_the_one_that_stages_may_take(monkeypatch):
    pynvml = pytest.importorskip("pynvml")
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda number: number)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: f"card {handle}")
    for visible, name in (("", "none"), ("1", "card 1"), ("0,1", "card 0"), ("-1", "none")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert environment._gpu() == name
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert environment._gpu() == "card 0"
