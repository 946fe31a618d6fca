"""What cross-validation says of variants, on counts made by hand."""

import pytest

from pipelines.reports import folds, variants

WORDS = [{"start": start, "end": start + 1, "label": f"{start}"} for start in (0, 2, 4)]
ROWS = [{"id": f"{n}", "text": "a b c", "slots": WORDS[:of]} for n, of in enumerate((2, 0, 1, 1, 3, 1))]


def parts(frames, spans):
    """Two parts with every other utterance each."""
    counts = {"frame_accuracy": [[right, 1, 1] for right in frames], "f1": spans}
    return [
        {metric: {f"{n}": of[n] for n in range(start, len(of), 2)} for metric, of in counts.items()} for start in (0, 1)
    ]


ONE = folds.report(parts([1, 1, 0, 1, 1, 1], [[2, 2, 2], [0, 0, 0], [0, 1, 1], [1, 1, 1], [3, 3, 3], [1, 1, 1]]))
OTHER = folds.report(parts([0, 0, 0, 1, 1, 1], [[1, 2, 2], [0, 1, 0], [0, 0, 1], [1, 1, 1], [3, 3, 3], [1, 1, 1]]))


def test_each_utterance_is_judged_once():
    assert ONE["utterances"] == 6
    assert ONE["metrics"]["frame_accuracy"]["value"] == pytest.approx(5 / 6)
    assert ONE["metrics"]["frame_accuracy"]["parts"] == pytest.approx([2 / 3, 1])
    assert ONE["metrics"]["f1"]["value"] == pytest.approx(2 * 7 / (8 + 8))
    assert ONE["not_whole"] == {"frame_accuracy": "2:0/1/1", "f1": "2:0/1/1"}
    assert OTHER["not_whole"]["f1"] == "0:1/2/2 1:0/1/0 2:0/0/1"


def test_two_variants_are_compared_on_the_same_utterances():
    found = folds.beside({"variant": "one"} | ONE, {"variant": "other"} | OTHER, ROWS)
    assert found["frame_accuracy"]["difference"] == pytest.approx(2 / 6)
    assert (found["frame_accuracy"]["only_first"], found["frame_accuracy"]["only_second"]) == (2, 0)
    assert found["f1"]["first_value"] == pytest.approx(2 * 7 / 16)
    assert found["f1"]["second_value"] == pytest.approx(2 * 6 / (8 + 8))
    assert found["f1"]["low"] <= found["f1"]["difference"] <= found["f1"]["high"]


def test_the_table_shows_runs_of_both_tasks_and_what_is_beyond_chance():
    figures = {"frame_accuracy": {"value": 0.9}, "f1": {"value": 0.95}, "accuracy": {"value": 0.99}}
    plain = {"run": "joint-full", "change": {}, "finetune_from": "base", "metrics": figures, "older": ""}
    both = {"difference": 0.01, "low": 0.005, "high": 0.015, "beyond_chance": True}
    within = {"difference": -0.001, "low": -0.002, "high": 0.001, "beyond_chance": False}
    cased = plain | {"run": "a", "change": {"capitals": True}, "beside": {"frame_accuracy": both, "f1": within}}
    started = plain | {"run": "a", "finetune_from": "adapted", "older": "measured with older code"}
    found = {"a": plain, "b": cased, "c": started, "d": plain | {"metrics": {"accuracy": {"value": 0.98}}}}
    rows = variants.table(found).splitlines()[2:]
    assert rows[0] == "| a | joint-full |  | 0.9000 |  | 0.9500 |  | 0.9900 |"
    assert "| `capitals: true` | 0.9000 | **+0.0100 (+0.0050 to +0.0150)** |" in rows[1]
    assert "| -0.0010 (-0.0020 to +0.0010) |" in rows[1]
    assert rows[2].startswith("| c† | a | from the adapted encoder |")
    assert len(rows) == 3
