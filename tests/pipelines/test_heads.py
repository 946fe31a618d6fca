"""Figures of attention heads on heads that are known: uniform, to one target, disjoint."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from transformers import BertModel, GPT2Config, GPT2LMHeadModel

from pipelines.analysis import heads, one_sentence
from pipelines.decoder import language_model
from pipelines.lessons import attention
from pipelines.lessons.common import views
from pipelines.models import loading


class Known:
    """Stands in for a model whose attention is known; two heads in one layer."""

    class config:  # noqa: N801
        num_hidden_layers, num_attention_heads = 1, 2

    def __init__(self, make):
        self.make = make

    def __call__(self, input_ids, output_attentions, **_):
        weights = self.make(input_ids.shape[1])
        return type("Output", (), {"attentions": [weights.unsqueeze(0)]})


@pytest.fixture(scope="module")
def inputs(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    texts = ["play some jazz", "book a table for two in boston", "rate this book"]
    return heads.encoder_inputs(tokenizer, texts, None), tokenizer


def test_uniform_attention_has_lift_one_and_the_highest_entropy(inputs):
    model = Known(lambda size: torch.full((2, size, size), 1 / size))
    rows, divergences = heads.analyse(model, *inputs)
    for row in rows:
        assert all(row[f"{name}_lift"] == pytest.approx(1) for name in (*heads.TARGETS, "entropy"))
        sizes = [one["input_ids"].numel() for one in inputs[0]]
        assert row["entropy"] == pytest.approx(sum(size * math.log(size) for size in sizes) / sum(sizes))
        # not with ==: the two floats are summed in different orders, and differ in the last bits on some processors
        assert [row["cls"], row["sep"]] == [pytest.approx(len(sizes) / sum(sizes))] * 2
    assert np.allclose(divergences, 0, atol=1e-6)


@pytest.mark.parametrize("target", heads.TARGETS)
def test_a_head_on_one_target_gives_it_all(inputs, target):
    def make(size):
        eye = torch.eye(size)
        made = {
            "own": eye,
            "previous": torch.cat([eye[:1], eye[:-1]]),  # the first piece has none before it
            "next": torch.cat([eye[1:], eye[-1:]]),
            "cls": eye[:1].repeat(size, 1),
            "sep": eye[-1:].repeat(size, 1),
        }
        return torch.stack([made[target], torch.full((size, size), 1 / size)])

    (row, even), divergences = heads.analyse(Known(make), *inputs)
    sizes = [one["input_ids"].numel() for one in inputs[0]]
    missing = len(sizes) / sum(sizes) if target in ("previous", "next") else 0
    assert row[target] == pytest.approx(1 - missing)
    assert row["entropy"] == pytest.approx(0, abs=1e-6)
    assert row[f"{target}_lift"] > 2 * even[f"{target}_lift"]
    assert divergences[0, 1] == divergences[1, 0] > 0


def test_disjoint_heads_diverge_by_log_two(inputs):
    model = Known(lambda size: torch.stack([torch.eye(size), torch.eye(size).roll(1, dims=0)]))
    _, divergences = heads.analyse(model, *inputs)
    assert divergences[0, 1] == pytest.approx(math.log(2), abs=1e-6)
    other = Known(lambda size: torch.stack([torch.eye(size)] * 2))
    change = heads.divergence_between(model, other, inputs[0])
    assert change.tolist() == [[pytest.approx(0, abs=1e-6), pytest.approx(math.log(2), abs=1e-6)]]


def test_the_divergence_between_two_models_is_that_of_scipy(inputs):
    generator = torch.Generator().manual_seed(13)
    of = {}  # two heads of each model, for each length

    def known(number):
        def make(size):
            if (number, size) not in of:
                of[number, size] = torch.rand((2, size, size), generator=generator).mul(4).softmax(-1)
            return of[number, size]

        return Known(make)

    change = heads.divergence_between(known(0), known(1), inputs[0])
    sizes = [one["input_ids"].numel() for one in inputs[0]]
    sums = [
        sum((jensenshannon(of[0, size][head], of[1, size][head], axis=1) ** 2).sum() for size in sizes)
        for head in range(2)
    ]
    assert change[0].tolist() == pytest.approx([one / sum(sizes) for one in sums], rel=1e-4)


def test_rows_of_a_real_model_sum_to_one_and_its_shares_are_those_of_a_plain_loop(tiny_encoder, inputs):
    model = loading.load_model(BertModel, tiny_encoder).eval()
    model.set_attn_implementation("eager")
    rows, _ = heads.analyse(model, *inputs)
    total, pieces = 0.0, 0
    for one in inputs[0]:
        weights = heads.attentions(model, one)
        assert torch.allclose(weights.sum(-1), torch.ones(()), atol=1e-5)
        size = weights.shape[-1]
        total += sum(float(weights[1, 0, n, n - 1]) for n in range(1, size))
        pieces += size
    assert rows[2]["layer"] == 1
    assert rows[2]["head"] == 0
    assert rows[2]["previous"] == pytest.approx(total / pieces, rel=1e-5)


def test_texts_are_joined_into_pairs_that_fit(inputs):
    _, tokenizer = inputs
    texts = [f"play song {n} by miles davis" for n in range(40)]
    pairs = heads.encoder_inputs(tokenizer, texts, 64)
    sizes = [one["input_ids"].numel() for one in pairs]
    assert max(sizes) <= 64
    assert min(sizes[:-1]) > 40
    assert all(set(one["token_type_ids"][0].tolist()) == {0, 1} for one in pairs)
    said = " ".join(tokenizer.decode(one["input_ids"][0], skip_special_tokens=True) for one in pairs)
    assert [said.count(f"song {n} by") for n in range(40)] == [1] * 40


def test_a_pair_may_be_as_long_as_is_allowed_and_a_text_alone_is_none(inputs):
    _, tokenizer = inputs
    text = "play song by miles davis"
    size = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    pairs = heads.encoder_inputs(tokenizer, [text] * 5, 2 * size + 3)
    assert [one["input_ids"].numel() for one in pairs] == [2 * size + 3] * 2


def test_heads_near_each_other_share_a_cluster():
    apart = np.array([[0, 0.01, 0.6, 0.6], [0.01, 0, 0.6, 0.6], [0.6, 0.6, 0, 0.01], [0.6, 0.6, 0.01, 0]])
    points, clusters = heads.arrange(apart, 2, 13)
    assert clusters[0] == clusters[1] != clusters[2] == clusters[3]
    assert np.linalg.norm(points[0] - points[1]) < np.linalg.norm(points[0] - points[2])


def test_heads_lie_apart_by_the_root_of_their_divergence_and_clusters_by_their_mean_distance():
    line = np.array([0, 1, 2.05, 3.15, 4.3])  # its widest gap is the last, which single linkage would cut
    points, clusters = heads.arrange((line[:, None] - line) ** 2, 2, 13)
    found = np.linalg.norm(points[:, None] - points, axis=-1)
    assert found == pytest.approx(np.abs(line[:, None] - line), abs=0.05)
    assert clusters[0] == clusters[1] != clusters[2] == clusters[3] == clusters[4]


def test_a_decoder_without_preference_gives_the_first_piece_what_uniform_attention_would(tmp_path):
    from pipelines.decoder.options import Scratch
    from pipelines.decoder.scratch import scratch

    sizes = Scratch(vocab_size=300, lowercase=True, n_positions=64, n_embd=16, n_layer=1, n_head=2, dropout=0, seed=1)
    texts = ["play some jazz", "play that song again please"]
    for part in scratch(sizes, texts):
        part.save_pretrained(tmp_path)
    tokenizer = language_model.load_tokenizer(tmp_path, ["PlayMusic"])
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2)
    model = GPT2LMHeadModel(config).eval()
    model.set_attn_implementation("eager")
    model.transformer.h[0].attn.c_attn.weight.data.zero_()
    rows = [{"intent": "PlayMusic", "text": text} for text in texts * 10]
    for joined in (False, True):
        found = heads.first_piece(model, list(heads.decoder_inputs(tokenizer, rows, 64, joined)))
        assert found["largest_ahead"] == 0
        assert [(head["layer"], head["head"]) for head in found["heads"]] == [(0, 0), (0, 1)]
        sinks = sum(head["first"] > heads.SINK for head in found["heads"])
        assert (found["head_count"], found["sinks"]) == (2, sinks) == (2, 0 if joined else 2)
        assert joined or found["inputs"] == len(rows)
        for head in found["heads"]:
            assert head["lift"] == pytest.approx(1)
            assert head["first"] == pytest.approx(found["uniform"])
    assert found["inputs"] < len(rows)
    assert found["pieces"] > 32
    begin, *_ = tokenizer("<PlayMusic>")["input_ids"]
    text = tokenizer(" play some jazz")["input_ids"]
    two = 1 + 2 * len(text)
    for longest, blocks in ((two, [two]), (two - 1, [two - len(text)]), (3, [3])):  # the last one is not full
        found = list(heads.decoder_inputs(tokenizer, [rows[0]] * 4, longest, True))
        assert {len(block) for block in found} == set(blocks)
        assert {block[0] for block in found} == {begin}


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_weights_of_each_head_come_from_its_queries_and_keys(tiny_encoder, role):
    if role == "encoder":
        model = BertModel.from_pretrained(tiny_encoder, attn_implementation="eager").eval()
    else:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=3, n_head=2)).eval()
        model.set_attn_implementation("eager")
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 5  # far from uniform, where any head would do for any other
    parts = one_sentence.inside(model, {"input_ids": torch.tensor([[5, 9, 7, 3, 8]])})
    products = parts["query"] @ parts["key"].transpose(-1, -2) / parts["query"].shape[-1] ** 0.5
    if role == "decoder":
        products += torch.full((5, 5), float("-inf")).triu(1)
    assert parts["weights"].shape == (model.config.num_hidden_layers, 2, 5, 5)
    assert parts["weights"].std() > 0.1
    torch.testing.assert_close(products.softmax(-1), parts["weights"], atol=1e-4, rtol=1e-3)
    assert parts["value"].shape == parts["key"].shape


def test_the_head_that_is_shown_looks_both_ways():
    eye = torch.eye(4)
    before, after = torch.cat([eye[:1], eye[:-1]]), torch.cat([eye[1:], eye[-1:]])
    assert attention._both_ways(torch.stack([before, after, (before + after) / 2, eye])) == 2
    assert attention._both_ways(torch.stack([before, eye])) == 0


def test_a_view_carries_its_scripts_and_shows_markup_as_text():
    weights = torch.full((2, 2, 3, 3), 1 / 3)
    tokens = ["[CLS]", "</script><script>alert(1)</script>", "&amp;"]
    numbers = torch.ones(2, 2, 3, 4)
    parts = {"query": numbers, "key": numbers, "weights": weights}
    for make in (
        lambda: views.head_page("a <b>", weights, tokens, [0, 1], 0, []),
        lambda: views.neuron_page("a <b>", parts, tokens, [0, 1], 1, 0, both_ways=True),
    ):
        html = make()
        assert html == make()
        assert "alert(1)</script>" not in html
        assert "\\u003c/script\\u003e" in html
        assert "a &lt;b&gt;" in html
        assert "<script src" not in html
        assert "cdnjs" not in html
