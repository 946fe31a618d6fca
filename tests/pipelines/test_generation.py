"""A small GPT-2 taught on the sample: what it learns, writes and measures."""

import copy
import math
import random
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.data import mentions
from pipelines.decoder import language_model, sampling
from pipelines.decoder.options import Options, Scratch
from pipelines.decoder.scratch import scratch
from pipelines.fetching import base_models
from pipelines.models import loading
from pipelines.training import encoding, trainer
from pipelines.writing import judging, ngrams
from pipelines.writing.ngrams import NgramModel
from stages.fetch_decoder import Decoder
from tests.conftest import ROOT

SIZES = Scratch(vocab_size=500, lowercase=False, n_positions=64, n_embd=32, n_layer=2, n_head=2, dropout=0.1, seed=13)
NUMBERS = {"greedy": 1, "beam": 60, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "typical": 0.9, "min_p": 0.1}


@pytest.fixture(scope="module")
def rows():
    path = ROOT / "data/sample"
    return {
        part: [
            row
            for intent in ("PlayMusic", "RateBook")
            for row in snips.parse((path / pattern.format(intent)).read_bytes(), part, intent, intent)[0]
        ]
        for part, pattern in snips.PARTS.items()
    }


@pytest.fixture(scope="module")
def base(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base-decoder")
    for part in scratch(SIZES, [row["text"] for row in rows["train_full"]]):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tuned(rows, base, tmp_path_factory):
    """The tuned decoder, its tokenizer and its curves."""
    options = Options(epochs=20, batch_size=8, learning_rate=5e-3, swap_rate=0.8, precision="fp32")  # of any machine
    tokenizer = language_model.load_tokenizer(base, ["PlayMusic", "RateBook"])
    trainer.seed(options.seed)
    model = language_model.build(base, rows["train_full"], options)
    folder = tmp_path_factory.mktemp("checkpoints")
    trained = trainer.train(
        language_model.TASK, options, model, tokenizer, rows["train_full"], rows["validate"], folder / "c"
    )
    return trained.model, tokenizer, trained.validation_curve


def slot(start, end, label):
    return {"start": start, "end": end, "label": label}


def write(tuned, strategy, n=4, intent="PlayMusic", seed=13, longest=12, prompt="", value=None):
    number = NUMBERS[strategy] if value is None else value
    return sampling.generate(tuned[0], tuned[1], intent, strategy, number, n, seed, longest, prompt)


def test_a_tokenizer_learned_twice_is_the_same_and_loses_nothing(rows, base, tmp_path):
    texts = [row["text"] for row in rows["train_full"]]
    for part in scratch(SIZES, texts):
        part.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (base / name).read_bytes()
    tokenizer = loading.load_tokenizer(base)
    for text in [*texts, "naïve Δ 🙂"]:  # bytes: nothing is unknown
        assert tokenizer.decode(tokenizer(f" {text}")["input_ids"]) == f" {text}"


def test_a_lower_case_tokenizer_is_one_when_loaded_again(tmp_path):
    texts = ["Play Ode to Joy", "play ODE TO JOY"]
    for part in scratch(SIZES.model_copy(update={"lowercase": True}), texts):
        part.save_pretrained(tmp_path)
    tokenizer = language_model.load_tokenizer(tmp_path, ["PlayMusic"])
    pieces = tokenizer(f"<PlayMusic> {texts[0]}{tokenizer.eos_token}")["input_ids"]
    assert pieces == tokenizer(f"<PlayMusic> {texts[1]}{tokenizer.eos_token}")["input_ids"]
    assert pieces[0] == tokenizer.convert_tokens_to_ids("<PlayMusic>")
    assert tokenizer.decode(pieces, skip_special_tokens=True) == " play ode to joy"


def test_swapping_replaces_values_by_others_of_their_label():
    def row(text, *slots):
        return {"id": text, "text": text, "intent": "PlayMusic", "slots": [*slots]}

    rows = [
        row("play jazz by Bach", slot(5, 9, "genre"), slot(13, 17, "artist")),
        row("play some Handel", slot(10, 16, "artist")),
        row("rock please", slot(0, 4, "genre")),
    ]
    before = copy.deepcopy(rows)
    every = [list(mentions.swapped(rows, 1, random.Random(seed))) for seed in range(50)]
    assert {three[0]["text"] for three in every} == {
        f"play {genre} by {artist}" for genre in ("jazz", "rock") for artist in ("Bach", "Handel")
    }
    assert {three[2]["text"] for three in every} == {"jazz please", "rock please"}
    assert {three[0]["intent"] for three in every} == {"PlayMusic"}
    for row_of in (row_of for three in every for row_of in three):
        values = {row_of["text"][of["start"] : of["end"]]: of["label"] for of in row_of["slots"]}
        known = {"jazz": "genre", "rock": "genre", "Bach": "artist", "Handel": "artist"}
        assert values == {value: known[value] for value in values}
    assert [len(three[0]["slots"]) for three in every] == [2] * 50
    texts = [row["text"] for row in rows]
    assert [row["text"] for row in mentions.swapped(rows, 0, random.Random(1))] == texts
    assert rows == before


def test_training_sees_a_copy_an_epoch_and_validation_the_text_itself(rows, base):
    options = Options(swap_rate=0.5, epochs=3)
    tokenizer = language_model.load_tokenizer(base, ["PlayMusic", "RateBook"])
    model = language_model.build(base, rows["train_full"], options)
    parts = language_model.TASK, options, model, tokenizer, rows["train_full"]
    plain, *epochs = ([f for some in encoding.of_rows(*parts, epoch) for f in some] for epoch in (None, 0, 1, 0))
    assert plain == language_model.encode(rows["train_full"], tokenizer, model)
    assert {len(one) for one in epochs} == {len(rows["train_full"])}
    assert plain != epochs[0] != epochs[1]
    assert epochs[0] == epochs[2]


def test_the_loss_is_on_the_utterance_and_its_end_alone(rows, tuned):
    model, tokenizer, _ = tuned
    row = rows["validate"][0]
    feature = language_model.encode([row], tokenizer, model)[0]
    pieces = tokenizer.convert_ids_to_tokens(feature["input_ids"])
    assert pieces[0] == f"<{row['intent']}>"
    assert pieces[-1] == tokenizer.eos_token
    assert feature["labels"][0] == language_model.NO_LABEL
    assert feature["labels"][1:] == feature["input_ids"][1:]


def test_log_probability_is_that_of_the_models_own_loss(rows, tuned):
    model, tokenizer, _ = tuned
    together = language_model.log_probabilities(model, tokenizer, rows["validate"])
    for row, value in list(zip(rows["validate"], together, strict=True))[:10]:
        feature = language_model.encode([row], tokenizer, model)[0]
        inputs = {name: torch.tensor([values]) for name, values in feature.items()}
        with torch.no_grad():
            loss = model(**inputs).loss.item() * (len(feature["labels"]) - 1)
        assert value == pytest.approx(-loss, rel=1e-4)


def test_perplexity_counts_the_end_as_a_word():
    even = language_model.perplexity(math.log(1 / 8) * 6, ["a b", "c d"])  # six events of 1/8
    assert even["perplexity_per_word"] == pytest.approx(8)
    assert even["bits_per_byte"] == pytest.approx(6 * 3 / 8)  # 3 bytes and an end each


def test_training_lowers_perplexity_and_the_curve_is_that_of_the_model(rows, tuned):
    model, tokenizer, curve = tuned
    assert curve[-1]["perplexity_per_word"] < 0.5 * curve[0]["perplexity_per_word"]
    texts = [row["text"] for row in rows["validate"]]
    total = sum(language_model.log_probabilities(model, tokenizer, rows["validate"]))
    best = min(row["perplexity_per_word"] for row in curve)
    assert language_model.perplexity(total, texts)["perplexity_per_word"] == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("strategy", NUMBERS)
def test_more_samples_extend_the_set_and_two_runs_are_equal(tuned, strategy):
    few, again, many = (write(tuned, strategy, n) for n in (4, 4, 60))
    assert few == again == many[:4]
    assert len(many) == 60
    if strategy in sampling.WARPERS:
        assert [row["seed"] for row in many] == list(range(13, 73))
        assert many[1:3] == write(tuned, strategy, 2, seed=14)  # the seed alone fixes a text
        assert many[52:54] == write(tuned, strategy, 2, seed=65)  # beyond the first batch too
        assert len({row["text"] for row in many}) > 5


def test_the_intent_decides_what_is_written(tuned, rows):
    """The words that train says in one intent and not in the other."""
    of_train, written = (
        {
            intent: Counter(word for row in some if row["intent"] == intent for word in row["text"].split())
            for intent in ("PlayMusic", "RateBook")
        }
        for some in (
            rows["train_full"],
            [row for intent in ("PlayMusic", "RateBook") for row in write(tuned, "top_p", 40, intent)],
        )
    )
    for intent, other in (("PlayMusic", "RateBook"), ("RateBook", "PlayMusic")):
        own = [word for word, count in of_train[intent].items() if count > 2 and not of_train[other][word]]
        assert sum(written[intent][word] for word in own) > 2 * sum(written[other][word] for word in own)


def test_a_token_for_padding_is_no_intent(base, tmp_path):
    tokenizer = loading.load_tokenizer(base)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "unk_token": "<|endoftext|>"})
    tokenizer.save_pretrained(tmp_path)
    language_model.load_tokenizer(tmp_path, ["PlayMusic"]).save_pretrained(tmp_path / "tuned")
    assert language_model.intents(loading.load_tokenizer(tmp_path / "tuned")) == ["PlayMusic"]


