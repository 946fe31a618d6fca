"""A run beside the one in git: sums, figures within their tolerances, and what is said of them."""

import pytest

from pipelines.reports.verifying import differences, outputs, report

TOLERANCES = [
    {"match": "metrics/a.json texts.*", "within": None},
    {"match": "metrics/a.json best_epoch", "within": 2},
    {"match": "metrics/a.json *f1", "within": 0.01},
]


def lock(**sums):
    return {"stages": {path: {"outs": [{"path": path, "md5": md5}]} for path, md5 in sums.items()}}


def found(there, here):
    return list(differences("metrics/a.json", there, here, TOLERANCES))


def test_outputs_are_the_same_or_not():
    assert outputs(lock(a="1", b="2", c="3"), lock(a="1", b="x", d="4")) == (["a"], ["b", "c", "d"])


@pytest.mark.parametrize(
    ("there", "here", "beyond"),
    [
        ({"f1": 0.9}, {"f1": 0.91}, [False]),
        ({"f1": 0.9}, {"f1": 0.911}, [True]),
        ({"f1": 0.911}, {"f1": 0.9}, [True]),
        ({"per_slot": [{"f1": 1.0}, {"f1": 0.5}]}, {"per_slot": [{"f1": 1.0}, {"f1": 0.6}]}, [True]),
        ({"best_epoch": 3}, {"best_epoch": 5}, [False]),
        ({"weights": 10}, {"weights": 11}, [True]),  # no tolerance is said, so none is had
        ({"f1": 0.9}, {}, [True]),
        ({"f1": 0.9}, {"f1": None}, [True]),
        ({"texts": ["a", "b"]}, {"texts": ["a", "c"]}, [False]),
        ([{"f1": 0.9}], [{"f1": 0.9}], []),
    ],
)
def test_a_difference_is_beyond_its_tolerance_or_not(there, here, beyond):
    assert [one.beyond for one in found(there, here)] == beyond


def test_what_differs_is_listed_with_its_size():
    text = report("abc", ["a"], ["b"], found([{"f1": 0.9, "best_epoch": 3}], [{"f1": 0.95, "best_epoch": 4}]))
    assert text.splitlines() == [
        "Outputs: 1 of 2 have the bytes of abc.",
        "  b",
        "Figures: 1 differ by more than their tolerance, 1 by less.",
        "  metrics/a.json f1: 0.9 -> 0.95 (+0.0500, within 0.01)",
        "By less, or of no weight:",
        "  metrics/a.json best_epoch: 3 -> 4 (+1.0000, within 2)",
    ]
    assert "Figures: all the same." in report("abc", ["a"], [], [])
