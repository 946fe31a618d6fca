"""The page to read first: kinds of mistakes, how sure a run is, what was changed, and signs that could end a script."""

import json
import re

import pytest
import vl_convert

from pipelines.reports.page import calibration, mistakes, writing
from pipelines.reports.page.found import Found, changed, pairs
from tests.browser import opened, serious

TEXT = "play some jazz by miles davis"


def slot(start, end, label):
    return {"start": start, "end": end, "label": label, "score": 0.5}


def row(gold, predicted, **more):
    return {"right": False, "intent": "A", "text": TEXT, "slots": gold, "predicted_slots": predicted} | more


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([slot(10, 14, "genre")], [], [("missed", "genre")]),
        ([slot(18, 23, "artist")], [slot(18, 29, "artist")], [("too long", "artist")]),
        ([slot(18, 29, "artist")], [slot(18, 23, "artist")], [("too short", "artist")]),
        ([slot(10, 23, "artist")], [slot(18, 29, "artist")], [("shifted", "artist")]),
        ([slot(18, 29, "artist")], [slot(18, 29, "album")], [("wrong label", "artist")]),
        ([], [slot(10, 14, "genre")], [("invented", "genre")]),
        # the right label is taken for it, and the other is one too many
        (
            [slot(18, 29, "artist")],
            [slot(18, 23, "album"), slot(24, 29, "artist")],
            [("too short", "artist"), ("invented", "album")],
        ),
        # one that covers two: the one is found too long, the other under another label
        (
            [slot(5, 9, "artist"), slot(10, 14, "genre")],
            [slot(5, 14, "genre")],
            [("wrong label", "artist"), ("too long", "genre")],
        ),
        # one that is right is nobody's mistake
        (
            [slot(10, 14, "genre"), slot(18, 29, "artist")],
            [slot(10, 14, "genre")],
            [("missed", "artist")],
        ),
    ],
)
def test_each_mistake_has_its_kind(gold, predicted, expected):
    assert [(one["kind"], one["label"]) for one in mistakes.of(row(gold, predicted))] == expected
    assert mistakes.of(row(gold, predicted, right=True)) == []


def test_intents_and_answers_are_mistaken_too():
    said = {"right": False, "intent": "A", "predicted_intent": "B", "text": TEXT, "slots": [slot(10, 14, "genre")]}
    assert mistakes.of(said) == [{"kind": "wrong intent", "label": None}]
    answers = [{"label": "genre", "answer": "", "start": 0, "end": 0}, {"label": "artist", "start": 18, "end": 29}]
    asked = row([slot(10, 14, "genre")], None, predicted_answers=answers)
    del asked["predicted_slots"]
    assert [one["kind"] for one in mistakes.of(asked)] == ["missed", "invented"]
    # an answer is to its own question alone
    asked["predicted_answers"] = [{"label": "artist", "start": 10, "end": 14}]
    assert [one["kind"] for one in mistakes.of(asked)] == ["missed", "invented"]
    asked["predicted_answers"] = answers
    # a label that stands twice is one question; either answer is right
    asked["slots"] = [slot(10, 14, "artist"), slot(18, 29, "artist")]
    assert mistakes.of(asked) == []
    assert mistakes.counted([said, asked, said]) == {"wrong intent": 2}


def test_how_sure_and_how_right():
    # ten that are 0.75 sure, of which five are right; ten that are 0.95 sure, all right
    pairs_of = [(0.75, n < 5) for n in range(10)] + [(0.95, True)] * 10
    first, second = calibration.bins(pairs_of)
    assert first == {"count": 10, "probability": pytest.approx(0.75), "right": 0.5}
    assert second == {"count": 10, "probability": pytest.approx(0.95), "right": 1.0}
    assert calibration.expected_error(pairs_of) == pytest.approx((0.25 + 0.05) / 2)
    assert calibration.bins([(1.0, True)]) == [{"count": 1, "probability": 1.0, "right": 1.0}]

    rows = [
        row(
            [slot(10, 14, "genre")], [slot(10, 14, "genre"), slot(0, 4, "x")], predicted_intent="A", predicted_score=1.0
        )
    ]
    found = calibration.measured(rows)
    assert (found["intent"]["expected_error"], found["intent"]["count"]) == (0, 1)
    assert (found["slots"]["expected_error"], found["slots"]["count"]) == (0, 2)  # each 0.5 sure, one in two right
    assert calibration.measured([{"text": TEXT, "slots": [], "predicted_answers": []}]) == {}


def test_params_that_were_changed_are_named():
    before = {"a": {"b": 1, "c": [1, 2]}, "d": "x"}
    assert changed(before, before) == []
    assert changed({"a": {"b": 2, "c": [1, 2]}, "e": None, "f": 0}, before) == [
        {"param": "a.b", "default": 1, "now": 2},
        {"param": "d", "default": "x", "now": None},
        {"param": "f", "default": None, "now": 0},
    ]


def test_no_folder_of_a_machine_is_told():
    (row,) = changed({"encoder": {"name": "/home/somebody/my-bert"}}, {"encoder": {"name": "google/bert"}})
    assert row == {"param": "encoder.name", "default": "google/bert", "now": "…/my-bert"}


def test_a_slot_counts_by_its_words():
    # its edge lies inside a word: a tagger finds the whole word, and is right
    meant = row(
        [slot(6, 8, "genre"), slot(18, 29, "artist")], [slot(5, 9, "genre")], text="play some jazz by miles davis"
    )
    assert mistakes.of(meant) == [{"kind": "missed", "label": "artist"}, {"kind": "invented", "label": "genre"}]
    meant = row(
        [slot(5, 8, "genre"), slot(18, 29, "artist")], [slot(5, 9, "genre")], text="play some jazz by miles davis"
    )
    assert mistakes.of(meant) == [{"kind": "missed", "label": "artist"}]
    assert calibration.measured([meant])["slots"]["bins"][0]["right"] == 1


