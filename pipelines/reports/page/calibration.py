"""How sure a run is, and how sure it should be: reliability (Niculescu-Mizil & Caruana 2005; Guo et al. 2017)."""

from typing import Any

from pipelines.data.words import slots_of_words

BINS = 10  # of equal width, from 0 to 1


def measured(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For what a run gives probabilities of (`intent`, `slots`): `count`, `expected_error`, and `bins`.

    Args:
        rows: of data/predictions/<run>/test.parquet; empty where the run gives none, as those of qa.
    """
    pairs: dict[str, list[tuple[float, bool]]] = {"intent": [], "slots": []}
    for row in rows:
        if "predicted_intent" in row:
            pairs["intent"].append((row["predicted_score"], row["predicted_intent"] == row["intent"]))
        gold = {(slot["start"], slot["end"], slot["label"]) for slot in slots_of_words(row["text"], row["slots"])}
        for slot in row.get("predicted_slots") or []:
            pairs["slots"].append((slot["score"], (slot["start"], slot["end"], slot["label"]) in gold))
    return {
        name: {"count": len(of), "expected_error": expected_error(of), "bins": bins(of)}
        for name, of in pairs.items()
        if of
    }


def bins(pairs: list[tuple[float, bool]]) -> list[dict[str, float]]:
    """Pairs of a probability and whether it was right, by probability: `count`, mean `probability`, share `right`."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for share, right in pairs:
        groups.setdefault(min(int(share * BINS), BINS - 1), []).append((share, right))
    return [
        {
            "count": len(group),
            "probability": sum(share for share, _ in group) / len(group),
            "right": sum(right for _, right in group) / len(group),
        }
        for _, group in sorted(groups.items())
    ]


def expected_error(pairs: list[tuple[float, bool]]) -> float:
    """Expected calibration error: mean distance of the two over the bins, weighted by count (Naeini et al. 2015)."""
    return sum(one["count"] * abs(one["probability"] - one["right"]) for one in bins(pairs)) / len(pairs)
