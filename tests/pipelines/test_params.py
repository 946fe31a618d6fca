import re
from pathlib import Path

import pytest
import yaml

from pipelines.core.errors import InputError
from tests.conftest import ROOT

GOOD = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_project_file_is_valid_and_names_the_four_runs():
    loaded = params.load(ROOT / "params.yaml")
    assert {"intent-full", "intent-head", "slots-full", "slots-head"} <= set(loaded.finetune)


def test_learning_rate_as_dvc_writes_it_is_a_number(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("learning_rate: 1.0e-4", "learning_rate: 3e-05")
    assert yaml.safe_load("3e-05") == "3e-05"  # the trap: PyYAML reads it as text
    assert params.load(written(tmp_path, text)).finetune["intent-full"].learning_rate == 3e-5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("finetune.intent-full.learning_rate", -1),
        ("finetune.intent-full.learning_rate", float("nan")),
        ("finetune.intent-full.epochs", "many"),
        ("finetune.intent-full.epochs", 2.5),
        ("finetune.intent-full.mode", "half"),
        ("finetune.intent-full.task", "ner"),
        ("finetune.intent-full.lerning_rate", 1e-4),
        ("finetune.intent-full", None),
        ("finetune.Intent_Full", {"task": "intent", "mode": "full"}),
        ("split.protocol", "mine"),
        ("split.test_share", 1.5),
        ("data.source", "snipz"),
        ("encoder.sha256", "abc"),
        ("decoder.scratch.n_layer", 0),
        ("tune_decoder.mode", "head"),
        ("tune_decoder.layer_decay", 0.9),
        ("generate.strategies.top_p", 1.4),
        ("generate.strategies.top_q", 0.9),
        ("generate.strategies.min_p", 0),
        ("augment.run", "many"),
        ("compare.sentences", []),
        ("adapt_encoder.mask_rate", 1.5),
        ("colour", "red"),
    ],
)
def test_a_wrong_key_is_named_with_its_path(tmp_path, path, value):
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    *parents, key = path.split(".")
    inner = content
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    with pytest.raises(InputError) as error:
        params.load(written(tmp_path, yaml.safe_dump(content)))
    assert f"params.yaml: {path}: " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("block", "key", "value", "message"),
    [
        ("generate", "n", 51, "generate: Value error, strategies.beam 50 is less than n 51"),
        (
            "generate",
            "max_new_pieces",
            128,
            "generate.max_new_pieces 128 has no room in decoder.scratch.n_positions 128",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_named(tmp_path, block, key, value, message):
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    content[block][key] = value
    with pytest.raises(InputError, match=re.escape(message)):
        params.load(written(tmp_path, yaml.safe_dump(content)))


@pytest.mark.parametrize("text", ["a: [", "", "- 1", "data: {source: snips}"])
def test_a_broken_file_is_one_line(tmp_path, text):
    with pytest.raises(InputError) as error:
        params.load(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_missing_file_and_an_unknown_run(tmp_path):
    with pytest.raises(InputError, match="not found"):
        params.load(tmp_path / "params.yaml")
    with pytest.raises(InputError, match=r"finetune\.nothing: no such block; there are: intent-full"):
        params.finetune(params.load(ROOT / "params.yaml"), "nothing")
