"""Finding and checking base models; the Hub is a small server on this machine that speaks its protocol."""

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.core.errors import InputError
from pipelines.fetching import base_models
from pipelines.fetching.base_models import Encoder
from pipelines.models import loading

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def encoder(name, sha256=None):
    return Encoder(name=str(name), revision="main", sha256=sha256)


def fetch(wanted, target):
    base_models.copy(base_models.find(wanted), wanted, target)


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
    with pytest.raises(InputError, match=r"encoder\.sha256: .*expected 0000"):
        fetch(encoder(tiny_encoder, "0" * 64), tmp_path / "base")
    assert not (tmp_path / "base").exists()


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


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no model: name", "/no/such/folder"])
def test_a_model_that_is_nowhere_is_one_line(tmp_path, name):
    with pytest.raises(InputError, match="no such folder, no installed package") as error:
        fetch(encoder(name), tmp_path / "base")
    assert "\n" not in str(error.value)


def test_a_hub_model_comes_by_name_and_revision(tiny_encoder, tmp_path, monkeypatch):
    import huggingface_hub.constants as constants

    commit = "a" * 40
    names = [path.name for path in tiny_encoder.iterdir()] + ["pytorch_model.bin"]

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/api/models/team/tiny/revision/v1"):
                self.reply(
                    json.dumps(
                        {"id": "team/tiny", "sha": commit, "siblings": [{"rfilename": n} for n in names]}
                    ).encode()
                )
            elif self.path.startswith("/api/models/team/tiny/tree/"):
                tree = [{"type": "file", "path": n, "size": 1, "oid": n} for n in names]
                self.reply(json.dumps(tree).encode())
            elif self.path.startswith("/team/tiny/resolve/"):
                self.reply((tiny_encoder / self.path.rsplit("/", 1)[1]).read_bytes())
            else:
                self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def reply(self, data):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", commit)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        from huggingface_hub import hf_api

        monkeypatch.setattr(hf_api.api, "endpoint", url)
        wanted = Encoder(name="team/tiny", revision="v1", sha256=None)
        fetch(wanted, tmp_path / "base")
        server.shutdown()
    assert (tmp_path / "base/model.safetensors").read_bytes() == (tiny_encoder / "model.safetensors").read_bytes()
    assert not (tmp_path / "base/pytorch_model.bin").exists()


def test_a_text_longer_than_the_positions_is_one_line(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    with pytest.raises(InputError, match="tokens, but the model has 64 positions"):
        loading.tokenize(tokenizer, ["play " * 80], 64)


def test_first_tokens_point_at_the_words(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    words = ["play", "\u200d", "bohemian", "rhapsody"]  # the second leaves no piece
    (feature,) = loading.tokenize(tokenizer, [words], 64)
    assert feature["first_tokens"][1] is None
    for word, at in zip(words, feature["first_tokens"], strict=True):
        if at is not None:
            piece = tokenizer.convert_ids_to_tokens(feature["input_ids"][at])
            assert word.startswith(piece)
