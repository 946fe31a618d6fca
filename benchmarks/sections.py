"""What is measured: each section gives rows of figures, and ratios by the names that stand in results.json."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from benchmarks import start
from benchmarks.turns import in_turns, measure

BEFORE = "c949071"  # the commit that whole runs are set beside
TRAINED = {"intent-full": 1600, "slots-full": 1600}  # run -> utterances of train
OTHERS = {"joint-full": 1600, "qa-full": 400}  # qa asks some four questions an utterance
WRITTEN = 6400  # utterances that the decoder is tuned on
PASSES = {
    "adapted-encoder": 3200,
    "intent-full": 3200,
    "slots-full": 3200,
    "joint-full": 3200,
    "qa-full": 800,
    "intent-head": 3200,
    "slots-head": 3200,
    "qa-head": 800,
    "decoder": 6400,
}
HEAD = "intent-head"
LARGER, STEPS = "joint-full", 200
ALL = 10**9  # utterances, as many as there are
COPIES = (1, 2, 4, 8)
Rows = dict[str, dict[str, float]]


def training(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Full fine-tuning, one pass: utterances a second; what that is in GFLOP/s, by six a weight and token."""
    rows = _trained(TRAINED)
    for run, utterances in TRAINED.items():
        cost = measure("fine_tuning.multiply_adds", run=run, utterances=utterances)
        rows[run] |= {"gflops": rows[run]["ours"] * cost["mflop"] / 1e3, "tokens": cost["tokens"]}
    ratios["full_vs_trainer"] = mean(row["ratio"] for row in rows.values())
    rate = mean(row["gflops"] for row in rows.values())
    ratios["share_of_peak"] = rate / machine["peak_gflops_fp32"]
    ratios["share_of_peak_bf16"] = rate / machine["peak_gflops_bf16"]
    return rows


