"""Slots as tags: what the tasks slots and joint have in common. Logits of tokens -> slots of utterances, and scores."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import log_softmax

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.data.words import Slot, slots, tags, words
from pipelines.labels import metrics
from pipelines.models import loading

IGNORED = -100  # label id that the loss leaves out
BATCH = 64  # texts whose paths are found at once


def tag_names(rows: list[Utterance]) -> list[str]:
    """`O` and the `B-` and `I-` tags of the slot labels of `rows`, in order.

    Raises:
        InputError: the rows have no slots.
    """
    names = sorted({slot["label"] for row in rows for slot in row["slots"]})
    if not names:
        raise InputError("train has no slots, so there is nothing to tag; take this run out of params.yaml")
    return ["O"] + [f"{kind}-{name}" for name in names for kind in "BI"]


def encode(rows: list[Utterance], tokenizer: Any, names: list[str], longest: int) -> list[dict[str, Any]]:
    """Model inputs of at most `longest` tokens, tag ids under `labels`, and `first_tokens`.

    `first_tokens` has for each word its first token, or None if it has no token at all. The first token of a word is
    labelled; the others, and tags that `names` lacks, are left out of the loss. A row without `slots` has no labels.
    """
    ids = {name: n for n, name in enumerate(names)}
    spans = [words(row["text"]) for row in rows]
    blanks = loading.counts_blanks(tokenizer)
    texts = [
        [
            " " * (blanks and row["text"][:start][-1:].isspace()) + row["text"][start:end]  # as in the whole text
            for start, end in span
        ]
        for row, span in zip(rows, spans, strict=True)
    ]
    features = loading.tokenize(tokenizer, texts, longest)
    for feature, row, span in zip(features, rows, spans, strict=True):
        if "slots" not in row:  # a new text
            continue
        feature["labels"] = [IGNORED] * len(feature["input_ids"])
        for piece, tag in zip(feature["first_tokens"], tags(span, row["slots"]), strict=True):
            if piece is not None:
                feature["labels"][piece] = ids.get(tag, IGNORED)
    return features


def decode(
    logits: list[np.ndarray],
    features: list[dict[str, Any]],
    rows: list[Utterance],
    names: list[str],
    chain: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """Logits of shape (tokens, tags) for each row -> `slots`, by the likeliest path that is valid IOB2.

    The `score` of a slot is the mean probability of its words' tags (softmax), as transformers' pipeline has it.
    `chain` has the scores of a CRF: of each tag after each tag, the start last, (tags + 1, tags); at the end, (tags,).
    """
    allowed = _transitions(names)
    ends = np.zeros(len(names))
    if chain:
        allowed, ends = allowed + chain[0], chain[1]
    predictions: list[dict[str, Any]] = [{} for _ in rows]
    for batch in _of_like_length(features):
        scores = _scores([logits[n] for n in batch], [features[n]["first_tokens"] for n in batch], names)
        shares = np.exp(scores)
        scores[:, -1:] += ends
        for n, path, share in zip(batch, _paths(scores, allowed), shares, strict=True):
            spans = words(rows[n]["text"])
            known = [word for word, piece in enumerate(features[n]["first_tokens"]) if piece is not None]
            of = {spans[word][0]: float(share[word, path[word]]) for word in known}  # a word's start -> its tag's
            found = slots(spans, [names[tag] for tag in path])
            predictions[n] = {"slots": [slot | {"score": _mean(of, slot)} for slot in found]}
    return predictions


def _of_like_length(features: list[dict[str, Any]]) -> Iterator[list[int]]:
    """Positions of the features with as many words, at most `BATCH` at once."""
    by_words = defaultdict(list)
    for n, feature in enumerate(features):
        by_words[len(feature["first_tokens"])].append(n)
    for alike in by_words.values():
        for start in range(0, len(alike), BATCH):
            yield alike[start : start + BATCH]


def _scores(logits: list[np.ndarray], at: list[list[int | None]], names: list[str]) -> np.ndarray:
    """Log-probabilities (texts, words, tags) of words whose first tokens are `at`.

    A word without a token says nothing: its tag follows the path, but it opens no slot.
    """
    silent = np.where([name.startswith("B-") for name in names], -np.inf, 0.0)
    scores = np.tile(silent, (len(at), len(at[0]), 1))
    known = np.array([[piece is not None for piece in pieces] for pieces in at], dtype=bool)
    if known.any():
        of_words = [
            row[[piece for piece in pieces if piece is not None]] for row, pieces in zip(logits, at, strict=True)
        ]
        scores[known] = log_softmax(np.concatenate(of_words).astype(np.float64), axis=-1)
    return scores


def _mean(of: dict[int, float], slot: Slot) -> float:
    shares = [share for start, share in of.items() if slot["start"] <= start < slot["end"]]
    return sum(shares) / len(shares)


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Any]:
    """Strict micro F1, precision and recall of spans (seqeval), and a row for each label under `per_slot`."""
    result = metrics.spans([_tags(row, row) for row in rows], _predicted_tags(predictions, rows))
    result["per_slot"] = result.pop("per_class")
    return result


def is_right(prediction: dict[str, Any], row: Utterance) -> bool:
    """Whether the slots are all right: the same words under the same labels."""
    return _tags(row, prediction) == _tags(row, row)


def plots(predictions: list[dict[str, Any]], rows: list[Utterance]) -> list[dict[str, str]]:
    """Pairs of actual and predicted label of every word that either puts in a slot (`-` for none)."""
    pairs = []
    for row, predicted in zip(rows, _predicted_tags(predictions, rows), strict=True):
        for gold_tag, predicted_tag in zip(_tags(row, row), predicted, strict=True):
            if gold_tag != "O" or predicted_tag != "O":
                pairs.append({"actual": gold_tag[2:] or "-", "predicted": predicted_tag[2:] or "-"})
    return pairs


def _tags(row: Utterance, slots_of: Any) -> list[str]:
    return tags(words(row["text"]), slots_of["slots"])


def _predicted_tags(predictions: list[dict[str, Any]], rows: list[Utterance]) -> list[list[str]]:
    return [_tags(row, prediction) for row, prediction in zip(rows, predictions, strict=True)]


def _transitions(names: list[str]) -> np.ndarray:
    """0 where tag j may follow tag i (row i), minus infinity where IOB2 forbids it; the last row is the start."""
    allowed = np.zeros((len(names) + 1, len(names)))
    for j, name in enumerate(names):
        if name.startswith("I-"):
            allowed[:, j] = -np.inf
            for i, before in enumerate(names):
                if before[2:] == name[2:]:
                    allowed[i, j] = 0.0
    return allowed


def _paths(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """As `_viterbi`, which is asked only where the likeliest tags take a step that costs something."""
    paths = scores.argmax(axis=-1)
    before = np.insert(paths[:, :-1], 0, len(allowed) - 1, axis=1)[:, : paths.shape[1]]
    open_ones = (allowed[before, paths] < allowed.max()).any(axis=1)
    paths[open_ones] = _viterbi(scores[open_ones], allowed)
    return paths


def _viterbi(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Paths of highest total score, (texts, words); `scores` is (texts, words, tags), `allowed` (tags + 1, tags).

    Viterbi 1967, over many texts of as many words at once.
    """
    texts, length, _ = scores.shape
    paths = np.zeros((texts, length), dtype=np.int64)
    if not length:
        return paths
    total = scores[:, 0] + allowed[-1]
    before = np.ascontiguousarray(allowed[:-1].T)  # (tags, tags before)
    back = []
    for n in range(1, length):
        steps = total[:, None] + before
        back.append(steps.argmax(axis=-1))
        total = np.take_along_axis(steps, back[-1][..., None], axis=-1)[..., 0] + scores[:, n]
    paths[:, -1] = total.argmax(axis=1)
    for n in range(length - 1, 0, -1):
        paths[:, n - 1] = np.take_along_axis(back[n - 1], paths[:, n, None], axis=1)[:, 0]
    return paths
