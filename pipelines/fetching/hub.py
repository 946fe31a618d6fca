"""A base model from the Hugging Face Hub: at one commit, each file with the sum that the Hub says, errors by kind."""

import errno
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError
from pipelines.core.files import sha256

ATTEMPTS = 4
FURTHER = 2  # attempts at what the library itself tries again for most faults
PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
LONGEST_WAIT = 120  # seconds that a rate limit may ask us to wait
LARGEST = 20 * 2**30  # bytes of a model


def fetch(name: str, revision: str, patterns: list[str]) -> tuple[Path, str]:
    """Folder in the Hub's cache with the files of `name` that match `patterns`, and its commit.

    A file whose bytes are not those that the Hub lists is fetched once more. Where the Hub cannot be reached, a cache
    that is known to be whole is used, which is said.

    Raises:
        InputError: it cannot be had; the message has the reason, by its kind, and the remedy, but not which param.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    constants.HF_HUB_DISABLE_XET = True  # one way for the bytes, the one that is tested
    _limit_answers()
    if not sys.stderr.isatty():
        disable_progress_bars()

    def bring(**options: Any) -> Any:
        return snapshot_download(name, revision=revision, allow_patterns=patterns, **options)

    try:
        _tried(lambda: _ask(name, revision))
    except _UnreachableError as unreachable:
        try:
            folder = Path(bring(local_files_only=True))
            broken = _broken(name, folder)
        except (LocalEntryNotFoundError, CachedRepoTreeNotFoundError):
            raise InputError(f"{unreachable}; its cache is not known to hold this model whole either") from None
        if broken:
            raise InputError(f"{unreachable}; and the cache of it has other bytes: {', '.join(broken)}") from None
        print(f"{name}: {unreachable}; taken from the cache, commit {folder.name}", file=sys.stderr)
        return folder, folder.name
    _tried(lambda: _refuse_large(bring(dry_run=True)), attempts=1)  # from here on the library tries again by itself
    folder = Path(_tried(bring, FURTHER))  # but not for an error of the server, or a connection that is reset
    if broken := _broken(name, folder):
        for file in broken:
            (folder / file).resolve().unlink(missing_ok=True)
            (folder / file).unlink(missing_ok=True)
        folder = Path(_tried(bring, FURTHER))
    if broken := _broken(name, folder):
        raise InputError(
            f"the Hub gives other bytes than it lists for {', '.join(broken)}, twice; "
            "what stands between (a proxy, HF_ENDPOINT) may change them; try again later"
        )
    return folder, folder.name


def names(name: str, commit: str) -> list[str]:
    """Paths of all files of a model at a commit that was fetched, whether they were fetched or not."""
    from huggingface_hub import get_cached_repo_tree

    return sorted(listed.path for listed in get_cached_repo_tree(name, revision=commit))


class _UnreachableError(InputError):
    """The Hub itself cannot be asked, so that a cache may stand in for it."""


def _ask(name: str, revision: str) -> None:
    """Ask the Hub for the model, to know whether it can be had."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(name, revision=revision)
    except (TypeError, LookupError, AttributeError):
        raise ValueError("JSON of another kind") from None


def _limit_answers() -> None:
    """Let no request wait for ever: the library limits some alone, and waits for as long as the Hub asks it to."""
    import httpx2
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils import get_session

    def limit(request: Any) -> None:
        limits = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {
            kind: limits.get(kind) or constants.HF_HUB_ETAG_TIMEOUT for kind in ("connect", "read", "write", "pool")
        }

    def impatient(response: Any) -> None:
        asked = _seconds(response.headers) if response.status_code == 429 else None
        if asked is not None and asked > LONGEST_WAIT:
            raise _limited(asked)

    hooks = {"request": [*get_session().event_hooks["request"], limit], "response": [impatient]}
    set_client_factory(lambda: httpx2.Client(event_hooks=hooks, follow_redirects=True))


def _limited(asked: int | None) -> _UnreachableError:
    again = f"in {asked} s" if asked is not None else "later"
    return _UnreachableError(f"the Hub limits how often one may ask: try again {again}, or log in (HF_TOKEN)")


