"""The benchmark of 2017 (Coucke et al. 2018, arXiv:1805.10190): few utterances per intent, mean slot F1."""

import json
import math
from collections import defaultdict
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.data import drawing, parquet
from pipelines.data.drawing import same_text
from pipelines.data.utterances import Utterance
from pipelines.labels import tagging

CODE = ("pipelines.reports.benchmark_2017",)  # what draws and scores, beside what trains
# vendor -> its files of one intent; the whole training files were measured for Snips alone
VENDORS = {
    "Snips": ("{0}/Snips_metrics.json", "{0}/Snips_metrics_full.json"),
    "API.ai": ("{0}/api.ai_metrics.json",),
    "Luis": ("{0}/Luis_metrics.json",),
    "Wit": ("{0}/Wit_metrics.json",),
    "Alexa": ("{0}/Alexa_metrics.json",),
}
WHOLE = "all"  # the size of the whole training files
# An intent, where `all` stands on an axis; the files have 1,942 to 2,000, the benchmark of 2017 had 1,954 to 2,000.
WHOLE_UTTERANCES = 2000


def draws(
    raw: Path, corpus: Path, per_intent: int | None, count: int, seed: int, key: str
) -> tuple[list[list[Utterance]], int]:
    """Training utterances of `count` draws of `per_intent` each, and how many of the pool stand in `validate` too.

    They come from the small training files of 2017, in `raw`; where `per_intent` is None, all of the whole ones.

    Raises:
        InputError: there are no such files, or too few utterances; the message names `key`, the param.
    """
    pool, removed = without(_pool(raw, corpus, per_intent), parquet.read(corpus / "validate.parquet"))
    if per_intent is None:
        return [pool] * count, removed
    chosen = [drawing.draw(pool, per_intent, f"{seed}/{number}", f"{key}.per_intent") for number in range(count)]
    return [[row for row in pool if row["id"] in ids] for ids in chosen], removed


def _pool(raw: Path, corpus: Path, per_intent: int | None) -> list[Utterance]:
    if per_intent is None:
        return parquet.read(corpus / "train_full.parquet")
    rows = []
    for intent in snips.intents(raw):
        path = raw / snips.FEW_SHOT.format(intent)
        if not path.is_file():
            raise InputError(f"{path}: missing; SNIPS alone has such files: set data.source: snips, run dvc repro")
        rows += snips.parse(path.read_bytes(), "train", intent, str(path))[0]
    return rows


def without(rows: list[Utterance], held_out: list[Utterance]) -> tuple[list[Utterance], int]:
    """`rows` less those whose text stands in `held_out` too (case and punctuation aside), and how many those were."""
    texts = {same_text(row["text"]) for row in held_out}
    kept = [row for row in rows if same_text(row["text"]) not in texts]
    return kept, len(rows) - len(kept)


def held_out(rows: list[Utterance], share: float, seed: str) -> tuple[list[Utterance], list[Utterance]]:
    """`rows` less a share of each intent's, at least one, drawn by seed; and those.

    Raises:
        InputError: of an intent none would be left.
    """
    by_intent: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_intent[row["intent"]].append(row["id"])
    held: set[str] = set()
    for intent, ids in sorted(by_intent.items()):
        if (size := max(1, round(share * len(ids)))) >= len(ids):
            raise InputError(
                f"few_shot: {len(ids)} utterances of {intent} leave none to learn from where {size} are held out; "
                "raise per_intent, or lower few_shot.choice.held_out"
            )
        held.update(Random(f"{seed}/{intent}").sample(sorted(ids), size))
    return [row for row in rows if row["id"] not in held], [row for row in rows if row["id"] in held]


def mean_slot_f1(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Any]:
    """`slot_f1`: strict span F1 of each slot within an intent, mean over its slots, mean over intents; `per_intent`.

    The convention of the vendors' table. A slot counts under an intent where its utterances in `rows` have it: 53 pairs
    in SNIPS.
    """
    per_intent = {}
    for intent in sorted({row["intent"] for row in rows}):
        at = [n for n, row in enumerate(rows) if row["intent"] == intent]
        slots = tagging.score([predictions[n] for n in at], [rows[n] for n in at])["per_slot"]
        per_intent[intent] = mean(slot["f1"] for slot in slots)
    return {"slot_f1": mean(per_intent.values()), "per_intent": per_intent}


def vendor_slot_f1(reports: dict[str, bytes]) -> dict[str, float]:
    """The published precision and recall of one vendor -> mean slot F1 at each size (utterances per intent, or `all`).

    The files hold no F1, and do not say how their authors averaged. The convention here: a precision of NaN (nothing
    was predicted) counts as 0; F1 of each slot and draw, mean over draws, over the slots of an intent, over intents.

    Args:
        reports: intent -> bytes of a `*_metrics.json` file.

    Raises:
        InputError: a file is not of that shape.
    """
    by_size: dict[str, list[float]] = defaultdict(list)
    for intent, data in reports.items():
        try:
            slots = json.loads(data)["intents"][intent]["slots"]
            of_intent: dict[str, list[float]] = defaultdict(list)
            for slot in slots.values():
                for size, precisions in slot["precision"].items():
                    draws = zip(precisions, slot["recall"][size], strict=True)
                    of_intent[size if int(size) < 1000 else WHOLE].append(mean(_f1(*draw) for draw in draws))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"metrics of {intent}: not a benchmark report ({error!r:.80}); fetch it anew") from None
        for size, values in of_intent.items():
            by_size[size].append(mean(values))
    return {size: mean(values) for size, values in by_size.items()}


def _f1(precision: float, recall: float) -> float:
    if math.isnan(precision) or precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def utterances(size: str) -> int:
    """Where a size stands on an axis of utterances per intent."""
    return WHOLE_UTTERANCES if size == WHOLE else int(size)
