"""Paired tests of two runs, on predictions made by hand."""

import numpy as np
import pytest

from pipelines.labels import metrics
from pipelines.reports.differences import differences, frames, measured, packed, unpacked

NOTHING = {"text": "abba is on now", "slots": []}


def rows(right, slots=None):
    """Predictions of intents, right where `right` says so; with slots, those of a joint run."""
    made = [
        {
            "id": f"{n:04}",
            **NOTHING,
            "intent": "a",
            "predicted_intent": "a" if one else "b",
            "right": one,
            "slots": [],
        }
        for n, one in enumerate(right)
    ]
    return made if slots is None else [row | {"predicted_slots": of} for row, of in zip(made, slots, strict=True)]


def test_p_is_that_of_a_coin_on_the_utterances_that_one_run_alone_gets_right():
    first = [True] * 96 + [False] * 4
    second = [False] * 6 + [True] * 90 + [True] + [False] * 3
    (found,) = differences({"low": measured(rows(second)), "high": measured(rows(first))})
    assert (found["first"], found["second"], found["only_first"], found["only_second"]) == ("high", "low", 6, 1)
    assert found["p"] == pytest.approx(2 * (1 + 7) / 2**7)  # none or one head of seven, and the other side
    assert (found["first_value"], found["second_value"]) == (0.96, 0.91)
    assert found["beyond_chance"] is False


def test_a_large_difference_is_beyond_chance_and_its_interval_is_that_of_the_normal_law():
    rng = np.random.default_rng(1)
    first, second = rng.random(2000) < 0.9, rng.random(2000) < 0.8
    (found,) = differences({"a": measured(rows(first.tolist())), "b": measured(rows(second.tolist()))})
    assert found["beyond_chance"] is True
    error = (first.astype(float) - second).std() / 2000**0.5
    assert found["high"] - found["difference"] == pytest.approx(1.96 * error, rel=0.1)
    assert found["difference"] - found["low"] == pytest.approx(1.96 * error, rel=0.1)


def test_the_order_of_rows_does_not_matter_and_the_same_run_is_no_better():
    some = rows([True, False, True, True])
    assert differences({"a": measured(some), "b": measured(rows([False] * 4))}) == differences(
        {"a": measured(some[::-1]), "b": measured(rows([False] * 4))}
    )
    (same,) = differences({"a": measured(some), "b": measured(some)})
    assert (same["difference"], same["low"], same["high"], same["p"], same["beyond_chance"]) == (0, 0, 0, 1.0, False)


def test_slot_f1_counts_whole_spans_and_pairs_have_frames():
    gold = [{"start": 0, "end": 4, "label": "artist"}]
    others = [[gold[0]], [], [{"start": 0, "end": 2, "label": "artist"}], [{"start": 0, "end": 4, "label": "album"}]]
    slots = [
        {"id": str(n), **NOTHING, "slots": gold, "predicted_slots": said, "right": said == gold}
        for n, said in enumerate(others)
    ]
    counts = measured(slots)["f1"].sum(axis=0)
    assert counts.tolist() == [1, 3, 4]
    (found, *_) = differences(
        {"some": measured(slots), "none": measured([row | {"predicted_slots": []} for row in slots])}
    )
    assert found["first_value"] == pytest.approx(metrics.micro_f1(1, 3, 4))
    assert (found["metric"], found["second_value"], found["p"]) == ("f1", 0, None)
    intents = [row | {"id": str(n)} for n, row in enumerate(rows([True, True, False, True]))]
    assert frames(intents, slots)["frame_accuracy"][:, 0].tolist() == [1, 0, 0, 0]
    joint = measured(rows([True, False], [gold, []]))
    assert set(joint) == {"accuracy", "f1", "frame_accuracy"}
    assert set(measured([{"id": "1", "right": True}])) == {"answers_right"}


def test_what_is_kept_is_enough_for_all_counts():
    words = [{"start": start, "end": start + 1, "label": f"{start}"} for start in (0, 2, 4)]
    rows = [{"id": f"{n}", "text": "a b c", "slots": words[:of]} for n, of in enumerate((2, 0, 1, 3))]
    counts = np.array([[1, 2, 2], [0, 1, 0], [0, 0, 1], [3, 3, 3]])
    assert packed(counts) == "0:1/2/2 1:0/1/0 2:0/0/1"
    assert unpacked(packed(counts), "f1", rows[::-1]).tolist() == counts.tolist()
    assert unpacked(packed(counts), "span_f1", rows).tolist() == counts.tolist()
    assert unpacked("", "accuracy", rows).tolist() == [[1, 1, 1]] * 4


def test_answers_count_as_spans_where_they_are_given():
    slots = [{"start": 0, "end": 4, "label": "artist"}, {"start": 8, "end": 9, "label": "year"}]
    answers = [
        [slots[0] | {"answer": "jazz"}, slots[1] | {"answer": "9"}],
        [slots[0] | {"answer": "jazz"}, {"start": 0, "end": 0, "label": "year", "answer": ""}],
        [{"start": 0, "end": 4, "label": "album", "answer": "jazz"}],
    ]
    rows = [
        {"id": str(n), "intent": "a", "slots": slots, "predicted_answers": said, "right": n == 0}
        for n, said in enumerate(answers)
    ]
    found = measured(rows)
    assert found["span_f1"].tolist() == [[2, 2, 2], [1, 1, 2], [0, 1, 2]]
    assert found["answers_right"][:, 0].tolist() == [1, 0, 0]
    assert set(found) == {"span_f1", "answers_right"}


def test_a_tagger_is_asked_for_whole_words_as_its_f1_is():
    gold, said = ({"start": 0, "end": end, "label": "city"} for end in (5, 8))
    row = {"id": "1", "text": "parisian style", "slots": [gold], "predicted_slots": [said], "right": True}
    assert measured([row])["f1"].tolist() == [[1, 1, 1]]
    assert unpacked("", "f1", [row | {"slots": [gold | {"start": 1}]}]).tolist() == [[0, 0, 0]]  # no word begins in it