def _tried(ask: Callable[[], Any], attempts: int = ATTEMPTS) -> Any:
    """What `ask` gives, after some attempts where another one may help."""
    for attempt in range(attempts):
        try:
            return ask()
        except InputError:
            raise
        except Exception as error:  # of httpx2, huggingface_hub, json and the system, sorted here
            wait, problem = _sorted(error, PAUSE * 2**attempt)
            if wait is None or attempt == attempts - 1:
                raise problem from None
            if wait > 10:
                print(f"{problem}; waiting {wait:.0f} s", file=sys.stderr)
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _sorted(error: Exception, pause: float) -> tuple[float | None, InputError]:
    """Seconds after which to ask again, None for never; and the error in words."""
    import httpx2
    from huggingface_hub import constants, errors

    endpoint = constants.ENDPOINT
    wrapped = isinstance(error, errors.LocalEntryNotFoundError | errors.DryRunError)
    if wrapped and isinstance(error.__cause__, Exception):
        error = error.__cause__  # the library wraps what came from the network
    if isinstance(error, errors.HFValidationError):
        return None, InputError("no folder of this name, and none that a model on the Hub can have; check its spelling")
    if isinstance(error, errors.GatedRepoError):
        return None, InputError(
            f"its authors ask for consent: accept the terms at {endpoint}/<name>, then log in (hf auth login, HF_TOKEN)"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return None, InputError(
            "no folder, no installed package and no public model on the Hub has this name; "
            "check its spelling, or log in (hf auth login, HF_TOKEN) if it is private"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return None, InputError("the model has no such revision; name a branch, a tag or a whole commit")
    if isinstance(error, errors.HfHubHTTPError):
        code = error.response.status_code
        if code == 429:
            asked = _seconds(error.response.headers)
            return None if (asked or 0) > LONGEST_WAIT else pause if asked is None else asked, _limited(asked)
        if code >= 500:
            return pause, _UnreachableError(f"the Hub fails (HTTP {code}); try again later")
        return None, InputError(f"the Hub refuses (HTTP {code}); check HF_TOKEN, if it is set, and what it allows")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return None, _UnreachableError("HF_HUB_OFFLINE is set, so the Hub is not asked")
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return None, InputError(f"HF_ENDPOINT {endpoint} is no address; it must start with https:// or http://")
    if isinstance(error, httpx2.ProxyError):
        return None, _UnreachableError("the proxy refuses; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY")
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return pause, _UnreachableError("the Hub does not answer in time; try again later, or check the network")
    if isinstance(error, httpx2.RequestError | ConnectionError):
        return pause, _UnreachableError(
            f"the connection to {endpoint} fails ({type(error).__name__}); check the network"
        )
    if isinstance(error, ValueError | AssertionError | errors.FileMetadataError):
        return None, _UnreachableError(
            f"{endpoint} answers, but not as the Hub does (a login page, a proxy?); check the network and HF_ENDPOINT"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return None, InputError(f"the disk of the Hub's cache, {constants.HF_HUB_CACHE}, is full; make room on it")
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return pause, InputError("the Hub gives fewer or more bytes than it lists; try again later")
    if isinstance(error, OSError):
        return None, InputError(f"{type(error).__name__}: {' '.join(str(error).split()):.160}; check the disk")
    raise error


def _seconds(headers: Any) -> int | None:
    """What a limited answer asks to wait, in seconds."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    if limit is not None:
        return limit.reset_in_seconds
    asked = headers.get("Retry-After", "")
    return int(asked) if asked.isdigit() else None


def _refuse_large(planned: list[Any]) -> None:
    """Refuse a model that is larger than what this project fetches."""
    size = sum(file.file_size or 0 for file in planned)
    if size > LARGEST:
        raise InputError(f"it has {size / 2**30:.0f} GiB, more than the {LARGEST / 2**30:.0f} GiB that are fetched")


def _broken(name: str, folder: Path) -> list[str]:
    """Files in `folder`, a snapshot in the Hub's cache, whose bytes are not those that the Hub lists for its commit."""
    from huggingface_hub import get_cached_repo_tree

    broken = []
    for listed in get_cached_repo_tree(name, revision=folder.name):
        path = folder / listed.path
        if not path.is_file():
            continue  # not asked for
        if listed.lfs is not None:
            same = sha256(path) == listed.lfs.sha256
        else:
            content = path.read_bytes()  # git's own sum of a small file
            blob = b"blob %d\0" % len(content) + content
            same = hashlib.sha1(blob, usedforsecurity=False).hexdigest() == listed.blob_id
        if not same:
            broken.append(listed.path)
    return broken
