"""Hostile input to each reader: a valid result or one of our errors, in one line; never another exception, no hang.

500 cases each by fixed seeds; `make fuzz` takes 10,000 by new ones (`FUZZ_CASES`).
"""

import contextlib
import copy
import io
import json
import os
import shutil
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines import cli
from pipelines.analysis.robustness import Noise
from pipelines.core import blocks
from pipelines.core.command import command
from pipelines.core.errors import InputError
from pipelines.corpus import jsonl, rasa, records, snips, starting
from pipelines.corpus.options import Split
from pipelines.data.source import Data
from pipelines.decoder.options import Generate, Scratch
from pipelines.decoder.options import Options as Tuning
from pipelines.fetching.base_models import Encoder, Model
from pipelines.lessons.common import materials
from pipelines.models import task as tasks
from pipelines.models.options import Start
from pipelines.reports import hard_core, on_demand, peers
from pipelines.reports.reading import read_yaml
from pipelines.search import space, study
from pipelines.tasks import masked_lm
from pipelines.tasks.qa.task import plain_question, read_questions
from pipelines.writing import augmentation, judging
from stages import qa_limits
from stages.fetch_decoder import Decoder
from tests.conftest import ROOT

CASES = int(os.environ.get("FUZZ_CASES", "500"))
fuzz = settings(
    max_examples=CASES,
    derandomize="FUZZ_CASES" not in os.environ,
    database=None,
    deadline=timedelta(seconds=5),
    suppress_health_check=list(HealthCheck),
)
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
FILE = (ROOT / "data/sample/PlayMusic/train_PlayMusic_full.json").read_bytes()
CORPUS = {"PlayMusic": json.loads(FILE)["PlayMusic"][:5]}

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**4000, max_value=10**5000),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cc", "Cs", "Cf", "So"])),
    st.sampled_from(["", " ", "a" * 5000, "../x", "/", "\x1b[31m", "\ud800", "=1+1", "3e-05", "[", "nan", "yes"]),
)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@st.composite
def nearly(draw: Any, value: Any) -> Any:
    """`value` with one thing in it replaced, added or taken out."""
    value = copy.deepcopy(value)
    here = value
    while isinstance(here, dict | list) and here:
        key = draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not (isinstance(here[key], dict | list) and here[key]) or draw(st.integers(0, 3)) == 0:
            change = draw(st.sampled_from(["replace", "add", "remove"]))
            if change == "replace":
                here[key] = draw(anything)
            elif change == "remove":
                del here[key]
            elif isinstance(here, dict):
                here[draw(st.text())] = draw(anything)
            else:
                here.append(draw(anything))
            return value
        here = here[key]
    return draw(anything)


@contextlib.contextmanager
def ours() -> Any:
    """Nothing but our errors, in one line that a terminal can have."""
    said = ["fine"]
    try:
        yield
    except InputError as error:
        said.append(str(error))
    assert all(text and text.isprintable() for text in said)


def read(data: bytes) -> None:
    with ours():
        rows, _ = snips.parse(data, "train_full", "PlayMusic", "file")
        for row in rows:
            row["text"].encode()
            assert row["text"] == row["text"].strip() != ""
            assert all(row["text"][slot["start"] : slot["end"]].strip() for slot in row["slots"])


@fuzz
@given(st.binary())
@example(b"[" * 100_000)
@example(b'{"PlayMusic": ' + b"[" * 100_000)
@example(b'{"PlayMusic": [{"data": [{"text": "a\\ud800"}]}]}')
@example(b"\xed\xa0\x80")
def test_the_reader_of_snips_takes_any_bytes(data):
    read(data)


@fuzz
@given(st.data())
def test_the_reader_of_snips_takes_nearly_a_file(data):
    if data.draw(st.booleans()):
        content = bytearray(FILE[:2000])
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
            content[at] = data.draw(st.integers(0, 255))
        read(bytes(content))
    else:
        text = json.dumps(without_long_numbers(data.draw(nearly(CORPUS))))
        read(text.encode("utf-8", "surrogatepass"))


OWN = {
    "text": "a table for two in boston",
    "intent": "book",
    "slots": [{"start": 12, "end": 15, "label": "size"}, {"start": 19, "end": 25, "label": "city"}],
    "split": "train",
}
RASA = 'nlu:\n- intent: book\n  examples: |\n    - for [two]{"entity": "size"} in [boston](city:BOS)\n    - now\n'


