"""`snips export`: a folder that answers without torch what the run answers, and is what was written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.models import inference
from pipelines.serving import Model
from pipelines.serving.exported import BATCH, Exported, of_few_shapes
from pipelines.serving.exporting import export
from stages import convert, download, fetch_encoder, finetune, latency, split
from tests.conftest import assert_one_line_error, copy_project, edit_params, run_stage

RUNS = ("intent-full", "slots-full", "joint-full")
FILES = {
    "onnx": {"README.md", "export.json", "model.onnx", "sha256sums.txt", "tokenizer.json"},
    "openvino": {"README.md", "export.json", "model.bin", "model.xml", "sha256sums.txt", "tokenizer.json"},
}
RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_encoder):
    """A project with runs of three tasks, the joint one with a CRF; it is the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNIPS_MIRROR", raising=False)
        copy_project(tmp_path_factory.mktemp("export") / "a project", tiny_encoder, patch)
        edit_params(lambda content: content["finetune"]["joint-full"].update(head="crf"))
        for stage in (download.download, convert.convert, split.split, fetch_encoder.fetch_encoder):
            stage()
        for run in RUNS:
            finetune.finetune(run)
            sharpen(Path("data/models") / run)
        yield Path.cwd()


def sharpen(run):
    """Scale its layers, as a model that hardly learned is near to uniform, where any other would do for it."""
    model = Model.load(run).model
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and "embedding" not in name:
                weight *= 10
    model.save_pretrained(run)


def likeness(before, after):
    """Least correlation, over the outputs, of the logits of two forms of a run, less what all texts have alike."""
    found = []
    for name in before[0]:
        one, other = (
            np.concatenate([of[name].reshape(-1, of[name].shape[-1]) for of in form]) for form in (before, after)
        )
        one, other = ((of - of.mean(axis=0)).ravel() for of in (one, other))
        found.append(np.corrcoef(one, other)[0, 1])
    return np.min(found)


def rounded(kind, int8=False):
    """How far scores may lie apart: 8-bit numbers differ; OpenVINO computes in bf16 where the machine has it."""
    if int8 or kind != "openvino":
        return 0.2 if int8 else 1e-3
    import openvino

    return 0.2 if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else 1e-3


def in_torch(model, asked):
    """The logits of `Model`, as `Exported` has them."""
    features = model.task.encode([{"text": text} for text in asked], model.tokenizer, model.model)
    found = inference.predict(model.model, features, model.task.outputs, model.precision)
    names = list(model.task.outputs)
    return [dict(zip(names, of if len(names) > 1 else (of,), strict=True)) for of in found]


def in_graph(exported, asked):
    return exported._logits(exported._encoded([{"text": text} for text in asked]))


def same_labels(before, after):
    """Share of the texts with the same intent, and of those with the same spans."""
    pairs = list(zip(before, after, strict=True))
    spans = [[[(s["label"], s["start"], s["end"]) for s in of.get("slots", [])] for of in pair] for pair in pairs]
    return np.mean([a.get("intent") == b.get("intent") for a, b in pairs]), np.mean([a == b for a, b in spans])


def texts(part="test"):
    return [row["text"] for row in parquet.read(Path("data/splits") / f"{part}.parquet")]


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
@pytest.mark.parametrize("run", RUNS)
def test_it_says_what_the_run_says(trained, run, kind):
    pytest.importorskip(RUNTIMES[kind])
    target = Path(f"data/exports/{run}-{kind}")
    export(Path(f"data/models/{run}"), target, kind, False, texts("train"))
    assert {path.name for path in target.iterdir()} == FILES[kind]
    asked = texts()
    exported = Exported.load(target, threads=1)
    model = Model.load(f"data/models/{run}")
    model.precision = "fp32"  # as the graph computes
    here, there = model(asked), exported(asked)
    for before, after in zip(here, there, strict=True):
        assert before.keys() == after.keys()
        assert after.get("score", 0) == pytest.approx(before.get("score", 0), abs=rounded(kind))
    assert min(same_labels(here, there)) >= (0.8 if kind == "openvino" else 1)
    assert likeness(in_torch(model, asked), in_graph(exported, asked)) > (0.9 if kind == "openvino" else 0.9999)
    alone = exported(asked[0])
    assert alone["text"] == asked[0]


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_8_bit_numbers_are_smaller_and_nearly_the_same(trained, kind):
    pytest.importorskip("nncf" if kind == "openvino" else "onnxruntime")
    for int8 in (False, True):
        export(Path("data/models/joint-full"), Path(f"data/exports/{kind}-{int8}"), kind, int8, texts("train"))
    whole, eighth = (Exported.load(f"data/exports/{kind}-{int8}", threads=1) for int8 in (False, True))
    graph = {"onnx": "model.onnx", "openvino": "model.bin"}[kind]
    sizes = [Path(f"data/exports/{kind}-{int8}/{graph}").stat().st_size for int8 in (False, True)]
    assert sizes[1] < 0.75 * sizes[0]
    for before, after in zip(whole(texts()), eighth(texts()), strict=True):
        assert after["score"] == pytest.approx(before["score"], abs=rounded(kind, int8=True))
    assert min(same_labels(whole(texts()), eighth(texts()))) >= 0.8
    assert likeness(in_graph(whole, texts()), in_graph(eighth, texts())) > 0.8


