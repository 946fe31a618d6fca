"""Processes that share work: the same results in order, few items at once, and nothing is left of them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipelines.core.errors import InputError
from pipelines.training import pool
from tests import warm
from tests.conftest import ROOT


def slower_first(number):
    time.sleep(0.2 / (number + 1))
    return number, os.getpid()


def dies(number):
    os.kill(os.getpid(), signal.SIGKILL)


def complains(number):
    raise InputError(f"number {number}: no")


SCRIPT = """
from pipelines.training import pool
from tests.pipelines.test_pool import slower_first

if __name__ == "__main__":
    for _, (_, process) in pool.mapped(slower_first, range(10**6), 2, []):
        print(process, flush=True)
"""


@pytest.fixture(autouse=True)
def server():
    warm.begin()


def test_results_come_in_order_and_few_items_are_taken_at_once():
    taken = []
    found = []
    for item, (number, process) in pool.mapped(slower_first, (taken.append(n) or n for n in range(7)), 3, []):
        found.append((item, number))
        assert len(taken) <= len(found) + 2
        assert process != os.getpid()
    assert found == [(n, n) for n in range(7)]
    assert list(pool.mapped(slower_first, [1], 1, [])) == [(1, (1, os.getpid()))]


def test_the_error_of_a_process_is_that_of_one_alone():
    for count in (1, 2):
        with pytest.raises(InputError, match=r"^number 0: no$"):
            list(pool.mapped(complains, [0, 1, 2], count, []))


def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(InputError, match=r"^a process that encodes was ended.*OMP_NUM_THREADS$"):
        list(pool.mapped(dies, [0, 1, 2], 2, []))


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends them on Linux alone")
def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "shares.py"
    script.write_text(SCRIPT, encoding="utf-8")
    first = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    others = {int(first.stdout.readline()) for _ in range(4)}
    first.kill()
    first.wait()
    end = time.monotonic() + 20
    while any(psutil.pid_exists(one) for one in others) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [one for one in others if psutil.pid_exists(one)]
