import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.words import slots, tags, words
from tests.conftest import INTENTS, ROOT


def test_words_are_runs_of_letters_or_single_signs():
    text = "laurie's R&B, 9am…"
    assert [text[a:b] for a, b in words(text)] == ["laurie", "'", "s", "R", "&", "B", ",", "9am", "…"]


def test_marks_and_joiners_belong_to_their_word_and_sign():
    text = "cafe\u0301 दिल्ली می\u200cخواهم ❤\ufe0f m²"
    assert [text[a:b] for a, b in words(text)] == text.split()


def test_tags_and_back():
    text = "play Té Para Tres by Ana"
    gold = [{"start": 5, "end": 17, "label": "track"}, {"start": 21, "end": 24, "label": "artist"}]
    expected = ["O", "B-track", "I-track", "I-track", "O", "B-artist"]
    assert tags(words(text), gold) == expected
    assert slots(words(text), expected) == gold


def test_an_inside_tag_that_continues_nothing_opens_nothing():
    spans = words("a b c d")
    assert slots(spans, ["I-x", "B-x", "I-y", "I-x"]) == [{"start": 2, "end": 3, "label": "x"}]


def test_a_slot_edge_inside_a_word_takes_the_word_that_it_begins():
    text = "one pmnear Rome"
    gold = [{"start": 0, "end": 6, "label": "timeRange"}, {"start": 6, "end": 10, "label": "spatial_relation"}]
    assert tags(words(text), gold) == ["B-timeRange", "I-timeRange", "O"]


@given(st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"]), max_size=12))
def test_slots_are_stable_under_a_second_round(word_tags):
    text = " ".join("w" * (n % 3 + 1) for n in range(len(word_tags)))
    once = slots(words(text), word_tags)
    assert slots(words(text), tags(words(text), once)) == once


def test_every_sample_utterance_goes_round():
    from pipelines.corpus import snips

    for pattern in snips.PARTS.values():
        for intent in INTENTS:
            path = ROOT / "data/sample" / pattern.format(intent)
            for row in snips.parse(path.read_bytes(), "x", intent, intent)[0]:
                spans = words(row["text"])
                assert slots(spans, tags(spans, row["slots"])) == row["slots"]


def test_a_label_may_hold_the_sign_that_parts_it_from_its_tag():
    assert slots([(0, 1), (2, 3)], ["B-a-b", "I-a-b"]) == [{"start": 0, "end": 3, "label": "a-b"}]


def test_words_and_tags_are_as_many():
    with pytest.raises(ValueError, match="shorter"):
        slots([(0, 1), (2, 3)], ["O"])