def test_openvino_meets_few_shapes_however_many_texts_come_at_once():
    shapes = set()
    for texts in range(1, BATCH + 1):
        for tokens in range(3, 31):
            given = {name: np.arange(texts * tokens).reshape(texts, tokens) for name in ("input_ids", "attention_mask")}
            found = of_few_shapes(given, most=30)
            for name, array in given.items():
                assert (found[name][:texts, :tokens] == array).all()
                assert found[name].shape == found["input_ids"].shape
            assert found["attention_mask"][texts:].sum(axis=1).tolist() == [1] * (len(found["input_ids"]) - texts)
            assert found["input_ids"].shape[1] <= 30
            if 1 < texts < BATCH:
                shapes.add(found["input_ids"].shape)
    assert len(shapes) == 8 * 8  # of 840


@pytest.mark.parametrize("texts", [1, 7, BATCH])
def test_openvino_meets_no_batch_as_long_as_a_head_is_wide(texts):
    for tokens in (29, 30, 32):
        given = {name: np.ones((texts, tokens), dtype=np.int64) for name in ("input_ids", "attention_mask")}
        found = of_few_shapes(given, most=512, unfit=32)
        assert found["input_ids"].shape[1] == (tokens if texts != 7 and tokens != 32 else 36)
        assert (found["attention_mask"][:texts].sum(axis=1) == tokens).all()


def test_eight_bits_say_the_same_where_there_are_as_many_tokens_as_a_head_is_wide(trained):
    """Head size 16: such a text beside others, and longer by a word that is no part of it."""
    pytest.importorskip("nncf")
    export(Path("data/models/joint-full"), Path("data/exports/wide"), "openvino", True, texts("train"))
    exported = Exported.load("data/exports/wide", threads=1)
    assert exported.facts["head_size"] == 16
    asked = [text for text in texts("train") if len(exported._encoded([{"text": text}])[0]["input_ids"]) == 16][:8]
    (*whole, longest) = exported([*asked, f"{asked[0]} and more of it"])
    assert longest
    for alone, among in zip((exported(text) for text in asked), whole, strict=True):
        assert alone["score"] == pytest.approx(among["score"], abs=rounded("openvino", int8=True))
        assert [slot["label"] for slot in alone["slots"]] == [slot["label"] for slot in among["slots"]]


def test_what_openvino_says_of_a_text_is_the_same_in_any_company(trained):
    pytest.importorskip("nncf")
    export(Path("data/models/joint-full"), Path("data/exports/company"), "openvino", False, texts("train"))
    exported = Exported.load("data/exports/company", threads=1)
    asked = sorted(texts(), key=len)[:7]
    for count in (2, 3, 5, 7):
        for alone, among in zip((exported(text) for text in asked[:count]), exported(asked[:count]), strict=True):
            assert among["score"] == pytest.approx(alone["score"], abs=rounded("openvino"))


def test_what_an_export_loses_is_paired_by_utterance(trained):
    model, rows = Model.load("data/models/joint-full"), parquet.read(Path("data/splits/test.parquet"))

    def gold(asked):
        of = {row["text"]: {"intent": row["intent"], "score": 1.0, "slots": row["slots"]} for row in rows}
        return of[asked] if isinstance(asked, str) else [of[text] for text in asked]

    def without_slots(asked):
        return [said | {"slots": []} for said in gold(asked)] if isinstance(asked, list) else gold(asked)

    table = latency.measured({"torch": gold, "same": gold, "less": without_slots}, rows, model.task, 1)
    assert table["torch"]["lost"] == {}
    assert table["same"]["lost"]["frame_accuracy"]["difference"] == 0
    assert table["same"]["lost"]["frame_accuracy"]["beyond_chance"] is False
    assert table["less"]["lost"]["f1"]["difference"] == pytest.approx(table["torch"]["slot_f1"]) == 1
    assert table["less"]["lost"]["frame_accuracy"]["beyond_chance"] is True
    assert table["less"]["lost"]["accuracy"]["difference"] == 0


