"""What a run loses where the texts of test are said or typed otherwise: case, errors, fillers, synonyms; on demand."""

from pathlib import Path

from pipelines.analysis.robustness import KINDS, changed
from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.reports.counting import counts
from pipelines.reports.differences import difference
from pipelines.serving.model import Model

MODELS = Path("data/models")
SPLITS = Path("data/splits")
REPORTS = Path("metrics/on_demand")


def robustness(run: str) -> None:
    """Make metrics/on_demand/robustness-<run>.json."""
    model = Model.load(MODELS / run)
    if model.task.name == "qa":
        raise InputError(f"robustness.run {run}: a run of questions; name runs of intent, slots or joint")
    seed = blocks.load("robustness.seed", blocks.Seed)
    rows = parquet.read(SPLITS / "test.parquet")
    parts = (model.task, model.model, model.tokenizer)
    plain = counts(*parts, rows, model.precision)
    report = []
    for kind in KINDS:
        others = [changed(row, kind, seed) for row in rows]
        after = counts(*parts, others, model.precision)
        those = [n for n, (row, other) in enumerate(zip(rows, others, strict=True)) if row["text"] != other["text"]]
        for metric in plain:
            found = difference(("plain", plain[metric]), (kind, after[metric]), metric)
            report.append(
                {"change": kind, "changed": len(those), "metric": metric}
                | {"plain": found["first_value"], "value": found["second_value"], "drop": found["difference"]}
                | {key: found[key] for key in ("low", "high", "p", "beyond_chance")}
                | {"example": others[those[0]]["text"] if those else ""}
            )
    facts = {"run": run, "source": blocks.load("data", Data).name, "seed": seed, "utterances": len(rows)}
    files.write_details(REPORTS / f"robustness-{run}.json", facts | {"rows": report})


if __name__ == "__main__":
    command(robustness, computes=True)
