"""Set our figures beside the literature's, and what was measured on demand beside the vendors of 2017 and others."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines import augmentation, benchmark_2017, files, params, snips
from pipelines import peers as published
from pipelines.errors import InputError
from stages.command import command

LITERATURE = Path("data/peers/literature.yaml")
AUGMENTATION = Path("data/peers/augmentation.yaml")
RAW = Path("data/raw")
PREDICTIONS = Path("data/predictions")
ON_DEMAND = Path("metrics/on_demand")
REPORT = Path("metrics/peers.json")
PLOTS = Path("metrics/plots")
PAGES = Path("data/comparison")
JOINT, INTENT, SLOTS = "joint-full", "intent-full", "slots-full"  # the runs that stand beside the literature


def peers() -> None:
    """Make metrics/peers.json, metrics/plots/{few_shot,augment}.csv and data/comparison; print the tables."""
    everything = params.load()
    report: dict[str, Any] = {"source": everything.data.source, "protocol": everything.split.protocol}
    rows = published.read_literature(LITERATURE)
    ours: list[dict[str, Any]] = []
    split = everything.split
    if (everything.data.source, split.protocol, split.per_intent) == ("snips", "literature", None):
        ours += [_joint(everything)] if JOINT in everything.finetune else []
        ours += [_pair(everything)] if {INTENT, SLOTS} <= set(everything.finetune) else []
        report["ours"] = {row["kind"]: row for row in ours}
    few_shot: dict[str, dict[str, float]] = {}
    if everything.data.source == "snips":
        sizes = everything.few_shot.sizes
        written = {size: params.written(options, everything.encoder) for size, options in sizes.items()}
        reports = {size: _measured(f"few_shot-{size}", everything, written[size]) for size in sizes}
        few_shot["ours"] = {size: report["slot_f1"] for size, report in reports.items() if report}
        few_shot |= {vendor: _vendor(patterns) for vendor, patterns in benchmark_2017.VENDORS.items()}
        report["few_shot"] = few_shot
    augmented = _augmented(everything)
    report["augmentation"] = augmented
    files.write_json(REPORT, report)
    points = [
        {"system": system, "utterances": benchmark_2017.utterances(size), "slot_f1": value}
        for system, values in few_shot.items()
        for size, value in values.items()
    ]
    files.write_csv(PLOTS / "few_shot.csv", points, ["system", "utterances", "slot_f1"])
    points = [
        {"system": f"{name} GPT-2", "utterances": measured["per_intent"], "accuracy": measured[name]}
        for name in ("without", "with")
        for measured in augmented
    ]
    files.write_csv(PLOTS / "augment.csv", points, ["system", "utterances", "accuracy"])
    pages = {
        "literature": published.literature_page(ours, rows),
        "few_shot": published.few_shot_page(few_shot),
        "augmentation": augmentation.page(
            augmented, published.read_augmentation(AUGMENTATION), everything.data.source, everything.split.protocol
        ),
    }
    with files.whole(PAGES) as folder:
        folder.mkdir()
        for name, page in pages.items():
            files.write_text(folder / f"{name}.md", page)
    print("\n".join(pages.values()))


def _joint(everything: params.Params) -> dict[str, Any]:
    metrics, rows = _read(PREDICTIONS / JOINT / "metrics.json"), _rows(JOINT)
    repeats = _repeats(JOINT, everything)
    right = {
        "intent": sum(row["intent"] == row["predicted_intent"] for row in rows),
        "frame": sum(row["right"] for row in rows),
    }
    result = {"model": "ours: joint-full", "kind": "joint", "weights": metrics["weights"]}
    for name, key in (("intent", "intent_accuracy"), ("slots", "slot_f1"), ("frame", "frame_accuracy")):
        result[name] = published.over_seeds([metrics[key], *(seed[key] for seed in repeats)])
        result[name]["interval"] = (
            published.share_interval(right[name], len(rows)) if name in right else _slots_interval(rows)
        )
    return result


def _pair(everything: params.Params) -> dict[str, Any]:
    reports = {run: _read(PREDICTIONS / run / "metrics.json") for run in (INTENT, SLOTS)}
    rows = {run: _rows(run) for run in (INTENT, SLOTS)}
    by_seed = {seed["seed"]: seed for seed in _repeats(SLOTS, everything)}
    intents = _repeats(INTENT, everything)
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


def _slots_interval(rows: list[dict[str, Any]]) -> list[float]:
    return published.f1_interval([published.span_counts(row) for row in rows])


def _rows(run: str) -> list[dict[str, Any]]:
    return pq.read_table(PREDICTIONS / run / "test.parquet").to_pylist()


def _repeats(run: str, everything: params.Params) -> list[dict[str, Any]]:
    """The test metrics of a run under other seeds than its own, as last measured."""
    options = params.finetune(everything, run)
    report = _measured(f"repeat-{run}", everything, params.written_run(everything, options))
    return [seed for seed in report["seeds"] if seed["seed"] != options.seed] if report else []


def _augmented(everything: params.Params) -> list[dict[str, Any]]:
    """What `augment` measured last at each size, fewest utterances first."""
    written = params.written_augment(everything)
    found = [_measured(path.stem, everything, written) for path in ON_DEMAND.glob("augment-*.json")]
    return sorted((report for report in found if report), key=lambda report: report["per_intent"])


def _measured(name: str, everything: params.Params, options: str) -> dict[str, Any] | None:
    """What was measured on demand; None if it never was, or on other data or under other options than params.yaml's."""
    path = ON_DEMAND / f"{name}.json"
    if not path.exists():
        return None
    report = _read(path)
    same = (report["source"], report["options"]) == (everything.data.source, options)
    return report if same else None


def _vendor(patterns: tuple[str, ...]) -> dict[str, float]:
    """Mean slot F1 of one vendor at each size, from all its files."""
    found: dict[str, float] = {}
    for pattern in patterns:
        files_of = {intent: RAW / pattern.format(intent) for intent in snips.INTENTS}
        found |= benchmark_2017.vendor_slot_f1({intent: path.read_bytes() for intent, path in files_of.items()})
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; run dvc repro to make it") from None


if __name__ == "__main__":
    command(peers)
