"""Work on the processor that other processes share, for as long as it takes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

from pipelines.core.errors import InputError


def mapped(
    function: Callable[[Any], Any], items: Iterable[Any], count: int, modules: list[str]
) -> Iterator[tuple[Any, Any]]:
    """Each item and what `function` makes of it, in order, in `count` processes that import `modules` once.

    A `count` of 1 is this process. So many items are taken at once, so that memory does not grow with them.

    Raises:
        InputError: a process was ended.
    """
    if count < 2:
        yield from ((item, function(item)) for item in items)
        return
    rest = iter(items)
    server = multiprocessing.get_context("forkserver")  # the threads of this process would not survive a fork
    server.set_forkserver_preload(modules)
    with ProcessPoolExecutor(count, server, _begin) as pool:
        while some := list(islice(rest, count)):
            try:
                yield from zip(some, pool.map(function, some), strict=True)
            except BrokenProcessPool:
                raise InputError(
                    "a process that encodes was ended, as the system does where memory is short; run again, with fewer "
                    "by OMP_NUM_THREADS"
                ) from None


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # or each of them takes all cores


def _end_with_the_first() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
