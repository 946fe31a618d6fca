"""`snips push` against a small server on the loopback address: what is sent, and what is not."""

import base64
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import assert_one_line_error

CARD = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n\n# tiny\n"
FILES = {"README.md": CARD, "config.json": "{}", "model.safetensors": "weights", "training.json": "{}"}


class Hub(BaseHTTPRequestHandler):
    """Takes a repository, files and a commit; `server.sent` is what it was given."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path.endswith("/api/validate-yaml"):
            bad = "bad-licence" in json.loads(body)["content"]
            self.say(400 if bad else 200, {"error": "license is not known"} if bad else {"errors": [], "warnings": []})
        elif self.server.refuse:
            self.say(self.server.refuse, {"error": "no"})
        elif path.endswith("/api/repos/create"):
            self.say(200, {"url": f"http://{self.headers['Host']}/team/tiny"})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            self.say(
                200, {"files": [{"path": of["path"], "uploadMode": "regular", "shouldIgnore": False} for of in files]}
            )
        elif "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.sent[line["value"]["path"]] = base64.b64decode(line["value"]["content"]).decode()
            self.say(
                200, {"commitUrl": f"http://{self.headers['Host']}/team/tiny/commit/{'a' * 40}", "commitOid": "a" * 40}
            )
        else:
            self.say(404, {})

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.say(404 if "/api/models/" not in self.path else 200, {"id": "team/tiny", "sha": "a" * 40, "siblings": []})

    def say(self, code: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.sent, server.refuse = [], {}, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/models/tiny"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def push(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", "push", "tiny", "team/tiny", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_dry_run_shows_all_and_sends_nothing(hub, model):
    result = push("--dry-run")
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[:3]] == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert "license: apache-2.0" in result.stdout
    assert "nothing was sent" in result.stdout
    assert hub.asked == []


def test_the_model_and_its_card_go_there(hub, model):
    (model / "private").mkdir()
    (model / "private" / "notes.txt").write_text("not shown, so not sent")
    result = push()
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].endswith("/team/tiny")
    assert hub.sent == {name: text for name, text in FILES.items() if name != "training.json"}
    assert "/api/validate-yaml" in hub.asked


@pytest.mark.parametrize(("code", "remedy"), [(401, "hf auth login"), (403, "a token that may write"), (500, "later")])
def test_a_refusal_is_one_line(hub, model, code, remedy):
    hub.refuse = code
    result = push()
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"team/tiny: the Hub answers {code}" in result.stderr
    assert remedy in result.stderr
    assert hub.sent == {}


def test_a_card_that_the_hub_refuses_is_not_sent(hub, model):
    (model / "README.md").write_text(CARD.replace("apache-2.0", "bad-licence"))
    result = push()
    assert (result.returncode, hub.sent) == (1, {})
    assert "README.md" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_model_or_a_valid_card(hub, model):
    (model / "README.md").write_text("---\n[\n---\n")
    assert_one_line_error(push("--dry-run"), "data/models/tiny/README.md")
    (model / "README.md").write_text(CARD)
    (model / "model.safetensors").unlink()
    assert_one_line_error(push("--dry-run"), "data/models/tiny: no model with a card in it")
    (model / "README.md").unlink()
    assert_one_line_error(push("--dry-run"), "data/models/tiny: no model with a card in it")
