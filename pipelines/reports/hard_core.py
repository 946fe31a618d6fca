"""The utterances of test that all seeds get wrong, as a person read them: label slip, undecidable, or error."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.errors import InputError
from pipelines.core.markdown import plain
from pipelines.data.utterances import Utterance
from pipelines.reports.differences import Counts, micro_f1
from pipelines.reports.peers import over_seeds
from pipelines.reports.reading import read_yaml

KINDS = {
    "slip": "the label goes against train or the sentence",
    "undecidable": "the sentence leaves it open",
    "error": "the model's",
}
UNREAD = "unread"
METRICS = {"frame_accuracy": "frame accuracy", "f1": "slot F1", "accuracy": "intent accuracy"}


def read(path: Path) -> dict[str, dict[str, str]]:
    """Id -> its `kind` and `reason`.

    Raises:
        InputError: the file is broken, or an entry is none.
    """
    rows = read_yaml(path)
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows if isinstance(rows, list) else [None]):
        whole = isinstance(row, dict) and set(row) == {"id", "kind", "reason"}
        if not whole or not all(isinstance(value, str) for value in row.values()) or row["kind"] not in KINDS:
            raise InputError(f"{path}: entry {number}: needs id, kind ({', '.join(KINDS)}) and reason; mend it")
        if row["id"] in found:
            raise InputError(f"{path}: entry {number}: {row['id']} stands there twice; take one out")
        found[row["id"]] = {"kind": row["kind"], "reason": row["reason"]}
    return found


def hard_core(
    known: dict[str, dict[str, str]], rows: list[Utterance], seeds: list[dict[str, Counts]]
) -> dict[str, Any]:
    """What all seeds get wrong, and each metric as published and with the slips among them set aside.

    Only what the model gets wrong was read, so setting slips aside can only raise its frame accuracy: it says how much
    they could explain, and replaces nothing. A slip of slots is often right in its intent, and counts there no more.

    Args:
        known: what was read, see `read`.
        rows: all utterances of test, in the order of their ids.
        seeds: for each seed what each utterance adds to each metric, `frame_accuracy` among them.
    """
    unread = {"kind": UNREAD, "reason": ""}
    wrong = ~np.any([of["frame_accuracy"][:, 0] == 1 for of in seeds], axis=0)
    core = [
        {"id": row["id"], "text": row["text"]} | known.get(row["id"], unread)
        for row, all_wrong in zip(rows, wrong, strict=True)
        if all_wrong
    ]
    slips = {row["id"] for row in core if row["kind"] == "slip"}
    rest = np.array([row["id"] not in slips for row in rows])
    scores = {}
    for metric in METRICS:
        if all(metric in of for of in seeds):
            whole, without = ([float(micro_f1(of[metric][kept].sum(axis=0))) for of in seeds] for kept in (..., rest))
            scores[metric] = {"as_published": over_seeds(whole), "slips_set_aside": over_seeds(without)}
    return {
        "seeds": len(seeds),
        "utterances": len(rows),
        "core": core,
        "counts": {kind: sum(row["kind"] == kind for row in core) for kind in (*KINDS, UNREAD)},
        "scores": scores,
    }


def page(report: dict[str, Any]) -> str:
    """Counts, both scores, and each utterance with its reason."""
    lines = ["# The hard core", "", table(report), ""]
    lines += ["Scores stand as published; the line without slips says only how much labels could explain.", ""]
    lines += ["| utterance | kind | why |", "| --- | --- | --- |"]
    lines += [f"| {plain(row['text'])} | {row['kind']} | {plain(row['reason'])} |" for row in report["core"]]
    return "\n".join(lines) + "\n"


def table(report: dict[str, Any]) -> str:
    """Markdown: how many of each kind all seeds get wrong, and each metric as published and without slips."""
    seeds, core = report["seeds"], report["core"]
    lines = [f"| wrong under all {seeds} seeds | {len(core)} of {report['utterances']} |", "| --- | ---: |"]
    said = KINDS | {UNREAD: "nobody read it yet"}
    lines += [f"| {kind}: {said[kind]} | {count} |" for kind, count in report["counts"].items()]
    for metric, of in report["scores"].items():
        for key, name in (("as_published", "as published"), ("slips_set_aside", "slips set aside")):
            figure = of[key]
            spread = "" if figure["sd"] is None else f" ± {figure['sd']:.4f}"
            lines.append(f"| {METRICS[metric]}, {name} | {figure['mean']:.4f}{spread} |")
    return "\n".join(lines)
