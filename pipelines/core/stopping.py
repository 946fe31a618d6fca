"""Ctrl-C and SIGTERM end a stage in one line; what it was writing is taken away, and its checkpoints stay.

A second one, some seconds later, ends it at once: what it waits for, such as a download, may never come.
"""

import contextlib
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
AGAIN = 0.01  # seconds until a stop is tried again
PATIENCE = 2.0  # seconds; DVC and the terminal may send the same stop twice


class Stopped(SystemExit):
    """Its code is 128 + the signal's number, as a shell reports it."""


def in_one_line() -> None:
    """From now on, both signals raise `Stopped`; where Python drops an exception, as in `__del__`, soon after it."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    sys.unraisablehook = _dropped


def too_late() -> None:
    """After `in_one_line`: both signals are passed over, as the work is done and only Python itself has to end."""
    for number in SIGNALS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    asked = time.monotonic()

    def impatient(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - asked > PATIENCE:
            os._exit(128 + number)

    for name in SIGNALS:
        signal.signal(name, impatient)  # what is unfinished is taken away in peace
    said = f"stopped: {SIGNALS[signal.Signals(number)]}; dvc repro goes on, a training from its last whole epoch\n"
    with contextlib.suppress(OSError):  # nobody reads it any more
        os.write(2, said.encode())  # not through sys.stderr, which may be at work
    raise Stopped(128 + number)


def _dropped(what: Any) -> None:
    """What Python does with an exception that it drops: it prints it, but a stop is to happen all the same."""
    if not isinstance(what.exc_value, Stopped):
        sys.__unraisablehook__(what)
        return
    code = what.exc_value.code

    def again(number: int, frame: FrameType | None) -> None:
        raise Stopped(code)

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
