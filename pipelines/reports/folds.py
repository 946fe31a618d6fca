"""Cross-validation: what the parts of a variant say together, and two variants beside each other, paired.

With 700 utterances nothing under 1.5 points can be seen. Five models, each judged on the fifth that it never saw, judge
all that stand outside test (Stone 1974); two variants are compared on the same utterances.
"""

from typing import Any

import numpy as np

from pipelines.data.utterances import Utterance
from pipelines.reports.differences import Counts, difference

Fold = dict[str, dict[str, list[int]]]  # metric -> id of an utterance -> right, predicted and gold


def report(parts: list[Fold]) -> dict[str, Any]:
    """`metrics`, over all parts and of each, the number of `utterances`, and which are not `whole`, see `unpacked`."""
    metrics, broken = {}, {}
    for metric in parts[0]:
        whole = dict(sorted((key, of) for part in parts for key, of in part[metric].items()))
        values = [_f1(list(part[metric].values())) for part in parts]
        metrics[metric] = {"value": _f1(list(whole.values())), "parts": values}
        broken[metric] = " ".join(
            f"{n}:{'/'.join(map(str, of))}" for n, of in enumerate(whole.values()) if len(set(of)) > 1
        )
    return {"metrics": metrics, "utterances": len(whole), "not_whole": broken}


def unpacked(not_whole: str, metric: str, rows: list[Utterance]) -> Counts:
    """What each utterance adds to a metric, in the order of their ids.

    Args:
        not_whole: `number:right/predicted/gold` of those where the three differ; of the others all is right.
        rows: all that were judged.
    """
    rows = sorted(rows, key=lambda row: row["id"])
    counts = np.array([[len(row["slots"]) if metric == "f1" else 1] * 3 for row in rows])
    for entry in not_whole.split():
        number, of = entry.split(":")
        counts[int(number)] = [int(value) for value in of.split("/")]
    return counts


def beside(one: dict[str, Any], other: dict[str, Any], rows: list[Utterance]) -> dict[str, dict[str, Any]]:
    """For each metric how far the variant of report `one` lies above that of `other`; see `differences.difference`."""
    return {
        metric: difference(
            *((of["variant"], unpacked(of["not_whole"][metric], metric, rows)) for of in (one, other)), metric
        )
        for metric in one["not_whole"]
        if metric in other["not_whole"]
    }


def _f1(counts: list[list[int]]) -> float:
    right, predicted, gold = np.array(counts).sum(axis=0)
    return float(2 * right / max(predicted + gold, 1))
