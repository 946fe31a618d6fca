"""Each stage as a script on the sample and a 2-layer BERT: the exact files, and one clear line for bad input."""

import json
import re
import shutil
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import InputError, printable
from pipelines.corpus import snips
from pipelines.data import parquet
from pipelines.decoder.options import Strategies
from pipelines.reports import benchmark_2017
from pipelines.reports.peers import share_interval
from pipelines.training import trainer
from stages import augment
from tests.conftest import (
    INTENTS,
    MIRROR,
    ROOT,
    assert_one_line_error,
    edit_params,
    needs_snips,
    read_details,
    run_stage,
)


def files_in(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def prepare(*names):
    for name in names:
        result = run_stage(f"stages.{name}")
        assert result.returncode == 0, result.stderr
        assert result.stdout == ""


def snapshot(folder):
    return {str(path): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def test_the_chain_from_download_to_summary(project):
    prepare("download", "convert", "split", "fetch_encoder")
    assert files_in("data/raw") == {p.format(i) for p in snips.PARTS.values() for i in INTENTS}
    assert files_in("data/corpus") == {"train_full.parquet", "validate.parquet", "README.md"}
    assert files_in("data/splits") == {"train.parquet", "validation.parquet", "test.parquet", "README.md"}
    assert "NOT SNIPS" in Path("data/splits/README.md").read_text(encoding="utf-8").upper()
    quality = read_details("metrics/corpus.json")
    assert quality["source"] == "sample"
    assert (quality["intents"], quality["slot_labels"]) == (7, 39)
    sizes = read_details("metrics/split.json")
    assert sizes["source"] == "sample"
    assert sizes["test_texts_in_train"] == 0

    headlines = {"intent-full": "accuracy", "slots-full": "f1", "qa-full": "span_f1", "joint-full": "frame_accuracy"}
    edit_params(lambda content: [content["finetune"].pop(run) for run in set(content["finetune"]) - set(headlines)])
    for run, best in headlines.items():
        result = run_stage("stages.finetune", run)
        assert result.returncode == 0, result.stderr
        assert result.stdout == ""
        assert re.search(rf"^{run}: step (\d+) of \1, epoch 1.0, loss ", result.stderr, re.M)  # and no bar in a log
        assert "%|" not in result.stderr
        assert files_in(f"data/models/{run}") == {
            "README.md",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "training.json",
        }
        assert "base_model" not in Path(f"data/models/{run}/README.md").read_text()  # a folder, which no hub knows
        assert run_stage("stages.evaluate", run).returncode == 0
        assert files_in(f"metrics/plots/{run}") == {"train.csv", "validation.csv", "confusion.csv"}
        report = read_details(f"metrics/{run}.json")
        assert (report["source"], report["split"], report["protocol"]) == ("sample", "test", "literature")
        assert 0 <= report[best] <= 1
        table = pq.read_table(f"data/predictions/{run}/test.parquet").to_pylist()
        right = [row["right"] for row in table]
        assert right == sorted(right)  # the errors first
        assert len(table) == len(parquet.read(Path("data/splits/test.parquet")))
        if run in ("intent-full", "joint-full"):
            assert report[best] == pytest.approx(sum(right) / len(right), abs=1e-6)

    prepare("runs")
    assert files_in("data/runs") == {f"{run}.json" for run in headlines}
    result = run_stage("stages.qa_limits")
    assert result.returncode == 0, result.stderr
    limits = read_details("metrics/qa_limits.json")
    assert limits["questions"] == len(limits["cases"]) >= 20
    assert len({case["kind"] for case in limits["cases"]}) == 4
    assert files_in("data/limits") == {"qa.md"}
    choosers = {one["chosen_by"]: one for one in limits["choosers"]}
    assert list(choosers) == ["gold intent", "predicted intent", "nobody"]
    # the gold intent's questions are those of evaluate, and the margin is chosen on the same rows
    assert choosers["gold intent"]["span_f1"] == pytest.approx(read_details("metrics/qa-full.json")["span_f1"])
    limits_page = Path("data/limits/qa.md").read_text(encoding="utf-8")
    shown = [line for line in limits_page.splitlines() if "| nobody |" in line]
    assert shown == [
        f"| nobody | {choosers['nobody']['questions']:,} | {choosers['nobody']['answered']:,} "
        f"| {choosers['nobody']['span_f1']:.4f} |"
    ]

    result = run_stage("stages.peers")
    assert result.returncode == 0, result.stderr
    assert "Our rows are left out" in result.stdout
    assert files_in("data/comparison") == {"literature.md", "few_shot.md", "augmentation.md"}

    prepare("fetch_decoder", "tune_decoder", "generate", "judge")
    model = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert files_in("data/models/base-decoder") == model
    assert files_in("data/models/decoder") == model | {"README.md", "training.json"}
    assert files_in("metrics/plots/decoder") == {"train.csv", "validation.csv"}
    assert files_in("data/generated") == {"samples.parquet", "samples.md"}
    samples = pq.read_table("data/generated/samples.parquet").to_pylist()
    assert list(samples[0]) == ["intent", "strategy", "seed", "text", "log_probability"]
    assert len(samples) == 7 * 7 * 3
    assert "NOT SNIPS" in Path("data/generated/samples.md").read_text(encoding="utf-8")
    judged = read_details("metrics/generation.json")
    assert judged["source"] == "sample"
    assert judged["perplexity_per_word"] > 1
    curve = Path("metrics/plots/decoder/validation.csv").read_text(encoding="utf-8").splitlines()
    best = dict(zip(curve[0].split(","), curve[-1].split(","), strict=True))
    assert judged["bits_per_byte"] == pytest.approx(float(best["bits_per_byte"]), rel=1e-4)
    assert set(judged["strategies"]) == {sample["strategy"] for sample in samples} == set(Strategies.model_fields)
    for row in (*judged["strategies"].values(), judged["real"], judged["ngram"]):
        assert row["samples"] == 21
        assert 0 <= row["intent_recognised"] <= 1
    greedy = {(sample["intent"], sample["text"]) for sample in samples if sample["strategy"] == "greedy"}
    assert len(greedy) == 7
    # the same text again and again; one of fewer than four words has no BLEU of that order
    assert judged["strategies"]["greedy"]["self_bleu"] in (0, pytest.approx(100))
    orders = {order: of["perplexity_per_word"] for order, of in judged["ngram_orders"].items()}
    assert list(orders) == ["2", "3", "4", "5", "6"]
    least = min(orders.values())
    assert orders[str(judged["ngram"]["order"])] == least
    assert judged["beside_ngrams"]["share"] == pytest.approx(judged["perplexity_per_word"] / least, rel=1e-4)
    page = Path("data/judgement/generation.md").read_text(encoding="utf-8")
    assert max(map(len, page.splitlines())) <= 100

    result = run_stage("pipelines.cli", "generate", "--intent", "PlayMusic", "--strategy", "top_p", "-n", "3")
    assert result.returncode == 0, result.stderr
    shown = [printable(row["text"]) for row in samples if (row["strategy"], row["intent"]) == ("top_p", "PlayMusic")]
    assert result.stdout.splitlines() == shown

    prepare("adapt_encoder")
    assert "masked_accuracy" in Path("metrics/plots/adapted-encoder/validation.csv").read_text(encoding="utf-8")
    result = run_stage("stages.compare_bert_gpt")
    assert result.returncode == 0, result.stderr
    assert "pieces a second" in result.stdout  # and in no output
    assert files_in("data/bert_gpt") == {"page.md"}
    sides = read_details("metrics/compare_bert_gpt.json")
    assert sides["decoder"]["largest_ahead"] == 0 < sides["encoder"]["largest_ahead"]
    assert sides["answers"]["questions"] == limits["questions"]
    assert sides["written"]["with_cache"] < sides["written"]["without_cache"]
    page = Path("data/bert_gpt/page.md").read_text(encoding="utf-8").splitlines()
    cases = sides["answers"]["cases"]
    for case in cases:
        assert any(line.startswith(f"| {case['text']} — {case['question']} | ") for line in page)
    assert not any(case["generated"].startswith(case["text"]) for case in cases)

    result = run_stage("stages.augment", "5")
    assert result.returncode == 0, result.stderr
    helped = read_details("metrics/on_demand/augment-5.json")
    assert helped["source"] == "sample"
    (draw,) = helped["draws"]
    assert draw["train_utterances"] == 35
    assert draw["gain"]["difference"] == pytest.approx(draw["with"] - draw["without"], abs=1e-5)
    assert draw["gain"]["low"] <= draw["gain"]["difference"] <= draw["gain"]["high"]
    assert run_stage("stages.peers").returncode == 0
    assert "| 5 | " in Path("data/comparison/augmentation.md").read_text(encoding="utf-8")
    assert len(Path("metrics/plots/augment.csv").read_text(encoding="utf-8").splitlines()) == 3

    result = run_stage("stages.summary")
    assert result.returncode == 0, result.stderr
    nested = json.loads(Path("metrics/summary.json").read_text(encoding="utf-8"))
    assert nested["source"] == "sample"
    assert nested["joint-full"]["frame_accuracy"] == report["frame_accuracy"]
    assert 0 <= nested["intent-full+slots-full"]["frame_accuracy"] <= nested["intent-full"]["accuracy"]
    summary = Path("data/report/summary.md").read_text(encoding="utf-8")
    assert "NOT SNIPS" in summary
    assert max(map(len, summary.splitlines())) <= 80
    assert not list(Path(".checkpoints").iterdir())
    apart = read_details("metrics/differences.json")["pairs"]
    for row in apart:
        for side in ("first", "second"):
            if row[side] == "qa-full, asked everything":
                of = {"f1": choosers["nobody"]["span_f1"]}
            else:
                of = nested[row[side]] if "+" in row[side] else read_details(f"metrics/{row[side]}.json")
            known = {"accuracy": "intent_accuracy", "f1": "slot_f1"} if row[side] == "joint-full" else {}
            value = of.get(known.get(row["metric"], row["metric"]))
            assert row[f"{side}_value"] == pytest.approx(value, abs=1e-6), row
        same = f"- {row['first'].replace('+', ' + ')} and {row['second'].replace('+', ' + ')}, {row['metric']}"
        assert (same in summary) != row["beyond_chance"]
    assert {row["metric"] for row in apart} == {"accuracy", "f1", "frame_accuracy"}
    (beside,) = (row for row in apart if {row["first"], row["second"]} == {"slots-full", "qa-full, asked everything"})
    assert beside["metric"] == "f1"

    start = time.monotonic()
    result = run_stage("stages.report")
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - start < 20
    assert files_in("data/report") == {"summary.md", "index.html", "lessons.html", "report.md"}
    counted = read_details("metrics/report.json")
    assert counted["source"] == "sample"
    assert set(counted["mistakes"]) == set(headlines)
    assert set(counted["calibration"]["joint-full"]) == {"intent", "slots"}
    short = Path("data/report/report.md").read_text(encoding="utf-8")
    assert summary.strip() in short
    assert '- `data.source`: `"snips"` → `"sample"`' in short
    assert len(short.splitlines()) <= 60
    page = Path("data/report/index.html").read_text(encoding="utf-8")
    assert "the embedded sample, NOT SNIPS" in page
    assert f'<td class="number">{report["frame_accuracy"]:.3f}</td>' in page


def test_what_writes_and_filters_sees_the_few_alone(project, monkeypatch):
    prepare("download", "convert", "split", "fetch_encoder")
    trained, learned = [], []
    train, scratch = trainer.train, augment.scratch

    def spy(task, options, model, tokenizer, rows, validation_rows, checkpoints):
        trained.append(({row["id"] for row in rows}, validation_rows))
        return train(task, options, model, tokenizer, rows, validation_rows, checkpoints)

    monkeypatch.setattr(trainer, "train", spy)
    monkeypatch.setattr(augment, "scratch", lambda sizes, texts: learned.append(texts) or scratch(sizes, texts))
    augment.augment("5")
    (few, none), (of_decoder, _), (both, _) = trained
    assert len(few) == 35 == len(learned[0])
    assert of_decoder == few
    assert none == []
    assert all(name.startswith("written/") for name in both - few)
    texts = {row["text"] for row in parquet.read(Path("data/splits/train.parquet")) if row["id"] in few}
    assert set(learned[0]) == texts
    with pytest.raises(InputError, match="size 0: how many utterances"):
        augment.augment("0")


def test_a_stage_makes_the_same_bytes_twice(project):
    def everything():
        prepare("download", "convert", "split", "fetch_encoder")
        assert run_stage("stages.finetune", "slots-head").returncode == 0
        assert run_stage("stages.evaluate", "slots-head").returncode == 0
        prepare("fetch_decoder", "tune_decoder", "generate")
        shutil.rmtree("data/monitor", ignore_errors=True)  # of the machine; there once a training takes a second
        return snapshot("data") | snapshot("metrics")

    first = everything()
    for folder in ("raw", "corpus", "splits", "models", "predictions", "generated"):
        shutil.rmtree(f"data/{folder}")
    assert everything() == first


@needs_snips
def test_other_seeds_and_few_shot_draws_stand_beside_the_peers(project):
    """As on SNIPS, but on the sample: what is compared here is the way, not the figures."""
    prepare("download", "convert", "split", "fetch_encoder")
    edit_params(lambda content: content["repeat"].update(seeds=[13, 14, 15]))
    edit_params(lambda content: content["variants"]["of"]["joint-cased"].update(change={"epochs": 2}))  # has no mark
    for run in ("intent-full", "slots-full", "joint-full"):
        assert run_stage("stages.finetune", run).returncode == 0
        assert run_stage("stages.evaluate", run).returncode == 0
        result = run_stage("stages.repeat", run)
        assert result.returncode == 0, result.stderr
        seeds = read_details(f"metrics/on_demand/repeat-{run}.json")["seeds"]
        assert [seed["seed"] for seed in seeds] == [14, 15]
    joint = [read_details("metrics/joint-full.json"), *seeds]
    assert run_stage("stages.repeat", "joint-cased").returncode == 0  # a variant, so all its seeds
    cased = read_details("metrics/on_demand/repeat-joint-cased.json")["seeds"]
    assert [seed["seed"] for seed in cased] == [13, 14, 15]
    assert [seed["weights"] for seed in cased] == [joint[0]["weights"]] * 3
    assert_one_line_error(run_stage("stages.repeat", "joint-adapted"), "starts from the adapted encoder")
    edit_params(lambda content: content["repeat"].update(seeds=[13]))
    assert_one_line_error(run_stage("stages.repeat", "joint-full"), "repeat.seeds: none but 13")
    test_rows = parquet.read(Path("data/splits/test.parquet"))
    assert 1 - len(seeds[0]["wrong"]) / len(test_rows) == pytest.approx(seeds[0]["frame_accuracy"], abs=1e-6)

    assert_one_line_error(run_stage("stages.few_shot", "10"), "train_AddToPlaylist.json", "data.source: snips")
    for intent in INTENTS:
        whole = Path("data/raw") / snips.PARTS["train_full"].format(intent)
        shutil.copy(whole, Path("data/raw") / snips.FEW_SHOT.format(intent))
        for pattern in (pattern for patterns in benchmark_2017.VENDORS.values() for pattern in patterns):
            shutil.copy(MIRROR / pattern.format(intent), Path("data/raw") / pattern.format(intent))
    for path in Path("metrics/on_demand").glob("few_shot-*"):  # of SNIPS, with the project
        path.unlink()
    for size, utterances in {"10": 70, "70": 490, "all": 588, "intent-10": 70}.items():
        result = run_stage("stages.few_shot", size)
        assert result.returncode == 0, result.stderr
        report = read_details(f"metrics/on_demand/few_shot-{size}.json")
        assert [draw["train_utterances"] for draw in report["draws"]] == [utterances] * (1 if size == "all" else 3)
        assert report["source"] == "sample"
        best = max(report["tried"], key=lambda one: one["held_out"])
        assert (report["learning_rate"], report["epochs"]) == (best["learning_rate"], best["epochs"])
        first, second, *others = [(one["learning_rate"], one["epochs"]) for one in report["tried"]]
        assert (first, second) == ((1e-4, 1), (1e-2, 1))
        assert [epochs for _, epochs in others] == ([2] if size == "all" else [])
        assert {rate for rate, _ in others} <= {
            max(report["tried"][:2], key=lambda one: one["held_out"])["learning_rate"]
        }

    edit_params(lambda content: content["data"].update(source="snips"))
    assert run_stage("stages.peers").returncode == 0  # what was measured on the sample does not stand for SNIPS
    report = read_details("metrics/peers.json")
    assert report["few_shot"]["slots"]["systems"]["ours"] == {}
    assert report["ours"]["joint"]["frame"]["seeds"] == 1
    for path in Path("metrics/on_demand").glob("*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace('"source": "sample"', '"source": "snips"'))
    result = run_stage("stages.peers")
    assert result.returncode == 0, result.stderr
    report = read_details("metrics/peers.json")
    frames = [seed["frame_accuracy"] for seed in joint]
    assert report["ours"]["joint"]["frame"]["mean"] == pytest.approx(sum(frames) / 3, abs=1e-6)
    published = {metric: of["as_published"]["mean"] for metric, of in report["hard_core"]["scores"].items()}
    assert set(published) == {"frame_accuracy", "f1", "accuracy"}
    for metric, key in (("frame_accuracy", "frame_accuracy"), ("f1", "slot_f1"), ("accuracy", "intent_accuracy")):
        assert published[metric] == pytest.approx(sum(seed[key] for seed in joint) / 3, abs=1e-6)
    assert report["ours"]["pair"]["frame"]["seeds"] == 3
    assert report["few_shot"]["slots"]["systems"]["Snips"]["70"] == pytest.approx(0.768, abs=1e-3)
    assert set(report["few_shot"]["slots"]["systems"]["ours"]) == {"10", "70", "all"}
    assert set(report["few_shot"]["intent"]["systems"]["ours"]) == {"10"}
    assert report["few_shot"]["intent"]["systems"]["BERT-base"]["all"] == pytest.approx(0.9856)
    of_cased = report["ours"]["joint_cased"]
    assert of_cased["slots"]["mean"] == pytest.approx(sum(seed["slot_f1"] for seed in cased) / 3, abs=1e-6)
    for name, key in (("intent", "intent_accuracy"), ("frame", "frame_accuracy")):
        right = round(cased[0][key] * len(test_rows))
        assert of_cased[name]["interval"] == pytest.approx(share_interval(right, len(test_rows)), abs=1e-6)
    assert of_cased["slots"]["interval"][0] <= cased[0]["slot_f1"] <= of_cased["slots"]["interval"][1]
    assert result.stdout.count("ours: ") == 8  # a row and an interval each
    plot = Path("metrics/plots/few_shot.csv").read_text(encoding="utf-8").splitlines()
    assert len(plot) == 1 + 3 + 5 + 4 + 4 + 4 + 1


def test_variants_are_judged_by_folds_and_set_beside_what_they_are_of(project):
    prepare("download", "convert", "split", "fetch_encoder")
    of = {"intent-plain": {"run": "intent-full"}, "intent-adapted": {"run": "intent-plain", "finetune_from": "adapted"}}
    edit_params(lambda content: content["variants"].update(folds=[1, 2], of=content["variants"]["of"] | of))
    for name, number in (("intent-plain", "1"), ("intent-plain", "2"), ("intent-adapted", "1")):
        result = run_stage("stages.fold", name, number)
        assert result.returncode == 0, result.stderr
    shutil.copy("data/folds/intent-plain/2.json", "data/folds/intent-adapted/2.json")
    for name in ("intent-plain", "intent-adapted"):
        assert run_stage("stages.variant", name).returncode == 0
    report = read_details("metrics/on_demand/variant-intent-adapted.json")
    assert report["made_from"]["options"]["finetune_from"] == "adapted"
    assert report["made_from"]["options"]["folds"] == 2
    judged = sum(len(parquet.read(Path(f"data/splits/{part}.parquet"))) for part in ("train", "validation"))
    assert report["utterances"] == judged
    result = run_stage("stages.levers")
    assert result.returncode == 0, result.stderr
    shown = read_details("metrics/levers.json")["variants"]
    assert set(shown) == {"intent-plain", "intent-adapted"}
    assert "beside" not in shown["intent-plain"]
    both = shown["intent-adapted"]["beside"]["accuracy"]
    for key, name in (("first_value", "intent-adapted"), ("second_value", "intent-plain")):
        assert both[key] == pytest.approx(shown[name]["metrics"]["accuracy"]["value"], abs=1e-6)

    edit_params(lambda content: content["variants"]["of"]["intent-adapted"].update(change={"epochs": 9}))
    assert run_stage("stages.levers").returncode == 0
    shown = read_details("metrics/levers.json")["variants"]
    assert shown["intent-adapted"]["older"] == "measured with epochs 1, now 9"
    assert "beside" not in shown["intent-adapted"]
    kept = Path("params.yaml").read_text(encoding="utf-8")
    edit_params(lambda content: content["finetune"].pop("intent-full"))
    result = run_stage("stages.levers")
    assert (result.returncode, read_details("metrics/levers.json")["variants"]) == (0, {})
    assert "intent-plain is left out: params.yaml: variants.of.intent-plain: intent-full: no such run" in result.stdout
    Path("params.yaml").write_text(kept, encoding="utf-8")
    assert_one_line_error(run_stage("stages.fold", "nothing", "1"), "variants.of.nothing", "joint-crf")
    assert_one_line_error(run_stage("stages.fold", "intent-plain", "7"), "variants.folds", "7")
    edit_params(lambda content: content["variants"]["of"]["joint-short"].update(run="joint-crf"))
    assert_one_line_error(run_stage("stages.fold", "joint-crf", "1"), "is a variant of itself")


@pytest.mark.parametrize("name", ["download", "convert", "split", "peers"])
def test_stages_that_need_no_torch_do_not_import_it(project, name):
    chain = ["download", "convert", "split"]
    prepare(*chain[: chain.index(name)] if name in chain else [])
    code = f"import sys; from stages.{name} import {name}; {name}(); "
    import subprocess

    result = subprocess.run([sys.executable, "-c", code + "sys.exit('torch' in sys.modules)"], check=False)
    assert result.returncode == 0


def test_help_says_the_one_job():
    result = run_stage("stages.split", "--help")
    assert result.returncode == 0
    assert "Split the corpus" in result.stdout


# bad input: one line, exit 1, no traceback, earlier outputs whole


def test_a_bert_is_no_decoder(project, tiny_encoder):
    edit_params(lambda content: content["decoder"].update(name=str(tiny_encoder)))
    assert_one_line_error(run_stage("stages.fetch_decoder"), "decoder.name", f"add -S watch.decoder='{tiny_encoder}'")
    edit_params(lambda content: content["watch"].update(decoder=str(tiny_encoder)))
    assert_one_line_error(run_stage("stages.fetch_decoder"), "decoder.name", "a model of type bert; use a GPT-2")
    assert not Path("data/models/base-decoder").exists()


@needs_snips
def test_a_mirror_with_a_wrong_or_cut_or_missing_file(project, tmp_path, monkeypatch):
    edit_params(lambda content: content["data"].update(source="snips"))
    copy = tmp_path / "mirror"
    shutil.copytree(MIRROR, copy)
    monkeypatch.setenv("SNIPS_MIRROR", str(copy))
    prepare("download")
    before = snapshot("data")
    victim = copy / "RateBook/validate_RateBook.json"
    whole = victim.read_bytes()
    for damage in (whole[:1000], whole[:500] + b"\x07" + whole[501:], None):
        victim.unlink()
        if damage is not None:
            victim.write_bytes(damage)
        assert_one_line_error(run_stage("stages.download"), "RateBook/validate_RateBook.json", "SNIPS_MIRROR")
        assert snapshot("data") == before
        if damage is None:
            victim.write_bytes(whole)


def test_no_network_and_no_mirror(project, monkeypatch):
    prepare("download")
    before = snapshot("data")
    edit_params(lambda content: content["data"].update(source="snips"))
    monkeypatch.setenv("SNIPS_MIRROR", "http://127.0.0.1:9/none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert_one_line_error(run_stage("stages.download"), "127.0.0.1:9", "check the network", "SNIPS_MIRROR")
    assert snapshot("data") == before
    check = run_stage("stages.download", "--check")
    assert check.returncode == 3
    assert re.fullmatch(r"SNIPS cannot be had \(.*\); the embedded sample is used instead\n", check.stderr)
    Path("params.yaml").write_text("data: [", encoding="utf-8")
    assert_one_line_error(run_stage("stages.download", "--check"), "params.yaml: not valid YAML")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('"RateBook": [', '"RateBook": [[', ["RateBook"]),
        ('"RateBook"', '"PlayMusic"', ["'RateBook'", "PlayMusic"]),
        ('"text"', '"txt"', ["RateBook[0].data[0]", '"text"']),
        ('"entity": "', '"entity": 7, "x": "', ["RateBook[", "entity", "7"]),
    ],
)
def test_broken_snips_files(project, old, new, parts):
    prepare("download", "convert")
    before = snapshot("data/corpus") | snapshot("metrics")
    path = Path("data/raw/RateBook/train_RateBook_full.json")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert_one_line_error(run_stage("stages.convert"), str(path), *parts)
    assert snapshot("data/corpus") | snapshot("metrics") == before


@pytest.mark.parametrize(
    ("key", "value"), [("learning_rate", -1), ("epochs", "many"), ("mode", "half"), ("task", "ner"), ("epoch", 3)]
)
def test_wrong_params_name_their_path(project, key, value):
    edit_params(lambda content: content["finetune"]["slots-full"].update({key: value}))
    assert_one_line_error(run_stage("stages.finetune", "slots-full"), f"params.yaml: finetune.slots-full.{key}: ")


@pytest.mark.parametrize(
    ("run", "key", "value", "part"),
    [
        ("joint-full", "head", "lstm", "'linear' or 'crf'"),
        ("joint-full", "slot_dropout", 1.5, "less than 1"),
        ("joint-full", "schedule", "step", "'linear' or 'cosine'"),
        ("qa-full", "unanswerable_rate", -0.1, "greater than or equal to 0"),
    ],
)
def test_wrong_options_of_a_task_are_named(project, run, key, value, part):
    edit_params(lambda content: content["finetune"][run].update({key: value}))
    assert_one_line_error(run_stage("stages.finetune", run), f"params.yaml: finetune.{run}.{key}: ", part)


def test_an_option_of_another_task_is_refused(project):
    edit_params(lambda content: content["finetune"]["intent-full"].update(head="crf"))
    assert_one_line_error(
        run_stage("stages.finetune", "intent-full"), "finetune.intent-full: ", "head is an option of the task joint"
    )


def test_a_slot_outside_its_text(project):
    prepare("download", "convert", "split", "fetch_encoder")
    rows = parquet.read(Path("data/splits/train.parquet"))
    victim = next(row for row in rows if row["slots"])
    victim["slots"][0]["end"] = len(victim["text"]) + 3
    parquet.write(rows, Path("data/splits/train.parquet"))
    assert_one_line_error(
        run_stage("stages.finetune", "qa-full"), "train.parquet", victim["id"], "do not lie in its text"
    )


def test_an_unknown_run_is_named(project):
    assert_one_line_error(run_stage("stages.finetune", "nothing"), "finetune.nothing", "intent-full")


def test_too_few_utterances(project):
    prepare("download", "convert", "split")
    before = snapshot("data/splits") | snapshot("metrics")
    edit_params(lambda content: content["split"].update(per_intent=5000))
    assert_one_line_error(run_stage("stages.split"), "split.per_intent", "too few utterances")
    assert snapshot("data/splits") | snapshot("metrics") == before


def test_bad_base_models(project, tiny_encoder, tmp_path):
    prepare("fetch_encoder")
    before = snapshot("data/models")
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_encoder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    for change, parts in (
        ({"name": "/no/such/model"}, ["encoder.name /no/such/model"]),
        ({"name": str(pickled)}, ["only pickled weights", "pytorch_model.bin"]),
        ({"sha256": "0" * 64, "name": str(tiny_encoder)}, ["encoder.sha256", "expected 000"]),
    ):
        edit_params(lambda content, change=change: content["encoder"].update(change))
        edit_params(lambda content: content["watch"].update(encoder=content["encoder"]["name"]))
        assert_one_line_error(run_stage("stages.fetch_encoder"), *parts)
        assert snapshot("data/models") == before


def test_weights_that_are_no_model_are_one_line(project):
    prepare("download", "convert", "split", "fetch_encoder")
    Path("data/models/base-encoder/model.safetensors").write_bytes(b"not weights")
    assert_one_line_error(run_stage("stages.finetune", "intent-full"), "data/models/base-encoder")


def test_a_sample_file_that_is_gone(project):
    Path("data/sample/PlayMusic/validate_PlayMusic.json").unlink()
    assert_one_line_error(run_stage("stages.download"), "validate_PlayMusic.json", "git checkout")
    assert not Path("data/raw").exists()


def test_nothing_under_pipelines_imports_stages():
    for path in (ROOT / "pipelines").rglob("*.py"):
        assert "stages" not in re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.M)