def own(read_records: Any) -> None:
    with ours():
        corpus = records.corpus(read_records())
        for rows in corpus.parts.values():
            for row in rows:
                row["text"].encode()
                assert all(row["text"][slot["start"] : slot["end"]].strip() for slot in row["slots"])
        starting.look(corpus)
        starting.plan(corpus, seed=1)


any_text = st.text(st.sampled_from("ab  \t\xa0\ud800💡\u200b\x00") | st.characters(), min_size=1, max_size=12)
edges = st.fixed_dictionaries({"start": st.integers(0, 6), "end": st.integers(1, 9), "label": st.just("x")})


@fuzz
@given(any_text, st.lists(edges, max_size=1))
def test_the_reader_of_own_corpora_takes_any_text(text, slots):
    row = json.dumps({"text": text, "intent": "a", "slots": slots})
    own(lambda: jsonl.read(row.encode(), "file"))


@fuzz
@given(st.data())
def test_the_readers_of_own_corpora_take_nearly_a_file(data):
    if data.draw(st.booleans()):
        rows = data.draw(st.lists(nearly(OWN), min_size=1, max_size=3).map(without_long_numbers))
        content = "\n".join(map(json.dumps, rows)).encode()
        own(lambda: jsonl.read(content, "file"))
    else:
        changed = bytearray(RASA.encode())
        for place in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=4)):
            changed[place] = data.draw(st.integers(0, 255))
        own(lambda: rasa.read(bytes(changed), "file", Counter()))


@fuzz
@given(st.binary())
@example(b"[" * 100_000)
@example(b"nlu: " + b"[" * 3000)
def test_the_readers_of_own_corpora_take_any_bytes(data):
    own(lambda: jsonl.read(data, "file"))
    own(lambda: rasa.read(data, "file", Counter()))


def without_long_numbers(value: Any) -> Any:
    """Python writes none of over 4,300 digits: JSON cannot have them, nor a message that shows one."""
    if isinstance(value, dict):
        return {key: without_long_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_long_numbers(inner) for inner in value]
    return 0 if isinstance(value, int) and abs(value) > 10**100 else value


def at(path: str) -> Any:
    section = PARAMS
    for part in path.split("."):
        section = section[part]
    return section


# section of params.yaml -> what its stage loads it as
KINDS: dict[str, Any] = {
    "data": Data,
    "split": Split,
    "encoder": Encoder,
    "finetune_from": Start,
    "threads": blocks.Threads,
    "adapt_encoder": masked_lm.Options,
    "decoder.scratch": Scratch,
    "tune_decoder": Tuning,
    "generate": Generate,
    "judge": judging.Options,
    "noise": Noise,
    "decoder": Decoder,
    "models": dict[blocks.RunName, Model],
    "augment": augmentation.Options,
    "qa_limits.run": blocks.RunName,
    "repeat.seeds": on_demand.Seeds,
    "variants.folds": on_demand.Folds,
    "variants.of": dict[blocks.RunName, on_demand.Variant],
    "watch": dict[str, blocks.Place],
    **{f"lessons.{name}": materials.get(name).Options for name in materials.names()},
}


@fuzz
@given(st.data())
def test_params_take_nearly_a_block(data):
    path = data.draw(st.sampled_from(sorted(KINDS)))
    with ours():
        blocks.validated(KINDS[path], data.draw(nearly(at(path))), path)


@fuzz
@given(st.data())
def test_runs_sizes_and_variants_take_nearly_a_block(data):
    run = data.draw(st.sampled_from(sorted(PARAMS["finetune"])))
    with ours():
        tasks.options(data.draw(nearly(PARAMS["finetune"][run])), f"finetune.{run}")
    with ours():
        on_demand.few_shot_size(data.draw(nearly(PARAMS["few_shot"]["sizes"]["10"])), "few_shot.sizes.10")
    with ours():
        of = blocks.validated(KINDS["variants.of"], data.draw(nearly(PARAMS["variants"]["of"])), "variants.of")
        on_demand.variant(data.draw(st.sampled_from(["joint-crf", "nothing"])), of, PARAMS["finetune"])


HOSTILE_YAML = [
    "a: 2020-13-45",
    "a: 0x" + "f" * 5000,
    "a: &x [*x]",
    "? [a]\n: b",
    "[" * 1000,
    "a: !!binary x\x00",
    "a: !!python/object:os.system x",
    "a: !!int z",
    "a: " + "9" * 5000,
    "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]",
    "a: 1\na: 2",
    "\ufeffa: 1",
    "3: 4",
]
yaml_text = st.one_of(
    st.sampled_from(HOSTILE_YAML),
    st.text(),
    st.text(st.sampled_from(list("ab:-[]{}&*!|>'\"%@#\n ?,.0123xe"))),
    nearly({"a": PARAMS["split"], "artist": "Which artist?"}).map(
        lambda value: yaml.safe_dump(without_long_numbers(value))
    ),
)


