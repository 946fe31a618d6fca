"""Features in memory-mapped files: the same features, the same models, however many are taken at once."""

import gc

import pytest

from pipelines.data import parquet, utterances
from pipelines.models import loading
from pipelines.models import task as tasks
from pipelines.models.features import Features, write
from pipelines.training import encoding, trainer
from tests.pipelines.test_training import digest, options_of, rows, run  # noqa: F401

TASKS = {"intent": {}, "slots": {}, "joint": {"swap_rate": 0.5}, "qa": {}, "masked_lm": {"mask_rate": 0.3}}

NEW = {"id": "x", "text": "\u200b", "intent": "?", "slots": []}  # no token, and an intent that no model knows


def parts_of(name, rows, tiny_encoder):  # noqa: F811
    task, options = tasks.get(name), options_of(name, epochs=2, **TASKS[name])
    model = task.build(tiny_encoder, rows["train_full"], options)
    return task, options, model, loading.load_tokenizer(tiny_encoder)


@pytest.mark.parametrize("name", TASKS)
def test_what_is_read_from_the_files_is_what_the_task_encodes(rows, tiny_encoder, tmp_path, monkeypatch, name):  # noqa: F811
    task, options, model, tokenizer = parts_of(name, rows, tiny_encoder)
    train, validation = (
        rows["train_full"],
        [NEW, *rows["validate"]],
    )
    shown = [list(task.shown(train, options, epoch)) for epoch in range(2 if task.epochs_differ(options) else 1)]
    monkeypatch.setattr(utterances, "AT_ONCE", 7)
    monkeypatch.setattr("pipelines.models.features.AT_ONCE", 7)
    fitted, features, count = encoding.encoded(task, options, model, tokenizer, train, validation, tmp_path)
    expected = [feature for of in shown for feature in task.encode(of, tokenizer, model, options, training=True)]
    assert count == len(expected)
    expected += task.encode(validation, tokenizer, model, options)
    found = features.__getitems__(list(range(len(features))))
    assert found == [_as_lists(feature) for feature in expected]
    assert features.lengths == [len(feature["input_ids"]) for feature in expected]
    assert features.tokens() == {token for feature in expected for token in feature["input_ids"]}
    assert features.part(count, len(features))[0] == found[count]
    assert len(features.part(len(features), len(features))) == 0
    assert fitted.epochs == 2


def _as_lists(value):
    """Arrow knows no tuples."""
    if isinstance(value, dict):
        return {name: _as_lists(inner) for name, inner in value.items()}
    return [_as_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(("name", "mode"), [("joint", "full"), ("qa", "full"), ("slots", "head")])
def test_a_model_is_the_same_however_many_rows_are_taken_at_once(rows, tiny_encoder, tmp_path, monkeypatch, name, mode):  # noqa: F811
    options = TASKS[name] if mode == "full" else {}
    whole = run(rows, tiny_encoder, tmp_path / "a", name, mode, epochs=2, **options)
    monkeypatch.setattr(utterances, "AT_ONCE", 5)
    monkeypatch.setattr("pipelines.models.features.AT_ONCE", 5)
    few = run(rows, tiny_encoder, tmp_path / "b", name, mode, epochs=2, **options)
    assert digest(whole.model) == digest(few.model)
    assert whole.validation_curve == few.validation_curve


def test_rows_are_read_again_by_each_who_asks(rows, tmp_path, monkeypatch):  # noqa: F811
    parquet.write(rows["train_full"], tmp_path / "train.parquet")
    monkeypatch.setattr(parquet, "AT_ONCE", 4)
    lazy = parquet.Rows(tmp_path / "train.parquet")
    assert len(lazy) == len(rows["train_full"])
    assert list(lazy) == list(lazy) == rows["train_full"]


def test_a_label_may_come_late_and_a_file_is_whole_or_not_there(tmp_path):
    features = [[{"input_ids": [1, 2]}], [{"input_ids": [3], "labels": 4}]]
    write(tmp_path / "f", [[], *features], {"labels": None})
    assert Features.of([tmp_path / "f"]).__getitems__([1, 0]) == [features[1][0], features[0][0]]

    with pytest.raises(ValueError, match="features with late, which the first ones lack"):
        write(tmp_path / "g", [features[0], [{"input_ids": [3], "late": 1}]], {})

    def broken():
        yield features[1]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "g", broken(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_half_done_work_goes_on_from_the_files_that_are_there(rows, tiny_encoder, tmp_path):  # noqa: F811
    task, options, model, tokenizer = parts_of("joint", rows, tiny_encoder)
    parts = task, options, model, tokenizer, rows["train_full"], rows["validate"], tmp_path
    encoding.encoded(*parts)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["train-1.arrow", "train-2.arrow", "validation.arrow"]
    (tmp_path / "train-2.arrow").unlink()
    kept = (tmp_path / "train-1.arrow").stat().st_mtime_ns
    encoding.encoded(*parts)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert (tmp_path / "train-1.arrow").stat().st_mtime_ns == kept


@pytest.mark.parametrize(("place", "batch"), [("first", 4), ("last", 4), ("last", 64)])  # in one batch none has a loss
def test_validation_may_have_an_intent_that_train_lacks(rows, tiny_encoder, tmp_path, monkeypatch, place, batch):  # noqa: F811
    monkeypatch.setattr(trainer, "BATCH", batch)
    odd, known = NEW | {"text": "a b c"}, rows["validate"][:9]
    of = [odd, *known] if place == "first" else [*known, odd]
    for task in ("intent", "joint"):
        trained = run(rows | {"validate": of}, tiny_encoder, tmp_path / "c", task, epochs=2)
        assert 0 <= trained.facts["validation"][tasks.get(task).best] <= 1 - 1 / len(of)
        assert len(trained.validation_curve) == 2


def test_python_seeks_cycles_again_once_rows_are_encoded(rows, tiny_encoder, tmp_path, monkeypatch):  # noqa: F811
    parts = parts_of("intent", rows, tiny_encoder)
    seen = []
    monkeypatch.setattr(encoding, "write", lambda *_: seen.append(gc.isenabled()) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        encoding.encoded(*parts, rows["train_full"], [], tmp_path)
    assert (seen, gc.isenabled()) == ([False], True)
