"""A small server on the loopback address that speaks the Hub's protocol, whole or with one fault."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "a" * 40
NAME = "team/tiny"
API, TREE, FILE = f"/api/models/{NAME}/revision/", f"/api/models/{NAME}/tree/", f"/{NAME}/resolve/"
LARGE = (".safetensors", ".bin")  # kept in LFS, so that the Hub knows their SHA-256

Fault = Callable[["Request"], bool]  # whether it has answered; if not, the Hub does


class Request(BaseHTTPRequestHandler):
    """One request; `server.files` are those of the model, `server.fault` what goes wrong."""

    def do_GET(self) -> None:
        self.server.asked[self.path.partition("?")[0]] += 1
        if self.server.fault and self.server.fault(self):
            return
        files: dict[str, bytes] = self.server.files
        path = self.path.partition("?")[0]
        if path.startswith(API):
            if path.removeprefix(API) not in ("main", "v1", COMMIT):
                self.fail(404, "RevisionNotFound")
            else:
                self.say({"id": NAME, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
        elif path.startswith(TREE):
            self.say([listed(name, data) for name, data in files.items()])
        elif path.startswith(FILE) and path.rsplit("/", 1)[1] in files:
            self.give(path.rsplit("/", 1)[1])
        else:
            self.fail(404, "EntryNotFound" if path.startswith(FILE) else "RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def say(self, value: object) -> None:
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def fail(self, code: int, kind: str = "", **headers: str) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.reply(code, b"{}", {"X-Error-Code": kind, "Content-Type": "application/json"} | named)
        return True

    def give(self, name: str, data: bytes | None = None, length: int | None = None) -> bool:
        """Send a file, or `data` in its place; with a `length` beyond that of the data, the connection is cut."""
        sums = listed(name, self.server.files[name])
        etag = sums["lfs"]["oid"] if "lfs" in sums else sums["oid"]
        data = self.server.files[name] if data is None else data
        self.reply(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, length)
        return True

    def reply(self, code: int, data: bytes, headers: dict[str, str], length: int | None = None) -> None:
        start = 0
        if "Range" in self.headers and code == 200:
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
            code, headers = 206, headers | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str((len(data) if length is None else length) - start))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start:])

    def log_message(self, *_: object) -> None:
        pass


def listed(name: str, data: bytes) -> dict:
    """A line of the tree of files, with the sums that the Hub knows."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    large = {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
    return {"type": "file", "path": name, "size": len(data), "oid": blob} | (large if name.endswith(LARGE) else {})


class Hub(ThreadingHTTPServer):
    """The server; `asked` counts the requests by path."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], fault: Fault | None) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.files, self.fault, self.asked = files, fault, Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(files: dict[str, bytes], fault: Fault | None = None) -> Iterator[Hub]:
    """A Hub that has the model `NAME` with these files."""
    with Hub(files, fault) as hub:
        threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield hub
        finally:
            hub.shutdown()


def content(folder: Path) -> dict[str, bytes]:
    """The files of a model in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def on(part: str, *, first: int | None = None, method: str | None = None) -> Callable[[Fault], Fault]:
    """Let a fault happen to requests whose path has `part`, and to the `first` of them alone."""

    def limited(fault: Fault) -> Fault:
        left = [first if first is not None else 10**6]

        def happens(request: Request) -> bool:
            if part not in request.path or (method and request.command != method) or left[0] == 0:
                return False
            left[0] -= 1
            return fault(request)

        return happens

    return limited


def hang(request: Request) -> bool:
    """Answer with nothing, for longer than anybody waits."""
    time.sleep(3)
    return cut(request)


def cut(request: Request) -> bool:
    """Close the connection without an answer."""
    request.close_connection = True
    request.connection.close()
    return True


def page(request: Request) -> bool:
    """A login page, as a hotel's network sends it for anything."""
    request.reply(200, b"<html><body>Please log in</body></html>", {"Content-Type": "text/html"})
    return True
