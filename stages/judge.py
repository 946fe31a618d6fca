"""Judge what the decoder wrote, and how well it predicts validation; beside real utterances and an n-gram model."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.core.provenance import described
from pipelines.data import drawing, parquet
from pipelines.data.source import Data
from pipelines.decoder import language_model
from pipelines.decoder.options import Generate
from pipelines.models import loading
from pipelines.models.options import Precision
from pipelines.models.precision import as_trained
from pipelines.models.task import Task
from pipelines.tasks.intent.task import TASK as INTENT
from pipelines.tasks.slots.task import TASK as SLOTS
from pipelines.writing import diversity, judging
from pipelines.writing.ngrams import best

MODELS = Path("data/models")
SPLITS = Path("data/splits")
SAMPLES = Path("data/generated/samples.parquet")
RUNS = Path("data/runs")
HEADLINE = Path("metrics/decoder.json")
REPORT = Path("metrics/generation.json")
PAGE = Path("data/judgement")


def judge() -> None:
    """Make metrics/decoder.json, metrics/generation.json and its table data/judgement/generation.md."""
    options, settings = blocks.load("generate", Generate), blocks.load("judge", judging.Options)
    rows = {part: parquet.read(SPLITS / f"{part}.parquet") for part in ("train", "validation")}
    known = diversity.Known([row["text"] for row in rows["train"]])
    judges = judging.Judge(
        {task: _judge(task, run) for task, run in ((INTENT, settings.intent), (SLOTS, settings.slots))}
    )
    decoder, tokenizer = _load(language_model.TASK, "decoder")
    ngrams, said = best(settings.ngram_orders, tokenizer, rows["train"], rows["validation"])
    if not SAMPLES.is_file():
        raise InputError(f"{SAMPLES}: not there yet; run: dvc repro generate")
    samples = pq.read_table(SAMPLES).to_pylist()
    intents = language_model.intents(tokenizer)
    seeds = range(options.seed, options.seed + options.n)
    by_ngrams = [
        {"intent": name, "text": ngrams.write(name, seed, options.max_new_tokens)} for name in intents for seed in seeds
    ]
    validation, texts = rows["validation"], [row["text"] for row in rows["validation"]]
    log_probabilities = language_model.log_probabilities(decoder, tokenizer, validation)
    strategies = options.strategies.listed()
    report = {
        "source": blocks.load("data", Data).name,
        "split": "validation",
        "lowercase": tokenizer.tokenize("A") == tokenizer.tokenize("a"),
        **judges.scores(validation),
        "strategies": {
            name: judging.measure([one for one in samples if one["strategy"] == name], known, judges)
            for name in strategies
        },
        "real": _of_real(validation, options, known, judges),
        "ngram": {"order": ngrams.order} | judging.measure(by_ngrams, known, judges),
        "ngram_orders": {str(order): language_model.perplexity(sum(of), texts) for order, of in said.items()},
        "beside_ngrams": judging.beside(log_probabilities, said[ngrams.order], texts),
    } | language_model.perplexity(sum(log_probabilities), texts)
    files.write_details(REPORT, report)
    files.write_json(HEADLINE, {"decoder": {"perplexity_per_word": report["perplexity_per_word"]}})
    with files.whole(PAGE) as folder:
        folder.mkdir()
        files.write_text(folder / "generation.md", _page(report, settings))


def _of_real(
    validation: list[dict[str, Any]], options: Generate, known: diversity.Known, judges: judging.Judge
) -> dict[str, Any]:
    """Figures of real utterances. How varied texts are depends on how many they are, so of fewer it is left out."""
    real = _real(validation, options)
    found = judging.measure(real, known, judges)
    as_many = set(Counter(row["intent"] for row in real).values()) == {options.n}
    return found if as_many else found | dict.fromkeys(("distinct_1", "distinct_2", "self_bleu"))


def _real(validation: list[dict[str, Any]], options: Generate) -> list[dict[str, Any]]:
    """As many real utterances of each intent as were written, or as there are."""
    counts = [sum(row["intent"] == name for row in validation) for name in {row["intent"] for row in validation}]
    real = drawing.draw(validation, min(options.n, *counts), options.seed, "generate.n")
    return [row for row in validation if row["id"] in real]


def _judge(task: Task, run: str) -> tuple[Any, Any, Precision] | None:
    """Model, tokenizer and precision of a run, None where params.yaml has no such run."""
    if files.read_json(RUNS / f"{run}.json")["files"] is None:
        print(f"judge: params.yaml has no run {run}; its figures are left out")
        return None
    return *_load(task, run), as_trained(MODELS / run)


def _load(task: Task, run: str) -> tuple[Any, Any]:
    return loading.load_model(task.auto_class, MODELS / run), loading.load_tokenizer(MODELS / run)


def _page(report: dict[str, Any], settings: judging.Options) -> str:
    data = described(report["source"])
    told = [
        f"{report[key]:.3f} ({what} of {run})" if report[key] is not None else f"no figure, as there is no run {run}"
        for key, what, run in (
            ("judge_intent_accuracy", "accuracy", settings.intent),
            ("judge_slot_f1", "F1", settings.slots),
        )
    ]
    judges = f"On validation the judges reach {told[0]} and {told[1]}."
    tables = [judging.perplexity_table(report), "", judging.table(report), "", judges]
    return "\n".join([f"# GPT-2 tuned on {data}, judged", "", *tables]) + "\n"


if __name__ == "__main__":
    command(judge, computes=True)
