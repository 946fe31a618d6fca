"""The benchmarks' own promises: turns in processes of their own, and a page that shows results.json as it is."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import growth, turns
from benchmarks.picture import draw
from benchmarks.sections import snips_run
from benchmarks.table import tables
from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks/results.json"


def test_the_page_shows_what_was_measured():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert tables(results) in (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for row in (row for rows in results["rows"].values() for row in rows.values() if "ratio" in row):
        of_rates = row["ours"] / row.get("plain", row.get("before"))  # of seconds, the other way round
        assert row["ratio"] == pytest.approx(of_rates, rel=0.01) or row["ratio"] == pytest.approx(
            1 / of_rates, rel=0.01
        )


def test_the_picture_shows_what_was_measured():
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]["larger"]
    assert _rounded((ROOT / "benchmarks/larger.svg").read_bytes()) == _rounded(draw(rows))
    other = rows | {"train, 10 x": rows["train, 10 x"] | {"seconds": 1.0}}
    assert _rounded(draw(rows)) != _rounded(draw(other))


def _rounded(svg):
    """An SVG with whole points, and without the names that are made of exact ones: those differ with processors."""
    plain = re.sub(r"\b[mp][0-9a-f]{10}\b", "", svg.decode())
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.0f}", plain)


def test_cases_take_turns_and_the_median_counts(monkeypatch):
    asked, values = [], iter([1.0, 10.0, 9.0, 30.0, 2.0, 20.0])

    def measure(function, **arguments):
        asked.append(function)
        return {"seconds": next(values)}

    monkeypatch.setattr(turns, "measure", measure)
    found = turns.in_turns({"ours": ("a", {}), "plain": ("b", {})}, times=3)
    assert asked == ["a", "b"] * 3
    assert found == {"ours": {"seconds": 2.0}, "plain": {"seconds": 20.0}}


def test_the_whole_run_is_estimated_stage_by_stage():
    rows = {
        "snips": {"finetune@a": {"ours": 10.0}, "evaluate@a": {"ours": 4.0}, "total": {"ours": 14.0}},
        "passes": {"a": {"ours": 1.0, "before": 3.0, "ratio": 3.0}},
    }
    assert snips_run(rows) is None
    rows["whole"] = {"evaluate@a": {"ours": 2.0, "plain": 4.0}}
    assert snips_run(rows) == 14 / (10 * 3 + 4 * 2)


def test_a_measurement_that_fails_is_no_figure(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(RuntimeError, match=r"(?s)start\.seconds .*KeyError"):
        turns.measure("start.seconds", name="no such command")


def test_a_section_that_is_not_there_is_one_line():
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: nothing: no such section; there are: training, ")
    assert Path(RESULTS).is_file()


def test_the_stages_that_prepare_take_a_larger_corpus():
    found = growth.prepare(2)
    assert set(found) == {"download_seconds", "convert_seconds", "split_seconds", "peak_mib"}
    assert all(value > 0 for value in found.values())
