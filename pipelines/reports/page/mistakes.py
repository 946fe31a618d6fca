"""What is wrong with a prediction, in kinds that a reader can look for."""

from collections import Counter
from typing import Any

from pipelines.data.words import slots_of_words

# kind -> what it means, in the order in which a page names them
KINDS = {
    "wrong intent": "the utterance has another intent",
    "missed": "a slot of which no word was found",
    "too long": "the right label on more words than the slot has",
    "too short": "the right label on fewer words than the slot has",
    "shifted": "the right label on some of the slot's words and on others",
    "wrong label": "words of the slot, under another label",
    "invented": "a slot where the utterance has none",
}


def of(row: dict[str, Any]) -> list[dict[str, str | None]]:
    """The mistakes in a row of data/predictions/<run>/test.parquet: each its `kind`, and `label` of the slot meant.

    A run of qa is judged by its answers, each a slot under the label that was asked for.
    """
    found: list[dict[str, str | None]] = []
    if row["right"]:  # as the task says it: by words, where characters can differ
        return found
    if row.get("predicted_intent", row["intent"]) != row["intent"]:
        found.append({"kind": "wrong intent", "label": None})
    if "predicted_slots" not in row and "predicted_answers" not in row:
        return found
    right = set(map(_key, predicted(row)))
    asked = "predicted_answers" in row
    meant = set(map(_key, row["slots"] if asked else slots_of_words(row["text"], row["slots"])))
    wrong = [slot for slot in predicted(row) if _key(slot) not in meant]
    left = list(wrong)
    for gold in _meant(row, right):
        if _key(gold) in right:
            continue
        over = [slot for slot in wrong if slot["start"] < gold["end"] and gold["start"] < slot["end"]]
        same = [slot for slot in over if slot["label"] == gold["label"]]
        taken = next(iter(same or ([] if asked else over)), None)  # an answer is to its own question
        left = [slot for slot in left if slot is not taken]
        found.append({"kind": _kind(gold, taken), "label": gold["label"]})
    return found + [{"kind": "invented", "label": slot["label"]} for slot in left]


def predicted(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The slots that a row of predictions has, or its answers as slots."""
    return [
        {name: slot[name] for name in ("start", "end", "label")}
        for slot in row.get("predicted_slots") or row.get("predicted_answers") or []
        if slot["end"] > slot["start"]  # an empty answer is a refusal
    ]


def counted(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How often each kind of mistake stands in `rows`."""
    found = Counter(one["kind"] for row in rows for one in of(row))
    return {kind: found[kind] for kind in KINDS if found[kind]}


def _meant(row: dict[str, Any], right: set[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """The slots to be found: by words, as a tagger sees them; of those that answer one question, one that was found,
    else the first."""
    if "predicted_answers" not in row:
        return slots_of_words(row["text"], row["slots"])
    by_label: dict[str, dict[str, Any]] = {}
    for slot in row["slots"]:
        if slot["label"] not in by_label or _key(slot) in right:
            by_label[slot["label"]] = slot
    return list(by_label.values())


def _key(slot: dict[str, Any]) -> tuple[int, int, str]:
    return slot["start"], slot["end"], slot["label"]


def _kind(gold: dict[str, Any], taken: dict[str, Any] | None) -> str:
    if taken is None:
        return "missed"
    if taken["label"] != gold["label"]:
        return "wrong label"
    if taken["start"] <= gold["start"] and gold["end"] <= taken["end"]:
        return "too long"
    if gold["start"] <= taken["start"] and taken["end"] <= gold["end"]:
        return "too short"
    return "shifted"
