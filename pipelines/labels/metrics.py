"""Metrics as pure functions, each on plain Python values, each a fraction between 0 and 1."""

import warnings
from typing import Any

from sklearn.metrics import accuracy_score, precision_recall_fscore_support


def classification(gold: list[str], predicted: list[str]) -> dict[str, Any]:
    """Accuracy and unweighted mean F1 over the classes of `gold`, with a row for each class."""
    labels = sorted(set(gold))
    precision, recall, f1, support = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=0)
    return {
        "accuracy": float(accuracy_score(gold, predicted)),
        "macro_f1": float(f1.mean()),
        "per_class": [
            {"label": label, "f1": float(f), "precision": float(p), "recall": float(r), "support": int(n)}
            for label, p, r, f, n in zip(labels, precision, recall, f1, support, strict=True)
        ],
    }


def micro_f1(right: int, predicted: int, gold: int) -> float:
    """Micro F1 from counts of spans: harmonic mean of right / predicted and right / gold; 0 where there are none."""
    return 2 * right / max(predicted + gold, 1)


def spans(gold: list[list[str]], predicted: list[list[str]]) -> dict[str, Any]:
    """Strict span micro precision, recall and F1 on IOB2 tags (seqeval, CoNLL convention), with a row for each label.

    A span counts as right only where its first word, last word and label all agree.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    with warnings.catch_warnings():
        # seqeval on numpy 2 warns of its own code
        warnings.simplefilter("ignore")
        report = classification_report(gold, predicted, mode="strict", scheme=IOB2, zero_division=0, output_dict=True)
    micro = report["micro avg"]
    names = {label for row in gold for tag in row if tag != "O" for label in [tag[2:]]}
    return {
        "f1": float(micro["f1-score"]),
        "precision": float(micro["precision"]),
        "recall": float(micro["recall"]),
        "per_class": [
            {
                "label": label,
                "f1": float(report[label]["f1-score"]),
                "precision": float(report[label]["precision"]),
                "recall": float(report[label]["recall"]),
                "support": int(report[label]["support"]),
            }
            for label in sorted(names)
        ],
    }
