"""Cross-validation: what the parts of a variant say together, and two variants beside each other, paired.

With 700 utterances no difference in frames under 1.5 points can be seen. Five models, each judged on the fifth that it
never saw, judge all that stand outside test (Stone 1974); two variants are compared on the same utterances.
"""

from typing import Any

import numpy as np

from pipelines.data.utterances import Utterance
from pipelines.reports.differences import difference, micro_f1, packed, unpacked

Fold = dict[str, dict[str, list[int]]]  # metric -> id of an utterance -> right, predicted and gold


def report(parts: list[Fold]) -> dict[str, Any]:
    """`metrics`, over all parts and of each, the number of `utterances`, and which are `not_whole`, see `packed`."""
    metrics, broken = {}, {}
    for metric in parts[0]:
        whole = dict(sorted((key, of) for part in parts for key, of in part[metric].items()))
        values = [_value(part[metric]) for part in parts]
        metrics[metric] = {"value": _value(whole), "parts": values}
        broken[metric] = packed(np.array(list(whole.values())))
    return {"metrics": metrics, "utterances": len(whole), "not_whole": broken}


def beside(one: dict[str, Any], other: dict[str, Any], rows: list[Utterance]) -> dict[str, dict[str, Any]]:
    """For each metric how far the variant of report `one` lies above that of `other`; see `differences.difference`."""
    return {
        metric: difference(
            *((of["variant"], unpacked(of["not_whole"][metric], metric, rows)) for of in (one, other)), metric
        )
        for metric in one["not_whole"]
        if metric in other["not_whole"]
    }


def _value(counts: dict[str, list[int]]) -> float:
    return float(micro_f1(np.array(list(counts.values())).sum(axis=0)))
