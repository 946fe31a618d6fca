"""The vendors' figures from their real files, and our own by the same convention."""

import pytest

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.reports import benchmark_2017
from tests.conftest import INTENTS, MIRROR, ROOT, needs_snips

# mean slot F1, as computed from the published files by an independent script
EXPECTED = {
    "Snips": {"10": 0.4955, "20": 0.5883, "50": 0.7280, "70": 0.7685, "all": 0.9158},
    "API.ai": {"10": 0.4927, "20": 0.5688, "50": 0.6037, "70": 0.6630},
    "Luis": {"10": 0.2880, "20": 0.4037, "50": 0.5634, "70": 0.6123},
    "Wit": {"10": 0.3440, "20": 0.4044, "50": 0.5314, "70": 0.5917},
    "Alexa": {"70": 0.5459},
}


@needs_snips
@pytest.mark.parametrize("vendor", EXPECTED)
def test_the_published_files_give_the_known_means(vendor):
    found = {}
    for pattern in benchmark_2017.VENDORS[vendor]:
        reports = {intent: (MIRROR / pattern.format(intent)).read_bytes() for intent in INTENTS}
        found |= benchmark_2017.vendor_slot_f1(reports)
    assert found == pytest.approx(EXPECTED[vendor], abs=5e-5)


def test_a_precision_of_nan_counts_as_zero_and_draws_are_averaged():
    slots = b'{"a": {"precision": {"10": [NaN, 1.0]}, "recall": {"10": [0.0, 0.5]}}}'
    reports = {"X": b'{"intents": {"X": {"slots": ' + slots + b"}}}"}
    assert benchmark_2017.vendor_slot_f1(reports) == {"10": pytest.approx(2 * 0.5 / 1.5 / 2)}


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"intents": {"X": {"slots": {"a": 3}}}}'])
def test_a_broken_report_is_one_line(data):
    with pytest.raises(InputError, match="not a benchmark report"):
        benchmark_2017.vendor_slot_f1({"X": data})


def sample(part):
    folder = ROOT / "data/sample"
    return [
        row
        for intent in INTENTS
        for row in snips.parse((folder / snips.PARTS[part].format(intent)).read_bytes(), part, intent, intent)[0]
    ]


def test_each_slot_of_an_intent_counts_the_same():
    rows = sample("validate")
    assert benchmark_2017.mean_slot_f1(rows, rows)["slot_f1"] == 1
    no_city = [{"slots": [s for s in row["slots"] if s["label"] != "city"]} for row in rows]
    pairs = {intent: {s["label"] for r in rows if r["intent"] == intent for s in r["slots"]} for intent in INTENTS}
    expected = {intent: 1 - ("city" in labels) / len(labels) for intent, labels in pairs.items()}
    result = benchmark_2017.mean_slot_f1(no_city, rows)
    assert result["per_intent"] == pytest.approx(expected)
    assert result["slot_f1"] == pytest.approx(sum(expected.values()) / 7)


def test_texts_that_are_held_out_are_taken_out_and_counted():
    rows = sample("validate")
    shouted = [row | {"text": row["text"].upper() + "!"} for row in rows[:3]]
    kept, removed = benchmark_2017.without(rows, shouted)
    assert removed == 3
    assert kept == rows[3:]


@needs_snips
def test_twelve_texts_of_the_small_sets_stand_in_validate():
    small, validate = (
        [
            row
            for intent in INTENTS
            for row in snips.parse((MIRROR / pattern.format(intent)).read_bytes(), "x", intent, intent)[0]
        ]
        for pattern in (snips.FEW_SHOT, snips.PARTS["validate"])
    )
    removed = benchmark_2017.without(small, validate)[1]
    assert (len(small), removed) == (2100, 12)
    assert len({(row["intent"], slot["label"]) for row in validate for slot in row["slots"]}) == 53


def test_a_share_of_each_intent_is_held_out():
    rows = [{"id": f"{intent}/{n}", "intent": intent} for intent, count in (("a", 10), ("b", 3)) for n in range(count)]
    with pytest.raises(InputError, match="leave none to learn from where 1 are held out; raise per_intent"):
        benchmark_2017.held_out(rows[:1], 0.2, "13/0")
    kept, held = benchmark_2017.held_out(rows, 0.2, "13/0")
    assert [row["intent"] for row in held] == ["a", "a", "b"]
    assert sorted(row["id"] for row in kept + held) == sorted(row["id"] for row in rows)
    assert benchmark_2017.held_out(rows, 0.2, "13/0") == (kept, held) != benchmark_2017.held_out(rows, 0.2, "13/1")
