"""Three of the twenty experiments that `python -m tests.sweep 20` queues: none is lost, one that fails stops none.

And a worker that is killed, whose task the guide says how to queue again.
"""

import contextlib
import os
import time
from pathlib import Path

import psutil
import pytest

from tests import sweep
from tests.conftest import dvc


def test_a_sweep_ends_whole_though_one_experiment_fails(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        sweep.prepare(tmp_path, patch)
        names = sweep.queue(3)
        assert sweep.work(300) == dict(zip(names, ("Success", "Failed", "Success"), strict=True))
        assert "Running stage 'finetune@intent-full'" in dvc("queue", "logs", names[0])
        assert "finetune.intent-full.mode: Input should be 'full' or 'head'" in dvc("queue", "logs", names[1])
        rates = sweep.table()
        assert (float(rates[names[0]]), float(rates[names[2]])) == (2e-4, 4e-4)
        _killed_and_queued_again()
        dvc("queue", "stop", "--kill")


def _killed_and_queued_again():
    again = ("exp", "run", "--queue", "-n", "swept-9", "-S", f"finetune.{sweep.RUN}.epochs=9", f"evaluate@{sweep.RUN}")
    dvc(*again)
    sweep.start()
    end = time.monotonic() + 120
    while sweep.status()["swept-9"] != "Running":
        assert time.monotonic() < end
        time.sleep(0.5)
    here = [
        one
        for one in psutil.process_iter(["cwd"])
        if one.pid != os.getpid() and (one.info["cwd"] or "").startswith(str(Path.cwd()))
    ]
    assert here  # workers, what runs the experiment, and its stage
    for one in here:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(here, timeout=30)
    assert sweep.status()["swept-9"] == "Running"  # nobody is left to say otherwise
    dvc("queue", "kill", "--force", "swept-9")
    dvc("queue", "remove", "swept-9")
    dvc(*again)
    assert sweep.work(300)["swept-9"] == "Success"
