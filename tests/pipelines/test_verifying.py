"""A run beside the one in git: sums, figures within their tolerances, and what is said of them."""

import pytest

from pipelines.reports.verifying import differences, machines, outputs, report

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
        "Machine: abc does not say what it ran on.",
    ]
    assert "Figures: all the same." in report("abc", ["a"], [], [])


def test_each_entry_of_another_machine_is_a_line():
    there = [{"threads": 2, "libraries": {"torch": "2.13.0", "numpy": "2.4.6"}, "chosen": {}}]
    here = {"threads": 4, "libraries": {"torch": "2.14.0", "numpy": "2.4.6"}, "chosen": {"MKL_CBWR": "AVX2"}}
    lines = ["chosen.MKL_CBWR: '-' -> 'AVX2'", "libraries.torch: '2.13.0' -> '2.14.0'", "threads: 2 -> 4"]
    assert machines(there, here) == lines
    assert machines(here, here) == []
    text = report("abc", [], ["b"], [], lines)
    assert text.splitlines()[-4:] == ["Machine: other than that of abc.", *(f"  {line}" for line in lines)]
    assert report("abc", [], ["b"], [], []).endswith("Machine: as that of abc.")
    assert report("abc", [], ["b"], []).endswith("Machine: abc does not say what it ran on.")
    assert "Machine" not in report("abc", ["a"], [], [], lines)  # where nothing differs, nothing needs a reason
