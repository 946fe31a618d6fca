"""The command `snips` on bad input; what it writes is tested with the stages."""

import pytest

from tests.conftest import assert_one_line_error, run_stage


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--intent", "PlayMusic", "--strategy", "sing"], "strategy sing: there is no such; there are: greedy, beam"),
        (["--intent", "PlayMusic", "--value", "1.4"], "strategy top_p: Input should be less than or equal to 1"),
        (["--intent", "PlayMusic", "-n", "0"], "-n 0: "),
        (["--intent", "PlayMusic", "--seed", "99999999999"], "--seed 99999999999: give one from 0 to 4294967295"),
        (["--intent", "PlayMusic"], "data/models/decoder: no tuned decoder yet; run: dvc repro tune_decoder"),
    ],
)
def test_bad_input_is_one_line(project, arguments, part):
    assert_one_line_error(run_stage("pipelines.cli", "generate", *arguments), part)
