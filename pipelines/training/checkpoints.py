"""Where an unfinished training lies: a folder keyed by all that goes into it, locked while it is used.

No run deletes the folder of another key, as it may belong to an experiment beside it; `make clean` does.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import ExportableState

from pipelines.core import processes
from pipelines.core.errors import InputError
from pipelines.core.files import sha256
from pipelines.core.provenance import code_of

GONE = "taken away while it was needed, so there is no model to keep; train again, and let nothing else write there"
ROOT = "SNIPS_CHECKPOINTS"  # environment variable: several clones and experiments can share a folder


def keyed(name: str, parts: list[str], files: list[Path], modules: list[str]) -> Path:
    """Folder of the training `name`, for these options in words, the bytes of these files and the code of modules."""
    key = hashlib.sha256("\n".join(parts).encode())
    for path in sorted(files):
        key.update(f"\n{path.name}\n".encode())
        key.update(sha256(path).encode())
    key.update(code_of(*modules).encode())
    return Path(os.environ.get(ROOT, ".checkpoints")) / f"{name}.{key.hexdigest()[:16]}"


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Hold `folder` alone, made where it is not there; waits, and says so, while another training holds it.

    Of several processes that train together the first holds it.

    Raises:
        InputError: what lies in it was taken away meanwhile.
    """
    if processes.rank():
        yield folder
        return
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / "lock"  # a file, as network file systems know locks of folders on their own machine alone
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue  # taken away between the two
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: another training of the same run is using it; waiting", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        if lock.is_file() and os.fstat(handle).st_ino == lock.stat().st_ino:
            break  # not taken away by the one that held it
        os.close(handle)
    try:
        yield folder
    except FileNotFoundError as error:  # `make clean` while it trains
        if str(folder) not in str(error):
            raise
        raise InputError(f"{folder}: {GONE}") from None
    finally:
        os.close(handle)
        shutil.rmtree(_aside(folder), ignore_errors=True)  # network file systems keep a lock that is held


def remove(folder: Path) -> None:
    """Take `folder` away at once, so that no other training begins in what is still being deleted."""
    with contextlib.suppress(FileNotFoundError):
        folder.rename(_aside(folder))
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".gone-{os.getpid()}-{folder.name}")


def newest(folder: Path) -> str | None:
    """The newest complete checkpoint in `folder`, or None. Trainer writes trainer_state.json last."""
    complete = []
    for state in folder.glob("checkpoint-*/trainer_state.json"):
        try:
            complete.append((int(json.loads(state.read_text(encoding="utf-8"))["global_step"]), str(state.parent)))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # cut off while it was written, or not written by Trainer
    return max(complete)[1] if complete else None


class LossesSinceLog(TrainerCallback, ExportableState):
    """Lets a resumed training log the mean loss since the last log, of the steps before the checkpoint too.

    Trainer forgets their sum, so that a curve would show that the training was cut off.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def state(self) -> dict[str, Any]:
        """What goes into trainer_state.json; Trainer asks for it before it trains, too."""
        total, last = (getattr(self.trainer, name, 0) for name in ("_tr_loss", "_globalstep_last_logged"))
        return {"args": {}, "attributes": {"total": float(total), "last": last}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step:
            kept = state.stateful_callbacks[type(self).__name__]["attributes"]
            self.trainer._tr_loss.fill_(kept["total"])
            self.trainer._globalstep_last_logged = kept["last"]
