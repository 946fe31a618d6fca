"""The pipeline as DVC resolves it, and what the code of each stage run imports and reads."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dvc.repo import Repo

from pipelines.core.provenance import imported
from tests.conftest import ROOT

CODE = ("pipelines/", "stages/")


@dataclass(frozen=True)
class StageRun:
    """One stage as it is run. `roots` are the modules that it imports by name, beside its script."""

    name: str
    script: str
    key: str | None
    roots: tuple[str, ...]
    code: tuple[str, ...]
    params: tuple[str, ...]


def stage_runs(folder: Path) -> dict[str, StageRun]:
    """All stage runs of dvc.yaml, those on demand among them; `folder` is empty and is written to."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["repeat"]["run"] = [*params["finetune"], "joint-cased"]
    params["few_shot"]["run"] = list(params["few_shot"]["sizes"])
    params["augment"]["run"] = ["10"]
    for name in ("latency", "robustness", "noise"):
        params[name]["run"] = ["joint-full"]
    params["variants"] |= {"run": ["intent-adapted"], "folds": [1, 2]}
    params["models"] = {"other": params["encoder"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return {stage.name: _run(stage, params) for stage in Repo.init(str(folder), no_scm=True).index.stages}


def _run(stage: Any, params: dict[str, Any]) -> StageRun:
    name, _, key = stage.name.partition("@")
    tasks = {
        "finetune": lambda: [params["finetune"][key]["task"]],
        "evaluate": lambda: [params["finetune"][key]["task"]],
        "repeat": lambda: [params["finetune"].get(key, {"task": "joint"})["task"]],
        "latency": lambda: [params["finetune"][key]["task"]],
        "robustness": lambda: [params["finetune"][key]["task"]],
        "noise": lambda: [params["finetune"][key]["task"]],
        "few_shot": lambda: ["slots", "joint", "intent"],
        "fold": lambda: ["intent", "slots", "joint", "masked_lm"],
        "variant": lambda: ["intent", "slots", "joint"],
        "levers": lambda: ["intent", "slots", "joint"],
        "peers": lambda: ["slots", "joint", "intent"],
    }.get(name, list)()
    roots = [f"pipelines.tasks.{task}.task" for task in tasks]
    roots += [f"pipelines.lessons.{key}"] if name == "lesson" else []
    paths = [dep.def_path for dep in stage.deps if not dep.def_path.endswith("params.yaml")]
    read = [path for dep in stage.params for path in dep.params]
    code = tuple(dict.fromkeys(path for path in paths if path.startswith(CODE)))
    return StageRun(stage.name, stage.cmd.split()[2], key or None, tuple(roots), code, tuple(read))


def modules(run: StageRun) -> set[str]:
    """Files of the project that the stage run imports, relative to it, but for how a stage is stopped."""
    return {path.as_posix() for path in imported(run.script, *run.roots)} - {"stages/__init__.py"}


def under(path: str, dependency: str) -> bool:
    """Whether `path` is the dependency or lies in it."""
    return path == dependency or path.startswith(f"{dependency}/")


def params_read(run: StageRun) -> set[str]:
    """Sections of params.yaml that the stage's script asks for. Nothing but scripts may ask (a test checks it)."""
    tree = ast.parse((ROOT / f"{run.script.replace('.', '/')}.py").read_text(encoding="utf-8"))
    constants = {
        target.id: _texts(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    loops = {
        loop.target.id: _texts(loop.iter) or constants.get(getattr(loop.iter, "id", ""), [])
        for loop in ast.walk(tree)
        if isinstance(loop, ast.For | ast.comprehension) and isinstance(loop.target, ast.Name)
    }
    found: set[str] = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "command" and call.keywords:
            # `command` reads threads for what computes, and launch for what trains
            named = [ast.literal_eval(one.value) for one in call.keywords if one.arg == "threads_of"]
            found.update(named or ["threads"])
            found.update("launch" for one in call.keywords if one.arg == "trains")
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
            continue
        asked, where = ast.unparse(call.func), call.args[0]
        if asked == "tasks.run_options":
            found.add(f"finetune.{run.key}" if run.key else "finetune")
        elif asked in ("blocks.load", "blocks.raw"):
            if isinstance(where, ast.Name):
                found.update(loops[where.id])
            elif isinstance(where, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else run.key for part in where.values]
                found.add("".join(parts))
            else:
                found.add(where.value)
    return found


def _texts(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def covers(declared: str, path: str) -> bool:
    """Whether a declared param is `path` or holds it."""
    return path == declared or path.startswith(f"{declared}.")
