"""`fetch_encoder` against a small Hub on the loopback address, in a process of its own: each fault has its line."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT
from tests.hub import API, COMMIT, FILE, NAME, TREE, content, cut, hang, on, page, serving

# the stage as a person runs it, but without its pauses; loading the model, seconds long, is for two tests here
STAGE = """
import sys, time
from pipelines.fetching import fit, hub
if "loaded" not in sys.argv:
    fit.check = lambda folder, kind: []
if "small" in sys.argv:
    hub.LARGEST = 10_000
sys.argv = sys.argv[:1]
from stages.fetch_encoder import fetch_encoder
from pipelines.core.command import command
time.sleep = lambda seconds: None
command(fetch_encoder)
"""
WEIGHTS = "model.safetensors"


@pytest.fixture
def fetch(tmp_path, tiny_encoder):
    """Run fetch_encoder for `NAME` against a Hub; what it printed, its exit code, and where it wrote."""
    folder = tmp_path / "project"
    folder.mkdir()

    def run(hub, revision="main", sha256=None, name=NAME, loaded=False, small=False, **environment):
        encoder = {"name": name, "revision": revision, "sha256": sha256}
        (folder / "params.yaml").write_text(
            yaml.safe_dump({"encoder": encoder, "watch": {"encoder": "requirements.txt"}}), encoding="utf-8"
        )
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith("HF_")}
        kept = {key: value for key, value in kept.items() if not key.upper().endswith("_PROXY")}
        kept |= {"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": hub if isinstance(hub, str) else hub.url}
        kept |= {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1", "NO_PROXY": "127.0.0.1"}
        kept |= {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", STAGE, *["loaded"] * loaded, *["small"] * small],
            cwd=folder,
            env=kept | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    run.base = folder / "data/models/base-encoder"
    return run


def refused(result, *parts):
    """Exit code 1, one line that has `parts`, no traceback, nothing written."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert (result.returncode, len(errors), "Traceback" in result.stderr) == (1, 1, False), result.stderr
    assert f"encoder.name {NAME}" in errors[0]
    for part in parts:
        assert part in errors[0]