def test_an_export_needs_no_torch(trained):
    pytest.importorskip("onnxruntime")
    export(Path("data/models/joint-full"), Path("data/exports/light"), "onnx", False, texts("train"))
    program = (
        "import json, sys\n"
        "from pipelines.serving.exported import Exported\n"
        "print(json.dumps(Exported.load('data/exports/light')('play jazz')))\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["text"] == "play jazz"


def test_the_same_run_gives_the_same_bytes(trained):
    pytest.importorskip("onnxruntime")
    sums = []
    for name in ("one", "two"):
        export(Path("data/models/joint-full"), Path(f"data/exports/{name}/joint"), "onnx", True, texts("train"))
        sums.append(Path(f"data/exports/{name}/joint/sha256sums.txt").read_text())
        sums[-1] = [line for line in sums[-1].splitlines() if not line.endswith("README.md")]  # names its folder
    assert sums[0] == sums[1]


def test_a_changed_file_is_refused(trained):
    pytest.importorskip("onnxruntime")
    target = Path("data/exports/changed")
    export(Path("data/models/intent-full"), target, "onnx", False, texts("train"))
    with (target / "model.onnx").open("ab") as graph:
        graph.write(b"0")
    with pytest.raises(InputError, match=r"model\.onnx: not the file that was exported"):
        Exported.load(target)
    for sums in ("", None):  # cut, and left behind
        (target / "sha256sums.txt").unlink() if sums is None else (target / "sha256sums.txt").write_text(sums)
        with pytest.raises(InputError, match=r"sha256sums\.txt: .*run snips export again"):
            Exported.load(target)


def test_an_export_answers_no_questions(trained):
    pytest.importorskip("onnxruntime")
    export(Path("data/models/intent-full"), Path("data/exports/asked"), "onnx", False, texts("train"))
    result = run_stage("pipelines.cli", "predict", "play", "--model", "data/exports/asked", "--ask", "Which artist?")
    assert_one_line_error(result, "asked: an export answers no questions")


@pytest.mark.parametrize(("kind", "int8"), [("onnx", False), ("onnx", True), ("openvino", False), ("openvino", True)])
def test_an_encoder_without_types_of_tokens_is_exported_too(trained, kind, int8):
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    pytest.importorskip(RUNTIMES[kind])
    run = Path("data/models/distilled")
    if not run.exists():
        shutil.copytree("data/models/intent-full", run)
        before = json.loads((run / "config.json").read_text(encoding="utf-8"))
        labels = {name: before[name] for name in ("id2label", "label2id")}
        sizes = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64}
        config = DistilBertConfig(vocab_size=before["vocab_size"], **sizes, **labels)
        DistilBertForSequenceClassification(config).save_pretrained(run)
        sharpen(run)
        path = run / "tokenizer_config.json"
        kept = json.loads(path.read_text(encoding="utf-8")) | {"model_input_names": ["input_ids", "attention_mask"]}
        path.write_text(json.dumps(kept), encoding="utf-8")
    target = Path(f"data/exports/distilled-{kind}-{int8}")
    export(run, target, kind, int8, texts("train"))
    some = texts()[:20]
    model, exported = Model.load(run), Exported.load(target)
    model.precision = "fp32"
    here, there = model(some), exported(some)
    rounds = int8 or kind == "openvino"
    scores = [[one["score"] for one in of] for of in (here, there)]
    assert scores[1] == pytest.approx(scores[0], abs=rounded(kind, int8))
    assert min(same_labels(here, there)) >= (0.8 if rounds else 1)
    assert likeness(in_torch(model, some), in_graph(exported, some)) > (0.8 if rounds else 0.9999)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(["nope"], "data/models/nope: no such model"), (["base-encoder"], "base-encoder: not a run of finetune")],
)
def test_bad_input_is_one_line(trained, arguments, part):
    assert_one_line_error(run_stage("pipelines.cli", "export", *arguments), part)
    assert not Path(f"data/exports/{arguments[0]}-onnx").exists()
