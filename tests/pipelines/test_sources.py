"""The real loading code against a small server on this machine."""

import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.core.errors import InputError
from pipelines.fetching import mirrors

FILES = {"A/one.json": b"one" * 1000, "B/two.json": b"two"}
CHECKSUMS = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}


@pytest.fixture
def server(monkeypatch):
    """A mirror whose behaviour a test sets: `server.answer(name, attempt) -> (status, bytes, content length)`."""
    monkeypatch.setattr(mirrors, "PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            asked[name] += 1
            status, data, length = self.server.answer(name, asked[name])
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.answer = lambda name, attempt: (200, FILES[name], len(FILES[name]))
        running.url = f"http://127.0.0.1:{running.server_port}"
        running.asked = asked
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_a_url_and_a_folder_give_the_same_files(server, tmp_path):
    mirrors.fetch(CHECKSUMS, server.url, tmp_path / "url")
    mirrors.fetch(CHECKSUMS, str(tmp_path / "url"), tmp_path / "folder")
    for name, data in FILES.items():
        assert (tmp_path / "url" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes() == data


def test_server_errors_and_cut_answers_are_asked_again(server, tmp_path):
    server.answer = lambda name, attempt: [
        (503, b"", 0),
        (200, FILES[name][:2], 99),
        (200, FILES[name], len(FILES[name])),
    ][min(attempt, 3) - 1]
    mirrors.fetch(CHECKSUMS, server.url, tmp_path)
    assert set(server.asked.values()) == {3}


def test_a_missing_file_is_not_asked_again(server, tmp_path):
    server.answer = lambda name, attempt: (404, b"", 0)
    with pytest.raises(InputError, match=r"A/one\.json: HTTP 404; .*SNIPS_MIRROR"):
        mirrors.fetch({"A/one.json": "0"}, server.url, tmp_path)
    assert server.asked["A/one.json"] == 1


def test_changed_bytes_are_refused(server, tmp_path):
    server.answer = lambda name, attempt: (200, b"other", 5)
    with pytest.raises(InputError, match=r"A/one\.json: SHA-256 is .* cut or changed"):
        mirrors.fetch({"A/one.json": CHECKSUMS["A/one.json"]}, server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(mirrors, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(InputError, match="ConnectionError; check the network") as error:
        mirrors.fetch(CHECKSUMS, "http://127.0.0.1:9", tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing/A/one\.json: No such file"):
        mirrors.fetch(CHECKSUMS, str(tmp_path / "nothing"), tmp_path / "out")


def test_the_proxy_variables_are_honoured(server, tmp_path, monkeypatch):
    server.answer = lambda name, attempt: (200, FILES["B/two.json"], 3)
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", server.url)
    mirrors.fetch({"B/two.json": CHECKSUMS["B/two.json"]}, "http://snips.invalid", tmp_path)
    assert list(server.asked) == ["http://snips.invalid/B/two.json"]


def test_a_server_that_drips_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(mirrors, "FILE_TIMEOUT", -1)
    with pytest.raises(InputError, match="Timeout"):
        mirrors.fetch({"B/two.json": CHECKSUMS["B/two.json"]}, server.url, tmp_path)
    assert server.asked["B/two.json"] == mirrors.ATTEMPTS


def test_a_file_without_end_is_refused_at_once(server, tmp_path, monkeypatch):
    monkeypatch.setattr(mirrors, "LARGEST", 100_000)
    server.answer = lambda name, attempt: (200, b"x" * 500_000, 500_000)
    with pytest.raises(InputError, match="more than 100,000 bytes, which no file of SNIPS has"):
        mirrors.fetch({"B/two.json": CHECKSUMS["B/two.json"]}, server.url, tmp_path)
    assert server.asked["B/two.json"] == 1
