"""Let the tuned decoder write utterances for every intent, by each strategy of params.yaml."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.markdown import plain
from pipelines.core.provenance import described
from pipelines.data.source import Data
from pipelines.decoder import language_model, sampling
from pipelines.decoder.options import Generate
from pipelines.models import loading

MODEL = Path("data/models/decoder")
GENERATED = Path("data/generated")
SCHEMA = pa.schema(
    {"intent": pa.string(), "strategy": pa.string(), "seed": pa.int64(), "text": pa.string()}
    | {"log_probability": pa.float64()}  # of the text and its end, in nats
)
SHOWN = 5  # utterances per intent and strategy on the sheet


def generate() -> None:
    """Make data/generated: samples.parquet and a sheet to read."""
    options = blocks.load("generate", Generate)
    model = loading.load_model(language_model.TASK.auto_class, MODEL)
    tokenizer = loading.load_tokenizer(MODEL)
    samples = [
        sample
        for strategy, value in options.strategies.listed().items()
        for intent in language_model.intents(tokenizer)
        for sample in sampling.generate(
            model, tokenizer, intent, strategy, value, options.n, options.seed, options.max_new_tokens
        )
    ]
    values = language_model.log_probabilities(model, tokenizer, samples)
    samples = [sample | {"log_probability": value} for sample, value in zip(samples, values, strict=True)]
    with files.whole(GENERATED) as folder:
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(samples, SCHEMA), folder / "samples.parquet")
        files.write_text(folder / "samples.md", _sheet(samples, blocks.load("data", Data).name))


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
        lines += [f"- {value:.1f} {plain(text) or '(empty)'}" for text, value in list(group.items())[:SHOWN]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command(generate, computes=True)
