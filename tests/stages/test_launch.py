"""A training in several processes: the figures of one, a process that is killed, launchers that do not start."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from pipelines.core import processes
from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.models.task import offered
from pipelines.training import shares
from pipelines.training.dropout import dropout
from tests.conftest import INTENTS, ROOT, assert_one_line_error, copy_project, edit_params, run_stage

TWO = "torchrun --nproc-per-node 2"
ACCELERATE = "accelerate launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
RUN = "joint-full"  # two labels, hidden slots, an average of the weights


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_encoder):
    """A project with the sample's split and the tiny models; its runs are in fp32, which rounds least."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNIPS_MIRROR", raising=False)
        folder = tmp_path_factory.mktemp("prepared") / "a project"
        copy_project(folder, tiny_encoder, patch)
        _in_fp32()
        for name in ("download", "convert", "split", "fetch_encoder", "fetch_decoder"):
            assert run_stage(f"stages.{name}").returncode == 0
    return folder


def _in_fp32():
    def change(content):
        for run in (*content["finetune"].values(), content["tune_decoder"]):
            run |= {"precision": "fp32", "epochs": 2, "batch_size": 31}  # two processes have 16 rows and 15

    edit_params(change)


@pytest.fixture
def ready(prepared, tmp_path, monkeypatch):
    """A copy of `prepared`; it is the working folder."""
    shutil.copytree(prepared, tmp_path / "a project")
    monkeypatch.chdir(tmp_path / "a project")


def launch(value):
    edit_params(lambda content: content.update(launch=value))


def numbers(path):
    with Path(path).open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def trained(run=RUN):
    """Curves and weights that a run left."""
    curves = [numbers(f"metrics/plots/{run}/{part}.csv") for part in ("train", "validation")]
    return *curves, load_file(f"data/models/{run}/model.safetensors")


def assert_alike(one, other):
    """Within 1e-4 at each logged step, and the same scores."""
    for rows, others in zip(one[:2], other[:2], strict=True):
        assert [row.keys() for row in rows] == [row.keys() for row in others]
        for row, same in zip(rows, others, strict=True):
            assert row == pytest.approx(same, abs=1e-4, rel=1e-6)
    assert one[2].keys() == other[2].keys()
    assert max(float((weight - other[2][name]).abs().max()) for name, weight in one[2].items()) < 1e-3


@pytest.mark.parametrize(
    ("run", "launcher"),
    [(RUN, TWO), ("intent-full", ACCELERATE), ("slots-head", TWO), ("decoder", TWO)],
)
def test_two_processes_train_what_one_trains(ready, run, launcher):
    stage = ("stages.finetune", run)
    if run == "decoder":
        stage = ("stages.tune_decoder",)
    assert run_stage(*stage).returncode == 0
    alone = trained(run)
    facts = json.loads(Path(f"data/models/{run}/training.json").read_text()) | {"validation": None}
    launch(launcher)
    result = run_stage(*stage)
    assert result.returncode == 0, result.stderr
    assert_alike(trained(run), alone)
    assert json.loads(Path(f"data/models/{run}/training.json").read_text()) | {"validation": None} == facts
    assert len(re.findall(rf"^{run}: step (\d+) of \1,", result.stderr, re.M)) == 1  # one of them tells
    assert not list(Path().rglob(".unfinished-*"))


def test_two_processes_score_a_draw_as_one_does(ready):
    """Its checkpoints lie in a folder that the first process makes and the other is told of."""

    def change(content):
        content["few_shot"]["sizes"]["10"].update(draws=1, precision="fp32", per_intent=4)
        content["few_shot"]["choice"]["learning_rates"] = [1e-2]

    edit_params(change)
    for intent in INTENTS:  # the sample has no files of the benchmark
        whole = Path("data/raw") / snips.PARTS["train_full"].format(intent)
        shutil.copy(whole, Path("data/raw") / snips.FEW_SHOT.format(intent))
    found = []
    for launcher in ("python", TWO):
        launch(launcher)
        result = run_stage("stages.few_shot", "10")
        assert result.returncode == 0, result.stderr
        report = json.loads(Path("metrics/on_demand/few_shot-10.json").read_text(encoding="utf-8"))[0]
        found.append((report["tried"], report["draws"]))
    assert found[0] == found[1]