def test_a_model_comes_with_its_commit_and_sum_and_what_to_pin(fetch, tiny_encoder):
    files = content(tiny_encoder) | {"pytorch_model.bin": b"pickled", "README.md": b"# tiny"}
    with serving(files) as hub:
        result = fetch(hub, "v1", loaded=True)
        assert result.returncode == 0, result.stderr
        assert f"from the Hub, commit {COMMIT}" in result.stderr
        assert f"to pin it, set encoder.revision: {COMMIT}, encoder.sha256: " in result.stderr
        assert content(fetch.base) == {name: files[name] for name in content(fetch.base)}
        assert {WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json"} <= set(content(fetch.base))
        assert not [path for path in hub.asked if path.endswith((".bin", ".md"))]
        pinned = fetch(hub, COMMIT, result.stderr.split("encoder.sha256: ")[1].split()[0])
        assert pinned.returncode == 0
        assert "to pin it" not in pinned.stderr


def test_without_the_hub_a_whole_cache_is_used_and_said(fetch, tiny_encoder, tmp_path):
    with serving(content(tiny_encoder)) as hub:
        assert fetch(hub).returncode == 0
    shutil.rmtree(fetch.base)
    (weights,) = (tmp_path / "cache").rglob(f"snapshots/{COMMIT}/{WEIGHTS}")
    (weights.parent / "pytorch_model.bin").write_bytes(pickle.dumps(exit))  # whoever loads it
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        result = fetch(hub, **environment)  # it is gone
        assert result.returncode == 0, result.stderr
        assert f"taken from the cache, commit {COMMIT}" in result.stderr
        assert not (fetch.base / "pytorch_model.bin").exists()
    (listing,) = (tmp_path / "cache").rglob("trees/*.json")
    kept = listing.rename(tmp_path / "listing")
    refused(fetch(hub), "is not known to hold this model whole")  # as an older library left it
    kept.rename(listing)
    (cached,) = (tmp_path / "cache").rglob("tokenizer_config.json")
    cached.unlink()
    refused(fetch(hub), "fails (ConnectError)", "is not known to hold this model whole")
    refused(fetch(hub, HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE is set")


def test_bytes_that_are_not_the_listed_ones_are_fetched_once_more(fetch, tiny_encoder):
    files = content(tiny_encoder)
    changed = bytes([*files[WEIGHTS][:-1], files[WEIGHTS][-1] ^ 1])
    once = on(FILE + COMMIT + "/" + WEIGHTS, first=1, method="GET")(lambda request: request.give(WEIGHTS, changed))
    with serving(files, once) as hub:
        assert fetch(hub).returncode == 0
    assert (fetch.base / WEIGHTS).read_bytes() == files[WEIGHTS]


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json"])
def test_bytes_that_never_are_the_listed_ones(fetch, tiny_encoder, name):
    files = content(tiny_encoder)
    changed = bytes([*files[name][:-1], files[name][-1] ^ 1])
    with serving(files, on(FILE + COMMIT + "/" + name)(lambda request: request.give(name, changed))) as hub:
        refused(fetch(hub), "other bytes than it lists", name)
    assert not fetch.base.exists()


def test_a_download_that_is_cut_goes_on(fetch, tiny_encoder):
    files = content(tiny_encoder)
    half = files[WEIGHTS][: len(files[WEIGHTS]) // 2]
    once = on(WEIGHTS, first=1, method="GET")(lambda request: request.give(WEIGHTS, half, len(files[WEIGHTS])))
    with serving(files, once) as hub:
        result = fetch(hub)
    assert result.returncode == 0, result.stderr
    assert (fetch.base / WEIGHTS).read_bytes() == files[WEIGHTS]


FAULTS = {
    "not found": (on("/api/")(lambda request: request.fail(404, "RepoNotFound")), "no public model", "hf auth login"),
    "gated": (on("/api/")(lambda request: request.fail(403, "GatedRepo")), "accept the terms", "HF_TOKEN"),
    "rate limit": (on(API)(lambda request: request.fail(429, Retry_After="900")), "try again in 900 s"),
    "forbidden": (on(API)(lambda request: request.fail(403)), "HTTP 403", "HF_TOKEN"),
    "server error": (on(API)(lambda request: request.fail(500)), "HTTP 500", "try again later"),
    "server error in the tree": (on(TREE)(lambda request: request.fail(503)), "HTTP 503"),
    "rate limit for a file": (on("/config.json")(lambda request: request.fail(429, Retry_After="900")), "in 900 s"),
    "server error for a file": (on("/config.json")(lambda request: request.fail(503)), "HTTP 503"),
    "hangs": (on(API)(hang), "does not answer in time"),
    "hangs in the tree": (on(TREE)(hang), "does not answer in time"),
    "rate limit in the tree": (on(TREE)(lambda request: request.fail(429, Retry_After="1")), "the Hub limits"),
    "redirects in a circle": (on(API)(lambda request: request.fail(302, Location=request.path)), "TooManyRedirects"),
    "another JSON": (on(API)(lambda request: request.say(["no", "model"])), "not as the Hub does"),
    "cut": (on(API)(cut), "fails (", "check the network"),
    "a page for the list": (on("/api/")(page), "not as the Hub does"),
    "a page for a file": (on("/tokenizer.json")(page), "not as the Hub does"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_has_its_line(fetch, tiny_encoder, kind):
    fault, *parts = FAULTS[kind]
    with serving(content(tiny_encoder), fault) as hub:
        refused(fetch(hub), *parts)
        if kind in ("server error", "hangs", "cut"):
            assert hub.asked[f"{API}main"] == 4  # asked again before it was given up
    assert not fetch.base.exists()


@pytest.mark.parametrize("code", [429, 500])
def test_what_passes_is_asked_again(fetch, tiny_encoder, code):
    fault = on(API, first=2)(lambda request: request.fail(code, Retry_After="0"))
    with serving(content(tiny_encoder), fault) as hub:
        assert fetch(hub).returncode == 0
        assert hub.asked[f"{API}main"] >= 3


def test_an_error_of_the_server_for_a_file_that_passes(fetch, tiny_encoder):
    files = content(tiny_encoder)
    with serving(files, on(WEIGHTS, first=1, method="GET")(lambda request: request.fail(503))) as hub:
        result = fetch(hub)
        assert result.returncode == 0, result.stderr
    assert (fetch.base / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_a_model_beyond_the_limit(fetch, tiny_encoder):
    with serving(content(tiny_encoder)) as hub:
        refused(fetch(hub, small=True), "it has 0 GiB, more than the 0 GiB that are fetched")
    assert not fetch.base.exists()


def test_a_revision_that_is_not_there(fetch, tiny_encoder):
    with serving(content(tiny_encoder)) as hub:
        refused(fetch(hub, "v9"), "revision v9", "no such revision")


def test_a_proxy_that_refuses_and_an_endpoint_that_is_none(fetch, tiny_encoder):
    with serving(content(tiny_encoder), lambda request: request.fail(403)) as proxy:
        refused(fetch("http://hub.invalid", HTTP_PROXY=proxy.url, NO_PROXY=""), "HTTP 403")
    refused(fetch("http://hub.invalid", HTTP_PROXY="http://127.0.0.1:9", NO_PROXY=""), "check the network")
    with serving(content(tiny_encoder)) as proxy:  # which knows no CONNECT
        refused(fetch("https://hub.invalid", HTTPS_PROXY=proxy.url, NO_PROXY=""), "the proxy refuses")
    refused(fetch("hub.example.org"), "HF_ENDPOINT hub.example.org is no address")


def test_only_pickled_weights(fetch, tiny_encoder):
    files = content(tiny_encoder)
    files["pytorch_model.bin"] = files.pop(WEIGHTS)
    with serving(files) as hub:
        refused(fetch(hub), "only pickled weights (pytorch_model.bin)")


def test_weights_in_several_files_become_one(fetch, tiny_encoder):
    from safetensors.torch import load_file, save

    whole = load_file(tiny_encoder / WEIGHTS)
    first, second = dict(list(whole.items())[:20]), dict(list(whole.items())[20:])
    parts = {"model-00001-of-00002.safetensors": first, "model-00002-of-00002.safetensors": second}
    index = {"metadata": {}, "weight_map": {tensor: name for name, part in parts.items() for tensor in part}}
    files = content(tiny_encoder) | {name: save(part, {"format": "pt"}) for name, part in parts.items()}
    files[f"{WEIGHTS}.index.json"] = json.dumps(index).encode()
    del files[WEIGHTS]
    with serving(files) as hub:
        result = fetch(hub, loaded=True)
        assert result.returncode == 0, result.stderr
        found = load_file(fetch.base / WEIGHTS)
        assert {name: value.tolist() for name, value in found.items()} == {n: v.tolist() for n, v in whole.items()}
        assert sorted(path.name for path in fetch.base.glob("model*")) == [WEIGHTS]
