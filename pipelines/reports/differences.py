"""What a difference between two runs means: paired tests on the utterances of test, of each metric that both have.

Accuracies: the exact test of McNemar (1947) on the utterances that one run gets right and the other does not. All: the
95 % interval of the difference, from utterances drawn anew (paired bootstrap, Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import binomtest

from pipelines.data.utterances import Utterance
from pipelines.data.words import slots_of_words

RESAMPLES, SEED = 2000, 13
LEVEL = 0.95
SPANS = ("f1", "span_f1")  # micro F1; all else is a share of the utterances

Counts = np.ndarray  # of each utterance, in the order of their ids: (right, predicted, gold)


def measured(rows: list[dict[str, Any]]) -> dict[str, Counts]:
    """What each utterance adds to each metric of a run: `accuracy` of the intent, slot `f1`, `frame_accuracy`.

    Args:
        rows: predictions of one run, with `id`, and with `intent` and `predicted_intent`, or `text`, `slots` and
            `predicted_slots`, or all of these and `right`. Runs of questions, with `slots`, `predicted_answers` and
            `right`, have `span_f1`; they and those of other tasks, with `right`, have `answers_right`: the utterances
            on which all of their answers are right.
    """
    rows = sorted(rows, key=lambda row: row["id"])
    found = {}
    if "predicted_intent" in rows[0]:
        found["accuracy"] = [(row["predicted_intent"] == row["intent"], 1, 1) for row in rows]
    if "predicted_slots" in rows[0]:
        spans = [(_spans(slots_of_words(row["text"], row["slots"])), _spans(row["predicted_slots"])) for row in rows]
        found["f1"] = [(len(gold & said), len(said), len(gold)) for gold, said in spans]
    if len(found) == 2:
        found["frame_accuracy"] = [(row["right"], 1, 1) for row in rows]
    if "predicted_answers" in rows[0]:
        spans = [(_spans(row["slots"]), _spans(filter(_given, row["predicted_answers"]))) for row in rows]
        found["span_f1"] = [(len(gold & said), len(said), len(gold)) for gold, said in spans]
    if not found or "span_f1" in found:
        found["answers_right"] = [(row["right"], 1, 1) for row in rows]
    return {metric: np.array(counts, dtype=int) for metric, counts in found.items()}


def frames(intents: list[dict[str, Any]], slots: list[dict[str, Any]]) -> dict[str, Counts]:
    """The same of a run of intents and a run of slots that are asked together: the frames that both get right."""
    both = [sorted(rows, key=lambda row: row["id"]) for rows in (intents, slots)]
    right = [(first["right"] and second["right"], 1, 1) for first, second in zip(*both, strict=True)]
    return {"frame_accuracy": np.array(right, dtype=int)}


def _given(answer: dict[str, Any]) -> bool:
    return bool(answer["answer"])


def _spans(slots: Iterable[dict[str, Any]]) -> set[tuple[int, int, str]]:
    return {(slot["start"], slot["end"], slot["label"]) for slot in slots}


def differences(runs: dict[str, dict[str, Counts]]) -> list[dict[str, Any]]:
    """Each two runs that have a metric, the higher one as `first`.

    Returns:
        Rows of `metric`, `first`, `second`, their values, `difference` with `low` and `high`, `only_first` and
        `only_second` (utterances that one alone gets all right), `p` (None for F1), and `beyond_chance`: whether the
        interval leaves 0 out and, where there is one, p is below 0.05. Nothing is corrected for the number of pairs.
    """
    result = []
    metrics = list(dict.fromkeys(metric for of in runs.values() for metric in of))
    for metric in metrics:
        those = [(run, of[metric]) for run, of in runs.items() if metric in of]
        for one, other in combinations(those, 2):
            first, second = sorted((one, other), key=lambda pair: -micro_f1(pair[1].sum(axis=0)))
            result.append({"metric": metric} | difference(first, second, metric))
    return result


def difference(first: tuple[str, Counts], second: tuple[str, Counts], metric: str) -> dict[str, Any]:
    """What two runs, each with its name, have of a metric: a row of `differences`, in the order that is given.

    Args:
        first: its counts are of the same utterances as those of `second`, in the same order.
        metric: with one of `SPANS` there is no `p`.
    """
    (name, counts), (other, others) = first, second
    drawn = [[of[pick].sum(axis=0) for of in (counts, others)] for pick in resampled(len(counts))]
    ours, theirs = micro_f1(np.array(drawn)).T
    low, high = np.percentile(ours - theirs, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    values = [float(micro_f1(of.sum(axis=0))) for of in (counts, others)]
    whole = [(of[:, 0] == of[:, 1]) & (of[:, 0] == of[:, 2]) for of in (counts, others)]
    only = int((whole[0] & ~whole[1]).sum()), int((whole[1] & ~whole[0]).sum())
    p = None if metric in SPANS else float(binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0
    return {
        "first": name,
        "second": other,
        "first_value": values[0],
        "second_value": values[1],
        "difference": values[0] - values[1],
        "low": float(low),
        "high": float(high),
        "only_first": only[0],
        "only_second": only[1],
        "p": p,
        "beyond_chance": bool(low > 0 or high < 0) and (p is None or p < 1 - LEVEL),
    }


def resampled(size: int) -> Iterator[np.ndarray]:
    """Numbers of as many utterances, drawn anew with replacement, again and again."""
    drawn = np.random.default_rng(SEED)
    return (drawn.integers(size, size=size) for _ in range(RESAMPLES))


def packed(counts: Counts) -> str:
    """`number:right/predicted/gold` of the utterances where the three differ; see `unpacked`."""
    return " ".join(f"{n}:{'/'.join(map(str, of))}" for n, of in enumerate(counts.tolist()) if len(set(of)) > 1)


def unpacked(not_whole: str, metric: str, rows: list[Utterance]) -> Counts:
    """What each utterance adds to a metric, in the order of their ids.

    Args:
        not_whole: of `packed`; of the utterances that it does not name all is right.
        metric: `f1` counts slots by words, `span_f1` by characters, and of any other each utterance counts once.
        rows: all that were judged.
    """
    rows = sorted(rows, key=lambda row: row["id"])
    golds = {
        "f1": lambda row: len(slots_of_words(row["text"], row["slots"])),
        "span_f1": lambda row: len(row["slots"]),
    }
    counts = np.array([[golds.get(metric, lambda _: 1)(row)] * 3 for row in rows])
    for entry in not_whole.split():
        number, of = entry.split(":")
        counts[int(number)] = [int(value) for value in of.split("/")]
    return counts


def micro_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of (…, 3) counts of right, predicted and gold; where an utterance has one of each, the accuracy."""
    return 2 * counts[..., 0] / np.maximum(counts[..., 1] + counts[..., 2], 1)