def test_a_killed_process_ends_the_stage_in_one_line_and_one_alone_goes_on(ready):
    edit_params(lambda content: content["finetune"][RUN].update(epochs=6))
    assert run_stage("stages.finetune", RUN).returncode == 0
    alone = trained()
    shutil.rmtree(f"data/models/{RUN}")
    launch(TWO)
    stage = subprocess.Popen([sys.executable, "-m", "stages.finetune", RUN], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not list(Path(".checkpoints").glob("*/checkpoint-*/trainer_state.json")) and time.monotonic() < end:
        time.sleep(0.02)
    ranks = [one for one in psutil.Process(stage.pid).children(recursive=True) if "-u" in one.cmdline()]
    assert len(ranks) == 2
    ranks[1].kill()
    errors = stage.communicate(timeout=120)[1]
    assert stage.returncode == 1
    assert "Traceback" not in errors
    assert [line for line in errors.splitlines() if not line.startswith(f"{RUN}: step")] == [
        f"error: launch: {TWO}: process 1 was ended by SIGKILL, as the system does where memory is short; dvc repro "
        "goes on, a training from its last whole epoch"
    ]
    assert not Path(f"data/models/{RUN}").exists()
    assert not [one for one in ranks if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    launch("python")
    result = run_stage("stages.finetune", RUN)
    assert result.returncode == 0
    assert re.search(rf"^{RUN}: goes on from step [1-9]", result.stderr, re.M)
    assert_alike(trained(), alone)


def test_two_processes_take_up_what_one_began(ready):
    """In bf16 where the machine has it, for a head, whose encoder runs before the training."""
    run = "slots-head"
    edit_params(lambda content: content["finetune"][run].update(epochs=40, precision="auto"))
    stage = subprocess.Popen([sys.executable, "-m", "stages.finetune", run], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not list(Path(".checkpoints").glob("*/checkpoint-*/trainer_state.json")) and time.monotonic() < end:
        time.sleep(0.02)
    stage.kill()
    stage.wait()
    launch(TWO)
    result = run_stage("stages.finetune", run)
    assert result.returncode == 0, result.stderr
    assert len(re.findall(rf"^{run}: goes on from step [1-9]", result.stderr, re.M)) == 1
    both = trained(run)
    launch("python")
    shutil.rmtree(f"data/models/{run}")
    assert run_stage("stages.finetune", run).returncode == 0
    for rows, others in zip(both[:2], trained(run)[:2], strict=True):  # bf16 rounds
        assert [row.keys() for row in rows] == [row.keys() for row in others]
        assert [row.get("loss", 0) for row in rows] == pytest.approx([row.get("loss", 0) for row in others], abs=1e-2)


SHORT_OF_MEMORY = """\
import os

if os.environ.get("RANK") == "1":
    import torch
    import transformers

    step = transformers.Trainer.training_step

    def training_step(self, *arguments, **named):
        if self.state.epoch > 1.2:
            raise torch.OutOfMemoryError("tried to allocate")
        return step(self, *arguments, **named)

    transformers.Trainer.training_step = training_step
"""


def test_a_process_without_memory_is_one_line_and_one_alone_goes_on(ready, monkeypatch):
    Path("short").mkdir()
    Path("short/sitecustomize.py").write_text(SHORT_OF_MEMORY, encoding="utf-8")
    launch(TWO)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path("short").resolve()))
        result = run_stage("stages.finetune", RUN)
    assert_one_line_error(result, "out of memory; take smaller batches (batch_size) or fewer processes (launch)")
    assert not Path(f"data/models/{RUN}").exists()
    launch("python")
    result = run_stage("stages.finetune", RUN)
    assert result.returncode == 0
    assert re.search(rf"^{RUN}: goes on from step [1-9]", result.stderr, re.M)


def test_each_process_computes_its_share_of_the_rows(monkeypatch):
    """The rows that the encoder sees in the second of two processes; the first's share is made here."""
    seen = []

    class Model(torch.nn.Module):
        base_model = torch.nn.Identity()

    def plain(input_ids):
        seen.append(input_ids)
        return {"last_hidden_state": input_ids * 2.0}

    monkeypatch.setattr(Model.base_model, "forward", plain)
    monkeypatch.setattr(processes, "size", lambda: 2)
    monkeypatch.setattr(processes, "rank", lambda: 1)

    def gather(parts, own):
        parts[0].copy_(torch.arange(16.0)[:, None] * 2)
        parts[1].copy_(own)

    monkeypatch.setattr(shares.distributed, "all_gather", gather)
    rows = torch.arange(31.0)[:, None]
    with shares.shared(Model()):
        output = Model.base_model.forward(rows)
    assert seen[0].flatten().tolist() == [*range(16, 31), 30]
    assert torch.equal(output["last_hidden_state"], rows * 2)
    assert Model.base_model.forward is plain


def test_what_a_share_drops_out_is_what_the_whole_batch_would(monkeypatch):
    """Rows, heads of rows one after the other (DeBERTa), and what is not of rows: relative positions."""
    rows, own = 5, torch.tensor([3, 4, 4])
    for entries in (1, 2):
        values = torch.ones(rows * entries, 7, 7)
        torch.manual_seed(0)
        alone = dropout(values).view(rows, entries, 7, 7)
        torch.manual_seed(0)
        with shares._drawn_for(rows, own):
            share = dropout(torch.ones(len(own) * entries, 7, 7))
        assert torch.equal(share.view(len(own), entries, 7, 7), alone[own])
    for positions in (16, 12):
        torch.manual_seed(0)
        alone = dropout(torch.ones(positions, 7))
        torch.manual_seed(0)
        with shares._drawn_for(rows, own):
            assert torch.equal(dropout(torch.ones(positions, 7)), alone)


def test_a_stop_is_one_line_and_leaves_no_process(ready):
    edit_params(lambda content: content["finetune"][RUN].update(epochs=60))
    launch(TWO)
    stage = subprocess.Popen([sys.executable, "-m", "stages.finetune", RUN], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not list(Path(".checkpoints").glob("*/checkpoint-*")) and time.monotonic() < end:
        time.sleep(0.02)
    started = psutil.Process(stage.pid).children(recursive=True)
    stage.send_signal(signal.SIGTERM)
    errors = stage.communicate(timeout=60)[1]
    assert stage.returncode == 128 + signal.SIGTERM
    said = [line for line in errors.splitlines() if not line.startswith(f"{RUN}: step")]
    assert said == ["stopped: SIGTERM; dvc repro goes on, a training from its last whole epoch"]
    assert not [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_weights_in_parts_train_what_whole_ones_train(ready):
    edit_params(lambda content: content["finetune"][RUN].update(ema=0.0, weight_decay=0.0))
    assert run_stage("stages.finetune", RUN).returncode == 0
    alone = trained()
    started = _in_parts(ROOT / "cloud/fsdp.yaml")
    assert started.returncode == 0, started.stderr
    assert_alike(trained(), alone)


def test_layers_that_the_encoder_does_not_have_are_one_line(ready):
    edit_params(lambda content: content["finetune"][RUN].update(ema=0.0))
    text = (ROOT / "cloud/fsdp.yaml").read_text(encoding="utf-8")
    Path("fsdp.yaml").write_text(text.replace("BertLayer", "ElectraLayer"), encoding="utf-8")
    started = _in_parts("fsdp.yaml")
    (said,) = {line for line in started.stderr.splitlines() if line.startswith("error: ")}
    assert re.search(r"launch: Could not find .* ElectraLayer.*: fsdp_transformer_layer_cls_to_wrap", said)


def _in_parts(config):
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    environment = os.environ | {processes.STARTED: "accelerate launch", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*launcher, str(ROOT / "tests/fsdp_on_cpu.py"), RUN],
        env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("mpirun -n 2", "params.yaml: launch: Value error, it is none of python, torchrun"),
        ("torchrun '", "params.yaml: launch: Value error, it is none of python, torchrun"),
        ("accelerate", "params.yaml: launch: Value error, it is none of python, torchrun"),
        ("torchrun --nproc-per-node many", "ValueError: Unsupported nproc_per_node value: many"),
        ("torchrun --no-such-option 2", "unrecognized arguments: --no-such-option"),
        ("accelerate launch --config_file no.yaml", "FileNotFoundError: The passed configuration file"),
    ],
)
def test_a_launcher_that_does_not_start_is_one_line(project, value, problem):
    launch(value)
    result = run_stage("stages.finetune", RUN)
    assert_one_line_error(result, problem)
    assert len(result.stderr.splitlines()) == 1


def test_what_a_process_says_is_not_taken_for_its_launcher():
    failed = "E1126 21:02:04.419000 32381 torch/distributed/elastic/api.py:1002] failed (exitcode: -9) local_rank: 1\n"
    lines = [
        "joint-full: memory usage: 3 GiB\n",
        "error: /scratch/accelerate-runs/torch/distributed/x: gone\n",
        failed,
        "Traceback (most recent call last):\n",
        '  File ".../torch/distributed/run.py"\n',
        "ChildFailedError:\n",
        "error: said late\n",
    ]
    report = []
    assert list(processes._of_processes(lines, report)) == [*lines[:2], lines[-1]]
    assert report == lines[2:-1]
    assert processes._why(report, 1).startswith("process 1 was ended by SIGKILL")


def test_a_port_that_is_taken_is_one_line(project):
    with socket.create_server(("", 0)) as taken:
        launch(f"{TWO} --master-port {taken.getsockname()[1]}")
        result = run_stage("stages.finetune", RUN)
    assert_one_line_error(result, "its port is taken by another program; add --standalone")
    assert len(result.stderr.splitlines()) == 1


def test_a_killed_stage_leaves_no_process(ready):
    edit_params(lambda content: content["finetune"][RUN].update(epochs=400))
    launch(TWO)
    stage = subprocess.Popen([sys.executable, "-m", "stages.finetune", RUN], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not list(Path(".checkpoints").glob("*/checkpoint-*/trainer_state.json")) and time.monotonic() < end:
        time.sleep(0.02)
    left = psutil.Process(stage.pid).children(recursive=True)
    assert len(left) >= 3  # the launcher and its two
    stage.kill()
    stage.wait()
    _, alive = psutil.wait_procs(left, timeout=2 * processes.GRACE)
    assert alive == []


@pytest.mark.parametrize(
    ("environment", "gpus", "problem"),
    [
        ({"LOCAL_WORLD_SIZE": "1"}, 0, "launch: 2 processes on several machines, 1 of them here"),
        ({}, 1, "launch: 2 processes for 1 GPU; take as many as there are GPUs"),
        ({"ACCELERATE_USE_FSDP": "true"}, 0, r"weights in parts \(FSDP\) do not go with ema"),
    ],
)
def test_what_processes_cannot_do_together_is_refused_before_they_meet(monkeypatch, environment, gpus, problem):
    for name, value in ({processes.STARTED: TWO, "WORLD_SIZE": "2", "RANK": "0"} | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shares, "on_gpu", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(InputError, match=problem):
        shares.check(offered("joint").Options(mode="full", batch_size=4, ema=0.9))


def test_what_does_not_go_together_is_one_line(ready):
    edit_params(lambda content: content["finetune"][RUN].update(batch_size=1))
    launch(TWO)
    result = run_stage("stages.finetune", RUN)
    assert_one_line_error(result, "launch: 2 processes for a batch of 1; take fewer")
    assert len(result.stderr.splitlines()) == 1
    assert not Path(f"data/models/{RUN}").exists()
