"""Unfinished training: keyed by what goes into it, locked while used, and no model without its best checkpoint."""

import multiprocessing
import shutil
import time
from pathlib import Path

import pytest
import torch

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.models import loading
from pipelines.training import checkpoints, encoding, runs, trainer
from tests.conftest import ROOT
from tests.pipelines.test_training import options_of, tasks


@pytest.fixture
def split(tmp_path):
    from pipelines.data import parquet

    folder = tmp_path / "splits"
    folder.mkdir()
    for part, pattern in zip(("train", "validation"), snips.PARTS.values(), strict=True):
        rows = []
        for intent in ("PlayMusic", "RateBook"):
            data = (ROOT / "data/sample" / pattern.format(intent)).read_bytes()
            rows += snips.parse(data, part, intent, intent)[0][::4]
        parquet.write(rows, folder / f"{part}.parquet")
    return folder


def train(split, tiny_encoder, **changes):
    options = options_of("intent", epochs=3, batch_size=8, learning_rate=1e-3, **changes)
    tokenizer = loading.load_tokenizer(tiny_encoder)
    return runs.train("a-run", tasks.get("intent"), tiny_encoder, split, options, tokenizer)


def test_another_key_is_another_folder_and_is_never_taken_away(split, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))
    other = tmp_path / "shared/a-run.0123456789abcdef/checkpoint-5"
    other.mkdir(parents=True)
    (other / "trainer_state.json").write_text('{"global_step": 5}')
    train(split, tiny_encoder)
    assert (other / "trainer_state.json").is_file()
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["a-run.0123456789abcdef"]


def test_the_key_changes_with_options_bytes_and_code(tmp_path):
    file = tmp_path / "x.parquet"
    file.write_bytes(b"1")
    code = ["pipelines.training.runs", "pipelines.tasks.intent.task"]
    first = checkpoints.keyed("r", ["a"], [file], code)
    assert first == checkpoints.keyed("r", ["a"], [file], code)
    assert first != checkpoints.keyed("r", ["b"], [file], code)
    assert first != checkpoints.keyed("r", ["a"], [file], [*code, "pipelines.tasks.qa.task"])
    file.write_bytes(b"2")
    assert first != checkpoints.keyed("r", ["a"], [file], code)


@pytest.mark.parametrize("state", [None, "", "{", "{}", "[]", "7", "null", '{"global_step": []}', "[" * 100_000])
def test_a_checkpoint_that_trainer_did_not_finish_is_passed_over(tmp_path, state):
    assert checkpoints.newest(tmp_path) is None
    for step, text in ((9, '{"global_step": 9}'), (10, '{"global_step": 10}'), (11, state)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if text is not None:
            (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text(text)
    assert checkpoints.newest(tmp_path) == str(tmp_path / "checkpoint-10")


def _hold(folder: str, seconds: float) -> None:
    with checkpoints.locked(Path(folder)):
        Path(folder, "held").touch()
        time.sleep(seconds)
        shutil.rmtree(folder)  # as a training that ends does


def test_a_second_training_of_the_same_run_waits_and_says_so(tmp_path, capfd):
    folder = tmp_path / "a-run.1"
    first = multiprocessing.get_context("fork").Process(target=_hold, args=(str(folder), 1.5))
    first.start()
    while not (folder / "held").exists():
        time.sleep(0.02)
    with checkpoints.locked(folder) as got:
        assert not first.is_alive() or not (folder / "held").exists()
        assert got.is_dir()
    first.join()
    assert "another training of the same run is using it; waiting" in capfd.readouterr().err


def test_no_model_comes_of_a_best_checkpoint_that_is_gone(split, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))
    load = trainer.Trainer._load_best_model

    def gone(self):
        shutil.rmtree(self.state.best_model_checkpoint)
        load(self)

    monkeypatch.setattr(trainer.Trainer, "_load_best_model", gone)
    with pytest.raises(InputError, match="taken away while it was needed, so there is no model to keep"):
        train(split, tiny_encoder)


def test_what_is_taken_away_while_rows_are_encoded_is_one_line(split, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))
    encode = encoding.of_rows

    def cleaned(*arguments):  # by `make clean`
        yield from encode(*arguments)
        shutil.rmtree(tmp_path / "shared")

    monkeypatch.setattr(encoding, "of_rows", cleaned)
    with pytest.raises(InputError, match=r"a-run.*taken away while it was needed"):
        train(split, tiny_encoder)


def test_no_model_comes_of_one_that_scores_otherwise_than_reported(split, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))

    def of_another(self):
        for weight in self.model.classifier.parameters():
            torch.nn.init.ones_(weight)
        self.state.best_metric = 0.987

    monkeypatch.setattr(trainer.Trainer, "_load_best_model", of_another)
    with pytest.raises(InputError, match=r"its model scores accuracy 0\.\d+, where training measured 0\.987"):
        train(split, tiny_encoder)
    assert not list((tmp_path / "shared").iterdir())  # so that the next run does


def test_the_best_weights_are_kept_where_another_machine_scored_them_otherwise(
    split, tiny_encoder, tmp_path, monkeypatch
):
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))
    load = trainer.Trainer._load_best_model

    def scored_elsewhere(self):
        load(self)
        self.state.best_metric += 0.005

    monkeypatch.setattr(trainer.Trainer, "_load_best_model", scored_elsewhere)
    found = train(split, tiny_encoder).facts
    monkeypatch.undo()
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))
    assert found == train(split, tiny_encoder).facts
