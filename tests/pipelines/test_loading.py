"""No part of a model is made at random without a word."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BertModel

from pipelines.core.errors import InputError
from pipelines.models import loading
from pipelines.models import task as tasks

ROWS = [
    {"id": "a", "text": "play jazz", "intent": "Play", "slots": [{"start": 5, "end": 9, "label": "genre"}]},
    {"id": "b", "text": "rain today", "intent": "Weather", "slots": [{"start": 5, "end": 10, "label": "day"}]},
]


@pytest.fixture
def changed(tiny_encoder, tmp_path):
    """Copies of the tiny encoder whose tensors' names a test changes, or drops (None)."""

    def change(rename):
        folder = shutil.copytree(tiny_encoder, tmp_path / "changed")
        named = {rename(name): value for name, value in load_file(folder / "model.safetensors").items()}
        named.pop(None, None)
        save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return change


@pytest.fixture
def without_pooler(changed):
    return changed(lambda name: None if "pooler" in name else name)


def build(task, base, **options):
    return tasks.get(task).build(base, ROWS, tasks.offered(task).Options(**options))


@pytest.mark.parametrize("task", ["intent", "slots", "qa", "joint", "masked_lm"])
def test_weights_that_do_not_fit_are_counted_and_named(changed, task):
    base = changed(lambda name: f"module.{name}")
    of = 37 if task in ("slots", "qa") else 39  # these have no pooler
    with pytest.raises(InputError, match=rf"fill 0 of the encoder's {of} tensors, and not .*LayerNorm.bias.* and 35 m"):
        build(task, base, mode="full")


def test_a_missing_layer_is_counted(changed):
    base = changed(lambda name: None if ".layer.1." in name else name)
    with pytest.raises(InputError, match=r"fill 23 of the encoder's 39 tensors, and not .*layer\.1\..* and 14 more"):
        build("intent", base, mode="full")


@pytest.mark.parametrize("task", ["intent", "joint"])
def test_a_missing_pooler_is_said_and_refused_where_nobody_trains_it(without_pooler, task, capsys):
    build(task, without_pooler, mode="full")
    assert "it has no pooler, and the head reads one; it starts from a random one" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"has no pooler, .* take mode full, .* or set random_pooler: true"):
        build(task, without_pooler, mode="head")
    build(task, without_pooler, mode="head", random_pooler=True)
    assert "it starts from a random one" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["slots", "qa", "masked_lm"])
def test_who_reads_no_pooler_misses_none(without_pooler, task, capsys):
    build(task, without_pooler, mode="full")
    assert capsys.readouterr().err == ""


def test_a_head_that_was_never_trained_is_no_model(tiny_encoder):
    with pytest.raises(InputError, match=r"no weights for classifier\.bias, classifier\.weight; it was not trained"):
        loading.load_model(AutoModelForSequenceClassification, tiny_encoder)


def test_an_adapted_encoder_keeps_the_pooler_that_it_had(tiny_encoder, without_pooler, tmp_path):
    build("masked_lm", tiny_encoder).save_pretrained(tmp_path / "adapted")
    kept = loading.load_model(BertModel, tmp_path / "adapted").pooler.dense.weight
    assert torch.equal(kept, loading.load_model(BertModel, tiny_encoder).pooler.dense.weight)
    build("masked_lm", without_pooler).save_pretrained(tmp_path / "adapted-without")
    assert not loading.holds(tmp_path / "adapted-without", "bert.pooler.dense.weight")
    assert loading.load_model(BertModel, tmp_path / "adapted-without", pooler="optional").pooler is None


@pytest.fixture
def bert_with_mark(tmp_path):
    from transformers import BertTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "some", "miles", "##on", "ecole", "o", "'", "a"]
    vocabulary = {token: n for n, token in enumerate([*tokens, loading.CAPITAL])}
    BertTokenizerFast(vocab=vocabulary).save_pretrained(tmp_path)
    return tmp_path


def test_capitals_are_marked_before_words_and_by_whoever_loads_the_tokenizer(bert_with_mark, tmp_path):
    tokenizer = loading.load_tokenizer(bert_with_mark, capitals=True)
    mark = loading.CAPITAL
    expected = ["[CLS]", mark, "play", "some", mark, "miles", "##on", mark, "ecole", "[SEP]"]
    assert tokenizer("Play some MilesON École").tokens() == expected
    tokenizer.save_pretrained(tmp_path / "saved")
    again = loading.load_tokenizer(tmp_path / "saved")
    assert again("Play some MilesON École").tokens() == expected
    assert again.model_input_names == loading.load_tokenizer(bert_with_mark).model_input_names
    assert loading.load_tokenizer(bert_with_mark)("Play").tokens() == ["[CLS]", "play", "[SEP]"]


def test_the_first_token_of_a_word_is_not_its_mark(bert_with_mark):
    tokenizer = loading.load_tokenizer(bert_with_mark, capitals=True)
    (feature,) = loading.tokenize(tokenizer, [["Play", "o'Miles", loading.CAPITAL, "MilesON"]], 64)
    shown = tokenizer.convert_ids_to_tokens(feature["input_ids"])
    assert [shown[at] for at in feature["first_tokens"]] == ["play", "o", loading.CAPITAL, "miles"]


def test_capitals_cannot_be_marked_for_an_encoder_without_the_token(tiny_encoder):
    with pytest.raises(InputError, match="capitals: the tokenizer has no"):
        loading.load_tokenizer(tiny_encoder, capitals=True)
