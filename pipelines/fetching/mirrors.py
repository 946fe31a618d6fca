"""Where bytes come from: a folder or a base URL, in parallel, with retries, time limits and checksums."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from tqdm import tqdm

from pipelines.core.errors import InputError

COMMIT = "b86ac7f1577868c42158d0dec77db50956046696"
SNIPS_URL = f"https://raw.githubusercontent.com/sonos/nlu-benchmark/{COMMIT}/2017-06-custom-intent-engines"

ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt; doubled before each further one
CONNECT_TIMEOUT, READ_TIMEOUT, FILE_TIMEOUT = 10, 30, 300  # seconds
PARALLEL = 8
CHUNK = 1 << 16  # bytes
LARGEST = 64 * 2**20  # bytes of a file; the largest of SNIPS has under one million


def read_checksums(path: Path) -> dict[str, str]:
    """Read a `sha256sum` list: relative file name -> SHA-256 in hex."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def fetch(checksums: dict[str, str], base: str, folder: Path) -> None:
    """Bring every file named in `checksums` from `base` (a folder or a URL) into `folder`, verified.

    Raises:
        InputError: a file cannot be had, or its bytes are not the published ones.
    """
    with (
        ThreadPoolExecutor(PARALLEL) as pool,
        tqdm(total=len(checksums), desc="download", unit="file", leave=False) as bar,
    ):
        jobs = [pool.submit(_fetch_one, base, name, digest, folder / name) for name, digest in checksums.items()]
        try:
            for job in jobs:
                job.result()
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def read(base: str, name: str) -> bytes:
    """Bytes of the file `name` under `base` (a folder or a URL), not verified.

    Raises:
        InputError: it cannot be had.
    """
    if base.startswith(("http://", "https://")):
        return _get(f"{base.rstrip('/')}/{name}")
    try:
        return (Path(base) / name).read_bytes()
    except OSError as error:
        raise InputError(
            f"{base}/{name}: {error.strerror}; SNIPS_MIRROR must be a URL or a folder that holds <Intent>/<file>"
        ) from None


def _fetch_one(base: str, name: str, digest: str, target: Path) -> None:
    data = read(base, name)
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise InputError(
            f"{base}/{name}: SHA-256 is {found}, expected {digest} ({len(data):,} bytes): "
            "the file is cut or changed; fetch it anew or use another SNIPS_MIRROR"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _get(url: str) -> bytes:
    """GET with growing pauses between attempts; the proxy variables are honoured by `requests`."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return _get_once(url)
        except requests.HTTPError as error:
            reason = f"HTTP {error.response.status_code}"
            if error.response.status_code < 500 and error.response.status_code != 429:
                break  # asking again will not help
        except requests.RequestException as error:
            reason = type(error).__name__
    raise InputError(f"{url}: {reason}; check the network and proxy, or set SNIPS_MIRROR to a folder or URL")


def _get_once(url: str) -> bytes:
    deadline = time.monotonic() + FILE_TIMEOUT
    data = bytearray()
    with requests.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
        response.raise_for_status()
        for chunk in response.iter_content(CHUNK):
            data += chunk
            if len(data) > LARGEST:
                raise InputError(f"{url}: more than {LARGEST:,} bytes, which no file of SNIPS has; use another mirror")
            if time.monotonic() > deadline:
                raise requests.Timeout(f"not done after {FILE_TIMEOUT} s")
    return bytes(data)
