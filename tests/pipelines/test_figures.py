"""Figures on cases that are known by hand: each of these was once wrong on purpose, and nothing saw it."""

import hashlib
import json
import math
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipelines.analysis import clark2019, comparison, heads, one_sentence
from pipelines.decoder import language_model, sampling
from pipelines.tasks.masked_lm import task as masked_lm
from pipelines.writing import diversity, judging
from pipelines.writing.ngrams import NgramModel
from tests.conftest import MIRROR, ROOT, needs_snips
from tests.pipelines.test_generation import base, rows, tuned  # noqa: F401 (fixtures)


def kept(strategy, value, shares):
    """Which of the tokens a strategy leaves to draw from."""
    scores = sampling.WARPERS[strategy](value)(None, torch.log(torch.tensor([shares])))
    return [n for n, score in enumerate(scores[0].tolist()) if math.isfinite(score)]


def test_each_strategy_leaves_its_own_tokens():
    shares = [0.45, 0.25, 0.1, 0.1, 0.1]
    assert kept("typical", 0.2, shares) == [1]  # its surprise, 1.39 nats, is nearest to the entropy, 1.40
    assert kept("min_p", 0.5, shares) == [0, 1]  # at least half as likely as the likeliest
    assert kept("top_p", 0.5, shares) == [0, 1]
    assert kept("top_p", 0.75, shares) != kept("min_p", 0.75, shares) == [0]
    assert kept("top_k", 1, shares) == [0]


def test_n_grams_give_the_end_its_probability(rows, base):  # noqa: F811
    tokenizer = language_model.load_tokenizer(base, ["PlayMusic", "RateBook"])
    model = NgramModel(2, tokenizer, rows["train_full"])
    row = rows["validate"][0]
    ids = [*tokenizer(f" {row['text']}")["input_ids"], tokenizer.eos_token_id]
    before = [tokenizer.convert_tokens_to_ids(language_model.control(row["intent"])), *ids[:-1]]
    by_hand = sum(math.log(model.shares((last,))[token]) for last, token in zip(before, ids, strict=True))
    assert model.log_probability(row) == pytest.approx(by_hand)