def test_draws_follow_the_distribution():
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    draw = sampling._Draw(list(range(4000)))
    picked = draw(None, torch.log(torch.tensor(shares)).float().repeat(4000, 1)).argmax(dim=1)
    np.testing.assert_allclose(np.bincount(picked, minlength=4) / 4000, shares, atol=0.03)


def test_a_nucleus_of_nothing_but_the_likeliest_is_greedy(tuned):
    greedy = write(tuned, "greedy", 3)
    assert len({row["text"] for row in greedy}) == 1
    assert greedy[0]["seed"] is None
    for strategy, value in (("top_p", 1e-6), ("top_k", 1), ("temperature", 1e-4)):
        assert {row["text"] for row in write(tuned, strategy, 3, value=value)} == {greedy[0]["text"]}


def test_a_beam_is_at_least_as_likely_as_greedy(tuned):
    texts = [write(tuned, "greedy", 1)[0], write(tuned, "beam", 1)[0]]
    greedy, beam = language_model.log_probabilities(tuned[0], tuned[1], texts)
    assert beam >= greedy


def test_a_prompt_begins_the_text_and_no_control_token_is_written(tuned):
    for row in write(tuned, "temperature", 50, value=3.0, prompt="play some"):
        assert row["text"].startswith("play some")
        assert "<PlayMusic>" not in row["text"]
        assert "<|" not in row["text"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"intent": "Sing"}, "intent Sing: the decoder does not know it; it knows: PlayMusic, RateBook"),
        ({"strategy": "beam", "n": 61}, "strategy beam: 61 utterances of 60 beams"),
        ({"prompt": "play " * 80}, "more than the 64 positions"),
    ],
)
def test_what_cannot_be_written_is_one_line(tuned, change, part):
    with pytest.raises(InputError, match=part) as error:
        write(tuned, **({"strategy": "top_p"} | change))
    assert "\n" not in str(error.value)


