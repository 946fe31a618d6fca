"""Finding and checking base models in folders and packages (test_hub.py: on the Hub)."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from pipelines.core.errors import InputError
from pipelines.fetching import base_models
from pipelines.fetching.base_models import Encoder
from pipelines.models import loading

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def encoder(name, sha256=None):
    return Encoder(name=str(name), revision="main", sha256=sha256)


def fetch(wanted, target, kind="encoder"):
    base_models.fetch(wanted, "encoder", kind, target)


@pytest.fixture
def other(tiny_encoder, tmp_path):
    """A copy of the tiny encoder whose config, weights or files a test may change."""
    return shutil.copytree(tiny_encoder, tmp_path / "other")


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")


def edit_weights(folder, change):
    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_the_default_comes_from_the_installed_package(tmp_path):
    fetch(encoder("sentence-transformers/all-MiniLM-L6-v2", MINILM), tmp_path / "base")
    assert {path.name for path in (tmp_path / "base").iterdir()} <= set(base_models.FILES)
    config = json.loads((tmp_path / "base/config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (6, 384)


def test_a_local_folder_is_taken_as_it_is(tiny_encoder, tmp_path):
    fetch(encoder(tiny_encoder), tmp_path / "base")
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "base" / name).read_bytes() == (tiny_encoder / name).read_bytes()


def test_another_checksum_is_refused(tiny_encoder, tmp_path):
    with pytest.raises(InputError, match=r"encoder\.sha256 expected 0000"):
        fetch(encoder(tiny_encoder, "0" * 64), tmp_path / "base")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt"])
def test_pickled_weights_alone_are_refused(tiny_encoder, tmp_path, name):
    shutil.copytree(tiny_encoder, tmp_path / "pickled")
    (tmp_path / "pickled/model.safetensors").rename(tmp_path / "pickled" / name)
    with pytest.raises(InputError, match=f"only pickled weights .{name}"):
        fetch(encoder(tmp_path / "pickled"), tmp_path / "base")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(tiny_encoder, tmp_path, name):
    shutil.copytree(tiny_encoder, tmp_path / "partial")
    (tmp_path / "partial" / name).unlink()
    with pytest.raises(InputError, match=f"no {name}"):
        fetch(encoder(tmp_path / "partial"), tmp_path / "base")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nobody/no-such-model", "HF_HUB_OFFLINE is set"),
        ("no model: name", "check its spelling"),
        ("/no/such/folder", "no such folder"),
    ],
)
def test_a_model_that_is_nowhere_is_one_line(tmp_path, name, reason):
    with pytest.raises(InputError, match=f"encoder.name {name}.*{reason}") as error:
        fetch(encoder(name), tmp_path / "base")
    assert "\n" not in str(error.value)


def test_weights_of_other_names_fill_nothing(other, tmp_path):
    edit_weights(other, lambda weights: {f"module.{name}": value for name, value in weights.items()})
    with pytest.raises(InputError, match=r"fill 0 of 39 tensors, and not embeddings\.LayerNorm\.bias"):
        fetch(encoder(other), tmp_path / "base")


def test_weights_without_a_layer_are_counted(other, tmp_path):
    edit_weights(other, lambda weights: {name: value for name, value in weights.items() if ".layer.1." not in name})
    with pytest.raises(InputError, match=r"fill 23 of 39 tensors, .*encoder\.layer\.1\..* and 14 more"):
        fetch(encoder(other), tmp_path / "base")


def test_a_tokenizer_alone_needs_no_weights(other, tmp_path, capsys):
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    wanted = base_models.Model(name=str(other), revision="main", sha256=None, tokenizer_only=True)
    base_models.fetch(wanted, "models.beto", "tokenizer", tmp_path / "beto")
    assert "its tokenizer alone, as asked" in capsys.readouterr().err
    assert loading.load_tokenizer(tmp_path / "beto")("play")["input_ids"]
    assert not [path for path in (tmp_path / "beto").iterdir() if path.suffix in (".bin", ".safetensors")]
    (other / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"models\.beto\.name .* its tokenizer cannot be loaded"):
        base_models.fetch(wanted, "models.beto", "tokenizer", tmp_path / "other-beto")


def test_a_missing_pooler_is_said(other, tmp_path, capsys):
    edit_weights(other, lambda weights: {name: value for name, value in weights.items() if "pooler" not in name})
    fetch(encoder(other), tmp_path / "base")
    assert f"{other}: it has no pooler" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vocab_size": 50}, "do not make a model"),
        ({"hidden_size": "wide"}, "do not make a model"),
        ({"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}, "code of its own .auto_map.*never run"),
        ({"model_type": "own"}, "of type own, which this version of transformers does not know"),
        ({"model_type": "gpt2"}, "of type gpt2; use an encoder"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "of type bart; use an encoder"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(other, tmp_path, changes, reason):
    (other / "own.py").write_text("raise SystemExit('code of a model was run')", encoding="utf-8")
    edit_config(other, **changes)
    with pytest.raises(InputError, match=reason) as error:
        fetch(encoder(other), tmp_path / "base")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "base").glob("*.py"))


def test_an_encoder_is_no_decoder_from_the_start(tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="of type bert; use a GPT-2"):
        fetch(encoder(tiny_encoder), tmp_path / "base", "decoder")
    fetch(encoder(tiny_encoder), tmp_path / "any", "any")


def test_a_text_longer_than_the_positions_is_one_line(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    with pytest.raises(InputError, match="tokens, but the model has 64 positions"):
        loading.tokenize(tokenizer, ["play " * 80], 64)


@pytest.mark.parametrize(("family", "longest"), [("Bert", 20), ("Roberta", 18), ("MPNet", 18), ("DistilBert", 20)])
def test_the_longest_text_is_as_long_as_the_model_takes(family, longest):
    import torch
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    if family == "DistilBert":
        sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=50, max_position_embeddings=20, pad_token_id=1, **sizes
    )
    model = getattr(transformers, f"{family}Model")(config)
    assert loading.max_positions(model) == longest
    model(torch.full((1, longest), 7))
    with pytest.raises((RuntimeError, IndexError)):
        model(torch.full((1, longest + 1), 7))


def test_first_tokens_point_at_the_words(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    words = ["play", "\u200d", "bohemian", "rhapsody"]  # the second leaves no piece
    (feature,) = loading.tokenize(tokenizer, [words], 64)
    assert [at is None for at in feature["first_tokens"]] == [False, True, False, False]
    for word, at in zip(words, feature["first_tokens"], strict=True):
        if at is not None:
            piece = tokenizer.convert_ids_to_tokens(feature["input_ids"][at])
            assert word.startswith(piece)
