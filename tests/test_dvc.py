"""The pipeline as DVC users expect it: true dependencies, nothing twice, variants re-run what they must and no more."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pipelines.models import task as tasks
from tests.conftest import ROOT, commit, dvc, edit_params, make_repository, ran
from tests.graph import covers, modules, params_read, stage_runs, under

DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
RUNS = PARAMS["finetune"]


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    return stage_runs(tmp_path_factory.mktemp("graph"))


def test_every_import_lies_under_a_dependency_and_every_code_dependency_holds_an_import(resolved):
    for run in resolved.values():
        imports = modules(run)
        words = [path.removesuffix(".py") + ".md" for path in imports]  # what a lesson says
        imports |= {path for path in words if (ROOT / path).is_file()}
        assert [path for path in sorted(imports) if not any(under(path, dep) for dep in run.code)] == [], run.name
        assert [dep for dep in run.code if not any(under(path, dep) for path in imports)] == [], run.name


def test_every_param_that_a_stage_reads_is_declared_and_every_declared_one_read(resolved):
    for run in resolved.values():
        read = params_read(run)
        assert [path for path in sorted(read) if not any(covers(one, path) for one in run.params)] == [], run.name
        of_deps = set(re.findall(r"\$\{([\w.]+)\}", str(DVC["stages"][run.name.partition("@")[0]])))
        known = read | {path for path in of_deps if not path.startswith(("key", "item"))}
        unread = [one for one in run.params if not any(covers(one, path) or covers(path, one) for path in known)]
        assert unread == [], run.name


def test_nothing_but_a_stage_asks_for_params():
    # the loader, and what asks for threads and launch; a run's block by its task; people's command
    allowed = {"core/blocks.py", "core/command.py", "models/task.py", "cli.py"}
    asking = {"pipelines.core.blocks.load", "pipelines.core.blocks.raw", "pipelines.models.task.run_options"}
    for path in (ROOT / "pipelines").rglob("*.py"):
        if path.relative_to(ROOT / "pipelines").as_posix() not in allowed:
            assert not asking & called(ast.parse(path.read_text(encoding="utf-8"))), path


def called(tree):
    """What is called, by the names under which it was imported elsewhere."""
    names = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    functions = [ast.unparse(node.func).split(".") for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {".".join([names.get(first, first), *rest]) for first, *rest in functions}


def test_the_page_knows_the_params_that_the_project_comes_with():
    committed = subprocess.run(["git", "show", "HEAD:params.yaml"], cwd=ROOT, capture_output=True, check=True).stdout
    params = yaml.safe_load(committed)
    if params["data"]["source"] != "snips":
        pytest.skip("another corpus, with params of its own")
    known = yaml.safe_load((ROOT / "data/defaults.yaml").read_text(encoding="utf-8"))
    assert params == known, "run: cp params.yaml data/defaults.yaml"


def test_the_workflow_asks_for_what_is_there():
    flow = yaml.safe_load((ROOT / ".github/workflows/report.yaml").read_text(encoding="utf-8"))
    commands = "\n".join(step.get("run", "") for step in flow["jobs"]["report"]["steps"])
    assert commands.count("dvc exp run") == 2
    assert "data/report/report.md" in commands
    assert "data/report/report.md" in DVC["stages"]["report"]["outs"]


def test_every_section_of_params_is_read_by_a_stage(resolved):
    declared = {path.split(".")[0] for run in resolved.values() for path in run.params}
    assert set(PARAMS) - declared == set()


def test_an_edit_re_runs_what_it_concerns(resolved):
    def those(path, kind):
        return {
            run.key for run in resolved.values() if run.name.startswith(kind) and any(under(path, d) for d in run.code)
        }

    assert those("pipelines/tasks/qa/questions.yaml", "finetune@") == {run for run in RUNS if RUNS[run]["task"] == "qa"}
    assert those("pipelines/tasks/joint/model.py", "finetune@") == {"joint-full"}
    assert those("pipelines/lessons/attention.py", "lesson@") == {"attention"}
    assert those("pipelines/analysis/heads.py", "lesson@") == {"attention"}
    for path in ("pipelines/corpus/splits.py", "pipelines/fetching/base_models.py", "pipelines/reports/peers.py"):
        assert those(path, "finetune@") == set(), path


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


KEPT = ["intent-full", "slots-full", "slots-head", "qa-full", "joint-full"]  # the others take the same way
LEARNED = {"tokenization", "monitor", "embeddings"}


@pytest.fixture
def repository(project):
    def keep_some(content):
        content["finetune"] = {run: content["finetune"][run] for run in KEPT}

    edit_params(keep_some)
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    lesson = pipeline["stages"]["lesson"]
    lesson["foreach"] = {name: lesson["foreach"][name] for name in lesson["foreach"] if name in LEARNED}
    Path("dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    make_repository()
    return project


def test_the_whole_line_as_a_dvc_user_works(repository):
    output = dvc("repro")
    runs = [f"{stage}@{run}" for stage in ("finetune", "evaluate") for run in KEPT]
    written = {"fetch_decoder", "tune_decoder", "generate", "judge", "adapt_encoder", "compare_bert_gpt"}
    others = {"download", "convert", "split", "fetch_encoder", "qa_limits"}
    tables = {"runs", "levers", "peers", "summary", "report"}
    assert set(ran(output)) == {*runs, *written, *others, *tables, *(f"lesson@{name}" for name in LEARNED)}
    assert "Absent, as params.yaml has no such run: intent-head, qa-head." in Path("data/report/summary.md").read_text()
    assert "Absent" in Path("data/report/report.md").read_text()
    assert all(f"../lessons/{name}/index.html" in Path("data/report/lessons.html").read_text() for name in LEARNED)
    commit()

    # for others: to a remote, and from there to another clone, which makes nothing anew
    dvc("remote", "add", "-d", "store", "../store")
    commit()
    dvc("push")
    clone = repository.parent / "another clone"
    subprocess.run(["git", "clone", "-q", ".", clone], check=True)
    dvc("remote", "modify", "--local", "store", "url", str(repository.parent / "store"), cwd=clone)
    dvc("pull", cwd=clone)
    assert ran(dvc("repro", cwd=clone)) == []

    Path("pipelines/core/__pycache__").mkdir(exist_ok=True)
    Path("pipelines/core/__pycache__/errors.pyc").write_bytes(b"bytecode comes and goes")
    assert ran(dvc("repro")) == []

    # what reads at a glance, between two commits that differ in one param
    output = dvc("exp", "run", "-S", "finetune.slots-full.learning_rate=3e-5")
    assert set(ran(output)) == {"finetune@slots-full", "evaluate@slots-full", "judge", *tables}
    changed = dvc("metrics", "diff").splitlines()
    assert len(changed) <= 40
    assert not [line for line in changed if "decoder" in line and "perplexity" in line]
    assert "learning_rate" in dvc("params", "diff")
    assert set(ran(dvc("exp", "run", "-S", "lessons.monitor.batch_sizes=[2]"))) == {"lesson@monitor", "report"}
    header, *_ = dvc("exp", "show", "--csv", "--only-changed", "--drop", r"data/.*").splitlines()
    assert "finetune.slots-full.learning_rate" in header
    subprocess.run(["git", "checkout", "-q", "--", "."], check=True)
    dvc("checkout", "-q")

    # a run more, and back again
    output = dvc("exp", "run", "-S", "+finetune.intent-small={task: intent, mode: full, epochs: 2, batch_size: 64}")
    assert set(ran(output)) == {"finetune@intent-small", "evaluate@intent-small", *tables}
    summary = json.loads(Path("metrics/summary.json").read_text(encoding="utf-8"))
    assert {"intent-full", "intent-small", "intent-full+slots-full"} < set(summary)
    assert "intent-small.accuracy" in dvc("metrics", "diff")
    assert "intent-small" in dvc("plots", "diff", "--json")
    subprocess.run(["git", "checkout", "-q", "--", "."], check=True)
    subprocess.run(["git", "clean", "-qfd"], check=True)
    output = dvc("repro")
    assert [stage for stage in ran(output) if stage.startswith(("finetune", "evaluate"))] == []  # restored, not trained
    assert subprocess.run(["git", "status", "--short"], capture_output=True, text=True, check=True).stdout == ""
    assert not Path("data/predictions/intent-small").exists()
    assert ran(dvc("repro")) == []

    # built-in runs taken out: what looked at them says so, and the rest runs
    for run, looked in {"intent-full": {"judge", "lesson@embeddings"}, "qa-full": {"qa_limits"}}.items():
        edit_params(lambda content, run=run: content["finetune"].pop(run))
        assert looked | tables <= set(ran(dvc("repro")))
    assert "intent-full, intent-head, qa-full, qa-head" in Path("data/report/summary.md").read_text()
    assert "no run `qa-full`" in Path("data/limits/qa.md").read_text()
    assert "no run intent-full" in Path("data/lessons/embeddings/index.html").read_text()
    judged = json.loads(Path("metrics/generation.json").read_text())[0]
    assert judged["judge_intent_accuracy"] is None
    assert judged["judge_slot_f1"] is not None


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


def test_a_variant_changes_one_line_of_params_yaml(tmp_path, monkeypatch):
    """For every key that the documentation sets, and for every value that stands in the file."""
    from dvc.utils.hydra import apply_overrides

    monkeypatch.chdir(tmp_path)
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    pages = [ROOT / "README.md", *(ROOT / folder / "README.md" for folder in ("stages", "pipelines", "metrics"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.exists())
    shown = {quoted or bare for quoted, bare in re.findall(r"-S (?:'([^']+)'|([^\s`]+))", text)}
    assert len(shown) > 5
    for override in sorted(one for one in shown if "<" not in one):
        Path("params.yaml").write_text(before, encoding="utf-8")
        apply_overrides("params.yaml", [override])
        lines, now = before.splitlines(), Path("params.yaml").read_text(encoding="utf-8").splitlines()
        lost = [line for line in lines if line not in now]
        assert len(lost) <= (0 if override.startswith("+") and "+models" not in override else 1), override
        if "[" not in override and not override.startswith("+"):
            assert len(now) == len(lines), override


def test_tasks_are_named_without_torch():
    code = (
        "import sys; from pipelines.models import task; [task.offered(name).CARD for name in task.names()]; "
        "from pipelines.decoder import options; from pipelines.writing import augmentation; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert tasks.names() == ["intent", "joint", "masked_lm", "next_sentence", "qa", "slots"]
    assert subprocess.run(["python", "-c", code], cwd=ROOT, check=False).returncode == 0
