"""Set our figures beside the literature's, and what was measured on demand beside the vendors of 2017 and others."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.corpus import snips
from pipelines.corpus.options import Split
from pipelines.data.source import PUBLISHED, Data
from pipelines.decoder.options import Scratch
from pipelines.models import task as tasks
from pipelines.models.options import Start
from pipelines.reports import benchmark_2017, hard_core, on_demand
from pipelines.reports import peers as published
from pipelines.reports.differences import measured, unpacked
from pipelines.writing import augmentation

LITERATURE = Path("data/peers/literature.yaml")
AUGMENTATION = Path("data/peers/augmentation.yaml")
FEW_SHOT = Path("data/peers/few_shot.yaml")
HARD_CORE = Path("data/peers/hard_core.yaml")
RAW = Path("data/raw")
SPLITS = Path("data/splits")
PREDICTIONS = Path("data/predictions")
ON_DEMAND = Path("metrics/on_demand")
REPORT = Path("metrics/peers.json")
PLOTS = Path("metrics/plots")
PAGES = Path("data/comparison")
JOINT, INTENT, SLOTS = "joint-full", "intent-full", "slots-full"  # the runs that stand beside the literature
CASED = "joint-cased"  # a variant that `repeat` measured, beside them in a row of its own
FIGURES = {"intent": "intent_accuracy", "slots": "slot_f1", "frame": "frame_accuracy"}  # of a joint model


def peers() -> None:
    """Make metrics/peers.json, metrics/plots/{few_shot,augment}.csv and data/comparison; print the tables."""
    source, split = blocks.load("data", Data).name, blocks.load("split", Split)
    runs = blocks.load("finetune", dict[blocks.RunName, dict])
    notes: list[str] = []
    ours: dict[str, dict[str, Any]] = {}
    comparable = (source, split.protocol, split.per_intent) == (PUBLISHED, "literature", None)
    if comparable:
        ours |= {"joint": _joint(notes)} | _cased(notes) if JOINT in runs else {}
        ours |= {"intent": _alone(notes)} if INTENT in runs else {}
        ours |= {"pair": _pair(notes)} if {INTENT, SLOTS} <= set(runs) else {}
        for run in runs:
            _repeats(run, notes)  # the tables of metrics/ take their seeds, where no note says otherwise
        absent = [run for run in (JOINT, INTENT, SLOTS) if run not in runs]
        notes += [f"No row of ours for {run}: params.yaml has no such run." for run in absent]
    report: dict[str, Any] = {"source": source, "protocol": split.protocol}
    report |= {"ours": ours} if comparable else {}
    few_shot = _few_shot(source)
    report |= {"few_shot": {kind: {"systems": of.systems, "older": of.older} for kind, of in few_shot.items()}}
    core = _hard_core() if comparable and JOINT in runs else None
    report |= {"hard_core": core} if core else {}
    augmented = _augmented(source)
    report |= {"augmentation": augmented}
    notes = list(dict.fromkeys(notes))  # a run may stand in two rows
    files.write_details(REPORT, report | {"notes": notes})
    _plot(few_shot["slots"].systems if few_shot else {}, augmented)
    pages = {
        "literature": published.literature_page(list(ours.values()), published.read_literature(LITERATURE), notes),
        "few_shot": published.few_shot_page(few_shot),
        "augmentation": augmentation.page(augmented, published.read_augmentation(AUGMENTATION), source, split.protocol),
    }
    pages |= {"hard_core": hard_core.page(core)} if core else {}
    with files.whole(PAGES) as folder:
        folder.mkdir()
        for name, page in pages.items():
            files.write_text(folder / f"{name}.md", page)
    print("\n".join(pages.values()))


def _plot(few_shot: dict[str, dict[str, float]], augmented: list[dict[str, Any]]) -> None:
    points = [
        {"system": system, "utterances": benchmark_2017.utterances(size), "slot_f1": value}
        for system, values in few_shot.items()
        if system != published.SPREAD.format(published.OURS)
        for size, value in values.items()
    ]
    files.write_csv(PLOTS / "few_shot.csv", points, ["system", "utterances", "slot_f1"])
    points = [
        {"system": f"{name} GPT-2", "utterances": measured["per_intent"], "accuracy": measured[name]}
        for name in ("without", "with")
        for measured in augmented
    ]
    files.write_csv(PLOTS / "augment.csv", points, ["system", "utterances", "accuracy"])


def _joint(notes: list[str]) -> dict[str, Any]:
    metrics, rows = _metrics(JOINT), _rows(JOINT)
    repeats = _repeats(JOINT, notes)
    right = {
        "intent": sum(row["intent"] == row["predicted_intent"] for row in rows),
        "frame": sum(row["right"] for row in rows),
    }
    result = {"model": "ours: joint-full", "kind": "joint", "weights": metrics["weights"]}
    for name, key in FIGURES.items():
        result[name] = published.over_seeds([metrics[key], *(seed[key] for seed in repeats)])
        result[name]["interval"] = (
            published.share_interval(right[name], len(rows)) if name in right else _slots_interval(rows)
        )
    return result


def _cased(notes: list[str]) -> dict[str, dict[str, Any]]:
    """The row of the variant that reads capitals, which the files of the literature lack; none if it has no figures."""
    seeds = _measured(CASED, notes) if CASED in blocks.load("variants.of", dict[blocks.RunName, dict]) else []
    if not seeds:
        return {}
    rows = _rows(JOINT)
    result = {"model": f"ours: {CASED}", "kind": "joint", "weights": seeds[0]["weights"]}
    result |= {name: published.over_seeds([seed[key] for seed in seeds]) for name, key in FIGURES.items()}
    for name, metric in (("intent", "accuracy"), ("frame", "frame_accuracy")):
        right = unpacked(seeds[0]["not_whole"][metric], metric, rows)[:, 0]
        result[name]["interval"] = published.share_interval(int(right.sum()), len(rows))
    result["slots"]["interval"] = published.f1_interval(unpacked(seeds[0]["not_whole"]["f1"], "f1", rows))
    return {"joint_cased": result}


def _alone(notes: list[str]) -> dict[str, Any]:
    metrics, rows = _metrics(INTENT), _rows(INTENT)
    figures = published.over_seeds([metrics["accuracy"], *(seed["accuracy"] for seed in _repeats(INTENT, notes))])
    figures["interval"] = published.share_interval(sum(row["right"] for row in rows), len(rows))
    return {"model": "ours: intent-full", "kind": "intent", "weights": metrics["weights"], "intent": figures}


def _pair(notes: list[str]) -> dict[str, Any]:
    reports = {run: _metrics(run) for run in (INTENT, SLOTS)}
    rows = {run: _rows(run) for run in (INTENT, SLOTS)}
    by_seed = {seed["seed"]: seed for seed in _repeats(SLOTS, notes)}
    intents = _repeats(INTENT, notes)
    repeats = [(seed, by_seed[seed["seed"]]) for seed in intents if seed["seed"] in by_seed]
    total = len(rows[INTENT])
    wrong = [{row["id"] for of_run in rows.values() for row in of_run if not row["right"]}]
    wrong += [{*first["wrong"], *second["wrong"]} for first, second in repeats]
    figures = {
        "intent": [reports[INTENT]["accuracy"], *(first["accuracy"] for first, _ in repeats)],
        "slots": [reports[SLOTS]["f1"], *(second["f1"] for _, second in repeats)],
        "frame": [1 - len(ids) / total for ids in wrong],
    }
    intervals = {
        "intent": published.share_interval(sum(row["right"] for row in rows[INTENT]), total),
        "slots": _slots_interval(rows[SLOTS]),
        "frame": published.share_interval(total - len(wrong[0]), total),
    }
    result = {"model": "ours: two models", "kind": "pair"}
    result["weights"] = reports[INTENT]["weights"]  # of one of the two, as the published rows count
    return result | {
        name: published.over_seeds(values) | {"interval": intervals[name]} for name, values in figures.items()
    }


def _hard_core() -> dict[str, Any] | None:
    """What all seeds of the joint model get wrong; None under a single seed, as many of its errors are chance."""
    rows = sorted(_rows(JOINT), key=lambda row: row["id"])
    seeds = [measured(rows)]
    for seed in _repeats(JOINT, []):
        if "not_whole" in seed:
            seeds.append({metric: unpacked(of, metric, rows) for metric, of in seed["not_whole"].items()})
        else:  # measured when frames alone were kept
            right = [row["id"] not in seed["wrong"] for row in rows]
            seeds.append({"frame_accuracy": np.array([[one, 1, 1] for one in right], dtype=int)})
    return hard_core.hard_core(hard_core.read(HARD_CORE), rows, seeds) if len(seeds) > 1 else None


def _slots_interval(rows: list[dict[str, Any]]) -> list[float]:
    return published.f1_interval(measured(rows)["f1"])


def _metrics(run: str) -> dict[str, Any]:
    return files.read_json(PREDICTIONS / run / "run.json")["report"]


def _rows(run: str) -> list[dict[str, Any]]:
    return pq.read_table(PREDICTIONS / run / "test.parquet").to_pylist()


def _repeats(run: str, notes: list[str]) -> list[dict[str, Any]]:
    """The test metrics of a run under other seeds than its own; none, with a note, where they were made otherwise."""
    own = tasks.run_options(run).seed
    return [seed for seed in _measured(run, notes) if seed["seed"] != own]


def _measured(run: str, notes: list[str]) -> list[dict[str, Any]]:
    """What `repeat` measured of a run or variant; none, with a note, where it was made otherwise."""
    report = on_demand.read(ON_DEMAND / f"repeat-{run}.json")
    if report is None:
        return []
    finetune, finetune_from = blocks.load("finetune", dict[blocks.RunName, dict]), blocks.load("finetune_from", Start)
    variants = blocks.load("variants.of", dict[blocks.RunName, on_demand.Variant])
    start, options = on_demand.repeated(run, finetune_from, variants, finetune)
    made_from = on_demand.made_from_run(options, start, **_shared())
    if other := on_demand.difference(report, blocks.load("data", Data).name, made_from):
        seeds = ", ".join(str(seed["seed"]) for seed in report["seeds"])
        notes.append(f"{run}: seeds {seeds} are not in the mean: {other}; `dvc exp run -S 'repeat.run=[{run}]'`.")
        return []
    return report["seeds"]


def _shared() -> dict[str, Any]:
    """What all that is measured on demand is made from."""
    sections = {section: blocks.load(section, Any) for section in ("encoder", "split", "threads")}
    return sections | {"data": on_demand.data(SPLITS)}


def _few_shot(source: str) -> dict[str, published.FewShot]:
    """Slot F1 and intent accuracy by system and size, ours and published; none without SNIPS."""
    if source != PUBLISHED:
        return {}
    shared = {of: value for of, value in _shared().items() if of not in ("split", "data")}  # it has its own
    choice = blocks.load("few_shot.choice", on_demand.Choice)
    found = {"slots": published.FewShot(), "intent": published.FewShot()}
    draws = {}
    for name, block in blocks.load("few_shot.sizes", dict[str, dict]).items():
        drawn, options = on_demand.few_shot_size(block, f"few_shot.sizes.{name}")
        draws[name] = drawn.model_dump(include={"per_intent", "draws"}) | {"seed": options.seed}
        report = on_demand.read(ON_DEMAND / f"few_shot-{name}.json")
        if report is None or report["source"] != source:
            continue
        metric, kind = ("accuracy", "intent") if options.task == "intent" else ("slot_f1", "slots")
        size = benchmark_2017.WHOLE if drawn.per_intent is None else str(drawn.per_intent)
        found[kind].add(published.OURS, size, [draw[metric] for draw in report["draws"]])
        made_from = on_demand.made_from_size(drawn, options, choice, benchmark_2017.CODE, **shared)
        if other := on_demand.difference(report, source, made_from):
            found[kind].older[size] = other
    found["slots"].systems |= {name: _vendor(files_of) for name, files_of in benchmark_2017.VENDORS.items()}
    found["intent"].systems |= published.read_few_shot(FEW_SHOT)
    found["intent"].sources = published.few_shot_sources(FEW_SHOT)
    setfit = on_demand.read(ON_DEMAND / "setfit.json")  # by benchmarks/setfit_few_shot.py
    made = setfit["made_from"] if setfit and setfit["source"] == source else {}
    if made.get("encoder") == shared["encoder"] and made["draws"].items() <= draws.items():
        for size, of in setfit["sizes"].items():
            found["intent"].add(published.SETFIT, size, of["draws"])
    return found


def _augmented(source: str) -> list[dict[str, Any]]:
    """What `augment` measured last on this data at each size, fewest utterances first; `older` where made otherwise."""
    options = blocks.load("augment", augmentation.Options)
    settings: dict[str, Any] = {of: blocks.load(of, Any) for of in ("decoder.name", "generate.max_new_tokens")}
    settings["decoder.scratch"] = blocks.load("decoder.scratch", Scratch).model_dump()
    made_from = on_demand.made_from_augment(options, settings, augmentation.CODE, **_shared())
    found = [report for path in sorted(ON_DEMAND.glob("augment-*.json")) if (report := on_demand.read(path))]
    rows = [
        {key: report[key] for key in ("per_intent", "draws", "without", "with")}
        | {"older": on_demand.difference(report, source, made_from)}
        for report in found
        if report["source"] == source
    ]
    return sorted(rows, key=lambda row: row["per_intent"])


def _vendor(patterns: tuple[str, ...]) -> dict[str, float]:
    """Mean slot F1 of one vendor at each size, from all its files."""
    found: dict[str, float] = {}
    for pattern in patterns:
        files_of = {intent: RAW / pattern.format(intent) for intent in snips.intents(RAW)}
        found |= benchmark_2017.vendor_slot_f1({intent: path.read_bytes() for intent, path in files_of.items()})
    return found


if __name__ == "__main__":
    command(peers)
