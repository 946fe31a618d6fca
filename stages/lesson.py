"""Make one lesson of params.yaml: its page, pictures and tables, and the facts that the page shows."""

import tempfile
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.core.provenance import described
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.lessons.common import calls, words
from pipelines.lessons.common import materials as lessons

MODELS = Path("data/models")
RUNS = Path("data/runs")
SPLITS = Path("data/splits")
PAGES = Path("data/lessons")
REPORTS = Path("metrics/lessons")


def lesson(name: str) -> None:
    """Make data/lessons/<name> and metrics/lessons/<name>.json."""
    module, told = lessons.get(name), words.read(name)
    options = blocks.load(f"lessons.{name}", module.Options)
    source = blocks.load("data", Data).name
    absent = [run for run in options.runs() if files.read_json(RUNS / f"{run}.json")["files"] is None]
    if absent:
        return _leave_out(name, told, source, f"left out, as params.yaml has no run {', '.join(absent)}")
    with tempfile.TemporaryDirectory() as scratch:
        materials = lessons.Materials(
            lesson=name,
            folder=_folder,
            rows=lambda part: parquet.read(SPLITS / f"{part}.parquet"),
            checkpoints=Path(scratch) / ".checkpoints",  # too short to be resumed
        )
        try:
            measured = module.measure(options, materials)
        except lessons.LeftOutError as why:
            return _leave_out(name, told, source, str(why))
        files.write_details(Path(scratch) / "facts.json", {"source": source} | measured.facts)
        (facts,) = files.read_json(Path(scratch) / "facts.json")
    page = module.show(facts, measured.tables)
    code = calls.with_models(told.code, module.named(facts))
    with files.whole(PAGES / name) as folder:
        folder.mkdir()
        for table, rows in measured.tables.items():
            files.write_csv(folder / f"{table}.csv", rows, list(rows[0]))
        for picture, drawn in page.pictures.items():
            (folder / f"{picture}.svg").write_bytes(drawn)
        for other, html in measured.pages.items():
            files.write_text(folder / other, html)
        for other, (model, tokenizer) in measured.models.items():
            model.save_pretrained(folder / other)
            tokenizer.save_pretrained(folder / other)
        said = calls.run(code, PAGES / name, folder)
        files.write_text(folder / "calls.py", code)
        files.write_text(folder / "lesson.ipynb", calls.notebook(told, code))
        files.write_text(folder / "index.html", page.html(name, page.data or described(source), told, code, said))
    files.write_details(REPORTS / f"{name}.json", facts)
    print(f"{PAGES / name / 'index.html'}: {told.question}")


def _leave_out(name: str, told: words.Words, source: str, line: str) -> None:
    """Make the outputs of a lesson that has nothing to look at, and say so."""
    from pipelines.lessons.common.page import left_out

    with files.whole(PAGES / name) as folder:
        folder.mkdir()
        files.write_text(folder / "index.html", left_out(name, told, line))
    files.write_details(REPORTS / f"{name}.json", {"source": source, "left_out": line})
    print(f"lesson {name}: {line}")


def _folder(model: str) -> Path:
    """A model of data/models."""
    if not (MODELS / model / "config.json").is_file():
        there = ", ".join(sorted(path.parent.name for path in MODELS.glob("*/config.json")))
        raise InputError(
            f"{MODELS / model}: no such model; bring it by a block under models of params.yaml, or take one of: {there}"
        )
    return MODELS / model


if __name__ == "__main__":
    command(lesson, computes=True)
