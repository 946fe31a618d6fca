"""SQuAD metrics, and the best span of an extractive model, as pure functions."""

import re
import string
from collections import Counter
from typing import Any

import numpy as np

from pipelines.labels.metrics import micro_f1

_PUNCTUATION = set(string.punctuation)


def normalize(answer: str) -> str:
    """Lower case, without punctuation and English articles, white space folded (official SQuAD v2 script)."""
    text = "".join(sign for sign in answer.lower() if sign not in _PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(predicted: str, gold: str) -> int:
    """1 if both are equal once normalised, else 0."""
    return int(normalize(predicted) == normalize(gold))


def f1(predicted: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the words in common; where one has no words, 1 if both have none."""
    predicted_words, gold_words = normalize(predicted).split(), normalize(gold).split()
    if not predicted_words or not gold_words:
        return float(predicted_words == gold_words)
    common = (Counter(predicted_words) & Counter(gold_words)).total()
    return 2 * common / (len(predicted_words) + len(gold_words))


def score(pairs: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> dict[str, float | None]:
    """SQuAD v2 metrics, and the two that need no normalisation.

    Args:
        pairs: for each question the answer given, `{"answer": text, "start": …, "end": …}` with an empty text for "no
            answer", and the right answers in the same shape, none if it cannot be answered.

    Returns:
        `exact_match` and `f1` over all, the best over the right answers of a question; the same over the
        `answerable_…`; `unanswerable_accuracy`; `strict_exact_match` on texts as they are (None without questions);
        `span_f1`, micro F1 of (question, start, end): a tagger's, where all labels are asked of all texts.
    """
    exact, overlap, strict = [], [], []
    right = given = wanted = 0
    for answer, gold in pairs:
        texts = [g["answer"] for g in gold] or [""]
        # "the", which normalises to nothing, is an answer all the same
        alike = bool(answer["answer"]) == bool(gold)
        exact.append(alike and max(exact_match(answer["answer"], text) for text in texts))
        overlap.append(max(f1(answer["answer"], text) for text in texts) if alike else 0.0)
        strict.append(answer["answer"] in texts)
        given += bool(answer["answer"])
        wanted += len(gold)
        right += bool(answer["answer"]) and (answer["start"], answer["end"]) in [(g["start"], g["end"]) for g in gold]
    has = np.array([bool(gold) for _, gold in pairs], dtype=bool)
    exact, overlap = np.array(exact, dtype=float), np.array(overlap, dtype=float)
    return {
        "exact_match": _mean(exact),
        "f1": _mean(overlap),
        "answerable_exact_match": _mean(exact[has]),
        "answerable_f1": _mean(overlap[has]),
        "unanswerable_accuracy": _mean(exact[~has]),
        "strict_exact_match": _mean(np.array(strict, dtype=float)),
        "answerable_strict_exact_match": _mean(np.array(strict, dtype=float)[has]),
        "span_f1": micro_f1(right, given, wanted),
    }


def best_span(
    start: np.ndarray, end: np.ndarray, context: list[int], n_best: int, longest: int
) -> tuple[float, int, int]:
    """Highest start + end logit over valid spans: (score, first token, last token).

    Args:
        start: start logit of each token; `end` likewise.
        context: the tokens that an answer may use, ascending.
        n_best: how many of the best starts, and of the best ends, are paired; all of them where no pair is valid.
        longest: most tokens in an answer.
    """
    allowed = np.asarray(context)
    starts = allowed[np.argsort(-start[allowed], kind="stable")[:n_best]]
    ends = allowed[np.argsort(-end[allowed], kind="stable")[:n_best]]
    length = ends[None, :] - starts[:, None] + 1
    total = np.where((length >= 1) & (length <= longest), start[starts][:, None] + end[ends][None, :], -np.inf)
    if not np.isfinite(total).any():
        return best_span(start, end, context, len(context), longest)
    i, j = np.unravel_index(int(total.argmax()), total.shape)
    return float(total[i, j]), int(starts[i]), int(ends[j])


def best_threshold(margins: np.ndarray, right: np.ndarray, wanted: int) -> float:
    """The margin (best span over null) that a question must reach to be answered, for the highest micro F1 of spans.

    Args:
        margins: (questions,) score of the best span minus that of no answer.
        right: (questions,) whether the best span is a right answer.
        wanted: right answers that there are, those that are not asked for among them.

    Returns:
        0 where nothing was asked.
    """
    if not len(margins):
        return 0.0
    order = np.argsort(-margins, kind="stable")
    ranked = margins[order]
    hits = np.concatenate([[0], np.cumsum(right[order])])  # of the surest 0, 1, 2, … answers
    scores = 2 * hits / np.maximum(np.arange(len(hits)) + wanted, 1)
    scores[1:-1][ranked[:-1] == ranked[1:]] = -1  # equal margins are answered together
    best = int(scores.argmax())
    if best == 0:
        return float(ranked[0]) + 1.0
    if best == len(ranked):
        return float(ranked[-1]) - 1.0
    return float(ranked[best - 1] + ranked[best]) / 2


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
