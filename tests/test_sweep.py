"""Three of the twenty experiments that `python -m tests.sweep 20` queues: none is lost, one that fails stops none."""

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
        dvc("queue", "stop", "--kill")
