"""The likeliest path, beside all paths counted one by one."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import log_softmax
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from pipelines.data import words
from pipelines.labels import tagging

NAMES = ["O", "B-x", "I-x", "B-y", "I-y"]


def texts(certain, generator):
    """Texts of 0 to 4 words, some of which have no token, with logits."""
    rows, features, logits = [], [], []
    for n in range(60):
        size = n % 5
        first = [None if generator.random() < 0.15 else 1 + word for word in range(size)]
        of = generator.normal(size=(size + 2, len(NAMES)))
        if certain:  # so that the likeliest tags are a valid path
            for piece, tag in enumerate(["O", "B-x", "I-x", "B-y", "O"][:size], start=1):
                of[piece, NAMES.index(tag)] += 20
        rows.append({"text": " ".join("abcd"[:size])})
        features.append({"first_tokens": first})
        logits.append(of.astype(np.float32))
    return logits, features, rows


def best_of_all(logits, first, chain):
    """The slots of the best of all paths."""
    spans = [(2 * n, 2 * n + 1) for n in range(len(first))]

    def total(path):
        scores = chain[1][path[-1]] if chain and path else 0.0
        for n, (before, tag) in enumerate(zip((None, *path), path, strict=False)):
            if chain:
                scores += chain[0][-1 if before is None else before, tag]
            if tag in (2, 4) and before not in (tag - 1, tag):
                return -np.inf
            if first[n] is not None:
                scores += log_softmax(logits[first[n]].astype(np.float64))[tag]
            elif NAMES[tag].startswith("B-"):
                return -np.inf
        return scores

    path = max(itertools.product(range(len(NAMES)), repeat=len(first)), key=total)
    return words.slots(spans, [NAMES[tag] for tag in path])


@pytest.mark.parametrize("certain", [False, True])
@pytest.mark.parametrize("crf", [False, True])
def test_the_path_is_the_best_of_all(crf, certain):
    generator = np.random.default_rng(13)
    logits, features, rows = texts(certain, generator)
    chain = (
        (generator.normal(size=(len(NAMES) + 1, len(NAMES))) * 3, generator.normal(size=len(NAMES))) if crf else None
    )
    said = tagging.decode(logits, features, rows, NAMES, chain)
    for of, feature, one in zip(logits, features, said, strict=True):
        found = [{name: slot[name] for name in ("start", "end", "label")} for slot in one["slots"]]
        assert found == best_of_all(of, feature["first_tokens"], chain)
        for slot in one["slots"]:  # the mean over its words of what softmax gives their tags
            inside = range(slot["start"] // 2, slot["end"] // 2 + 1)
            tags = [f"{'B' if word == inside[0] else 'I'}-{slot['label']}" for word in inside]
            pieces = [feature["first_tokens"][word] for word in inside]
            shares = [
                np.exp(log_softmax(of[piece].astype(np.float64)))[NAMES.index(tag)]
                for piece, tag in zip(pieces, tags, strict=True)
                if piece is not None
            ]
            assert slot["score"] == pytest.approx(sum(shares) / len(shares))


def test_a_sign_after_a_slot_has_no_share_in_its_score():
    row = {"text": "jazz,"}
    logits = np.zeros((4, len(NAMES)), dtype=np.float32)
    logits[1, 1], logits[2, 0] = 2.0, 9.0  # jazz: B-x, less surely than the comma: O
    (said,) = tagging.decode([logits], [{"first_tokens": [1, 2]}], [row], NAMES)
    (slot,) = said["slots"]
    assert (slot["start"], slot["end"]) == (0, 4)
    assert slot["score"] == pytest.approx(np.exp(2) / (np.exp(2) + 4))


def test_scores_have_a_row_for_each_slot():
    row = {"text": "play jazz", "slots": [{"start": 5, "end": 9, "label": "x"}]}
    found = tagging.score([{"slots": row["slots"]}, {"slots": []}], [row, row])
    assert (found["precision"], found["recall"]) == (1, 0.5)
    assert found["per_slot"] == [
        {"label": "x", "f1": pytest.approx(2 / 3), "precision": 1, "recall": 0.5, "support": 2}
    ]


def test_byte_level_tokens_of_words_are_those_of_the_text():
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = "play some jazz, now"
    learned = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator([text] * 5, learned)
    tokenizer = SimpleNamespace(backend_tokenizer=backend, model_input_names=["input_ids"])
    (feature,) = tagging.encode([{"text": text}], tokenizer, [], 20)
    assert feature["input_ids"] == backend.encode(text).ids
    assert feature["first_tokens"] == [0, 1, 2, 3, 4]
