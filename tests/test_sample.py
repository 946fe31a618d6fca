"""The embedded corpus keeps what it promises: enough of every intent, every label, and no filled templates."""

import json
import re
from collections import Counter

from pipelines.corpus import snips
from tests.conftest import INTENTS, MIRROR, ROOT, needs_snips


def rows(part, folder=ROOT / "data/sample"):
    pattern = snips.PARTS[part]
    return [
        row
        for intent in INTENTS
        for row in snips.parse((folder / pattern.format(intent)).read_bytes(), part, intent, intent)[0]
    ]


def values(row):
    return [row["text"][slot["start"] : slot["end"]].lower() for slot in row["slots"]]


def words(text):
    return " ".join(re.findall(r"[\w{}]+", text.lower()))


def frame(row):
    """The utterance with each slot value replaced by its label."""
    text = row["text"]
    for slot in sorted(row["slots"], key=lambda slot: -slot["start"]):
        text = text[: slot["start"]] + "{" + slot["label"] + "}" + text[slot["end"] :]
    return words(text)


def test_enough_utterances_of_every_intent():
    train, validate = (Counter(row["intent"] for row in rows(part)) for part in snips.PARTS)
    test = 14  # an intent, by data/sample/literature_split.json
    assert min(train[intent] for intent in INTENTS) >= 60 + test
    assert min(validate[intent] for intent in INTENTS) >= 15


def test_all_39_labels_stand_in_both_parts():
    for part in snips.PARTS:
        assert len({(slot["label"]) for row in rows(part) for slot in row["slots"]}) == 39


def test_validation_and_test_know_as_many_values_from_train():
    """Both were drawn from all that was written: where validation repeats what train says, it promises too much."""
    positions = json.loads((ROOT / "data/sample/literature_split.json").read_text(encoding="utf-8"))["test"]
    test_ids = {f"train_full/{intent}/{n:04}" for intent, places in positions.items() for n in places}
    train = {value for row in rows("train_full") if row["id"] not in test_ids for value in values(row)}
    shares = []
    for part in (rows("validate"), [row for row in rows("train_full") if row["id"] in test_ids]):
        found = [value in train for row in part for value in values(row)]
        shares.append(sum(found) / len(found))
    assert abs(shares[0] - shares[1]) < 0.1  # 0.74 and 0.49 as the files were first cut


def test_no_two_differ_only_in_a_slot_value():
    frames = Counter(frame(row) for part in snips.PARTS for row in rows(part))
    assert [text for text, count in frames.items() if count > 1] == []


@needs_snips
def test_nothing_is_copied_from_snips():
    published = {words(row["text"]) for part in snips.PARTS for row in rows(part, MIRROR)}
    assert [row["text"] for part in snips.PARTS for row in rows(part) if words(row["text"]) in published] == []
