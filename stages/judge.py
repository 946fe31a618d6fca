"""Judge what the decoder wrote, and how well it foresees validation; beside real utterances and an n-gram model."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines import corpus, dataset, diversity, encoders, files, judging, language_model, params
from pipelines.errors import InputError
from pipelines.ngrams import NgramModel
from pipelines.provenance import described
from pipelines.snips import INTENTS
from pipelines.tasks import intent, slots
from stages.command import command

MODELS = Path("data/models")
SPLITS = Path("data/splits")
SAMPLES = Path("data/generated/samples.parquet")
REPORT = Path("metrics/generation.json")
PAGE = Path("data/judgement")


def judge() -> None:
    """Make metrics/generation.json and its table data/judgement/generation.md."""
    everything = params.load()
    options = everything.generate
    rows = {part: dataset.read(SPLITS / f"{part}.parquet") for part in ("train", "validation")}
    validation, texts = rows["validation"], [row["text"] for row in rows["validation"]]
    known = diversity.Known([row["text"] for row in rows["train"]])
    judges = judging.Judge(_load(intent, "intent-full"), _load(slots, "slots-full"))
    decoder, tokenizer = _load(language_model, "decoder")
    ngrams = NgramModel(everything.judge.ngram_order, tokenizer, rows["train"])

    def measured(samples: list[dict[str, Any]]) -> dict[str, float]:
        return judging.measure(samples, known, judges)

    if not SAMPLES.is_file():
        raise InputError(f"{SAMPLES}: not there yet; run: dvc repro generate")
    samples = pq.read_table(SAMPLES).to_pylist()
    strategies = options.strategies.listed()
    seeds = range(options.seed, options.seed + options.n)
    by_ngrams = [
        {"intent": i, "text": ngrams.write(i, seed, options.max_new_pieces)} for i in INTENTS for seed in seeds
    ]
    fewest = min(sum(row["intent"] == name for row in validation) for name in INTENTS)
    real = corpus.draw(validation, min(options.n, fewest), options.seed, "generate.n")
    said = judges.predictions(validation)
    report = {
        "source": everything.data.source,
        "split": "validation",
        "lowercase": tokenizer.tokenize("A") == tokenizer.tokenize("a"),
        "judge_intent_accuracy": intent.score(said[0], validation)["accuracy"],
        "judge_slot_f1": slots.score(said[1], validation)["f1"],
        "strategies": {name: measured([s for s in samples if s["strategy"] == name]) for name in strategies},
        "real": measured([row for row in validation if row["id"] in real]),
        "ngram": measured(by_ngrams)
        | language_model.perplexity(sum(ngrams.log_probability(row) for row in validation), texts),
    } | language_model.perplexity(sum(language_model.log_probabilities(decoder, tokenizer, validation)), texts)
    files.write_json(REPORT, report)
    with files.whole(PAGE) as folder:
        folder.mkdir()
        files.write_text(folder / "generation.md", _page(report))


def _load(task: Any, run: str) -> tuple[Any, Any]:
    return encoders.load_model(task.AUTO_CLASS, MODELS / run), encoders.load_tokenizer(MODELS / run)


def _page(report: dict[str, Any]) -> str:
    data = described(report["source"])
    judges = (
        f"On validation the judges reach {report['judge_intent_accuracy']:.3f} (accuracy of intent-full) and "
        f"{report['judge_slot_f1']:.3f} (F1 of slots-full)."
    )
    tables = [judging.perplexity_table(report), "", judging.table(report), "", judges]
    return "\n".join([f"# GPT-2 tuned on {data}, judged", "", *tables]) + "\n"


if __name__ == "__main__":
    command(judge)