def test_an_encoder_is_no_decoder(tiny_encoder, rows):
    with pytest.raises(InputError, match="of type bert, GPT2LMHeadModel takes gpt2"):
        loading.load_model(language_model.TASK.auto_class, tiny_encoder)
    with pytest.raises(InputError, match="no end token"):
        language_model.load_tokenizer(tiny_encoder, ["PlayMusic"])


def test_a_decoder_needs_a_tokenizer_in_either_form(base, tmp_path):
    def fetch(*names):
        source = tmp_path / "-".join(names)
        source.mkdir()
        for name in ("config.json", "model.safetensors", *names):
            shutil.copy((tmp_path if (tmp_path / name).is_file() else base) / name, source / name)
        decoder = Decoder(name=str(source), revision="main", sha256=None, scratch=SIZES)
        target = tmp_path / f"{source.name}-fetched"
        base_models.fetch(decoder, "decoder", "decoder", target)
        return target

    with pytest.raises(InputError, match=r"decoder\.name .*: no tokenizer\.json beside its weights"):
        fetch("generation_config.json")
    tokenizer = loading.load_tokenizer(base)
    tokenizer.backend_tokenizer.model.save(str(tmp_path))  # vocab.json and merges.txt, as GPT-2 was published
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}', encoding="utf-8")
    old = fetch("vocab.json", "merges.txt", "tokenizer_config.json")
    assert loading.load_tokenizer(old)(" play some jazz") == tokenizer(" play some jazz")


