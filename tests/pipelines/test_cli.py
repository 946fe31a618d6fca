"""The command `snips` on bad input; what it writes is tested with the stages."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines import cli
from pipelines.core import files
from pipelines.core.errors import InputError
from tests.conftest import assert_one_line_error, run_stage


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--intent", "PlayMusic", "--strategy", "sing"], "strategy sing: there is no such; there are: greedy, beam"),
        (["--intent", "PlayMusic", "--value", "1.4"], "strategy top_p: Input should be less than or equal to 1"),
        (["--intent", "PlayMusic", "-n", "0"], "-n 0: "),
        (["--intent", "PlayMusic", "--seed", "99999999999"], "--seed 99999999999: give one from 0 to 2147483647"),
        (["--intent", "PlayMusic", "--seed", "-1"], "--seed -1: give one from 0 to"),
        (["--intent", "PlayMusic", "--prompt", "\udcff"], "half of a surrogate pair"),
        (["--intent", "PlayMusic"], "data/models/decoder: no tuned decoder yet; run: dvc repro tune_decoder"),
    ],
)
def test_bad_input_is_one_line(project, arguments, part):
    assert_one_line_error(run_stage("pipelines.cli", "generate", *arguments), part)


@pytest.fixture
def two_corpora(project):
    """Folders of two runs: of the sample, and, left from before, of another corpus and another plan."""
    for run, task, source in (
        ("joint-full", "joint", "mine"),
        ("intent-full", "intent", "sample"),
        ("slots-old", "slots", "sample"),
    ):
        facts = {"run": run, "task": task, "mode": "full", "source": source, "computed_in": "fp32"}
        files.write_json(Path(f"data/models/{run}/training.json"), facts)
        Path(f"data/models/{run}/model.safetensors").write_bytes(run.encode())


def test_the_run_to_ask_is_of_the_corpus_and_the_plan_of_params(two_corpora):
    assert cli._best(("joint", "intent", "slots")) == Path("data/models/intent-full")
    with pytest.raises(InputError, match=r"no run of slots on sample yet; run: dvc repro finetune@slots-full"):
        cli._best(("slots",))
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("task: qa", "task: intent"), encoding="utf-8")
    with pytest.raises(InputError, match=r"params\.yaml has no run of qa; add one under finetune"):
        cli._best(("qa",))
    Path("params.yaml").unlink()
    assert cli._best(("joint", "intent")) == Path("data/models/joint-full")


def test_an_export_of_other_weights_is_passed_over(two_corpora, capsys):
    run = Path("data/models/intent-full")
    assert cli._exported() == run
    for form, weights in (("openvino-int8", "older"), ("onnx", files.sha256(run / "model.safetensors"))):
        facts = {"run": "intent-full", "weights": weights}
        files.write_json(Path(f"data/exports/intent-full-{form}/export.json"), facts)
    assert cli._exported() == Path("data/exports/intent-full-onnx")
    assert "intent-full-openvino-int8: of other weights than data/models/intent-full has" in capsys.readouterr().err


def test_a_folder_is_named_as_a_shell_names_it(project):
    assert cli._folder("joint-full") == Path("data/models/joint-full")
    assert cli._folder("./mine") == Path("mine")


def test_ctrl_c_and_a_folder_that_cannot_be_written_are_one_line(monkeypatch, capsys):
    def command(error):
        def act(_):
            raise error

        return lambda: SimpleNamespace(parse_args=lambda: SimpleNamespace(act=act))

    monkeypatch.setattr(cli, "_parser", command(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "stopped\n")
    monkeypatch.setattr(cli, "_parser", command(PermissionError(13, "Permission denied", "data/exports")))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code.startswith("error: data/exports: Permission denied; see that one may write there")