def others(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Full fine-tuning of the other tasks, one pass: utterances a second."""
    return _trained(OTHERS)


def head(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Only the new layer on all of train, until plain `Trainer` on a frozen encoder has our accuracy: seconds."""
    options = _options(HEAD)
    arguments = {"run": HEAD, "utterances": ALL}
    ours = in_turns({"ours": ("fine_tuning.ours", arguments | {"epochs": options["epochs"], "validated": True})})[
        "ours"
    ]
    same = {"epochs": options["epochs"], "learning_rate": options["learning_rate"], "frozen": True}
    # once, as it takes minutes
    plain = in_turns({"plain": ("fine_tuning.plain", arguments | same | {"reach": ours["best"]})}, times=1)["plain"]
    ratios["head_vs_trainer"] = plain["seconds"] / ours["seconds"]
    row = {"ours": ours["seconds"], "plain": plain["seconds"], "ratio": ratios["head_vs_trainer"]}
    return {HEAD: row | {"accuracy": ours["best"], "plain_accuracy": plain["best"], "plain_epochs": plain["epochs"]}}


def gpt2(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """GPT-2 tuned for one pass, utterances a second; and generation by each strategy, texts a second."""
    size = {"batch_size": _section("tune_decoder")["batch_size"]}
    arguments = {"run": "decoder", "utterances": WRITTEN}
    tuned = in_turns({"ours": ("fine_tuning.ours", arguments), "plain": ("fine_tuning.plain", arguments | size)})
    n = {"n": _section("generate")["n"]}
    written = in_turns({"ours": ("writing.ours", n), "plain": ("writing.plain", n)})
    rows = {"tune_decoder": _beside(tuned)}
    for strategy in written["ours"]:
        rows[strategy] = _row(written["ours"][strategy], written["plain"][strategy])
    ratios["gpt2_vs_trainer"] = rows["tune_decoder"]["ratio"]
    return rows


def prediction(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Texts a second, one by one and 700 at once: by torch, and by what `snips export --int8` writes."""
    rows: Rows = {}
    for run in ("intent-full", "slots-full"):
        found = in_turns({side: (f"prediction.{side}", {"run": run}) for side in ("ours", "exported", "plain")})
        for way in ("single", "bulk"):
            for side, name in (("ours", f"{run}, {way}"), ("exported", f"{run} as int8, {way}")):
                rows[name] = _row(found[side][way], found["plain"][way])
    for way in ("single", "bulk"):
        for name, mark in ((f"predict_{way}", f"full, {way}"), (f"predict_{way}_int8", f"int8, {way}")):
            ratios[name] = mean(row["ratio"] for of, row in rows.items() if of.endswith(mark))
    return rows


def startup(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Seconds of a command that has nothing to compute."""
    found = in_turns({name: ("start.seconds", {"name": name}) for name in start.commands()})
    return {name: {"ours": figures["seconds"]} for name, figures in found.items()}


def larger(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """SNIPS 1, 10 and 100 times: seconds to encode train or to predict test; memory, `own` without pages of files."""
    rows: Rows = {}
    for copies in (1, 10, 100):
        with tempfile.TemporaryDirectory() as folder:
            sizes = measure("larger.corpus", copies=copies, folder=folder)
            found = measure("larger.training", run=LARGER, folder=folder, steps=STEPS)
            rows[f"train, {copies} x"] = {"utterances": sizes["train"], "seconds": found.pop("encoding")} | found
            found = measure("larger.prediction", run=LARGER, folder=folder)
            rows[f"predict, {copies} x"] = {"utterances": sizes["test"]} | found
        print(f"  {copies} x: {rows}", flush=True)
    for name in ("peak", "own"):
        ratios[f"memory_100x_{name}"] = rows["train, 100 x"][f"{name}_mib"] / rows["train, 1 x"][f"{name}_mib"]
    return rows


def growth(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Seconds and peak memory by size: SNIPS trained once through; `convert` and `split` of the sample, one peak."""
    rows: Rows = {}
    for run, utterances in (("intent-full", TRAINED["intent-full"]), (HEAD, ALL)):
        for copies in COPIES:
            found = measure("fine_tuning.ours", run=run, utterances=utterances, copies=copies)
            rows[f"{run}, {copies} x"] = {"ours": found["seconds"], "peak_mib": found["peak_mib"]}
            print(f"  {run}, {copies} x: {found}", flush=True)
    for copies in (1, 10, 100):
        found = measure("growth.prepare", copies=copies)
        for stage in ("convert", "split"):
            rows[f"{stage}, {copies} x"] = {"ours": found[f"{stage}_seconds"], "peak_mib": found["peak_mib"]}
    ratios["memory_8x"] = rows[f"{HEAD}, 8 x"]["peak_mib"] / rows[f"{HEAD}, 1 x"]["peak_mib"]
    return rows


def whole(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Seconds of `dvc repro` of the sample, by stage, here (ours) and at the commit it is set beside (plain)."""
    ours, before = measure("whole.sample", commit="HEAD"), measure("whole.sample", commit=BEFORE)
    ratios["sample_run"] = ours["total"] / before["total"]
    names = list(before) + [name for name in ours if name not in before]
    return {name: {"ours": ours.get(name, 0.0), "plain": before.get(name, 0.0)} for name in names}


def step(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Where the seconds of one pass go, validation and saving among them: here (ours), and as it was (before)."""
    found = in_turns(_passes("intent-full", 3200))
    parts = sorted(found["before"], key=found["before"].get, reverse=True)
    return {part: {side: found[side][part] for side in ("ours", "before")} for part in parts}


def passes(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Seconds of one pass, validation and saving among them, for each training: here (ours), and as it was (before)."""
    rows: Rows = {}
    for run, utterances in PASSES.items():
        found = in_turns(_passes(run, utterances), times=1)
        ours, before = found["ours"]["seconds"], found["before"]["seconds"]
        rows[run] = {"ours": ours, "before": before, "ratio": before / ours}
    return rows


def snips(ratios: dict[str, float], machine: dict[str, Any]) -> Rows:
    """Seconds of `dvc repro` in this folder, by stage; only those that were not up to date are here."""
    return {name: {"ours": value} for name, value in measure("whole.repro").items()}


SECTIONS: dict[str, Callable[[dict[str, float], dict[str, Any]], Rows]] = {
    section.__name__: section
    for section in (training, others, head, gpt2, prediction, startup, growth, larger, step, passes, whole, snips)
}


def snips_run(rows: dict[str, Rows]) -> float | None:
    """The SNIPS run's time as a share of what it took before: an estimate, None where a section is missing.

    What each stage took before is what it takes now, times how much slower it was: of trainings by `passes`, of what
    runs on the same data by the sample's run in `whole`.
    """
    if not {"passes", "snips", "whole"} <= set(rows):
        return None
    before = 0.0
    for name, row in rows["snips"].items():
        run = {"adapt_encoder": "adapted-encoder", "tune_decoder": "decoder"}.get(name, name.partition("@")[2])
        if run in rows["passes"] and not name.startswith("evaluate"):
            before += row["ours"] * rows["passes"][run]["ratio"]
        elif name != "total":
            on_sample = rows["whole"][name]
            before += row["ours"] * (on_sample["plain"] / on_sample["ours"])
    return rows["snips"]["total"]["ours"] / before


def _passes(run: str, utterances: int) -> dict[str, tuple[str, dict[str, Any]]]:
    arguments = {"run": run, "utterances": utterances}
    return {
        side: ("step.budget", arguments | {"commit": commit}) for side, commit in (("ours", "HEAD"), ("before", BEFORE))
    }


def _trained(runs: dict[str, int]) -> Rows:
    rows = {}
    for run, utterances in runs.items():
        arguments = {"run": run, "utterances": utterances, "batch_size": 32}
        rows[run] = _beside(
            in_turns({"ours": ("fine_tuning.ours", arguments), "plain": ("fine_tuning.plain", arguments)})
        )
    return rows


def _beside(found: dict[str, dict[str, float]]) -> dict[str, float]:
    return _row(found["ours"]["per_second"], found["plain"]["per_second"])


def _row(ours: float, plain: float) -> dict[str, float]:
    return {"ours": ours, "plain": plain, "ratio": ours / plain}


def _section(name: str) -> dict[str, Any]:
    return yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))[name]


def _options(run: str) -> dict[str, Any]:
    return _section("finetune")[run]
