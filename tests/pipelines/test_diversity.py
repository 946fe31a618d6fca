import json
from types import SimpleNamespace

import pytest

from pipelines.models.precision import as_trained
from pipelines.writing import augmentation, diversity, judging


def test_distinct_by_hand():
    texts = ["a b a", "a b"]
    assert diversity.distinct(texts, 1) == pytest.approx(2 / 5)
    assert diversity.distinct(texts, 2) == pytest.approx(2 / 3)
    assert diversity.distinct(["a"], 2) == 0
    assert diversity.distinct([], 1) == 0
    assert diversity.distinct(["Play play PLAY"], 1) == pytest.approx(1 / 3)  # case aside


def test_self_bleu_is_100_for_copies_and_0_for_strangers():
    assert diversity.self_bleu(["play some good old jazz"] * 3) == pytest.approx(100)
    assert diversity.self_bleu(["Play Some good old jazz", "play some good OLD jazz"]) == pytest.approx(100)
    assert diversity.self_bleu(["a b c d e", "f g h i j", "k l m n o"]) == pytest.approx(0, abs=1e-6)
    assert diversity.self_bleu(["play some jazz"]) == 0
    assert diversity.self_bleu(["play jazz", "play jazz"]) == pytest.approx(100)  # has no run of three words
    assert diversity.self_bleu(["some old jazz.", "some old jazz ."]) < 100  # words are what white space parts
    assert diversity.self_bleu(["", "play some jazz"]) == pytest.approx(0, abs=1e-6)
    half = diversity.self_bleu(["play some good old jazz", "play some good old rock", "rate this novel two stars"])
    assert 20 < half < 80


def test_known_texts_and_copied_runs():
    known = diversity.Known(["Play some jazz, please", "rate this"])
    assert "play some jazz please" in known
    assert "play some" not in known
    assert known.copied_run("now play some jazz") == 3
    assert known.copied_run("PLAY some Jazz please!") == 4
    assert known.copied_run("nothing alike") == known.copied_run("") == 0


FEW = [{"id": "1", "text": "play jazz", "intent": "PlayMusic", "slots": []}]


def test_only_what_the_classifier_is_sure_of_is_kept():
    texts = ["play rock", "play blues", "Play Jazz", "", "play pop", "rate this", "play rock!", "play soul"]
    samples = [{"text": text, "intent": "PlayMusic"} for text in texts]
    said = [{"intent": "PlayMusic", "score": score} for score in (0.91, 0.99, 0.99, 0.99, 0.5, 0.99, 0.95, 0.97)]
    said[5]["intent"] = "RateBook"
    kept = augmentation.select(samples, said, FEW, sure=0.9, keep=2)
    assert [row["text"] for row in kept] == ["play blues", "play soul"]  # the surest two
    assert {row["intent"] for row in kept} == {"PlayMusic"}
    assert len({row["id"] for row in kept}) == 2
    more = augmentation.select(samples, said, FEW, sure=0.9, keep=9)
    assert [row["text"] for row in more] == ["play blues", "play soul", "play rock!"]  # no copy, none twice


def test_the_augmentation_page_says_what_was_measured_or_that_nothing_was():
    draws = [{"without": 0.8, "with": 0.85, "kept": 30}, {"without": 0.82, "with": 0.81, "kept": 20}]
    report = {"per_intent": 10, "without": 0.81, "with": 0.83, "draws": draws, "older": ""}
    page = augmentation.page([report], {"GPT-2": 68.25}, "sample", "literature")
    assert "| 10 | 25 | 0.810 | 0.830 | +0.050, -0.010 |" in page
    assert "higher in 1 of 2 draws" in page
    assert "GPT-2 68.25" in page
    assert "Data: the embedded sample, NOT SNIPS; split protocol: literature." in page
    older = report | {"older": "measured with older code"}
    assert "| 10† | 25 |" in augmentation.page([older], {}, "snips", "literature")
    assert "† 10: measured with older code." in augmentation.page([older], {}, "snips", "literature")
    assert "Not measured" in augmentation.page([], {}, "snips", "literature")


def test_judges_compute_as_they_were_trained(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(judging.inference, "predictions", lambda task, *parts: asked.append((task, *parts)) or [])
    for computed_in, expected in (("fp32", "fp32"), ("bf16", "auto")):
        (tmp_path / "training.json").write_text(json.dumps({"computed_in": computed_in}))
        judge = judging.Judge({"of intents": ("model", "tokenizer", as_trained(tmp_path)), "of slots": None})
        assert judge.predictions([{"text": "play", "intent": "PlayMusic"}]) == [[], None]
        assert asked.pop() == ("of intents", "model", "tokenizer", [{"text": "play"}], expected)


def test_an_empty_sample_is_counted_and_not_hidden():
    texts = {"PlayMusic": ["play some jazz", "", "rate this"], "RateBook": ["rate this novel", "rate it", "play on"]}
    samples = [{"intent": intent, "text": text} for intent, of_intent in texts.items() for text in of_intent]
    said = {"p": "PlayMusic", "r": "RateBook"}
    judge = SimpleNamespace(
        predictions=lambda rows: (
            [{"intent": said[row["text"][0]]} for row in rows],
            [{"slots": [1] if "jazz" in row["text"] else []} for row in rows],
        )
    )
    row = judging.measure(samples, diversity.Known(["Rate this!"]), judge)
    assert (row["samples"], row["empty"]) == (6, 1)
    assert row["intent_recognised"] == pytest.approx(3 / 6)  # the empty one is not recognised
    assert row["novel"] == pytest.approx(4 / 6)  # nor new
    assert row["slots_found"] == pytest.approx(1 / 6)
    assert row["words"] == pytest.approx((3 + 2 + 3 + 2 + 2) / 6)
    assert row["copied_run"] == pytest.approx((0 + 2 + 2 + 1 + 0) / 6)
