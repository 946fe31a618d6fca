"""The calls of a page: run as they are printed, and given as a notebook."""

import contextlib
import io
import runpy
import tempfile
from pathlib import Path

import nbformat

from pipelines.lessons.common.words import Words

GO_TO_THE_PROJECT = """\
import os
from pathlib import Path

here = Path.cwd()  # the calls name what they load from the project's folder
os.chdir(next(place for place in (here, *here.parents) if (place / "params.yaml").is_file()))"""


def with_models(code: str, named: dict[str, str]) -> str:
    """`code` with other models of data/models in place of those that it names."""
    for usual, other in named.items():
        code = code.replace(f'"data/models/{usual}"', f'"data/models/{other}"')
    return code


def run(code: str, place: Path, folder: Path) -> str:
    """What `code` prints, run from the project's folder; what it reads in `place` lies in `folder` as yet."""
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "calls.py"
        script.write_text(code.replace(f'"{place.as_posix()}/', f'"{folder.as_posix()}/'), encoding="utf-8")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(script))
    return said.getvalue()


def notebook(words: Words, code: str) -> str:
    """The lesson as a notebook: its idea, its calls a cell each, its questions. Run it to turn the knobs."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    told = [f"# {words.question}", *words.idea]
    cells = [
        ("markdown", "\n\n".join(told)),
        ("code", GO_TO_THE_PROJECT),
        *(("code", part) for part in _parts(code)),
        ("markdown", "\n\n".join(f"**{asked}**\n\n{' '.join(answer)}" for asked, answer in words.quiz)),
    ]
    for number, (kind, source) in enumerate(cells):
        make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}[kind]
        made.cells.append(make(source, id=f"cell-{number}"))
    return nbformat.writes(made) + "\n"


def _parts(code: str) -> list[str]:
    """The code at its blank lines, but for those before what is indented."""
    parts: list[str] = []
    for part in code.strip().split("\n\n"):
        if parts and part.startswith(" "):
            parts[-1] += f"\n\n{part}"
        else:
            parts.append(part)
    return parts