def test_a_broken_tokenizer_is_one_line(base, tmp_path):
    shutil.copytree(base, tmp_path / "broken")
    (tmp_path / "broken/tokenizer.json").write_text('{"cut', encoding="utf-8")
    with pytest.raises(InputError, match="broken: its tokenizer cannot be loaded: ") as error:
        loading.load_tokenizer(tmp_path / "broken")
    assert "\n" not in str(error.value)


def test_n_grams_are_a_distribution_that_knows_its_intent(rows, base):
    tokenizer = language_model.load_tokenizer(base, ["PlayMusic", "RateBook"])
    model = NgramModel(3, tokenizer, rows["train_full"])
    begin, play = tokenizer.convert_tokens_to_ids(["<PlayMusic>", "Ġplay"])
    for before in ((begin, begin), (begin, play), (play, begin)):
        shares = model.shares(before)
        assert shares.sum() == pytest.approx(1)
        assert shares.min() > 0
    other = {"RateBook": "PlayMusic", "PlayMusic": "RateBook"}
    asked = rows["validate"]
    right = sum(model.log_probability(row) for row in asked)
    assert right > sum(model.log_probability(row | {"intent": other[row["intent"]]}) for row in asked)
    assert model.write("RateBook", 1, 20) == model.write("RateBook", 1, 20) != model.write("RateBook", 2, 20)
    unseen = asked[0] | {"text": "🙂 zzz"}
    assert math.isfinite(model.log_probability(unseen))


def test_the_best_order_of_n_grams_is_that_which_predicts_validation_best(rows, base):
    tokenizer = language_model.load_tokenizer(base, ["PlayMusic", "RateBook"])
    found, said = ngrams.best([1, 2, 5], tokenizer, rows["train_full"], rows["validate"])
    alone = {order: NgramModel(order, tokenizer, rows["train_full"]) for order in (1, 2, 5)}
    assert said == {order: [one.log_probability(row) for row in rows["validate"]] for order, one in alone.items()}
    assert found.order == max(said, key=lambda order: sum(said[order]))
    reverse, _ = ngrams.best([5, 2, 1], tokenizer, rows["train_full"], rows["validate"])
    assert reverse.order == found.order


def test_a_lead_over_n_grams_is_paired_by_text():
    texts = ["a b c", "a", "b c d e f"] * 60
    half = [-math.log(2) * (len(text.split()) + 1) for text in texts]  # each word as likely as not
    quarter = [2 * value for value in half]
    found = judging.beside(half, quarter, texts)
    assert [found[key] for key in ("share", "low", "high")] == pytest.approx([0.5] * 3)
    assert found["beyond_chance"] is True
    mixed = [one if n % 2 else other for n, (one, other) in enumerate(zip(half, quarter, strict=True))]
    swapped = [other if n % 2 else one for n, (one, other) in enumerate(zip(half, quarter, strict=True))]
    even = judging.beside(mixed, swapped, texts)
    assert even["low"] < even["share"] < even["high"]
    assert even["share"] == pytest.approx(1, abs=0.05)
    assert even["beyond_chance"] is False