def kneser_ney(order, places, size, token, context):
    """Modified Kneser-Ney as Chen & Goodman write it (1999, equations 8 to 10), by loops over all grams.

    The first of a text's tokens fills the `order` - 1 places before it; a gram that has it twice says no more than one
    that has it once, and is none.
    """
    grams = {place[order - len(context) - 1 :] for place in places}
    grams = {gram for gram in grams if gram[:2] != ("<a>", "<a>")}
    if len(context) == order - 1:
        counts = {gram: places.count(gram) for gram in grams}
    else:
        counts = {}
        for gram in grams:
            longer = [place[order - len(gram) :] for place in places]
            before = {place[order - len(gram) - 1] for place in places if place[order - len(gram) :] == gram}
            counts[gram] = longer.count(gram) if context and gram[0] == "<a>" else len(before)
    n1, n2, n3, n4 = ([*counts.values()].count(n) for n in (1, 2, 3, 4))
    off = [0, 0.5, 1, 1.5]  # where too few grams tell, as of single letters here
    if n1 and n2 and n3:
        share = n1 / (n1 + 2 * n2)
        off = [0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
    lower = kneser_ney(order, places, size, token, context[1:]) if context else 1 / size
    after = {gram: count for gram, count in counts.items() if gram[:-1] == context}
    if not after:
        return lower
    left = sum(off[min(count, 3)] for count in after.values()) / sum(after.values())
    own = counts.get((*context, token), 0)
    return max(own - off[min(own, 3)], 0) / sum(after.values()) + left * lower


def test_n_grams_are_smoothed_as_chen_and_goodman_write_it():
    random, letters = Random(1), "bcdefghijklmnopqrstu"
    texts = [
        " ".join(random.choices(letters, [1 / n for n in range(1, 21)], k=random.randint(1, 6))) for _ in range(99)
    ]
    names = {"<a>": 0, "<end>": 1} | {letter: n for n, letter in enumerate(letters, start=2)}

    class Letters:
        all_special_ids, eos_token_id = [0, 1], 1
        __len__ = lambda self: len(names)  # noqa: E731
        __call__ = lambda self, text, **_: {"input_ids": [names[one] for one in text.split()]}  # noqa: E731
        convert_tokens_to_ids = staticmethod(names.get)

    model = NgramModel(3, Letters(), [{"intent": "a", "text": text} for text in texts])
    places = [
        tuple(whole[n : n + 3])
        for text in texts
        for whole in [["<a>", "<a>", *text.split(), "<end>"]]
        for n in range(len(whole) - 2)
    ]
    for context in (("<a>", "<a>"), ("<a>", "b"), ("b", "c"), ("f", "f"), ("e", "f")):
        shares = model.shares(tuple(names[one] for one in context))
        for token in ("b", "f", "<end>"):
            once = context[1:] if context == ("<a>", "<a>") else context
            wanted = kneser_ney(3, places, len(names), token, once)
            assert shares[names[token]] == pytest.approx(wanted), (context, token)


def test_what_is_written_again_counts_once():
    judge = SimpleNamespace(
        predictions=lambda those: [[{"intent": "A" if "play" in one["text"] else "B"} for one in those], None]
    )
    samples = [{"intent": "A", "text": "play jazz"}] * 9 + [{"intent": "A", "text": "rate it"}]
    measured = judging.measure(samples, diversity.Known(["play jazz"]), judge)
    assert (measured["samples"], measured["texts"]) == (10, 2)
    assert (measured["intent_recognised"], measured["novel"]) == (0.5, 0.5)
    assert measured["distinct_1"] == 4 / 20  # repetition is no variety


def test_self_bleu_is_within_the_intents():
    texts = ["play one two three four", "rate five six seven eight"]
    samples = [{"intent": intent, "text": text} for intent in ("A", "B") for text in texts]
    judge = SimpleNamespace(predictions=lambda _: [None, None])
    measured = judging.measure(samples, diversity.Known([]), judge)
    assert measured["self_bleu"] < 20  # over all of them it would be 100: each text stands in both intents
    assert measured["intent_recognised"] is None


def test_gpt2_goes_on_after_the_last_token(tuned):  # noqa: F811
    model, tokenizer, _ = tuned
    sentence = "play some [MASK] music"
    (first, *_) = comparison.go_on(model, tokenizer, sentence, "PlayMusic", 3)
    ids = tokenizer("<PlayMusic> play some", return_tensors="pt")["input_ids"].to(model.device)
    with torch.no_grad():
        shares = model(input_ids=ids).logits[0, -1].double().softmax(-1)
    assert first["probability"] == pytest.approx(shares.max().item(), rel=1e-6)
    assert first["piece"] == tokenizer.decode([int(shares.argmax())]).strip()


def test_masked_accuracy_counts_what_is_found():
    logits = torch.zeros(1, 4, 5)
    logits[0, :, 2] = 1.0  # says token 2 everywhere
    labels = torch.tensor([[masked_lm.NO_LABEL, 2, 3, masked_lm.NO_LABEL]])
    values = [masked_lm.reduce(logits, labels)[0].numpy()]
    predictions = masked_lm.decode(values, [{"labels": labels[0].tolist()}], [{}], None)
    assert predictions == [{"right": 1, "masked": 2}]
    assert masked_lm.score([*predictions, {"right": 0, "masked": 2}], [{}, {}]) == {"masked_accuracy": 0.25}


@pytest.mark.parametrize(("words", "rate", "count"), [(40, 0.15, 6), (10, 0.15, 2), (10, 0.5, 5), (3, 0.15, 1)])
def test_the_masking_rate_is_a_share_of_each_text(words, rate, count):
    assert len(masked_lm.choose(list(range(words)), rate, [0.8, 0.1], Random(0))) == count


def test_what_tuning_changes_is_after_less_before():
    names = (*heads.TARGETS, "entropy")
    before = {"layer": 0, "divergence_from_tuned": 0.0} | dict.fromkeys(names, 0.2)
    before |= dict.fromkeys([f"{name}_lift" for name in names], 1.0)
    (row,) = clark2019.by_layer([before], [before | dict.fromkeys(names, 0.5)])
    assert all(row[f"{name}_change"] == pytest.approx(0.3) for name in names)


def test_uniform_attention_to_the_mask_has_lift_one(monkeypatch):
    ids = torch.tensor([[1, 4, 7, 4, 2]])
    uniform = torch.full((2, 3, 5, 5), 1 / 5)
    monkeypatch.setattr(one_sentence, "attentions", lambda *_: uniform)
    found = one_sentence.to_places(None, {"input_ids": ids}, [1, 2])
    assert [row["share"] for row in found] == pytest.approx([0.4, 0.4])
    assert [row["lift"] for row in found] == pytest.approx([1.0, 1.0])


def test_the_literatures_test_positions_are_those_of_goo_et_al():
    positions = json.loads((ROOT / "data/literature_split.json").read_text(encoding="utf-8"))["test"]
    assert sum(map(len, positions.values())) == 700
    digest = hashlib.sha256(json.dumps(positions, sort_keys=True).encode()).hexdigest()
    assert digest == "59ac6a1a81b42abf89a280be0c52ec49c237d9e425dfa7316bbaa21a9ff86407"


@needs_snips
def test_the_literatures_test_utterances_are_those_at_the_positions():
    from pipelines.corpus import snips, splits
    from pipelines.corpus.options import Split

    found = {
        part: [
            row
            for intent in snips.intents(MIRROR)
            for row in snips.parse((MIRROR / pattern.format(intent)).read_bytes(), part, intent, intent)[0]
        ]
        for part, pattern in snips.PARTS.items()
    }
    positions = json.loads((ROOT / "data/literature_split.json").read_text(encoding="utf-8"))["test"]
    values = {"seed": 1, "validation_per_intent": 1, "validation_share": 0.1, "test_share": 0.1, "per_intent": None}
    parts = splits.split(found, Split(protocol="literature", **values), positions)
    ids = {f"train_full/{intent}/{n:04}" for intent, those in positions.items() for n in those}
    assert {row["id"] for row in parts["test"]} == ids
    assert len(parts["train"]) == len(found["train_full"]) - 700
    assert np.all([row["id"].startswith("validate/") for row in parts["validation"]])
