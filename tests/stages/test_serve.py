"""`snips serve`: answers, limits, hostile requests, a stop, and the page in a browser."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("fastapi_offline")
from starlette.testclient import TestClient

from pipelines.core import blocks
from pipelines.decoder.options import Generate
from pipelines.serving import Model, batches, server
from pipelines.serving.inside import Inside
from stages import convert, download, fetch_encoder, finetune, split
from tests import load
from tests.browser import CHROMIUM, serious
from tests.conftest import assert_one_line_error, copy_project, run_stage


def echo(texts):
    """In place of a model: its own words, an error for `bad`."""
    return [
        {"text": text, "error": "no"} if text == "bad" else {"text": text, "intent": "i", "score": 1.0}
        for text in texts
    ]


@pytest.fixture
def web():
    with TestClient(server.server("echo", echo, token=None)) as client:
        yield client


def test_one_text_or_several(web):
    assert web.get("/health").json() == {"status": "ok", "model": "echo"}
    assert web.post("/predict", json={"text": "a"}).json() == {"text": "a", "intent": "i", "score": 1.0}
    assert [one["text"] for one in web.post("/predict", json={"texts": ["a", "b"]}).json()] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        (b"", 422, "body"),
        (b"{", 422, "JSON"),
        (b"\xff\xfe", 422, ""),
        (b'{"text": 3}', 422, "valid string"),
        (b'{"text": ""}', 422, "at least 1"),
        (b'{"text": " "}', 422, "the text is empty"),
        (b'{"text": "\\ud83d"}', 422, ""),
        (b'{"text": "bad"}', 422, "no"),
        (b'{"text": "a", "texts": ["b"]}', 422, "either"),
        (b"{}", 422, "either"),
        (b'{"texts": []}', 422, "at least 1"),
        (b'{"text": "a", "more": 1}', 422, "more"),
        (json.dumps({"text": "a" * 2001}).encode(), 422, "at most 2000"),
        (json.dumps({"texts": ["a"] * 65}).encode(), 422, "at most 64"),
        (b" " * (server.BODY + 1), 413, "bytes"),
    ],
)
def test_what_is_wrong_is_said(web, body, code, part):
    answer = web.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == code
    assert part in answer.text
    assert web.get("/health").status_code == 200


def test_a_token_is_demanded_where_there_is_one():
    with TestClient(server.server("echo", echo, token="sécret")) as client:
        assert client.post("/predict", json={"text": "a"}).status_code == 401
        assert client.post("/predict", json={"text": "a"}, headers={"Authorization": "Bearer x"}).status_code == 401
        bare = {"Authorization": "sécret".encode()}
        assert client.post("/predict", json={"text": "a"}, headers=bare).status_code == 401
        given_token = {"Authorization": "Bearer sécret".encode()}
        assert client.post("/predict", json={"text": "a"}, headers=given_token).status_code == 200
        assert client.get("/health").status_code == 200
    of_latin_1 = os.fsdecode(b"\xe9")  # a secret set in such a terminal; the client here would send it as UTF-8
    server._allowed(of_latin_1, SimpleNamespace(headers={"authorization": "Bearer \xe9"}))


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 0.2)
    sent = []

    async def receive():
        await asyncio.sleep(5)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    start = time.monotonic()
    asyncio.run(server.server("echo", echo, token=None)(scope, receive, send))
    assert sent[0]["status"] == 408
    assert time.monotonic() - start < 3


def test_a_slow_model_and_a_full_queue_are_said(monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 0.2)

    def slow(texts):
        time.sleep(0.5)
        return echo(texts)

    with TestClient(server.server("slow", slow, token=None)) as client:
        assert client.post("/predict", json={"text": "a"}).status_code == 503
    monkeypatch.setattr(batches, "WAITING", 1)
    with TestClient(server.server("echo", echo, token=None)) as client:
        answer = client.post("/predict", json={"texts": ["a", "b"]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_one_looks_inside_at_a_time_also_after_who_asked_gave_up(monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 0.2)
    at_once, most, started = 0, 0, 0
    asked_for = threading.Event()

    class Slow:
        def attention(self, text, layer):
            nonlocal at_once, most, started
            at_once, started = at_once + 1, started + 1
            most = max(most, at_once)
            asked_for.wait(60)
            at_once -= 1
            return {}

    with TestClient(server.server("echo", echo, token=None, inside=Slow())) as client:
        for _ in range(3):
            assert client.post("/attention", json={"text": "a", "layer": 0}).status_code == 503
        assert (most, started) == (1, 1)  # the other two gave up before their turn
        monkeypatch.setattr(server, "LOOKS", 0)
        assert client.post("/attention", json={"text": "a", "layer": 0}).status_code == 429
        asked_for.set()


def test_those_who_wait_are_answered_together():
    calls = []

    def answer(texts):
        calls.append(list(texts))
        time.sleep(0.02)
        return echo(texts)

    async def ask_all():
        some = batches.Batches(answer)
        return await asyncio.gather(*(some.ask([str(n), f"{n}+"]) for n in range(50)))

    found = asyncio.run(ask_all())
    assert [[one["text"] for one in of] for of in found] == [[str(n), f"{n}+"] for n in range(50)]
    assert max(map(len, calls)) == batches.MOST
    assert len(calls) <= 4


def test_a_broken_answer_goes_to_those_who_asked():
    def answer(texts):
        if "a" in texts:
            raise RuntimeError
        return echo(texts)

    async def ask():
        some = batches.Batches(answer)
        with pytest.raises(RuntimeError):
            await some.ask(["a"])
        return await some.ask(["b"])

    assert asyncio.run(ask())[0]["text"] == "b"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda of: (
        st.lists(of, max_size=3) | st.dictionaries(st.sampled_from(["text", "texts", "x"]) | st.text(), of, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=int(os.environ.get("FUZZ_CASES", 1000)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(
    path=st.sampled_from(["/predict", "/attention", "/continue", "/health", "/nowhere"]),
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_a_hostile_request_gets_an_answer_or_a_4xx(hostile, path, body):
    answer = hostile.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, (path, body, answer.text)
    assert hostile.get("/health").status_code == 200


@pytest.fixture(scope="module")
def hostile():
    """A server asked by those who mean it no good."""

    class Looks:
        def attention(self, text, layer):
            return {"tokens": [text], "weights": [[1.0]], "layers": layer + 1}

        def goes_on(self, text, intent):
            return {intent: text}

    app = server.server("echo", echo, token=None, inside=Looks())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_nothing_is_loaded_from_elsewhere(web):
    for path in ("/", "/docs"):
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", web.get(path).text)
    assert "default-src 'self'" in web.get("/").headers["content-security-policy"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--host", "0.0.0.0"], "others could ask; set SNIPS_TOKEN"),
        (["--host", "example.org"], "others could ask; set SNIPS_TOKEN"),
        (["--port", "0"], "--port 0: give one from 1"),
        ([], "no run of joint or intent or slots yet; run: dvc repro finetune@joint-full"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNIPS_TOKEN", raising=False)
    assert_one_line_error(run_stage("pipelines.cli", "serve", *arguments), part)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_encoder):
    """A project with a joint run; it is the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNIPS_MIRROR", raising=False)
        copy_project(tmp_path_factory.mktemp("serve") / "a project", tiny_encoder, patch)
        for stage in (download.download, convert.convert, split.split, fetch_encoder.fetch_encoder):
            stage()
        finetune.finetune("joint-full")
        yield Path.cwd()


