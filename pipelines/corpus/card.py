"""README.md of a data set folder, in the Hub's card format, so that `datasets.load_dataset(folder)` reads it."""

from collections import Counter

import yaml

from pipelines.data.utterances import Utterance

_ABOUT = {
    "snips": (
        "SNIPS 2017",
        "The SNIPS 2017 corpus of spoken requests to a voice assistant "
        "([sonos/nlu-benchmark](https://github.com/sonos/nlu-benchmark)), collected by crowdsourcing.",
    ),
    "sample": (
        "SNIPS sample (embedded)",
        "**This is the small embedded sample, not SNIPS**: utterances in SNIPS format, written by hand for this "
        "project, so that everything runs without a network. Figures measured on it say nothing of SNIPS.",
    ),
}

_CARD = """\
---
license: {licence}
{language}task_categories: [text-classification, token-classification]
pretty_name: {name}
configs:
- config_name: default
  data_files:
{data_files}
---

# {title}

{about}
{note}

## Features

| column | type | meaning |
| --- | --- | --- |
| `id` | string | part, intent and zero-based position in the published file: `train_full/<Intent>/0017` |
| `text` | string | the utterance; each run of white space is one space |
| `intent` | string | one of {n_intents} intents |
| `slots` | list of `{{start, end, label}}` | spans in characters of `text`, `end` exclusive; {n_labels} labels |

## Counts

| intent | {columns} |
| --- |{rules}
{counts}

Slot labels: {labels}.
{citation}"""


_CITATION = """

## Licence and citation

CC0 1.0. The corpus, its quirks and the 2017 benchmark are described in:

```bibtex
@article{coucke2018snips,
  title   = {Snips Voice Platform: an embedded Spoken Language Understanding system for
             private-by-design voice interfaces},
  author  = {Coucke, Alice and Saade, Alaa and Ball, Adrien and Bluche, Th{\\'e}odore and Caulier, Alexandre
             and Leroy, David and Doumouro, Cl{\\'e}ment and Gisselbrecht, Thibault and Caltagirone, Francesco
             and Lavril, Thibaut and Primet, Ma{\\"e}l and Dureau, Joseph},
  journal = {arXiv preprint arXiv:1805.10190},
  year    = {2018}
}
```
"""


def dataset_card(source: str, parts: dict[str, list[Utterance]], note: str) -> str:
    """Markdown with YAML header for a folder that holds `<part>.parquet` for each of `parts`."""
    title, about = _ABOUT.get(source, (source, "A corpus of one's own."))
    published = source in _ABOUT
    counts = {name: Counter(row["intent"] for row in rows) for name, rows in parts.items()}
    everything = [row for rows in parts.values() for row in rows]
    intents = sorted({row["intent"] for row in everything})
    labels = sorted({slot["label"] for row in everything for slot in row["slots"]})
    lines = [f"| {intent} | " + " | ".join(str(counts[name][intent]) for name in parts) + " |" for intent in intents]
    lines.append("| all | " + " | ".join(str(len(rows)) for rows in parts.values()) + " |")
    return _CARD.format(
        licence="cc0-1.0" if published else "unknown",
        language="language: [en]\n" if published else "",
        citation=_CITATION if published else "",
        title=title,
        name=yaml.safe_dump(title, allow_unicode=True, width=1000).removesuffix("...\n").strip(),
        about=about,
        note=note,
        data_files="\n".join(f"  - split: {name}\n    path: {name}.parquet" for name in parts),
        n_intents=len(intents),
        n_labels=len(labels),
        columns=" | ".join(parts),
        rules=" ---: |" * len(parts),
        counts="\n".join(lines),
        labels=", ".join(f"`{label}`" for label in labels),
    )
