"""What an output says of where it comes from: its data, and the code that made it."""

import ast
import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = re.compile(r"(pipelines|stages)(\.[a-z_0-9]+)+")


def described(source: str) -> str:
    """`data.source` in words for a page or a table, so that nobody takes the sample for SNIPS."""
    known = {"snips": "SNIPS", "sample": "the embedded sample, NOT SNIPS"}
    return known.get(source, f"the corpus {source}")


def imported(*modules: str) -> set[Path]:
    """Files of the project that these modules (dotted names) are made of: their own, and all that they import.

    Paths are relative to the project. Packages that say nothing but a docstring are left out.
    """
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        parts = name.split(".")
        packages = [Path(*parts[: n + 1], "__init__.py") for n in range(len(parts))]
        for path in (*packages, Path(*parts).with_suffix(".py")):
            if path in found or not (ROOT / path).is_file():
                continue
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            if path.name == "__init__.py" and len(tree.body) <= 1:
                continue
            found.add(path)
            waiting += _names(tree)
    return found


def _names(tree: ast.Module) -> list[str]:
    """What a module imports of the project, wherever in it."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
            names.append(node.value)  # imported by its name, or its code counts
    return [name for name in names if name.split(".")[0] in ("pipelines", "stages")]


def code_of(*modules: str) -> str:
    """SHA-256 over what `imported` finds, and the YAML files beside it, in hex: another code, another sum."""
    files = imported(*modules)
    files |= {path.relative_to(ROOT) for file in files for path in (ROOT / file).parent.glob("*.yaml")}
    key = hashlib.sha256()
    for path in sorted(files):
        key.update(f"{path.as_posix()}\n".encode() + (ROOT / path).read_bytes())
    return key.hexdigest()