@contextmanager
def serving(*arguments):
    """The address of a server, and its process; its log goes to serve.log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(port), *arguments]
    with Path("serve.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, Path("serve.log").read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()


def test_a_server_says_what_the_run_says_bears_load_and_stops(trained):
    with serving() as (address, process):
        body = json.dumps({"text": "play jazz"}).encode()
        asked = urllib.request.Request(f"{address}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found = json.load(answer)
        model = Model.load("data/models/joint-full")
        assert found["intent"] == model("play jazz")["intent"]
        assert found["score"] == pytest.approx(model("play jazz")["score"], abs=1e-3)
        result = asyncio.run(load.load("127.0.0.1", int(address.rsplit(":", 1)[1]), 2))
        assert result.errors == []
        assert len(result.seconds) > 2 * load.CLIENTS
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
    log = Path("serve.log").read_text(encoding="utf-8")
    assert "play jazz" not in log
    assert "Traceback" not in log


def test_where_a_layer_looks(trained):
    inside = Inside(Path("data/models/joint-full"), Path("data/models/decoder"), blocks.load("generate", Generate))
    found = inside.attention("play jazz", 1)
    assert (found["tokens"][0], found["tokens"][-1], found["layers"]) == ("[CLS]", "[SEP]", 2)
    assert [sum(row) for row in found["weights"]] == pytest.approx([1] * len(found["tokens"]), abs=1e-4)
    assert found["weights"] != inside.attention("play jazz", 0)["weights"]
    with TestClient(server.server("echo", echo, token=None, inside=inside)) as client:
        for body, part in (({"layer": 2}, "has layers 0 to 1"), ({"layer": -1}, "greater than"), ({}, "required")):
            answer = client.post("/attention", json={"text": "play jazz"} | body)
            assert (answer.status_code, part in answer.text) == (422, True)
        assert client.post("/attention", json={"text": "a " * 60, "layer": 0}).status_code == 422
        answer = client.post("/continue", json={"text": "play", "intent": "PlayMusic"})
        assert (answer.status_code, "no tuned decoder" in answer.text) == (422, True)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_answers_as_one_types(trained):
    from playwright.sync_api import sync_playwright

    with serving() as (address, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        page.fill("#text", "play <b>jazz</b> 🎵 by miles davis")
        page.wait_for_selector("#rows tr", timeout=20_000)
        page.wait_for_selector("#looks table")
        assert page.locator("#looks tbody tr").count() == page.locator("#looks thead th").count() > 8
        page.select_option("#layer", "1")
        page.click("#go")
        page.wait_for_selector("#on:not(:empty)")
        assert "no tuned decoder yet; run: dvc repro tune_decoder" in page.inner_text("#on")
        assert page.locator("#said b").count() == 0
        assert page.locator("#rows tr").first.inner_text().startswith("intent")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert serious(page) == []  # with an answer on it
        page.evaluate("document.querySelectorAll('#said small').forEach((label) => label.remove())")
        assert page.locator("#said").text_content() == "play <b>jazz</b> 🎵 by miles davis"
        page.fill("#text", " ")
        page.locator("main > table").wait_for(state="hidden")
        assert all(url.startswith(address) or url.startswith("data:") for url in asked)
        assert [line for line in said if "422" not in line] == []  # the missing decoder is one
        browser.close()
