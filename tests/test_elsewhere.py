"""What stand-ins for other machines teach: how far figures lie apart, and the tolerances that follow."""

import json
import math
from pathlib import Path

import pytest
import yaml

from pipelines.reports import verifying
from tests import elsewhere

THERE = {"intent-full": {"accuracy": 0.9}, "slots-full": {"f1": 0.5}, "source": "sample"}


def finished(folder: Path, summary: dict, perplexity: float) -> Path:
    (folder / "metrics").mkdir(parents=True)
    (folder / "metrics/summary.json").write_text(json.dumps(summary))
    (folder / "metrics/decoder.json").write_text(json.dumps({"decoder": {"perplexity_per_word": perplexity}}))
    return folder


@pytest.fixture
def found(tmp_path):
    """Distances of two stand-ins from one run."""
    there = finished(tmp_path / "there", THERE, 60.0)
    one = finished(tmp_path / "one", THERE | {"intent-full": {"accuracy": 0.91}}, 60.0)
    two = finished(tmp_path / "two", THERE | {"intent-full": {"accuracy": 0.8799}}, 59.5)
    return [elsewhere.distances(there, folder) for folder in (one, two)]


def section(found):
    return yaml.safe_load("\n".join(["sample:", *elsewhere.tolerances(found)]))["sample"]


def test_distances_are_of_the_figures_that_differ(found):
    assert [sorted(one) for one in found] == [
        ["metrics/summary.json intent-full.accuracy"],
        ["metrics/decoder.json decoder.perplexity_per_word", "metrics/summary.json intent-full.accuracy"],
    ]
    assert found[1]["metrics/summary.json intent-full.accuracy"] == pytest.approx(0.0201)


def test_tolerances_are_twice_the_largest_distance_rounded_up(found):
    allowed = {one["match"]: one["within"] for one in section(found)}
    assert allowed["metrics/summary.json intent-full.accuracy"] == 0.041
    assert allowed["metrics/decoder.json decoder.perplexity_per_word"] == 1.0
    tiny = section([{"metrics/summary.json a.f1": 0.00001}])[0]
    assert tiny == {"match": "metrics/summary.json a.f1", "within": 0.001}


@pytest.mark.parametrize(
    ("file", "there", "here", "beyond"),
    [
        ("summary", {"intent-full": {"accuracy": 0.9}}, {"intent-full": {"accuracy": 0.94}}, False),
        ("summary", {"intent-full": {"accuracy": 0.9}}, {"intent-full": {"accuracy": 0.95}}, True),
        ("summary", {"slots-full": {"f1": 0.5}}, {"slots-full": {"f1": 0.501}}, True),  # the same on all stand-ins
        ("summary", {"source": "sample"}, {"source": "snips"}, True),
        ("decoder", {"decoder": {"perplexity_per_word": 60}}, {"decoder": {"perplexity_per_word": 62}}, True),
        ("split", [{"train": 400}], [{"train": 401}], True),
        ("slots-full", [{"per_slot": {"city": {"support": 3}}}], [{"per_slot": {"city": {"support": 4}}}], True),
        ("slots-full", [{"per_slot": {"city": {"f1": 0.3}}}], [{"per_slot": {"city": {"f1": 0.9}}}], False),
    ],
)
def test_what_is_proposed_is_what_verify_reads(found, file, there, here, beyond):
    (one,) = verifying.differences(f"metrics/{file}.json", there, here, section(found))
    assert one.beyond == beyond


def test_a_text_or_a_missing_figure_is_allowed_nothing():
    assert section([{"metrics/summary.json source": math.inf}]) == section([])
