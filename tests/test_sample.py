"""The embedded corpus keeps what it promises: enough of every intent, every label, and no filled templates."""

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


def test_no_two_differ_only_in_a_slot_value():
    frames = Counter(frame(row) for part in snips.PARTS for row in rows(part))
    assert [text for text, count in frames.items() if count > 1] == []


@needs_snips
def test_nothing_is_copied_from_snips():
    published = {words(row["text"]) for part in snips.PARTS for row in rows(part, MIRROR)}
    assert [row["text"] for part in snips.PARTS for row in rows(part) if words(row["text"]) in published] == []
