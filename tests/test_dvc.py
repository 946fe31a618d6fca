"""The pipeline as DVC users expect it: true dependencies, nothing twice, variants re-run what they must and no more."""

import ast
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pipelines.lessons.common import materials as lessons
from tests.conftest import ROOT, edit_params

DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
RUNS = PARAMS["finetune"]
# the registry imports the tasks by name: stage -> those that it may run
TASKS = {
    "finetune": ("intent", "slots", "qa", "joint"),
    "evaluate": ("intent", "slots", "qa", "joint"),
    "few_shot": ("slots", "joint"),
    "repeat": ("intent", "slots", "qa", "joint"),
}
LESSONS = [f"pipelines/lessons/{name}.py" for name in lessons.NAMES]
# what stages read beside modules and data
OTHERS = {name: ["pipelines/tasks/questions.yaml"] for name in ("finetune", "repeat")}
OTHERS["lesson"] = ["pipelines/lessons/vendor"]


def imported(path: Path, found: set[str]) -> set[str]:
    """Project modules that `path` imports, directly or not, as file names relative to the project."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            for file in (ROOT / (name.replace(".", "/") + ".py"), ROOT / name.replace(".", "/") / "__init__.py"):
                relative = str(file.relative_to(ROOT))
                if file.is_file() and relative not in found and file.read_text(encoding="utf-8").count("\n") > 1:
                    found.add(relative)
                    imported(file, found)
    return found


@pytest.mark.parametrize("name", DVC["stages"])
def test_every_imported_module_is_a_dependency(name):
    stage = DVC["stages"][name]
    body = stage.get("do", stage)
    script = body["cmd"].split()[2].replace(".", "/") + ".py"
    deps = [dep for dep in body["deps"] if dep.endswith(".py")]
    expected = imported(ROOT / script, {script})
    data = [dep for dep in body["deps"] if dep.startswith("pipelines/") and not dep.endswith(".py")]
    assert data == OTHERS.get(name, [])
    for task in TASKS.get(name, ()):
        path = f"pipelines/tasks/{task}.py"
        expected |= imported(ROOT / path, {path})
    if name in ("finetune", "evaluate"):  # these have a block of params, which names the one task
        expected -= {f"pipelines/tasks/{task}.py" for task in TASKS[name]}
        expected.add("pipelines/tasks/${item.task}.py")
    if name == "lesson":
        for path in LESSONS:
            expected |= imported(ROOT / path, {path})
        expected = expected - set(LESSONS) | {"pipelines/lessons/${key}.py"}
    assert set(deps) == expected
    assert deps == sorted(deps, key=lambda dep: dep.replace("${", "zz"))


def test_every_stage_is_described_and_keeps_the_run_cache():
    for name, stage in DVC["stages"].items():
        body = stage.get("do", stage)
        assert body["desc"], name
        assert not any(isinstance(out, dict) for out in body.get("outs", [])), name  # an uncached out switches it off
        assert "./" not in json.dumps(body), name


def test_artifacts_are_outputs_of_runs():
    for name, artifact in DVC["artifacts"].items():
        assert artifact["path"] == f"data/models/{name}"
        assert name in (*RUNS, "adapted-encoder", "decoder")


def dvc(*arguments: str, ok: bool = True) -> str:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "COLUMNS": "200"}
    result = subprocess.run(
        ["dvc", *arguments], capture_output=True, text=True, env=environment, timeout=600, check=False
    )
    assert not ok or result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` or `dvc exp run` really ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]


KEPT = ["intent-full", "slots-full", "slots-head", "qa-full", "joint-full"]  # the others take the same way


@pytest.fixture
def repository(project):
    def keep_some(content):
        content["finetune"] = {run: content["finetune"][run] for run in KEPT}
        content["lessons"] = {name: content["lessons"][name] for name in ("tokenization", "monitor")}

    edit_params(keep_some)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for name, value in (("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@example.org")):
        os.environ[name] = os.environ[name.replace("AUTHOR", "COMMITTER")] = value
    subprocess.run(["git", "init", "-q"], check=True)
    dvc("init", "-q")
    dvc("config", "core.analytics", "false")
    Path(".gitignore").write_text("__pycache__/\n/.checkpoints/\n")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "start"], check=True)
    return project


def test_the_whole_line_as_a_dvc_user_works(repository):
    def commit():
        subprocess.run(["git", "add", "-A"], check=True)
        subprocess.run(["git", "commit", "-qm", "next"], check=True)

    output = dvc("repro")
    runs = [f"{stage}@{run}" for stage in ("finetune", "evaluate") for run in KEPT]
    written = {"fetch_decoder", "tune_decoder", "generate", "judge", "adapt_encoder", "compare_bert_gpt"}
    others = {"download", "convert", "split", "fetch_encoder", "qa_limits", "peers", "summary"}
    learned = {"lesson@tokenization", "lesson@monitor"}
    assert set(ran(output)) == {*runs, *written, *others, *learned}
    commit()

    assert ran(dvc("repro")) == []

    output = dvc("exp", "run", "-S", "finetune.slots-full.learning_rate=3e-5")
    assert set(ran(output)) == {"finetune@slots-full", "evaluate@slots-full", "judge", "peers", "summary", *learned}
    # slots may well score 0 after one epoch of a random encoder: the summary must be equal or differ, not be absent
    assert "learning_rate" in dvc("params", "diff")
    assert set(ran(dvc("exp", "run", "-S", "lessons.monitor.batch_sizes=[2]"))) == {"lesson@monitor"}
    assert "learning_rate" in dvc("exp", "show", "--md")

    output = dvc("exp", "run", "-S", "+finetune.intent-small={task: intent, mode: full, epochs: 2, batch_size: 64}")
    assert set(ran(output)) == {"finetune@intent-small", "evaluate@intent-small", "peers", "summary"}
    summary = json.loads(Path("metrics/summary.json").read_text(encoding="utf-8"))
    assert set(summary["intent"]) == {"full", "small"}
    assert "intent.small.accuracy" in dvc("metrics", "diff")
    assert "intent-small" in dvc("plots", "diff", "--json")

    subprocess.run(["git", "checkout", "-q", "--", "params.yaml"], check=True)
    output = dvc("repro")
    assert [stage for stage in ran(output) if stage.startswith("finetune")] == []  # restored, not trained
    assert "is cached - skipping run" in output
    subprocess.run(["git", "checkout", "-q", "--", "metrics/summary.json"], check=True)
    assert "slots-full" not in dvc("metrics", "diff")


def test_bad_params_stop_repro_and_keep_outputs(repository):
    dvc("repro", "split")
    before = Path("data/splits/train.parquet").read_bytes()
    edit_params(lambda content: content["split"].update(per_intent=-5))
    output = dvc("repro", "split", ok=False)
    assert "error: params.yaml: split.per_intent: " in output
    assert "Traceback" not in output
    # DVC removes the outputs of a stage before it runs; its cache brings them back
    edit_params(lambda content: content["split"].update(per_intent=None))
    assert ran(dvc("repro", "split")) == []
    assert Path("data/splits/train.parquet").read_bytes() == before


def test_the_page_of_dvc_plots_opens_without_a_network():
    page = (ROOT / ".dvc/plots/page.html").read_text(encoding="utf-8")
    assert "{plot_divs}" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert "html_template = plots/page.html" in (ROOT / ".dvc/config").read_text(encoding="utf-8")
