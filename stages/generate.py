"""Let the tuned decoder write utterances for every intent, by each strategy of params.yaml."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import encoders, files, generation, language_model, params, snips
from pipelines.provenance import described
from stages.command import command

MODEL = Path("data/models/decoder")
GENERATED = Path("data/generated")
SCHEMA = pa.schema(
    {"intent": pa.string(), "strategy": pa.string(), "seed": pa.int64(), "text": pa.string()}
    | {"log_probability": pa.float64()}  # of the text and its end, in nats
)
SHOWN = 5  # utterances an intent and strategy on the sheet


def generate() -> None:
    """Make data/generated: samples.parquet and a sheet to read."""
    everything = params.load()
    options = everything.generate
    model = encoders.load_model(language_model.AUTO_CLASS, MODEL)
    tokenizer = encoders.load_tokenizer(MODEL)
    samples = [
        sample
        for strategy, value in options.strategies.listed().items()
        for intent in snips.INTENTS
        for sample in generation.generate(
            model, tokenizer, intent, strategy, value, options.n, options.seed, options.max_new_pieces
        )
    ]
    values = language_model.log_probabilities(model, tokenizer, samples)
    samples = [sample | {"log_probability": value} for sample, value in zip(samples, values, strict=True)]
    with files.whole(GENERATED) as folder:
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(samples, SCHEMA), folder / "samples.parquet")
        files.write_text(folder / "samples.md", _sheet(samples, everything.data.source))


def _sheet(samples: list[dict[str, Any]], source: str) -> str:
    """Markdown: for each strategy and intent its first distinct utterances, with their log-probability in nats."""
    data = described(source)
    lines = [f"# Written by GPT-2 tuned on {data}", "", "Log-probability in nats, then the utterance."]
    shown: dict[tuple[str, str], dict[str, float]] = {}
    for sample in samples:
        group = shown.setdefault((sample["strategy"], sample["intent"]), {})
        group[sample["text"]] = sample["log_probability"]
    strategy = None
    for (name, intent), group in shown.items():
        if name != strategy:
            strategy = name
            lines += ["", f"## {name}"]
        lines += ["", f"**{intent}**", ""]
        lines += [f"- {value:.1f} `{text or '(empty)'}`" for text, value in list(group.items())[:SHOWN]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command(generate)
