"""SetFit (Tunstall et al. 2022, arXiv:2209.11055) on the draws and the encoder of our few-shot intents.

It needs one package more, so it has an environment of its own, and is no stage. With the pipeline run on SNIPS:

    python -m venv .setfit
    .setfit/bin/pip install -r requirements.txt setfit==1.2.0
    .setfit/bin/python -m benchmarks.setfit_few_shot

makes metrics/on_demand/setfit.json, which `dvc repro peers` takes into its tables. Options are SetFit's defaults, but
for the pairs: 20 of a kind for each utterance, as in the paper, since all pairs are too many from 50 an intent on.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.data import parquet
from pipelines.data.source import Data
from pipelines.data.utterances import Utterance
from pipelines.reports import benchmark_2017, on_demand

RAW, CORPUS = Path("data/raw"), Path("data/corpus")
BASE = Path("data/models/base-encoder")
REPORT = Path("metrics/on_demand/setfit.json")
SIZES = ("intent-10", "intent-20", "intent-50", "intent-70")
PAIRS = 20  # of a kind, same intent and another, for each utterance


def setfit_few_shot() -> None:
    """Make metrics/on_demand/setfit.json; sizes that are already there are kept, so that it goes on where it ended."""
    encoder, source = blocks.load("encoder", dict), blocks.load("data", Data).name
    sizes = {size: on_demand.few_shot_size(blocks.raw(f"few_shot.sizes.{size}"), size) for size in SIZES}
    drawn_as = {
        size: drawn.model_dump(include={"per_intent", "draws"}) | {"seed": options.seed}
        for size, (drawn, options) in sizes.items()
    }
    made_from = {"encoder": encoder, "setfit": version("setfit"), "pairs": PAIRS, "draws": drawn_as}
    old = on_demand.read(REPORT) or {}
    found = old["sizes"] if (old.get("made_from"), old.get("source")) == (made_from, source) else {}
    test = parquet.read(CORPUS / "validate.parquet")
    for size, (drawn_by, options) in sizes.items():
        name = str(drawn_by.per_intent)
        if name in found:
            continue
        drawn, _ = benchmark_2017.draws(RAW, CORPUS, drawn_by.per_intent, drawn_by.draws, options.seed, size)
        values = [_accuracy(rows, test, options.seed + number) for number, rows in enumerate(drawn)]
        found[name] = {"accuracy": mean(values), "sd": stdev(values) if len(values) > 1 else None, "draws": values}
        print(name, *(f"{value:.4f}" for value in values), flush=True)
        files.write_details(REPORT, {"source": source, "made_from": made_from, "sizes": found})


def _accuracy(rows: list[Utterance], test: list[Utterance], seed: int) -> float:
    """On `test` after training on `rows`."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    def table(of: list[Utterance]) -> Dataset:
        return Dataset.from_dict({"text": [row["text"] for row in of], "label": [row["intent"] for row in of]})

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(folder, num_iterations=PAIRS, seed=seed, report_to="none", save_strategy="no")
        model = SetFitModel.from_pretrained(str(BASE), labels=sorted({row["intent"] for row in rows}))
        Trainer(model, arguments, train_dataset=table(rows)).train()
        said = model.predict([row["text"] for row in test])
    return mean(float(str(one) == row["intent"]) for one, row in zip(said, test, strict=True))


if __name__ == "__main__":
    command(setfit_few_shot, computes=True)
