import json

import numpy as np
import pytest

from pipelines.core.errors import InputError
from pipelines.reports import hard_core
from tests.conftest import ROOT

FILE = ROOT / "data/peers/hard_core.yaml"
KNOWN = {
    "a": {"kind": "slip", "reason": "the label"},
    "b": {"kind": "error", "reason": "the model"},
    "c": {"kind": "slip", "reason": "wrong under one seed alone"},
}


ROWS = [{"id": name, "text": f"text {name}", "intent": "x", "slots": [{"label": "y"}] * 2} for name in "abcdefghij"]


def seed(frames, intents, spans):
    """Counts of one seed: what frames and intents are wrong, and the spans that are right of two."""
    found = {name: np.ones((len(ROWS), 3), dtype=int) for name in ("frame_accuracy", "accuracy")}
    for name, wrong in (("frame_accuracy", frames), ("accuracy", intents)):
        for one in wrong:
            found[name]["abcdefghij".index(one), 0] = 0
    return found | {"f1": np.array([[spans.get(row["id"], 2), 2, 2] for row in ROWS])}


def test_slips_of_the_core_are_set_aside_and_no_others():
    seeds = [seed("abcd", "a", {"a": 0, "b": 1}), seed("abd", "ab", {"a": 1})]
    report = hard_core.hard_core(KNOWN, ROWS, seeds)
    assert [row["id"] for row in report["core"]] == ["a", "b", "d"]
    assert report["counts"] == {"slip": 1, "undecidable": 0, "error": 1, "unread": 1}
    means = {
        metric: [of[key]["mean"] for key in ("as_published", "slips_set_aside")]
        for metric, of in report["scores"].items()
    }
    assert means["frame_accuracy"] == pytest.approx([(6 / 10 + 7 / 10) / 2, (6 / 9 + 7 / 9) / 2])
    assert means["accuracy"] == pytest.approx([(9 / 10 + 8 / 10) / 2, (9 / 9 + 8 / 9) / 2])
    assert means["f1"] == pytest.approx([(17 / 20 + 19 / 20) / 2, (17 / 18 + 18 / 18) / 2])
    page = hard_core.page(report)
    assert "| wrong under all 2 seeds | 3 of 10 |" in page
    assert "| frame accuracy, as published | 0.6500 ± 0.0707 |" in page
    assert "| slot F1, slips set aside | 0.9722 ± 0.0393 |" in page
    assert "| text b | error | the model |" in page
    assert max(map(len, hard_core.table(report).splitlines())) <= 80
    frames = [{"frame_accuracy": seeds[0]["frame_accuracy"]}, seeds[1]]  # of one seed frames alone were kept
    assert list(hard_core.hard_core(KNOWN, ROWS, frames)["scores"]) == ["frame_accuracy"]


def test_what_was_read_is_of_the_literatures_test_part():
    known = hard_core.read(FILE)
    assert len(known) > 50
    assert {row["kind"] for row in known.values()} == set(hard_core.KINDS)
    positions = json.loads((ROOT / "data/literature_split.json").read_text(encoding="utf-8"))["test"]
    for name in known:
        _, intent, position = name.split("/")
        assert int(position) in positions[intent], name


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[", "restore the file"),
        ("nothing", "entry 0: needs id"),
        ("- {id: a, kind: slop, reason: b}", "entry 0: needs id, kind .slip, undecidable, error."),
        ("- {id: a, kind: slip, reason: b}\n- {id: a, kind: slip, reason: c}", "entry 1: a stands there twice"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, text, part):
    path = tmp_path / "hard_core.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=part):
        hard_core.read(path)
