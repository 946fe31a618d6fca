"""Each lesson as a stage on the sample and tiny models: files, bytes, pages in a browser, one line for bad input."""

import csv
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file, save_file
from scipy.special import softmax

from pipelines.analysis import answering
from pipelines.core import blocks
from pipelines.core.errors import InputError
from pipelines.data import drawing, parquet
from pipelines.fetching import hub
from pipelines.lessons.common import materials as lessons
from pipelines.models import inference, loading
from pipelines.tasks.intent import task as intent
from pipelines.tasks.next_sentence import pairs
from stages import (
    adapt_encoder,
    convert,
    download,
    evaluate,
    fetch_decoder,
    fetch_encoder,
    fetch_model,
    finetune,
    lesson,
    runs,
    split,
    tune_decoder,
)
from tests.browser import opened, serious
from tests.conftest import ROOT, assert_one_line_error, copy_project, edit_params, read_details, run_stage

MARKUP = "</script><script>alert(1)</script>"
FIXED = {"2019", "2020", "0", "1", "95"}  # numbers in prose that are not measured
USED = {"intent-full", "slots-full", "qa-full"}
FILES = {
    "tokenization": {"fertility.svg", "tokenizers.csv", "pieces.csv", "probes.csv"},
    "embeddings": {"positions.svg", "map.svg", "positions.csv", "sentences.csv", "contexts.csv", "map.csv"},
    "architecture": {"weights.svg", "multiply_adds.svg", "encoder.csv", "decoder.csv", "properties.csv"},
    "attention": {
        *(f"{view}_view_{role}.html" for view in ("head", "model", "neuron") for role in ("encoder", "decoder")),
        *(f"{name}_{of}.svg" for name in ("shares", "entropy", "clusters") for of in ("utterances", "pairs")),
        *("depth_sep.svg", "depth_cls.svg", "depth_entropy.svg", "heads_utterances.csv", "heads_pairs.csv"),
        *("matrices.svg", "inside.svg", "inside.csv"),
    },
    "masking": {"found.svg", "filled.csv"},
    "next_sentence": {"accuracy.svg", "test.csv", "model"},
    "transfer": {"curve.svg", "curve.csv"},
    "answers": {"right.svg", "test.csv", "bert", "gpt2"},
    "monitor": {"memory.svg", "steps.csv"},
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory, tiny_encoder):
    """A project in which every lesson was made once, from sentences with markup in them; it is the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNIPS_MIRROR", raising=False)
        copy_project(tmp_path_factory.mktemp("lessons") / "a project", tiny_encoder, patch)

        def change(content):
            of = content["lessons"]
            of["tokenization"]["english"].append(MARKUP)
            of["embeddings"]["sentences"].append(MARKUP)
            of["architecture"]["sentence"] = MARKUP
            of["attention"] |= {"sentence": f"play [MASK] {MARKUP}", "decoder_sentence": MARKUP}
            of["masking"]["sentences"].append(f"[MASK] {MARKUP}")
            of["transfer"]["sentences"].append(MARKUP)
            of["transfer"]["sizes"] = {
                name: {"per_intent": count, "steps": 2, "batch_size": 8} for name, count in (("two", 2), ("many", 900))
            }
            of["transfer"]["questions"].append({"question": MARKUP, "context": MARKUP})
            of["answers"]["own"].append({"question": MARKUP, "text": MARKUP})

        edit_params(change)
        for stage in (download.download, convert.convert, split.split, fetch_encoder.fetch_encoder):
            stage()
        for run in ("intent-full", "slots-full", "qa-full"):
            finetune.finetune(run)
            evaluate.evaluate(run)
        edit_params(lambda content: [content["finetune"].pop(run) for run in set(content["finetune"]) - USED])
        runs.runs()
        for stage in (adapt_encoder.adapt_encoder, fetch_decoder.fetch_decoder, tune_decoder.tune_decoder):
            stage()
        for name in lessons.names():
            lesson.lesson(name)
        yield


def page(name):
    return Path(f"data/lessons/{name}/index.html").read_text(encoding="utf-8")


def facts(name):
    return read_details(f"metrics/lessons/{name}.json")


def prose(name):
    """What a page says before its calls and questions."""
    return page(name).split('<div class="idea">')[1].split("<h2>Vary it")[0]


@pytest.fixture
def changed(learned):
    """`changed(name, **values)` sets params of a lesson; they are taken back at the end."""
    before = Path("params.yaml").read_bytes()
    yield lambda name, **values: edit_params(lambda content: content["lessons"][name].update(values))
    Path("params.yaml").write_bytes(before)


@pytest.mark.parametrize("name", lessons.names())
def test_files_and_what_a_page_holds(learned, name):
    always = {"index.html", "calls.py", "lesson.ipynb"}
    made = {path.name for path in Path(f"data/lessons/{name}").iterdir()}
    assert made == FILES[name] | always if name in FILES else made >= always
    text = page(name)
    assert f"Data: {'chatterbot-corpus' if name == 'next_sentence' else 'the embedded sample, NOT SNIPS'}" in text
    assert facts(name)["source"] == "sample"
    assert "dvc " in re.search(r"<h2>Vary it</h2>\s*<pre tabindex=\"0\">(.*?)</pre>", text, re.S)[1]
    order = ("<h1>", 'class="idea"', 'lang="es"', "<img ", "The calls", "Vary it", "Three questions")
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert MARKUP not in text.replace(f"<title>{MARKUP}", "")
    for path in Path(f"data/lessons/{name}").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file))[1:], path


@pytest.mark.parametrize("name", lessons.names())
def test_the_calls_run_as_printed_and_say_what_the_page_says(learned, name):
    text = page(name)
    code, said = (
        html.unescape(re.search(rf"{before}<pre[^>]*>(.*?)</pre>", text, re.S)[1])
        for before in (r"<h2>The calls</h2>\s*", r"<p>They print:</p>\s*")
    )
    assert Path(f"data/lessons/{name}/calls.py").read_text(encoding="utf-8").strip() == code
    assert len(said.splitlines()) >= 3
    assert ": False" not in said  # what a call checks holds
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": "."}
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == said


@pytest.mark.parametrize("name", lessons.names())
def test_a_notebook_runs(learned, name):
    import nbformat
    from nbclient import NotebookClient

    place = Path(f"data/lessons/{name}")  # where Jupyter starts its kernel
    made = nbformat.read(place / "lesson.ipynb", as_version=4)
    NotebookClient(made, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    outputs = [out for cell in made.cells if cell.cell_type == "code" for out in cell.outputs]
    said = "".join(out.text for out in outputs if out.get("name") == "stdout")
    assert html.escape(said.strip()) in page(name)


@pytest.mark.parametrize("name", lessons.names())
def test_the_same_bytes_twice(learned, name):
    def snapshot():
        paths = [path for path in Path(f"data/lessons/{name}").rglob("*") if path.is_file()]
        paths += [Path(f"metrics/lessons/{name}.json")]
        return {path.name: path.read_bytes() for path in sorted(paths)}

    before = snapshot()
    result = run_stage("stages.lesson", name)  # in a process of its own
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"data/lessons/{name}/index.html: ")
    assert snapshot() == before


@pytest.mark.parametrize("name", lessons.names())
def test_numbers_of_a_page_come_from_the_json(learned, name):
    """Every number of the JSON is made another; no number of the page, but for fixed ones in prose, may stay.

    Cells that are texts of the JSON, and what stands between quotation marks, hold what numbers they like.
    """

    def texts(value):
        if isinstance(value, dict):
            return set().union(*map(texts, value.values()))
        if isinstance(value, list):
            several = {between.join(value) for between in (" ", ", ") if all(isinstance(one, str) for one in value)}
            return several.union(*map(texts, value))
        return {value} if isinstance(value, str) else set()

    def numbers(shown):
        prose = [
            re.sub(r"<code>.*?</code>|<[^>]+>", "", part)
            for part in re.findall(r"<(?:p|figcaption)>.*?</(?:p|figcaption)>", shown)
        ]
        cells = [
            re.sub("“[^”]*”", "", cell)
            for number, cell in re.findall(r'<t[dh](?: scope="row")?( class="number")?>([^<]+)</t[dh]>', shown)
            if number or html.unescape(cell) not in as_they_are
        ]
        return [
            [number for part in of for number in re.findall(rf"(?<![\w-]){sign}\d[\d,.e+-]*(?<=\d)", part)]
            for of, sign in ((cells, "-?"), (prose, ""))
        ]

    def other(value, key=""):
        if isinstance(value, dict):
            return {k: other(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [other(v, key) for v in value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return value + 7_000_003 if isinstance(value, int) else value + 0.123

    module, known, tables = lessons.get(name), facts(name), tables_of(name)
    as_they_are = texts(known)
    before = numbers("".join(module.show(known, tables).body))
    after = numbers("".join(module.show(other(known), tables).body))
    assert len(before[0]) == len(after[0]) > 0
    for old, new in zip(before, after, strict=True):
        assert {one for one, other_one in zip(old, new, strict=True) if one == other_one} <= (
            FIXED if old is before[1] else set()
        )


@pytest.mark.parametrize("name", lessons.names())
def test_dvc_and_the_lesson_take_what_a_page_proposes(changed, name):
    from dvc.utils.hydra import apply_overrides

    module = lessons.get(name)
    proposed = module.show(facts(name), tables_of(name)).vary.strip().replace("\\\n", " ").splitlines()
    overrides = [
        [words[n + 1] for n, word in enumerate(words) if word == "-S"]
        for words in (shlex.split(line, comments=True) for line in proposed)
    ]
    assert any(overrides)
    before = Path("params.yaml").read_bytes()
    for those in filter(None, overrides):
        apply_overrides("params.yaml", those)
        assert yaml.safe_load(Path("params.yaml").read_bytes()) != yaml.safe_load(before)
        blocks.load(f"lessons.{name}", module.Options)
        Path("params.yaml").write_bytes(before)


def tables_of(name):
    tables = {}
    for path in Path(f"data/lessons/{name}").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            tables[path.stem] = [{k: _number(v) for k, v in row.items()} for row in csv.DictReader(file)]
    return tables


def _number(text):
    try:
        return float(text) if "." in text or "e-" in text else int(text)
    except ValueError:
        return text


def test_what_the_lessons_find(learned):
    found = facts("embeddings")
    assert found["sum_largest_error"] < 1e-6
    assert found["pooler"]["largest_error"] < 1e-6
    assert found["dimensions"]["refused"]
    assert len(found["dimensions"]["hidden_states"]) == 3
    for role in ("encoder", "decoder"):
        of = facts("architecture")[role]
        assert of["weights"] == of["weights_by_numel"] > 0
        assert of["multiply_adds"] == of["multiply_adds_by_pytorch"] > 0
    silhouettes = facts("embeddings")["silhouette"]
    assert silhouettes["base"] != silhouettes["tuned"]
    found = facts("attention")
    assert [row["layer"] for row in found["mask"]] == [0, 1]
    numbers = tables_of("attention")["inside"]
    for role in ("encoder", "decoder"):
        weights = [row for row in numbers if (row["model"], row["part"]) == (role, "weights")]
        count = found["inside"][role]["count"]
        assert len(weights) == count**2
        ahead = [row["value"] for row in weights if row["column"] > row["row"]]
        assert (max(ahead) == 0) == (role == "decoder")
        # by hand from query and key
        parts = {
            part: np.array([row["value"] for row in numbers if (row["model"], row["part"]) == (role, part)])
            for part in ("query", "key")
        }
        query, key = (part.reshape(count, -1) for part in parts.values())
        scores = query @ key.T / query.shape[1] ** 0.5
        if role == "decoder":
            scores[np.triu_indices(count, 1)] = -np.inf
        by_hand = softmax(scores, axis=-1).ravel()
        assert [row["value"] for row in weights] == pytest.approx(by_hand.tolist(), abs=1e-4)
    for of in found["arrangements"].values():
        assert of["decoder"]["largest_ahead"] == 0
    assert found["arrangements"]["pairs"]["pieces"] > 2 * found["arrangements"]["utterances"]["pieces"]
    assert facts("transfer")["left_out"] == ["many"]
    assert {point["arm"] for point in facts("transfer")["points"]} == {"random", "frozen", "mean", "full"}
    assert facts("masking")["models"]["before"]["head_is_new"] is True
    assert 0 < facts("masking")["context_free"]["masked_accuracy"]["all"] < 0.3
    alone, after = (facts("masking")[name] for name in ("layer_alone", "models"))
    assert alone["trained_weights"] < 0.2 * facts("architecture")["encoder"]["weights"]
    assert len({alone["pseudo_perplexity"], *(of["pseudo_perplexity"] for of in after.values())}) == 3
    assert facts("masking")["models"]["after"]["head_is_new"] is False
    assert "the encoder together with the layer" in page("masking")
    own = {(row["learned"], row["measured"]): row for row in facts("tokenization")["crossed"]["rows"]}
    for language, other in (("english", "spanish"), ("spanish", "english")):
        assert own[language, language]["high"] < own[other, language]["low"]
        assert own[language, language]["low"] < own[language, language]["fertility"] < own[language, language]["high"]
    whole = [step for step in facts("monitor")["steps"] if step["mode"] == "full"]
    assert all(step["weights"] == step["gradients"] == step["optimizer"] / 2 for step in whole)
    assert whole[0]["activations"] < whole[-1]["activations"]
    head = [step for step in facts("monitor")["steps"] if step["mode"] == "head"]
    assert head[-1]["activations"] < whole[-1]["activations"]


BAD = [
    ("attention", {"layer": 9}, "lessons.attention.layer: 9: base-encoder has layers 0 to 1"),
    ("attention", {"layers": [0, 7], "layer": 0}, "lessons.attention.layers: 7: base-encoder has layers 0 to 1"),
    ("attention", {"heads": [12]}, "lessons.attention.heads: 12: base-encoder has heads 0 to 1"),
    ("attention", {"sentence": "very " * 70}, "lessons.attention.sentence: 'very very"),
    ("attention", {"sentence": "a\x07b"}, "lessons.attention.sentence: Value error, a sign that no picture can hold"),
    ("attention", {"sentence": " "}, "lessons.attention.sentence: Value error, an empty sentence"),
    (
        "attention",
        {"encoder": "decoder"},
        "lessons.attention.encoder decoder: this is a gpt2, and the lesson is about a",
    ),
    (
        "attention",
        {"decoder": "base-encoder"},
        "lessons.attention.decoder base-encoder: this is a bert, and the lesson",
    ),
    ("attention", {"encoder": "some/model"}, "offline there is base-encoder"),
    ("attention", {"tuned": ""}, "lessons.attention.tuned: String should match pattern"),
    ("attention", {"decoder": "x" * 5000}, "lessons.attention.decoder: String should have at most 500 characters"),
    (
        "attention",  # 64 pieces as one sentence, 65 as a pair
        {"sentence": "a " * 31, "second": "a " * 31},
        "65 tokens, but the model takes 64; shorten it",
    ),
    ("attention", {"utterances": 1}, "lessons.attention.utterances: 1 are too few to be joined into 128 pieces"),
    ("embeddings", {"encoder": "decoder"}, "lessons.embeddings.encoder decoder: this is a gpt2"),
    (
        "embeddings",
        {"contexts": ["a book", "no such word"]},
        "'no such word' has no 'book'; change the one or the other",
    ),
    ("embeddings", {"contexts": ["a book", "on facebook"]}, "'on facebook' has no 'book'"),
    ("embeddings", {"sentences": ["alone"]}, "lessons.embeddings.sentences: List should have at least 2 items"),
    ("embeddings", {"sentences": ["fine", ""]}, "lessons.embeddings.sentences.1: Value error, an empty sentence"),
    ("embeddings", {"sentences": ["fine", "very " * 70]}, "but the model takes 64; shorten it"),
    ("architecture", {"encoder": "decoder"}, "this is a gpt2, and the lesson is about a bert; try base-encoder"),
    ("architecture", {"sentence": "very " * 200}, "lessons.architecture.sentence: "),
    ("masking", {"adapted": "decoder"}, "lessons.masking.adapted decoder: this is a gpt2"),
    ("masking", {"sentences": ["no mask"]}, "lessons.masking.sentences.0: Value error, needs [MASK] exactly once"),
    ("masking", {"training": {"masked_share": 0.8, "replaced_share": 0.7}}, "replaced_share 0.7 exceed 1"),
    ("masking", {"mask_rate": 0.3}, "lessons.masking.mask_rate: Extra inputs are not permitted"),
    ("next_sentence", {"languages": [""]}, "lessons.next_sentence.languages: : chatterbot-corpus has "),
    ("next_sentence", {"validation_share": 0.5, "test_share": 0.5}, "leave nothing to train"),
    ("next_sentence", {"training": {"longest_pair": 8}}, "tokens, but the model takes 8; shorten it"),
    ("next_sentence", {"encoder": "decoder"}, "lessons.next_sentence.encoder decoder: this is a gpt2"),
    ("next_sentence", {"languages": ["klingon"]}, "lessons.next_sentence.languages: klingon: chatterbot-corpus has "),
    (
        "tokenization",
        {"models": ["some/model", "decoder"]},
        "lessons.tokenization.models some/model: no such model; bring it",
    ),
    ("tokenization", {"sizes": 3}, "lessons.tokenization.sizes: Extra inputs are not permitted"),
    ("tokenization", {"vocab_size": 2**31}, "lessons.tokenization.vocab_size: Input should be less than or equal to"),
    (
        "transfer",
        {"sizes": {"900": {"per_intent": 900, "steps": 1, "batch_size": 8}}},
        "lessons.transfer.sizes: train has 70 utterances of an intent; name a smaller size",
    ),
    (
        "transfer",
        {"arms": {"random": {"mode": "full", "epochs": 3}, "frozen": {"mode": "head"}}},
        "epochs: no option of an arm; see sizes and seeds",
    ),
    (
        "transfer",
        {"models": {"intent": "intent-full", "slots": "intent-full", "qa": "qa-full"}},
        "lessons.transfer.models.slots intent-full: this is no BertForTokenClassification; offline there is slots-full",
    ),
    ("transfer", {"sentences": []}, "lessons.transfer.sentences: List should have at least 1 item"),
    ("transfer", {"models": {"intent": "decoder", "slots": "slots-full", "qa": "qa-full"}}, "data/runs/decoder.json: "),
    ("monitor", {"batch_sizes": [0]}, "lessons.monitor.batch_sizes.0: Input should be greater than 0"),
    ("monitor", {"batch_sizes": [10**6]}, "lessons.monitor.batch_sizes: 1000000: train has 490 utterances; lower it"),
    ("monitor", {"encoder": "decoder"}, "lessons.monitor.encoder decoder: this is a gpt2"),
]


@pytest.mark.parametrize(("name", "values", "line"), BAD)
def test_bad_input_is_one_clear_line_and_nothing_is_lost(changed, name, values, line):
    before = page(name)
    changed(name, **values)
    with pytest.raises(InputError) as error:
        lesson.lesson(name)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert page(name) == before


def test_bad_input_of_the_script(changed):
    changed("attention", layer=9)
    assert_one_line_error(run_stage("stages.lesson", "attention"), "lessons.attention.layer: 9")
    assert_one_line_error(run_stage("stages.lesson", "cooking"), "lesson cooking: there is no such", "tokenization")


def test_the_stage_loads_no_torch_to_refuse_a_name():
    code = "import sys; from stages import lesson; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_model_with_a_head_for_next_sentences_is_used_as_it_is(changed, tiny_encoder):
    from transformers import BertConfig, BertForNextSentencePrediction, set_seed

    set_seed(1)
    shutil.copytree(tiny_encoder, "data/models/with-head")
    BertForNextSentencePrediction(BertConfig.from_pretrained(tiny_encoder)).save_pretrained("data/models/with-head")
    changed("next_sentence", encoder="with-head")
    lesson.lesson("next_sentence")
    found = facts("next_sentence")
    assert found["pretrained_head"] is True
    assert found["best_epoch"] is None
    assert "brings its own head" in page("next_sentence")
    assert not [
        words for words in (" to train", "to choose the epoch", "was trained for") if words in prose("next_sentence")
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "No such file or directory: 'data/next_sentence.csv'; it has to be a CSV file"),
        (b"first,second,next\n\xff,b,yes\n", "data/next_sentence.csv: 'utf-8' codec can't decode"),
        (
            b"\xef\xbb\xbffirst,second,next\n\nhello,,yes\n",
            "data/next_sentence.csv, line 3: needs first, second, and yes or no",
        ),
        (b"", "data/next_sentence.csv: its first line names no column first, second, next"),
        (b"first,then,next\n", "data/next_sentence.csv: its first line names no column second"),
    ],
)
def test_own_pairs_that_cannot_be_read(learned, text, line):
    path = Path("data/next_sentence.csv")
    before = path.read_bytes()
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text)
    try:
        with pytest.raises(InputError, match=line):
            lesson.lesson("next_sentence")
    finally:
        path.write_bytes(before)


def test_one_more_base_model_by_name_and_revision(changed, tiny_encoder, monkeypatch):
    asked = []

    def fetch(name, revision, patterns):
        asked.append((name, revision))
        return tiny_encoder, "a" * 40

    monkeypatch.setattr(hub, "fetch", fetch)
    monkeypatch.setattr(hub, "names", lambda name, commit: [])
    other = {"name": "some/model", "revision": "v2", "sha256": None}
    edit_params(lambda content: content.update(models={"other": other}))
    fetch_model.fetch_model("other")
    assert asked == [("some/model", "v2")]
    changed("architecture", encoder="other")
    lesson.lesson("architecture")
    assert facts("architecture")["encoder"]["name"] == "other"
    with pytest.raises(InputError, match=r"models\.another: no such block; there are: other"):
        fetch_model.fetch_model("another")


def test_a_lesson_steps_aside_where_its_run_is_gone(changed):
    stock = Path("data/runs/slots-full.json")
    before = stock.read_bytes()
    stock.write_text('{"run": "slots-full", "files": null}', encoding="utf-8")
    lesson.lesson("transfer")
    assert facts("transfer") == {"source": "sample", "left_out": "left out, as params.yaml has no run slots-full"}
    assert "no run slots-full" in page("transfer")
    lesson.lesson("embeddings")  # it looks at another
    assert "silhouette" in facts("embeddings")
    stock.write_bytes(before)


@pytest.mark.parametrize("name", ["monitor", "transfer"])
def test_a_lesson_steps_aside_where_there_is_one_intent(changed, monkeypatch, name):
    read = parquet.read
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "read", lambda path: [row | {"intent": "any"} for row in read(path)])
        lesson.lesson(name)
    assert "train has one intent, any" in facts(name)["left_out"]
    assert "train has one intent, any" in page(name)
    lesson.lesson(name)  # as the others expect it


def test_few_utterances_are_joined_into_shorter_pairs(changed):
    changed("attention", utterances=8)
    lesson.lesson("attention")
    few = facts("attention")["arrangements"]["pairs"]
    assert 0 < few["pieces"] < 64
    assert few["decoder"]["inputs"] > 0


def test_masking_by_another_rule_and_of_another_model(changed):
    rule = {
        "mask_rate": 0.5,
        "masked_share": 1.0,
        "replaced_share": 0.0,
        "epochs": 1,
        "least_steps": 70,
        "batch_size": 8,
    }
    changed("masking", adapted="base-encoder", training=rule)
    lesson.lesson("masking")
    found = facts("masking")
    assert found["rate"] == 0.5
    assert found["counted"]["rate"] == pytest.approx(0.5, abs=0.1)
    assert set(found["models"]["after"]["masked_accuracy"]) == {"all", "masked"}
    assert found["layer_alone"]["epochs"] > 1  # as many as its least steps take
    assert "The last row is another model" in page("masking")
    assert "the encoder together with the layer" not in page("masking")


def test_the_learning_curve_is_in_the_order_of_its_sizes(changed):
    size = {"steps": 1, "batch_size": 8}
    changed("transfer", sizes={"four": {"per_intent": 4} | size, "two": {"per_intent": 2} | size})
    lesson.lesson("transfer")
    assert [row["size"] for row in facts("transfer")["arms"]] == ["two"] * 4 + ["four"] * 4


def test_arms_start_as_they_say_and_take_the_same_steps(changed, monkeypatch):
    transfer = lessons.get("transfer")
    started, chosen, tuned = [], [], []
    train = transfer.trainer.train

    def spy(task, options, model, tokenizer, rows, validation, checkpoints):
        started.append(model.base_model.embeddings.word_embeddings.weight.detach().clone())
        chosen.append(([row["id"] for row in rows], {row["id"] for row in validation}))
        trained = train(task, options, model, tokenizer, rows, validation, checkpoints)
        tuned.append(trained.model.base_model.embeddings.word_embeddings.weight.detach().clone())
        return trained

    monkeypatch.setattr(transfer.trainer, "train", spy)
    changed("transfer", sizes={"two": {"per_intent": 2, "steps": 4, "batch_size": 8}}, seeds=[13, 14], validation=20)
    lesson.lesson("transfer")
    random, frozen, mean, full = started[:4]  # in the order of the arms
    assert frozen.equal(full)
    assert mean.equal(full)
    assert not random.equal(full)
    assert [after.equal(before) for before, after in zip(started[:4], tuned[:4], strict=True)] == [
        False,
        True,
        True,
        False,
    ]
    assert [ids for ids, _ in chosen[:4]] == [chosen[0][0]] * 4
    assert chosen[4][0] != chosen[0][0]  # another seed, another draw
    validation = {row["id"] for row in parquet.read(Path("data/splits/validation.parquet"))}
    assert all(len(ids) == 20 and ids <= validation for _, ids in chosen)
    points = facts("transfer")["points"]
    assert {(point["steps"], point["epochs"]) for point in points} == {(4, 2)}
    (gain,) = facts("transfer")["gains"]
    of = {(point["arm"], point["seed"]): point["accuracy"] for point in points}
    apart = [of["full", seed] - of["random", seed] for seed in (13, 14)]
    assert gain["mean"] == pytest.approx(sum(apart) / 2, abs=1e-6)
    half = abs(apart[0] - apart[1]) / 2 * 12.706205  # Student's t with one degree of freedom
    assert gain["high"] - gain["mean"] == pytest.approx(half, abs=1e-4)


def test_answers_are_counted_on_test_by_whether_train_had_them(learned):
    with Path("data/lessons/answers/test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    options = blocks.load("lessons.answers", lessons.get("answers").Options)
    train = drawing.some(parquet.read(Path("data/splits/train.parquet")), options.utterances, options.training.seed)
    known = {one["answer"].lower() for one in answering.questions(train, options.training.seed)}
    assert {row["text"] for row in rows} == {row["text"] for row in parquet.read(Path("data/splits/test.parquet"))}
    for row in rows:
        assert (row["in_training"] == "True") == (row["answer"].lower() in known)
        for way in ("bert", "gpt2", "commonest"):
            assert (row[f"{way}_right"] == "True") == answering.same(row[way], row["answer"])
        assert row["bert"] in row["text"]
    for told in facts("answers")["right"]:
        chosen = [
            row
            for row in rows
            if row["kind"] == told["kind"] and told["in_training"] in (None, row["in_training"] == "True")
        ]
        assert told["questions"] == len(chosen)
        for way in ("bert", "gpt2", "commonest"):
            share = sum(row[f"{way}_right"] == "True" for row in chosen) / len(chosen)
            assert told[way] == pytest.approx(share, abs=1e-6)
            assert told[f"{way}_low"] <= told[way] + 1e-6
            assert told[way] <= told[f"{way}_high"] + 1e-6
    groups = {
        "BERT alone is right": (True, False),
        "GPT-2 alone is right": (False, True),
        "both are right": (True, True),
        "neither is right": (False, False),
    }
    for case in facts("answers")["cases"]:
        right = tuple(answering.same(case[way], case["answer"]) for way in ("bert", "gpt2"))
        assert groups[case["group"]] == right


def test_the_mean_leaves_padding_out(learned):
    transfer = lessons.get("transfer")
    base = Path("data/models/base-encoder")
    rows = parquet.read(Path("data/splits/train.parquet"))
    options = blocks.load("lessons.transfer", transfer.Options)
    model = transfer._built("mean", base, rows, options.arms["mean"].model_copy(update={"seed": 13}))
    tokenizer = loading.load_tokenizer(base)
    short, long = "play jazz", "play jazz by miles davis and then some more jazz by him"
    alone = inference.predictions(intent.TASK, model, tokenizer, [{"text": short}], "fp32")
    beside = inference.predictions(intent.TASK, model, tokenizer, [{"text": short}, {"text": long}], "fp32")
    assert alone[0]["score"] == pytest.approx(beside[0]["score"], abs=1e-5)


def test_next_sentence_is_scored_on_what_was_held_out(learned):
    options = blocks.load("lessons.next_sentence", lessons.get("next_sentence").Options)
    shares = {"validation": options.validation_share, "test": options.test_share}
    held_out = pairs.split(pairs.real_pairs("spanish"), shares, options.split_seed)["test"]
    with Path("data/lessons/next_sentence/test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    real = {(row["first"], row["second"]) for row in rows if row["next"] == "True"}
    assert real == {(pair["first"], pair["second"]) for pair in held_out}
    right = [(float(row["probability"]) > 0.5) == (row["next"] == "True") for row in rows]
    assert facts("next_sentence")["accuracy"][0]["bert"] == pytest.approx(sum(right) / len(right), abs=1e-6)
    # the cut of a baseline is the best on train
    train = pairs.split(pairs.real_pairs("spanish"), shares, options.split_seed)["train"]
    train = pairs.with_random(train, Random(f"{options.split_seed}/train"))
    cut = pairs.best_cut([pairs.overlap(pair) for pair in train], train)
    assert [row["overlap_right"] for row in rows] == [
        str((float(row["overlap"]) > cut) == (row["next"] == "True")) for row in rows
    ]


def test_a_view_above_the_limit_says_what_to_do(learned, monkeypatch):
    monkeypatch.setattr(lessons.get("attention"), "LARGEST_VIEW", 1000)
    with pytest.raises(
        InputError, match=r"lessons.attention.layers: head_view_encoder.html would have .* fewer layers"
    ):
        lesson.lesson("attention")
    attention = lessons.get("attention")
    monkeypatch.setattr(attention, "LARGEST_VIEW", 5_000_000)
    monkeypatch.setattr(attention.views, "neuron_page", lambda *_, both_ways: "x" * (10 if both_ways else 5_000_001))
    with pytest.raises(
        InputError, match=r"lessons.attention.decoder_sentence: neuron_view_decoder.html .*; shorten the sentence$"
    ):
        lesson.lesson("attention")


def test_a_model_without_a_pooler_is_not_given_one(changed, tiny_encoder):
    folder = shutil.copytree(tiny_encoder, "data/models/without-pooler")
    weights = load_file(f"{folder}/model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, f"{folder}/model.safetensors", metadata={"format": "pt"})
    changed("embeddings", encoder="without-pooler")
    lesson.lesson("embeddings")
    assert facts("embeddings")["pooler"] == {}
    assert "The pooler" not in page("embeddings")
    changed("architecture", encoder="without-pooler")
    lesson.lesson("architecture")
    assert not [row for row in facts("architecture")["encoder"]["modules"] if "pooler" in row["module"]]
    (head,) = [row for row in facts("architecture")["properties"] if row["property"] == "head"]
    assert head["encoder"] == "none"
    changed("transfer", encoder="without-pooler")
    lesson.lesson("transfer")
    assert {point["arm"] for point in facts("transfer")["points"]} == {"random", "mean", "full"}
    assert "brings no pooler, so the arm" in page("transfer")
    assert "new layer on the pooled" not in page("transfer")


@pytest.mark.parametrize("name", lessons.names())
def test_pages_open_from_disk_without_a_network(learned, browser, name):
    paths = sorted(Path(f"data/lessons/{name}").glob("*.html"))
    for path in paths:
        assert path.stat().st_size < 5_000_000
        tab, problems = opened(browser, path)
        pictures = tab.eval_on_selector_all("img", "all => all.map(one => one.complete && one.naturalWidth)")
        assert all(pictures)
        assert bool(pictures) == (path.name == "index.html")
        if path.name == "index.html":
            assert tab.inner_text("h1").endswith("?")
            if name not in ("monitor", "next_sentence"):
                assert tab.get_by_text("alert(1)").count() + tab.get_by_text("alert ( 1 )").count() > 0
        assert serious(tab) == []
        assert problems == []
        tab.close()
        if path.name == "index.html":
            tab, problems = opened(browser, path, viewport={"width": 360, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert problems == []
            tab.close()


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_head_view_changes_when_a_head_is_clicked(learned, browser, role):
    tab, problems = opened(browser, Path(f"data/lessons/attention/head_view_{role}.html"))

    def lines():
        return tab.eval_on_selector_all("#attention line", "all => all.map(one => one.getAttribute('stroke-opacity'))")

    before = lines()
    assert len(before) > 0
    tab.locator("#vis svg > g > rect[width='20']").first.click()
    assert lines() != before
    tab.select_option("#layer", "0")
    assert len(lines()) == len(before)
    shown = "".join(tab.eval_on_selector_all("text", "all => all.map(one => one.textContent)")).replace("##", "")
    assert "alert" in shown
    assert "script" in shown
    assert problems == []


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_model_view_enlarges_a_head(learned, browser, role):
    tab, problems = opened(browser, Path(f"data/lessons/attention/model_view_{role}.html"))
    assert tab.locator(".detail").count() == 0
    tab.locator("#attn_background_0_0 ~ rect").first.click()
    assert tab.locator(".detail").count() > 0
    assert problems == []


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_neuron_view_computes_the_weights_that_it_shows(learned, browser, role):
    tab, problems = opened(browser, Path(f"data/lessons/attention/neuron_view_{role}.html"))
    layers = tab.eval_on_selector_all("#layer option", "all => all.map(one => one.textContent)")
    tab.select_option("#layer", label=layers[-1])
    token = tab.locator("#collapsed #leftText > g").nth(2)
    token.hover()
    token.locator("rect").last.click()  # the plus

    def values(of, value):
        return np.array(tab.eval_on_selector_all(f"#expanded {of}", f"all => all.map(one => +one.{value})"))

    shown = values("#rightText .highlight", "style.opacity")
    seen = len(shown)
    if role == "decoder":
        seen = 3
        assert not shown[seen:].any()
    weights = np.exp(values(".dotproduct", "dataset.value")[:seen])
    assert np.allclose(weights / weights.sum(), shown[:seen], atol=1e-3)
    assert problems == []
    tab.close()
