import pytest

from pipelines.labels import metrics


def test_classification_by_hand():
    result = metrics.classification(["a", "a", "b", "c"], ["a", "b", "b", "b"])
    assert result["accuracy"] == 0.5
    # a: p 1, r 1/2, f 2/3; b: p 1/3, r 1, f 1/2; c: nothing predicted, 0
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert [row["label"] for row in result["per_class"]] == ["a", "b", "c"]
    assert result["per_class"][0] == {
        "label": "a",
        "f1": pytest.approx(2 / 3),
        "precision": 1,
        "recall": 0.5,
        "support": 2,
    }
    assert result["per_class"][2] == {"label": "c", "f1": 0, "precision": 0, "recall": 0, "support": 1}


def test_a_class_that_is_only_predicted_has_no_row_and_no_share_of_the_mean():
    result = metrics.classification(["a", "b"], ["a", "z"])
    assert (result["accuracy"], result["macro_f1"]) == (0.5, 0.5)
    assert [row["label"] for row in result["per_class"]] == ["a", "b"]


def test_spans_are_strict():
    gold = [["B-x", "I-x", "O", "B-y"], ["B-x"]]
    predicted = [["B-x", "O", "O", "B-y"], ["I-x"]]  # a cut span, a right one, and an I- that opens nothing
    result = metrics.spans(gold, predicted)
    assert result["precision"] == pytest.approx(1 / 2)
    assert result["recall"] == pytest.approx(1 / 3)
    assert result["f1"] == pytest.approx(2 / 5)
    assert result["per_class"] == [
        {"label": "x", "f1": 0, "precision": 0, "recall": 0, "support": 2},
        {"label": "y", "f1": 1, "precision": 1, "recall": 1, "support": 1},
    ]


def test_spans_without_any_prediction():
    result = metrics.spans([["B-x"]], [["O"]])
    assert (result["f1"], result["precision"], result["recall"]) == (0, 0, 0)
    assert result["per_class"] == [{"label": "x", "f1": 0, "precision": 0, "recall": 0, "support": 1}]
