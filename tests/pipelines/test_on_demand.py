"""What is measured on demand stands for what it was made from, and for nothing else."""

import json

import pytest

from pipelines.core import files, provenance
from pipelines.core.errors import InputError
from pipelines.models import task as tasks
from pipelines.reports import benchmark_2017, on_demand

ENCODER = {"name": "a", "revision": "main", "sha256": None}
SPLIT = {"protocol": "literature", "seed": 13}


def made(task="slots", start="base", threads=2, data="0", **options):
    settings = tasks.offered(task).Options(mode="full", **options)
    return on_demand.made_from_run(settings, start, encoder=ENCODER, split=SPLIT, threads=threads, data=data)


def report(**changes):
    return {"source": "snips", "made_from": made()} | changes


def test_the_same_options_and_code_are_the_same():
    assert on_demand.difference(report(), "snips", made()) == ""
    assert on_demand.difference(report(), "snips", made(seed=99)) == ""  # the seeds are what is repeated
    written = made(ema=0.0)  # a default that is written out
    assert on_demand.difference(report(), "snips", written) == ""


def test_a_number_of_more_places_than_a_file_keeps_is_the_same(tmp_path):
    files.write_details(tmp_path / "a.json", report(made_from=made(learning_rate=0.000123457)))
    kept = on_demand.read(tmp_path / "a.json")
    assert on_demand.difference(kept, "snips", made(learning_rate=0.000123457)) == ""
    assert "learning_rate" in on_demand.difference(kept, "snips", made(learning_rate=0.000125))


def test_other_utterances_of_the_same_name_are_others(tmp_path):
    (tmp_path / "test.parquet").write_bytes(b"one")
    one = on_demand.data(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"other")
    older = report(made_from=made(data=one))
    assert on_demand.difference(older, "snips", made(data=one)) == ""
    assert on_demand.difference(older, "snips", made(data=on_demand.data(tmp_path))) == "measured on other utterances"


def test_each_difference_is_said():
    assert on_demand.difference(report(), "sample", made()) == "measured on snips"
    assert on_demand.difference(report(), "snips", made(epochs=9)) == "measured with epochs 6, now 9"
    assert on_demand.difference(report(), "snips", made(threads=4)) == "measured with threads 2, now 4"
    assert "finetune_from base, now adapted" in on_demand.difference(report(), "snips", made(start="adapted"))
    older = report(made_from=made() | {"code": "0"})
    assert on_demand.difference(older, "snips", made()) == "measured with older code"
    assert "before options" in on_demand.difference({"source": "snips", "options": "{}"}, "snips", made())


def test_an_option_that_is_new_makes_a_figure_older_and_does_not_drop_it():
    before = made()
    del before["options"]["layer_decay"]
    said = on_demand.difference(report(made_from=before), "snips", made())
    assert said == "measured with layer_decay (not set), now 1.0"


def test_the_seed_of_the_draws_counts():
    def size(seed, code=()):
        drawn, options = on_demand.few_shot_size(
            {"task": "slots", "mode": "full", "per_intent": 10, "draws": 3, "seed": seed}, "x"
        )
        choice = on_demand.Choice(held_out=0.2, learning_rates=[1e-4])
        return on_demand.made_from_size(drawn, options, choice, code, encoder=ENCODER, threads=2)

    assert on_demand.difference(report(made_from=size(13)), "snips", size(14)) == "measured with seed 13, now 14"
    drawn_otherwise = size(13, benchmark_2017.CODE)
    assert on_demand.difference(report(made_from=size(13)), "snips", drawn_otherwise) == "measured with older code"


def test_the_code_is_that_of_what_trains():
    whole = provenance.imported("pipelines.training.runs", "pipelines.tasks.slots.task")
    names = {path.as_posix() for path in whole}
    assert {"pipelines/training/trainer.py", "pipelines/labels/tagging.py", "pipelines/data/parquet.py"} <= names
    assert not [name for name in names if name.startswith(("pipelines/lessons", "pipelines/reports", "stages"))]
    assert made("slots")["code"] != made("joint")["code"]


def test_a_broken_report_is_one_line(tmp_path):
    path = tmp_path / "repeat-x.json"
    assert on_demand.read(path) is None
    for text in ("{", "{}", "[]"):
        path.write_text(text)
        with pytest.raises(InputError, match="restore it with git checkout") as error:
            on_demand.read(path)
        assert "\n" not in str(error.value)
    path.write_text(json.dumps([{"source": "snips"}]))
    assert on_demand.read(path) == {"source": "snips"}
