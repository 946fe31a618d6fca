"""The masking rule by counting, and a 2-layer BERT that learns to fill in."""

from random import Random
from statistics import mean

import pytest
import torch

from pipelines.analysis import comparison
from pipelines.corpus import snips
from pipelines.decoder.language_model import NO_LABEL
from pipelines.models import loading
from pipelines.tasks.masked_lm import Options
from pipelines.tasks.masked_lm import task as masked_lm
from pipelines.training import trainer
from tests.conftest import ROOT

EPOCHS = 250
UTTERANCES = 16  # so few that it learns them by heart; how often each token comes would be less than is asked


PIECES = [2, *range(100, 120), 3]
WORDS = [None, *(n // 2 for n in range(20)), None]  # ten words of two pieces
OTHERS = list(range(1000, 2000))
SHARES = [0.8, 0.1]


def test_whole_words_are_masked_80_10_10():
    counts = {"masked": 0, "replaced": 0, "kept": 0}
    for seed in range(3000):
        random = Random(seed)
        kind_of = masked_lm.choose(WORDS, 0.2, SHARES, random)
        shown, labels = masked_lm.mask(PIECES, WORDS, kind_of, 4, OTHERS, random)
        chosen = {WORDS[n] for n, label in enumerate(labels) if label != NO_LABEL}
        assert len(chosen) == 2  # 20 % of ten words
        assert None not in chosen
        for n, (piece, word) in enumerate(zip(PIECES, WORDS, strict=True)):
            assert labels[n] == (piece if word in chosen else NO_LABEL)
            if word not in chosen:
                assert shown[n] == piece
        for word in chosen:
            kinds = {
                "masked" if shown[n] == 4 else "kept" if shown[n] == PIECES[n] else "replaced"
                for n in range(len(PIECES))
                if WORDS[n] == word
            }
            assert len(kinds) == 1  # a word goes whole
            assert kinds == {kind_of[word]}
            counts[kinds.pop()] += 1
    total = sum(counts.values())
    assert counts["masked"] / total == pytest.approx(0.8, abs=0.02)
    assert counts["replaced"] / total == pytest.approx(0.1, abs=0.02)


def test_a_short_text_has_at_least_one_masked_word():
    chosen = masked_lm.choose([None, 0, None], 0.15, SHARES, Random(0))
    _, labels = masked_lm.mask([2, 50, 3], [None, 0, None], chosen, 4, OTHERS, Random(0))
    assert labels == [NO_LABEL, 50, NO_LABEL]
    assert masked_lm.choose([None, None], 0.15, SHARES, Random(0)) == {}
    assert masked_lm.mask([2, 3], [None, None], {}, 4, OTHERS, Random(0)) == ([2, 3], [NO_LABEL, NO_LABEL])


@pytest.mark.parametrize(("shares", "kind"), [([1, 0], "masked"), ([0, 1], "replaced"), ([0, 0], "kept")])
def test_the_shares_are_those_of_the_params(shares, kind):
    assert set(masked_lm.choose(WORDS, 0.5, shares, Random(0)).values()) == {kind}


@pytest.fixture(scope="module")
def adapted(tiny_encoder, tmp_path_factory):
    path = ROOT / "data/sample"
    rows = {
        part: snips.parse((path / pattern.format("RateBook")).read_bytes(), part, "RateBook", part)[0]
        for part, pattern in snips.PARTS.items()
    }
    few = rows["train_full"][:UTTERANCES]
    options = Options(mode="full", epochs=EPOCHS, batch_size=8, learning_rate=2e-3)
    tokenizer = loading.load_tokenizer(tiny_encoder)
    trainer.seed(13)
    model = masked_lm.build(tiny_encoder, few, options)
    folder = tmp_path_factory.mktemp("checkpoints") / "c"
    trained = trainer.train(masked_lm.TASK, options, model, tokenizer, few, few, folder)
    return trained, tokenizer


def test_it_learns_and_its_head_is_tied(adapted):
    trained, _ = adapted
    curve = trained.validation_curve
    assert curve[-1]["loss"] < 0.6 * curve[0]["loss"]
    found = [row["masked_accuracy"] for row in curve]
    assert mean(found[-10:]) > 2 * mean(found[:10])  # over ten passes: one pass is 40 words, and luck
    words = trained.model.get_input_embeddings().weight
    assert trained.model.get_output_embeddings().weight.data_ptr() == words.data_ptr()


def test_bert_looks_ahead_and_fills_in(adapted):
    trained, tokenizer = adapted
    pieces = comparison.fill_in(trained.model, tokenizer, "rate this [MASK] five stars", 3)
    assert len({one["piece"] for one in pieces}) == 3
    assert 1 > pieces[0]["probability"] >= pieces[1]["probability"] > 0
    trained.model.set_attn_implementation("eager")
    inputs = tokenizer("rate this book", return_tensors="pt")
    ahead = comparison.attention_ahead(trained.model, inputs)
    assert ahead["largest"] > 0
    assert 0 < ahead["share"] < 1
    assert comparison.multiply_adds(trained.model, inputs) > 0


def test_gpt2_sees_nothing_ahead():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=2, n_head=2))
    model.set_attn_implementation("eager")
    ahead = comparison.attention_ahead(model.eval(), {"input_ids": torch.arange(10).unsqueeze(0)})
    assert ahead == {"largest": 0, "share": 0}
    of_weights = 10 * (2 * 12 * 16 * 16 + 16 * 50)  # pieces x (layers x 12 width^2 + width x vocabulary)
    of_attention = 2 * 2 * 10 * 10 * 16  # layers x (scores, then values) x pieces^2 x width
    inputs = {"input_ids": torch.arange(10).unsqueeze(0)}
    assert comparison.multiply_adds(model, inputs) == of_weights + of_attention
