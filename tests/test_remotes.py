"""Sharing outputs through S3, against a server of moto's on the loopback address; and where one may not write."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT, assert_one_line_error, commit, dvc, make_repository, ran

CAN_PUSH = [sys.executable, ROOT / "cloud/can_push.py"]
moto = pytest.importorskip("moto.server", reason="make test installs tests/requirements.txt first")


@pytest.fixture
def bucket(monkeypatch):
    """URL and endpoint of an empty bucket."""
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in [name for name in os.environ if name.upper().endswith("_PROXY") or name.startswith("AWS_")]:
        if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="outputs")
    yield "s3://outputs/snips", endpoint
    server.stop()


def test_outputs_go_to_s3_and_come_back(project, bucket):
    url, endpoint = bucket
    make_repository()
    stages = ("split", "fetch_encoder")
    made = ran(dvc("repro", *stages))
    assert set(made) == {"download", "convert", "split", "fetch_encoder"}
    dvc("remote", "add", "-d", "store", url)
    dvc("remote", "modify", "store", "endpointurl", endpoint)
    commit()
    subprocess.run(CAN_PUSH, check=True)
    dvc("push", *stages, "--with-deps")
    clone = project.parent / "another clone"
    subprocess.run(["git", "clone", "-q", ".", clone], check=True)
    dvc("pull", *stages, "--with-deps", cwd=clone)
    assert ran(dvc("repro", *stages, cwd=clone)) == []
    same = "data/models/base-encoder/model.safetensors"
    assert (clone / same).read_bytes() == Path(same).read_bytes()

    # what is lost here is taken from there, and not made again
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data/splits")
    dvc("pull", *stages, "--with-deps")
    assert ran(dvc("repro", *stages)) == []


class _Forbidden(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


def test_a_remote_without_rights_takes_nothing_and_nothing_is_lost(project):
    make_repository()
    dvc("repro", "download")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Forbidden)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dvc("remote", "add", "-d", "store", f"http://127.0.0.1:{server.server_port}/store")
    asked = subprocess.run(CAN_PUSH, capture_output=True, text=True, check=False)
    assert_one_line_error(asked, "the DVC remote takes nothing (403")
    before = {path: path.read_bytes() for path in Path("data/raw").rglob("*") if path.is_file()}
    refused = subprocess.run(["dvc", "push", "download"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "403, message='Forbidden'" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert before == {path: path.read_bytes() for path in before}
    server.shutdown()
    dvc("remote", "modify", "store", "url", str(project.parent / "store"))
    subprocess.run(CAN_PUSH, check=True)
    assert not [path for path in (project.parent / "store").rglob("*") if path.is_file()]
    dvc("push", "download")
    assert [path for path in (project.parent / "store").rglob("*") if path.is_file()]
