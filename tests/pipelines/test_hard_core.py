import json

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


def test_slips_of_the_core_are_set_aside_and_no_others():
    texts = {name: f"text {name}" for name in "abcdefghij"}
    report = hard_core.hard_core(KNOWN, [{"a", "b", "c", "d"}, {"a", "b", "d"}], texts)
    assert [row["id"] for row in report["core"]] == ["a", "b", "d"]
    assert report["counts"] == {"slip": 1, "undecidable": 0, "error": 1, "unread": 1}
    assert report["as_published"]["mean"] == pytest.approx((6 / 10 + 7 / 10) / 2)
    assert report["slips_set_aside"]["mean"] == pytest.approx((6 / 9 + 7 / 9) / 2)
    page = hard_core.page(report)
    assert "| wrong under all 2 seeds | 3 of 10 |" in page
    assert "| frame accuracy, as published | 0.6500 ± 0.0707 |" in page
    assert "| text b | error | the model |" in page
    assert max(map(len, hard_core.table(report).splitlines())) <= 80


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
