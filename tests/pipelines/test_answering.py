"""Questions of the lesson `answers`, and the two ways to answer them, on the sample."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.analysis import answering
from pipelines.decoder.options import Scratch
from pipelines.decoder.scratch import scratch
from pipelines.models import inference
from pipelines.training import trainer

SHAPE = answering.Shape(width=32, layers=2, heads=2)


@pytest.fixture(scope="module")
def tokenizer(rows):
    sizes = Scratch(
        vocab_size=400, lowercase=True, n_positions=64, n_embd=32, n_layer=1, n_head=2, dropout=0.0, seed=13
    )
    return scratch(sizes, [row["text"] for row in rows])[1]


@pytest.fixture(scope="module")
def asked(rows):
    return answering.questions(rows, 13)


def test_a_question_of_each_kind_whose_answer_is_so(rows, asked):
    of = {row["id"]: row for row in rows}
    assert {one["kind"] for one in asked} == set(answering.KINDS)
    assert asked == answering.questions(rows, 13)
    assert asked != answering.questions(rows, 14)
    said = []
    for one in asked:
        row = of[one["id"].rpartition("/")[0]]
        slots = {slot["label"]: row["text"][slot["start"] : slot["end"]] for slot in row["slots"]}
        if one["kind"] == "extraction":
            assert row["text"][one["start"] : one["end"]] == one["answer"]
            assert one["answer"] in {row["text"][slot["start"] : slot["end"]] for slot in row["slots"]}
        if one["kind"] == "counting":
            assert answering.NUMBERS.index(one["answer"]) == len(row["slots"])
        if one["kind"] == "abstraction":
            assert one["answer"].replace(" ", "") == row["intent"].lower()
        if one["kind"] == "yes or no":
            thing = one["question"].removeprefix("Does it say the ").removesuffix("?")
            labels = {label.lower().replace("_", "") for label in slots}
            assert (one["answer"] == "yes") == (thing.replace(" ", "") in labels)
            said.append(one["answer"] == "yes")
    assert 0.4 < np.mean(said) < 0.6


def test_only_extraction_asks_for_what_stands_in_the_text(rows, asked):
    assert all(one["end"] or one["answer"] not in one["text"].lower().split() for one in asked)
    slot = {"start": 14, "end": 21, "label": "service"}
    said = [
        {"id": "a", "intent": "PlayMusic", "text": "Play music on Spotify, no, one song", "slots": [slot]},
        {"id": "b", "intent": "PlayMusic", "text": "Replay musical notes at none", "slots": []},
    ]
    kinds = {
        row["id"]: {one["kind"] for one in answering.questions(said, 13) if one["id"][0] == row["id"]} for row in said
    }
    assert "extraction" in kinds["a"]
    assert not kinds["a"] & {"abstraction", "counting"}
    assert "abstraction" in kinds["b"]
    assert "counting" not in kinds["b"]


def test_pointing_at_the_target_gives_the_answer(asked, tokenizer):
    features = answering.POINTING.encode(asked, tokenizer, None)
    logits = []
    for feature in features:
        start, end = (np.zeros(len(feature["input_ids"])) for _ in range(2))
        start[feature["start_positions"]] = end[feature["end_positions"]] = 5.0
        logits.append((start, end))
    answers = [one["answer"] for one in answering.POINTING.decode(logits, features, asked, None)]
    wanted = [one["answer"] if one["kind"] == "extraction" else "" for one in asked]
    assert answers == wanted
    assert answering.POINTING.score([{"answer": answer} for answer in answers], asked) == {"right": 1.0}
    assert answering.POINTING.score([{"answer": ""}] * len(asked), asked)["right"] < 1


def test_both_read_the_same_tokens_and_have_one_size(asked, tokenizer):
    pointing = answering.POINTING.encode(asked, tokenizer, None)
    writing = answering.WRITING.encode(asked, tokenizer, None)
    for one, other in zip(pointing, writing, strict=True):
        size = len(one["input_ids"])
        assert other["input_ids"][:size] == one["input_ids"]
        assert set(other["labels"][:size]) == {answering.NO_LABEL}
        assert other["labels"][size:] == other["input_ids"][size:]
        assert other["labels"][-1] == tokenizer.eos_token_id
    bert, gpt2 = answering.build(SHAPE, tokenizer, 64)
    assert bert.num_parameters() == pytest.approx(gpt2.num_parameters(), rel=0.02)
    layers = [sum(p.numel() for p in model.parameters() if p.dim() == 2) for model in (bert, gpt2)]
    assert layers[0] == pytest.approx(layers[1], rel=0.01)


def test_what_validation_counts_is_what_greedy_search_writes(asked, tokenizer, tmp_path):
    train = asked[:160]
    positions, tokens = answering.longest(train, tokenizer)
    trainer.seed(13)
    model = answering.build(SHAPE, tokenizer, positions)[1]
    options = answering.Training(epochs=10, batch_size=16, learning_rate=5e-3)
    trained = trainer.train(answering.WRITING, options, model, tokenizer, train, train, Path(tmp_path) / "checkpoints")
    features = answering.WRITING.encode(train, tokenizer, trained.model)
    values = []
    for feature in features:
        (one,) = inference.predict(trained.model, [feature], answering.WRITING.outputs, "fp32")
        logits = torch.tensor(one)[None]
        values.append(answering.WRITING.reduce(logits, torch.tensor([feature["labels"]]))[0].numpy())
    counted = [one["right"] for one in answering.WRITING.decode(values, features, train, trained.model)]
    written = answering.write(trained.model, tokenizer, train, tokens)
    assert counted == [answering.same(text, row["answer"]) for text, row in zip(written, train, strict=True)]
    assert 0.2 < np.mean(counted) < 1
    assert trained.validation_curve[-1]["right"] == pytest.approx(
        max(r["right"] for r in trained.validation_curve), abs=0.1
    )


def test_the_commonest_answer_reads_nothing():
    def one(question, answer):
        return {"question": question, "answer": answer}

    train = [one("Who?", "Anna"), one("Who?", "anna"), one("Who?", "Ben"), *[one("Where?", "here")] * 3]
    assert answering.commonest(train, [one("Who?", ""), one("When?", "")]) == ["anna", "here"]


def test_work_is_that_of_the_matrices(asked, tokenizer):
    bert, gpt2 = answering.build(SHAPE, tokenizer, 96)
    row = asked[0]
    tokens = len(answering.POINTING.encode([row], tokenizer, bert)[0]["input_ids"])
    width, layers = SHAPE.width, SHAPE.layers
    layer = 12 * width**2 * tokens + 2 * tokens**2 * width
    found = {name: 1e6 * of for name, of in answering.work(bert, gpt2, tokenizer, [row], 1).items()}
    assert found["bert"] == pytest.approx(layers * layer + 2 * width * tokens, rel=0.02)
    assert found["gpt2"] == pytest.approx(layers * layer + width * len(tokenizer), rel=0.05)
