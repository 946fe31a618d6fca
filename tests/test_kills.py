"""Five kills of the hundred that `python -m tests.kills 100` does: what was cut off ends in the same bytes."""

import random
import signal

import pytest

from tests import kills

STAGES = ["fetch_encoder", "finetune@slots-head", "finetune@joint-full"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNIPS_CHECKPOINTS", raising=False)
        took = kills.prepare(tmp_path_factory.mktemp("kills"), STAGES, patch)
        yield took, {stage: kills.sums(stage) for stage in STAGES}


@pytest.mark.parametrize("n", range(5))
def test_what_was_killed_ends_in_the_same_bytes(project, n):
    took, expected = project
    stage = STAGES[n % len(STAGES)]
    share = random.Random(n).uniform(0.3, 0.95)  # before that DVC itself starts
    wrong, _ = kills.survives(stage, share * took[stage], expected[stage])
    assert wrong == []


# as Ctrl-C does, to all that stand in the terminal; as `kill` does, to one; as a container does that ends, to all
@pytest.mark.parametrize(
    ("number", "name", "alone"),
    [(signal.SIGINT, "Ctrl-C", False), (signal.SIGTERM, "SIGTERM", True), (signal.SIGTERM, "SIGTERM", False)],
)
def test_what_was_stopped_says_so_and_ends_in_the_same_bytes(project, number, name, alone):
    _, expected = project
    stage = "finetune@joint-full"
    wrong, said = kills.survives(stage, None, expected[stage], number, alone)
    assert wrong == []
    assert f"stopped: {name}; dvc repro goes on, a training from its last whole epoch\n" in said
    assert said.count("stopped: ") == 1
    assert "Traceback" not in said
    assert not alone or f"exited with {128 + number}" in said  # as DVC reports it
