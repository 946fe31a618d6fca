"""The cases of the official SQuAD v2 script, and the search for the best span."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tasks.qa import squad


def answer(text, start=0):
    return {"answer": text, "start": start, "end": start + len(text)}


@pytest.mark.parametrize(
    ("predicted", "gold", "exact", "f1"),
    [
        ("The Beatles!", "beatles", 1, 1),
        ("a  song", "song", 1, 1),
        ("new york city", "New York", 0, 0.8),
        ("york new", "new york", 0, 1),
        ("", "", 1, 1),
        ("", "song", 0, 0),
        ("song", "", 0, 0),
        ("song song", "song", 0, 2 / 3),
        ("theatre", "atre", 0, 0),  # articles are whole words
    ],
)
def test_official_cases(predicted, gold, exact, f1):
    assert squad.exact_match(predicted, gold) == exact
    assert squad.f1(predicted, gold) == pytest.approx(f1)


def test_scores_by_hand():
    result = squad.score(
        [
            (answer("the blues", 5), [answer("blues", 9), answer("the blues", 5)]),  # the best of two right answers
            (answer("Ana Maria"), [answer("Ana")]),
            (answer(""), [answer("noon", 3)]),
            (answer(""), []),
            (answer("noon"), []),
        ]
    )
    assert result["exact_match"] == pytest.approx(2 / 5)
    assert result["f1"] == pytest.approx((1 + 2 / 3 + 0 + 1 + 0) / 5)
    assert result["answerable_exact_match"] == pytest.approx(1 / 3)
    assert result["answerable_f1"] == pytest.approx((1 + 2 / 3) / 3)
    assert result["unanswerable_accuracy"] == 0.5
    assert result["strict_exact_match"] == pytest.approx(2 / 5)
    assert result["span_f1"] == pytest.approx(2 * 1 / (3 + 4))


def test_strict_exact_match_does_not_forgive_an_article():
    result = squad.score([(answer("the blues"), [answer("blues", 4)])])
    assert (result["exact_match"], result["strict_exact_match"], result["span_f1"]) == (1, 0, 0)
    assert result["answerable_strict_exact_match"] == 0


@given(st.integers(0, 10_000))
def test_the_best_span_is_that_of_an_exhaustive_search(number):
    draw = np.random.default_rng(number)
    start, end = draw.normal(size=(2, 12))
    context = list(range(4, 11))
    expected = max(
        (start[i] + end[j], i, j) for i, j in itertools.product(context, context) if i <= j and j - i + 1 <= 3
    )
    assert squad.best_span(start, end, context, n_best=12, longest=3) == pytest.approx(expected)


def test_where_none_of_the_best_pairs_is_valid_all_are_tried():
    start, end = np.array([0.0, 1.0, 2.0, 8.5]), np.array([9.0, 2.0, 1.0, 0.0])
    assert squad.best_span(start, end, [0, 1, 2, 3], n_best=1, longest=4) == (9.0, 0, 0)


def test_only_the_best_starts_and_ends_are_paired():
    start, end = np.array([0.0, 5.0, 4.0, 3.0]), np.array([6.0, 0.0, 1.0, 2.0])
    # of the two best starts (1, 2) and ends (0, 3); the best end comes before them
    assert squad.best_span(start, end, [0, 1, 2, 3], n_best=2, longest=4) == (7.0, 1, 3)
    # of equals the first
    assert squad.best_span(np.zeros(40), np.zeros(40), list(range(40)), n_best=20, longest=2) == (0.0, 0, 0)


def test_a_threshold_beyond_all_margins_leaves_one():
    margins = np.array([2.0, 1.0])
    assert squad.best_threshold(margins, np.array([False, False]), 1) == 3.0
    assert squad.best_threshold(margins, np.array([True, True]), 2) == 0.0
    assert squad.best_threshold(margins, np.array([True, False]), 1) == 1.5


def test_an_answer_that_normalises_to_nothing_is_an_answer():
    result = squad.score([(answer("the"), []), (answer(""), [answer("the")]), (answer("the"), [answer("the")])])
    assert (result["exact_match"], result["f1"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (result["answerable_exact_match"], result["unanswerable_accuracy"]) == (0.5, 0)


def test_a_part_without_questions_has_no_figure():
    result = squad.score([(answer("noon"), [answer("noon")])])
    assert (result["answerable_f1"], result["unanswerable_accuracy"]) == (1, None)
    nothing = squad.score([])
    assert nothing.pop("span_f1") == 0
    assert set(nothing.values()) == {None}
    assert squad.best_threshold(np.array([]), np.array([]), 3) == 0


@given(st.integers(0, 10_000))
def test_the_threshold_is_the_best_there_is(number):
    draw = np.random.default_rng(number)
    margins, right = draw.integers(0, 5, 9).astype(float), draw.random(9) < 0.5
    wanted = int(right.sum()) + int(draw.integers(0, 3))

    def f1(threshold):
        given = margins >= threshold
        return 2 * (right & given).sum() / max(given.sum() + wanted, 1)

    best = squad.best_threshold(margins, right, wanted)
    candidates = [*margins, margins.max() + 1, margins.min() - 1]
    assert f1(best) == pytest.approx(max(map(f1, candidates)))
