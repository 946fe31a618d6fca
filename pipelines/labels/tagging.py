"""Slots as tags: what the tasks slots and joint have in common. Logits of tokens -> slots of utterances, and scores."""

from typing import Any

import numpy as np
from scipy.special import log_softmax

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.data.words import Slot, slots, tags, words
from pipelines.labels import metrics
from pipelines.models import loading

IGNORED = -100  # label id that the loss leaves out


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
    texts = [[row["text"][start:end] for start, end in span] for row, span in zip(rows, spans, strict=True)]
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
    opens = np.array([name.startswith("B-") for name in names])
    predictions = []
    for row_logits, feature, row in zip(logits, features, rows, strict=True):
        at = feature["first_tokens"]
        # a word without a token says nothing: its tag follows the path, but it opens no slot
        scores = np.tile(np.where(opens, -np.inf, 0.0), (len(at), 1))
        known = [n for n, piece in enumerate(at) if piece is not None]
        scores[known] = log_softmax(row_logits[[at[n] for n in known]].astype(np.float64), axis=-1)
        shares = np.exp(scores)
        scores[-1:] += ends
        path = _viterbi(scores, allowed)
        spans = words(row["text"])
        found = slots(spans, [names[n] for n in path])
        of = {spans[n][0]: float(shares[n, path[n]]) for n in known}  # first character of a word -> its tag's
        predictions.append({"slots": [slot | {"score": _mean(of, slot)} for slot in found]})
    return predictions


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


def _viterbi(scores: np.ndarray, allowed: np.ndarray) -> list[int]:
    """Path of highest total score; `scores` is (words, tags), `allowed` (tags + 1, tags). Viterbi 1967."""
    if not len(scores):
        return []
    total = scores[0] + allowed[-1]
    back = []
    for row in scores[1:]:
        step = total[:, None] + allowed[:-1]
        back.append(step.argmax(axis=0))
        total = step.max(axis=0) + row
    path = [int(total.argmax())]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    return path[::-1]