def test_pairs_are_counted():
    rows = [{"actual": "A", "predicted": name} for name in "ABB"] + [{"actual": "B", "predicted": "B"}]
    assert [tuple(one.values()) for one in pairs(rows)] == [
        ("A", "A", 1, pytest.approx(1 / 3)),
        ("A", "B", 2, pytest.approx(2 / 3)),
        ("B", "B", 1, 1.0),
    ]


def a_page(text, recognised=0.5):
    """The page of two runs, on whose utterance, intent, label, params and texts all is `text`."""
    curve = [{"epoch": 1.0, "accuracy": 0.5, "f1": 0.5}]
    report = {"accuracy": 0.5, "f1": 0.25, "mode": "full", "trained_weights": 7, "best_epoch": 1}
    report |= {"validation": {"accuracy": 0.5, "f1": 0.125}, "per_slot": [{"label": text, "f1": 0.5, "support": 3}]}
    said = row([slot(0, 4, text)], [slot(0, 9, text)], text=text, intent=text)
    told = {"right": False, "intent": text, "predicted_intent": "B", "predicted_score": 0.5, "text": text, "slots": []}
    predictions = {"intent-full": [told], "slots-full": [said]}
    return Found(
        facts={
            "source": text,
            "mistakes": {run: mistakes.counted(rows) for run, rows in predictions.items()},
            "calibration": {run: calibration.measured(rows) for run, rows in predictions.items()},
        },
        runs={
            "intent-full": {"headline": "accuracy", "report": report | {"task": "intent"}},
            "slots-full": {"headline": "f1", "report": report | {"task": "slots"}},
        },
        predictions=predictions,
        curves=dict.fromkeys(predictions, curve),
        confusions={key: [{"actual": text, "predicted": "B"}] for key in predictions},
        metrics={
            "split": {"protocol": "given", "train": 1, "validation": 1, "test": 1},
            "environment": {
                "processor": {"name": text},
                "gpu": "none",
                "threads": 2,
                "python": "3",
                "system": "x",
                "libraries": {"torch": "2", "transformers": "5"},
            },
            "generation": {"strategies": {"greedy": {"self_bleu": 1.0, "intent_recognised": recognised, "novel": 1.0}}},
        },
        pages=dict.fromkeys(
            ("summary", "literature", "few_shot", "generation", "limits", "bert_gpt"), f"# T\n\n| {text} |\n|---|\n"
        ),
        lessons={"attention": "<h1>What?</h1>"},
        samples=[{"strategy": "greedy", "intent": text, "text": text}],
        params={text: 1},
        defaults={},
    )


def test_no_text_becomes_markup_or_ends_a_script():
    text = "</script><script>alert(1)</script><!-- charts --><b>x</b>\u2028"
    page = writing.html(a_page(text), "/* vega */")
    assert page.count("<script") == page.count("</script>") == 4  # its own
    assert "alert(1)</" not in page
    assert "<b>" not in page
    for name in ("charts", "wrong"):
        (inside,) = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
        assert text in json.dumps(json.loads(inside), ensure_ascii=False)  # whole, where it is data
    assert "<!--" not in page.replace("/* vega */", "")


def test_what_was_not_measured_is_not_drawn():
    page = writing.html(a_page("play", recognised=None), "")
    assert 'id="chart-strategies"' not in page
    assert '"strategies":' not in page


def test_a_pull_request_gets_runs_changes_and_mistakes():
    found = a_page("play")
    found.pages["summary"] = "| run |\n| --- |\n| slots-full |\n"
    text = writing.markdown(found)
    assert "| slots-full |" in text
    assert "- `play`: `not set` → `1`" in text
    assert "| intent-full | 1 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| slots-full | 0 | 0 | 1 | 0 | 0 | 0 | 0 |" in text


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "index.html"
    path.write_text(writing.html(a_page("play some jazz"), vl_convert.javascript_bundle()), encoding="utf-8")
    assert path.stat().st_size < 8_000_000
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_it_opens_from_disk_and_everybody_can_read_it(browser, made, width, scheme):
    tab, problems = opened(browser, made, viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    charts = tab.locator(".chart")
    for n in range(charts.count()):
        charts.nth(n).scroll_into_view_if_needed()
        charts.nth(n).locator("svg").wait_for()
    assert charts.count() == 6
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert problems == []
    tab.close()


@pytest.mark.parametrize("width", [1280, 360])
def test_the_way_through_the_lessons_can_be_read(browser, tmp_path, width):
    path = tmp_path / "lessons.html"
    path.write_text(writing.lessons(a_page("play")), encoding="utf-8")
    tab, problems = opened(browser, path, viewport={"width": width, "height": 900})
    assert tab.locator("main a, ol a").first.get_attribute("href") == "../lessons/attention/index.html"
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert problems == []
    tab.close()


def test_errors_are_chosen_and_marked(browser, made):
    tab, problems = opened(browser, made)
    items = tab.locator(".wrong li")
    assert items.count() == 1
    assert "play some jazz, taken for B — wrong intent" in items.inner_text()
    assert items.locator("mark.told").count() == 0  # a run of intents looks for no slots
    tab.select_option("#choose-run", "slots-full")
    assert "too long (play some jazz)" in items.inner_text()
    assert items.locator("mark.gold").inner_text().startswith("play ")
    assert items.locator("mark.told").inner_text().startswith("play some ")
    tab.select_option("#choose-kind", "wrong intent")
    assert items.count() == 0
    assert "0 utterances" in tab.inner_text("[role=status]")
    assert problems == []
    tab.close()
