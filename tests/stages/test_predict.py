"""`snips predict` and `Model`: what is answered is what was evaluated; bad texts are lines, and the rest goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.analysis.robustness import KINDS
from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.serving import Model, lines, terminal
from stages import convert, download, evaluate, fetch_encoder, finetune, noise, robustness, split
from tests.conftest import assert_one_line_error, copy_project, read_details, run_stage

RUNS = ("intent-full", "slots-full", "joint-full", "qa-full")
TEXT = "play the top twenty jazz songs by miles davis on spotify"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_encoder):
    """A project with a run of each task, evaluated; it is the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNIPS_MIRROR", raising=False)
        copy_project(tmp_path_factory.mktemp("predict") / "a project", tiny_encoder, patch)
        for stage in (download.download, convert.convert, split.split, fetch_encoder.fetch_encoder):
            stage()
        for run in RUNS:
            finetune.finetune(run)
            evaluate.evaluate(run)
        yield Path.cwd()


def predict(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pipelines.cli", "predict", *arguments]
    return subprocess.run(command, input=given, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("run", RUNS)
def test_it_says_what_evaluate_said(trained, run):
    said = {row["id"]: row for row in pq.read_table(f"data/predictions/{run}/test.parquet").to_pylist()}
    rows = parquet.read(Path("data/splits/test.parquet"))
    answers = Model.load(f"data/models/{run}")([row["text"] for row in rows])
    assert len(answers) == len(rows) == 98
    for row, answer in zip(rows, answers, strict=True):
        before = said[row["id"]]
        assert answer["text"] == row["text"]
        if run == "qa-full":  # a new text is asked every question, and padded otherwise
            found = {one["label"]: one["answer"] for one in answer["answers"]}
            assert {one["label"]: found[one["label"]] for one in before["predicted_answers"]} == {
                one["label"]: one["answer"] for one in before["predicted_answers"]
            }
        if "intent" in answer:
            assert (answer["intent"], answer["score"]) == (before["predicted_intent"], before["predicted_score"])
        if "slots" in answer:
            assert [slot | {"value": None} for slot in answer["slots"]] == [
                slot | {"value": None} for slot in before["predicted_slots"]
            ]
            assert all(slot["value"] == row["text"][slot["start"] : slot["end"]] for slot in answer["slots"])


def test_what_is_lost_is_counted_from_what_evaluate_said(trained):
    robustness.robustness("joint-full")
    report, found = (
        read_details("metrics/joint-full.json"),
        read_details("metrics/on_demand/robustness-joint-full.json"),
    )
    assert (found["source"], found["utterances"]) == ("sample", 98)
    names = {"accuracy": "intent_accuracy", "f1": "slot_f1", "frame_accuracy": "frame_accuracy"}
    assert {row["metric"] for row in found["rows"]} == set(names)
    for row in found["rows"]:
        assert row["plain"] == pytest.approx(report[names[row["metric"]]], abs=1e-6)
        assert row["drop"] == pytest.approx(row["plain"] - row["value"], abs=2e-6)
        if row["change"] == "upper case":  # the encoder reads lower case
            assert (row["changed"], row["drop"], row["beyond_chance"]) == (98, 0, False)
        else:
            assert 0 < row["changed"] <= 98
    assert_one_line_error(run_stage("stages.robustness", "qa-full"), "robustness.run qa-full: a run of questions")


def test_what_noise_brings_is_set_beside_the_run_as_it_is(trained):
    noise.noise("joint-full")
    found, report = read_details("metrics/on_demand/noise-joint-full.json"), read_details("metrics/joint-full.json")
    assert (found["source"], found["utterances"], found["share"]) == ("sample", 98, 0.5)
    assert {row["change"] for row in found["rows"]} == {"as they are", *KINDS}
    assert {row["change"] for row in found["rows"] if row["trained_on"]} == {"typing errors", "fillers", "polite"}
    names = {"accuracy": "intent_accuracy", "f1": "slot_f1", "frame_accuracy": "frame_accuracy"}
    for row in found["rows"]:
        assert row["gain"] == pytest.approx(row["with"] - row["without"], abs=2e-6)
        if row["change"] == "as they are":
            assert row["without"] == pytest.approx(report[names[row["metric"]]], abs=1e-6)
    assert_one_line_error(run_stage("stages.noise", "qa-full"), "noise.run qa-full: a run of questions")


def test_one_text_or_many(trained):
    model = Model.load("data/models/joint-full")
    assert model(TEXT)["text"] == TEXT
    assert model([]) == []
    assert [answer["intent"] for answer in model([TEXT, TEXT])] == [model(TEXT)["intent"]] * 2


@pytest.mark.parametrize("text", ["<b>", "\x1b[31m", "שלום", "日本", "🙂", "a" * 3000, "\x00"])
def test_any_text_has_an_answer(trained, text):
    answer = Model.load("data/models/joint-full")(text)
    assert answer["text"] == text
    shown = terminal.answer(answer, "joint-full", coloured=False)
    assert "\x1b" not in shown
    assert "\x00" not in shown


def test_a_person_reads_an_answer_in_80_columns(trained):
    result = predict(TEXT, "--model", "intent-full")
    assert result.returncode == 0, result.stderr
    first, intent, last = result.stdout.decode().splitlines()
    assert (first, last) == (TEXT, "(intent-full)")
    assert intent.startswith("intent  ")
    assert max(map(len, (first, intent))) <= 80


def test_slots_are_marked_by_colour_or_brackets():
    said = {"text": "play jazz", "slots": [{"label": "genre", "value": "jazz", "start": 5, "end": 9, "score": 0.5}]}
    assert terminal.answer(said, "x", coloured=False).startswith("play [jazz](genre)\ngenre  ")
    assert terminal.answer(said, "x", coloured=True).startswith("play \033[32;1mjazz\033[0m\n\033[32;1mgenre  ")


def test_lines_in_are_lines_out_and_a_bad_one_stops_nothing(trained):
    result = predict(
        "--model", "joint-full", given=b"\xef\xbb\xbfplay jazz\r\n\n\xff\xfe\n" + b"word " * 10_000 + b"\nhi"
    )
    assert result.returncode == 1
    assert result.stderr.decode().endswith("error: 3 of the lines had no answer; see their error in the output\n")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["text"] for one in found] == ["play jazz", "", "\\xff\\xfe", "word " * 10_000, "hi"]
    assert ["error" in one for one in found] == [False, True, True, True, False]
    assert found[2]["error"] == "not UTF-8 at byte 0; save the file as UTF-8"
    assert "30002 tokens, but the model has 64 positions" in found[3]["error"]


def test_lines_are_answered_some_at_a_time(trained, monkeypatch, capsys):
    monkeypatch.setattr(lines, "AT_ONCE", 3)
    model = Model.load("data/models/intent-full")
    texts = [f"play song {n}" for n in range(7)]
    assert lines.answer(model, [f"{text}\n".encode() for text in texts], sys.stdout) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == texts


def test_a_question_is_answered_or_refused(trained):
    result = predict(TEXT, "--ask", "Which artist?", "--json")  # finds the run of qa by itself
    answer = json.loads(result.stdout)
    assert answer["question"] == "Which artist?"
    assert answer["answer"] == TEXT[answer["start"] : answer["end"]]
    refused = {"text": "a", "question": "b", "answer": "", "start": 0, "end": 0, "score": 0.9}
    assert "(the text does not say)" in terminal.answer(refused, "x", coloured=False)
    with pytest.raises(InputError, match="a run of the task joint answers no questions"):
        Model.load("data/models/joint-full").ask(TEXT, "Which artist?")
    with pytest.raises(InputError, match="the question is empty"):
        Model.load("data/models/qa-full").ask(TEXT, " ")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["hi", "--model", "nope"], "data/models/nope: no such model; run: dvc repro finetune@nope"),
        (["hi", "--model", "base-encoder"], "base-encoder: not a run of finetune"),
        ([" "], "the text is empty"),
    ],
)
def test_bad_input_is_one_line(trained, arguments, part):
    assert_one_line_error(run_stage("pipelines.cli", "predict", *arguments), part)


def test_without_a_model_the_command_that_makes_one_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_one_line_error(run_stage("pipelines.cli", "predict", "hi"), "run: dvc repro finetune@joint-full")
    assert_one_line_error(run_stage("pipelines.cli", "predict", "hi", "--ask", "a?"), "run: dvc repro finetune@qa-full")
