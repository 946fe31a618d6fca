import numpy as np
import pytest

from pipelines.core.errors import InputError
from pipelines.reports import peers
from tests.conftest import ROOT

LITERATURE = ROOT / "data/peers/literature.yaml"


def figure(value, sd=0.001):
    return {"mean": value, "sd": sd, "seeds": 3, "interval": [value - 0.01, value + 0.01]}


OURS = {
    "model": "ours: joint-full",
    "kind": "joint",
    "weights": 22_700_000,
    "intent": figure(0.98),
    "slots": figure(0.965),
    "frame": figure(0.91),
}


def test_the_published_figures_are_whole_and_sourced():
    rows = peers.read_literature(LITERATURE)
    assert len(rows) == len({(row["model"], row["kind"]) for row in rows})
    for row in rows:
        assert row["source"].strip()
        figures = [row[name] for name in ("intent", "slots") if row[name] is not None]
        assert figures == sorted(figures, reverse=True)
        assert min(figures) > 90
    of_monologg = {row["runs"] for row in rows if "monologg" in row["model"]}
    assert of_monologg == {"best of runs"}  # its own README says so


def test_our_row_stands_in_its_place():
    pair = OURS | {"kind": "pair", "model": "ours: two models", "weights": 45_300_000}
    alone = {name: OURS[name] for name in ("weights", "intent")} | {"kind": "intent", "model": "ours: intent-full"}
    page = peers.literature_page([OURS, pair, alone], peers.read_literature(LITERATURE))
    rows = [line.split("|") for line in page.split("## One model")[0].splitlines() if line.startswith("| ")][2:]
    slots = [float(cells[5].split("±")[0]) for cells in rows]
    assert slots == sorted(slots, reverse=True)
    assert [cells[1].strip() for cells in rows if "ours" in cells[1]] == ["**ours: joint-full**"]
    assert "| 22.7 | mean of 3 | 98.00±.10 | 96.50±.10 | 91.00±.10 |" in page
    assert "| **ours: intent-full** | 22.7 | mean of 3 | 98.00±.10 |" in page
    assert "| **ours: intent-full** | 22.7 | one run | 98.00 |" in peers.literature_page(
        [alone | {"intent": figure(0.98, None) | {"seeds": 1}}], peers.read_literature(LITERATURE)
    )
    assert "over 3 seeds" in page
    assert max(len(line) for line in page.splitlines() if line.startswith("|")) <= 80


def test_without_comparable_runs_the_page_says_so():
    assert "Our rows are left out" in peers.literature_page([], peers.read_literature(LITERATURE))
    assert "Left out" in peers.few_shot_page({})


def test_mean_and_standard_deviation_over_seeds():
    assert peers.over_seeds([0.9, 0.92, 0.94]) == {
        "mean": pytest.approx(0.92),
        "sd": pytest.approx(0.02),
        "seeds": 3,
    }
    assert peers.over_seeds([0.9])["sd"] is None


def test_the_interval_of_a_share_is_wilsons():
    low, high = peers.share_interval(690, 700)
    # Wilson 1927, by hand
    p, n, z = 690 / 700, 700, 1.959964
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert [low, high] == pytest.approx([(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)])


def test_the_interval_of_f1_covers_it_and_narrows_with_more_utterances():
    rng = np.random.default_rng(0)
    counts = np.array([(int(hit), 1, 1) for hit in rng.random(3000) < 0.9])
    few, many = peers.f1_interval(counts[:300]), peers.f1_interval(counts)
    share = np.mean([right for right, _, _ in counts[:300]])
    assert few[0] < share < few[1]
    assert many[1] - many[0] < few[1] - few[0]
    assert many[1] - many[0] == pytest.approx(2 * 1.96 * (0.09 / 3000) ** 0.5, rel=0.15)
    assert peers.f1_interval(counts) == many


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("- {model: x}", "entry 0: needs exactly"),
        ("nothing", "entry 0"),
        (
            "- {model: x, kind: joint, runs: 3, encoder: , weights: 1, intent: 98, slots: 1, frame: 1, source: , "
            "definition: }",
            "entry 0: runs: expected mean of <n>, one run",
        ),
        ("[", "literature.yaml"),
        (
            "- {model: x, kind: joint, runs: one run, encoder: , weights: 1, intent: 980, slots: 1, frame: 1, "
            "source: , definition: }",
            "entry 0: intent: expected a number from 0 to 100",
        ),
        (
            "- {model: x, kind: joint, runs: one run, encoder: , weights: 1, intent: 98, slots: , frame: 1, source: , "
            "definition: }",
            "entry 0: slots: expected a number",
        ),
        (
            "- {model: x, kind: jiont, runs: one run, encoder: , weights: 1, intent: 98, slots: 1, frame: 1, source: , "
            "definition: }",
            "entry 0: kind: expected joint, pair, intent",
        ),
    ],
)
def test_a_broken_literature_file_is_one_line(tmp_path, text, part):
    path = tmp_path / "literature.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=part) as error:
        peers.read_literature(path)
    assert "\n" not in str(error.value)


def test_few_shot_tables_have_ours_their_spread_and_what_is_older():
    slots, intents = peers.FewShot(older={"10": "measured with older code"}), peers.FewShot()
    slots.add(peers.OURS, "10", [0.49, 0.5, 0.51])
    slots.add(peers.OURS, "all", [0.93])
    intents.systems |= peers.read_few_shot(ROOT / "data/peers/few_shot.yaml")
    assert "SetFit" not in peers.few_shot_page({"slots": slots, "intent": intents})
    intents.add(peers.SETFIT, "10", [0.9])
    page = peers.few_shot_page({"slots": slots, "intent": intents})
    assert "| system | 10 | all |\n| --- | ---: | ---: |\n| ours | 0.500† | 0.930 |" in page
    assert "| ours, deviation of draws | 0.010 |  |" in page
    assert "† 10: measured with older code." in page
    assert "SetFit, run here: its defaults, 20 pairs" in page
    intents.sources = peers.few_shot_sources(ROOT / "data/peers/few_shot.yaml")
    assert "BERT-base: not said; README" in peers.few_shot_page({"slots": slots, "intent": intents})
    assert "| BERT-base | 0.822 | 0.957 | 0.967 | 0.978 | 0.986 |" in page
    assert max(len(line) for line in page.splitlines() if line.startswith("|")) <= 80


BROKEN_FEW_SHOT = [
    "[",
    "x: 3",
    "x: {'10': 82}",
    "x: {'10': 82, source: a}",
    "x: {'10': 182, runs: a, source: a}",
    "x: {runs: a, source: a}",
]


@pytest.mark.parametrize("text", BROKEN_FEW_SHOT)
def test_a_broken_few_shot_file_is_one_line(tmp_path, text):
    path = tmp_path / "few_shot.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"few_shot\.yaml: .*(mend it|restore the file)"):
        peers.read_few_shot(path)
