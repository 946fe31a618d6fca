"""Each task on real rows of the sample and a 2-layer BERT."""

import numpy as np
import pytest

from pipelines import encoders, snips, tasks
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def rows():
    folder = ROOT / "data/sample"
    return [
        row
        for intent in snips.INTENTS
        for row in snips.parse((folder / f"{intent}/validate_{intent}.json").read_bytes(), "validate", intent, intent)[
            0
        ]
    ]


@pytest.fixture(params=["intent", "slots"])
def built(request, rows, tiny_encoder):
    task = tasks.get(request.param)
    tokenizer = encoders.load_tokenizer(tiny_encoder)
    model = task.build(tiny_encoder, rows)
    return task, model, task.encode(rows, tokenizer, model)


def gold_logits(feature, model):
    labels = np.atleast_1d(feature["labels"])
    logits = np.zeros((len(labels), model.config.num_labels), dtype=np.float32)
    logits[np.arange(len(labels)), np.maximum(labels, 0)] = 9
    return logits if isinstance(feature["labels"], list) else logits[0]


def test_labels_come_from_the_rows_in_order(built, rows):
    _, model, _ = built
    names = [model.config.id2label[n] for n in range(model.config.num_labels)]
    if "O" in names:
        assert len(names) == 1 + 2 * 39
        assert names[1:3] == ["B-album", "I-album"]
    else:
        assert tuple(names) == snips.INTENTS


def test_gold_logits_decode_to_gold_and_score_one(built, rows):
    task, model, features = built
    predictions = task.decode([gold_logits(f, model) for f in features], features, rows, model)
    scores = task.score(predictions, rows)
    assert scores[task.BEST] == 1
    assert all(task.is_right(p, row) for p, row in zip(predictions, rows, strict=True))
    assert all(pair["actual"] == pair["predicted"] for pair in task.plots(predictions, rows))


def test_wrong_logits_score_less(built, rows):
    task, model, features = built
    predictions = task.decode([np.roll(gold_logits(f, model), 1, axis=-1) for f in features], features, rows, model)
    assert task.score(predictions, rows)[task.BEST] < 0.5
    assert not all(task.is_right(p, row) for p, row in zip(predictions, rows, strict=True))


def test_decoding_never_leaves_iob2(rows, tiny_encoder):
    task = tasks.get("slots")
    model = task.build(tiny_encoder, rows)
    text = "a b c"
    names = ["O", "I-x", "I-y", "B-x", "B-y"]
    model.config.id2label, model.config.num_labels = dict(enumerate(names)), len(names)
    model.config.id2label = dict(enumerate(names))
    logits = np.array([[0, 9, 0, 5, 0], [0, 9, 0, 0, 0], [0, 0, 9, 0, 0]], dtype=np.float32)
    (prediction,) = task.decode([logits], [{"first_pieces": [0, 1, 2]}], [{"text": text}], model)
    # alone the words would be I-x I-x I-y; the likeliest valid path opens x with its B-
    assert prediction["slots"][0] == {"start": 0, "end": 3, "label": "x"}
    assert all(slot["label"] in ("x", "y") for slot in prediction["slots"])


def test_a_word_without_a_piece_follows_its_neighbours(rows, tiny_encoder):
    task = tasks.get("slots")
    model = task.build(tiny_encoder, rows)
    names = [model.config.id2label[n] for n in range(model.config.num_labels)]
    logits = np.zeros((2, len(names)), dtype=np.float32)
    logits[0, names.index("B-album")] = logits[1, names.index("I-album")] = 9
    (prediction,) = task.decode([logits], [{"first_pieces": [0, None, 1]}], [{"text": "a b c"}], model)
    assert prediction["slots"] == [{"start": 0, "end": 5, "label": "album"}]
