"""Sections of params.yaml: each is read alone, and a wrong key is named with its path."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.analysis import comparison
from pipelines.core import blocks
from pipelines.core.errors import InputError
from pipelines.corpus.options import Split
from pipelines.data.source import Data
from pipelines.decoder import options as decoder
from pipelines.fetching.base_models import Encoder
from pipelines.models import task as tasks
from pipelines.models.options import Start
from pipelines.reports import on_demand
from pipelines.tasks import masked_lm
from pipelines.writing import augmentation, judging
from stages.fetch_decoder import Decoder
from tests.conftest import ROOT

GOOD = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = {
    "data": Data,
    "split": Split,
    "encoder": Encoder,
    "adapt_encoder": masked_lm.Options,
    "finetune_from": Start,
    "repeat.seeds": on_demand.Seeds,
    "decoder": Decoder,
    "tune_decoder": decoder.Options,
    "generate": decoder.Generate,
    "judge": judging.Options,
    "compare": comparison.Options,
    "augment": augmentation.Options,
    "qa_limits.run": blocks.RunName,
}


def load(path: str) -> Any:
    """The section that holds the key `path`, read as the stages do."""
    if path.startswith("finetune."):
        return tasks.run_options(path.split(".")[1])
    section = next(name for name in SECTIONS if f"{path}.".startswith(f"{name}."))
    return blocks.load(section, SECTIONS[section])


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda text: Path("params.yaml").write_text(text, encoding="utf-8")


def test_the_project_file_is_valid(write):
    write((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, kind in SECTIONS.items():
        blocks.load(section, kind)
    assert {"intent-full", "intent-head", "slots-full", "slots-head"} <= set(GOOD["finetune"])
    for run, block in GOOD["finetune"].items():
        assert tasks.run_options(run).task == block["task"]
    for size, block in GOOD["few_shot"]["sizes"].items():
        drawn, options = on_demand.few_shot_size(block, size)
        assert (drawn.per_intent, options.epochs) == (block["per_intent"], block["epochs"])


def test_learning_rate_as_dvc_writes_it_is_a_number(write):
    write((ROOT / "params.yaml").read_text(encoding="utf-8").replace("learning_rate: 1.0e-4", "learning_rate: 3e-05"))
    assert yaml.safe_load("3e-05") == "3e-05"  # the trap: PyYAML reads it as text
    assert tasks.run_options("intent-full").learning_rate == 3e-5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("finetune.intent-full.learning_rate", -1),
        ("finetune.intent-full.learning_rate", float("nan")),
        ("finetune.intent-full.epochs", "many"),
        ("finetune.intent-full.epochs", 2.5),
        ("finetune.intent-full.mode", "half"),
        ("finetune.intent-full.task", "ner"),
        ("finetune.intent-full.task", "masked_lm"),
        ("finetune.intent-full.lerning_rate", 1e-4),
        ("finetune.intent-full", None),
        ("finetune.Intent_Full", {"task": "intent", "mode": "full"}),
        ("split.protocol", "mine"),
        ("split.test_share", 1.5),
        ("data.source", ""),
        ("data.source", "../elsewhere"),
        ("data.source", "data/../../elsewhere"),
        ("data.source", "a\x1b[31m"),
        ("encoder.name", "../elsewhere"),
        ("encoder.sha256", "abc"),
        ("decoder.scratch.n_layer", 0),
        ("tune_decoder.mode", "head"),
        ("tune_decoder.layer_decay", 0.9),
        ("generate.strategies.top_p", 1.4),
        ("generate.strategies.top_q", 0.9),
        ("generate.strategies.min_p", 0),
        ("augment.run", "many"),
        ("judge.intent", "Intent Full"),
        ("tune_decoder.task", "intent"),
        ("compare.sentences", []),
        ("adapt_encoder.mask_rate", 1.5),
    ],
)
def test_a_wrong_key_is_named_with_its_path(write, path, value):
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    *parents, key = path.split(".")
    inner = content
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    write(yaml.safe_dump(content))
    with pytest.raises(InputError) as error:
        load(path)
    assert f"params.yaml: {path}: " in str(error.value)
    assert "\n" not in str(error.value)


def test_values_that_do_not_fit_together_are_named(write):
    write(yaml.safe_dump(GOOD | {"generate": GOOD["generate"] | {"n": 51}}))
    with pytest.raises(InputError, match=r"generate: Value error, strategies\.beam 50 is less than n 51"):
        load("generate")


def test_an_error_in_one_section_does_not_stop_who_reads_another(write):
    write(yaml.safe_dump(GOOD | {"split": {"protocol": "mine"}}))
    assert load("encoder").name == GOOD["encoder"]["name"]


@pytest.mark.parametrize("text", ["a: [", "", "- 1", "data: {source: snips}", "split: 7"])
def test_a_broken_file_is_one_line(write, text):
    write(text)
    with pytest.raises(InputError) as error:
        load("split")
    assert "\n" not in str(error.value)


def test_a_missing_file_and_an_unknown_run(write, tmp_path):
    with pytest.raises(InputError, match="not found"):
        load("split")
    write(yaml.safe_dump(GOOD))
    with pytest.raises(InputError, match=r"finetune\.nothing: no such block; there are: intent-full"):
        tasks.run_options("nothing")
    with pytest.raises(InputError, match=r"lessons\.nothing: no such block"):
        blocks.load("lessons.nothing.seed", int)