def a_question_file(path):
    assert all(question.strip().endswith("?") for question in read_questions(path).values())


READERS = {
    "params": lambda _: blocks.load("a", Split),
    "questions": a_question_file,
    "qa_limits": lambda _: qa_limits._cases(),
    "any": read_yaml,
    "literature": peers.read_literature,
    "augmentation": peers.read_augmentation,
    "few_shot": peers.read_few_shot,
    "hard_core": hard_core.read,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@fuzz
@given(data=st.one_of(yaml_text.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary()))
def test_the_files_in_yaml_take_any_bytes(tmp_path_factory, reader, data):
    path = Path(tmp_path_factory.getbasetemp()) / f"fuzz-{os.getpid()}.yaml"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PARAMS", path)
        patch.setattr(qa_limits, "QUESTIONS", path)
        with ours():
            reader(path)


PEERS = {
    name: read_yaml(ROOT / f"data/peers/{name}.yaml")
    for name in ("literature", "augmentation", "few_shot", "hard_core")
}


@pytest.mark.parametrize("name", PEERS)
@fuzz
@given(data=st.data())
def test_what_stands_beside_our_figures_takes_nearly_itself(name, data):
    read = data.draw(nearly(PEERS[name][:2] if isinstance(PEERS[name], list) else PEERS[name]))
    with pytest.MonkeyPatch.context() as patch:
        for module in (peers, hard_core):
            patch.setattr(module, "read_yaml", lambda _: read)
        with ours():
            READERS[name](Path(f"{name}.yaml"))


@fuzz
@given(st.text())
def test_every_label_has_a_question(label):
    question = plain_question(label)
    assert question.startswith("Which ")
    assert question.endswith("?")


JOINT = tasks.offered("joint").Options(mode="full")

words = st.one_of(
    st.text(),
    st.sampled_from(["generate", "verify", "predict", "init", "export", "serve", "push", "search"]),
    st.sampled_from(
        ["--intent", "PlayMusic", "--strategy", "top_p", "--value", "-n", "--seed", "0", "--model", "--ask"]
    ),
    st.sampled_from(
        ["slots-full", "epochs=1,2", "epochs=..", "learning_rate=1e-4..1e-3:log", "batch_size=", "=", "--trials"]
    ),
    st.sampled_from(
        ["--json", "--format", "onnx", "--int8", "--host", "--port", "--dry-run", "--runs", "params.yaml", "--ask"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)


def one_line(run: Any, program: str, arguments: list[str]) -> None:
    """What a command line says of bad arguments: argparse's usage and exit 2, or our line."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(sys, "argv", [program, *arguments])
        with contextlib.redirect_stderr(said):
            code: object = 0
            try:
                run()
            except SystemExit as end:
                code = end.code
    assert code in (0, 2) or str(code).startswith("error: ")
    assert str(code).isprintable()


@fuzz
@given(st.sampled_from([[], ["generate", "--intent", "x"], ["search", "slots-full"]]), st.lists(words, max_size=6))
def test_the_command_takes_any_arguments(tmp_path_factory, begin, arguments):
    folder = tmp_path_factory.getbasetemp() / f"nothing-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "params.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # where there is no model
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"play jazz\n")))
        patch.setattr(cli, "_verify", lambda arguments: None)  # git and DVC, seconds each
        patch.setattr(study, "search", lambda *arguments: None)  # likewise
        one_line(cli.main, "snips", [*begin, *arguments])


@fuzz
@given(st.lists(words, max_size=3))
def test_a_stage_takes_any_arguments(arguments):
    def finetune(run: str) -> None:
        tasks.run_options(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        one_line(lambda: command(finetune), "stage", arguments)


@fuzz
@given(
    st.sampled_from(["epochs", "learning_rate", "head", "ema", "x"]),
    st.text() | st.from_regex(r"[-\d.e]+\.\.[\d.e]+(:log)?"),
)
def test_values_of_a_search_are_an_axis_or_refused(name, values):
    with ours():
        axis = space.parse(f"{name}={values}", JOINT)
        assert axis.choices or axis.low < axis.high
