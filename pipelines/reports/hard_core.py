"""The utterances of test that all seeds get wrong, as a person read them: label slip, undecidable, or error."""

from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError
from pipelines.core.markdown import plain
from pipelines.reports.peers import over_seeds, read_yaml

KINDS = {
    "slip": "the label goes against train or the sentence",
    "undecidable": "the sentence leaves it open",
    "error": "the model's",
}
UNREAD = "unread"


def read(path: Path) -> dict[str, dict[str, str]]:
    """Id -> its `kind` and `reason`.

    Raises:
        InputError: the file is broken, or an entry is none.
    """
    rows = read_yaml(path)
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows if isinstance(rows, list) else [None]):
        whole = isinstance(row, dict) and set(row) == {"id", "kind", "reason"}
        if not whole or row["kind"] not in KINDS or not all(isinstance(value, str) for value in row.values()):
            raise InputError(f"{path}: entry {number}: needs id, kind ({', '.join(KINDS)}) and reason; mend it")
        if row["id"] in found:
            raise InputError(f"{path}: entry {number}: {row['id']} stands there twice; take one out")
        found[row["id"]] = {"kind": row["kind"], "reason": row["reason"]}
    return found


def hard_core(known: dict[str, dict[str, str]], wrong: list[set[str]], texts: dict[str, str]) -> dict[str, Any]:
    """What all seeds get wrong, and frame accuracy as published and with the slips among them set aside.

    Only what the model gets wrong was read, so setting slips aside can only raise its figure: it says how much they
    could explain, and replaces nothing.

    Args:
        known: what was read, see `read`.
        wrong: for each seed the ids of the utterances that it gets wrong.
        texts: of all utterances of test, by id.
    """
    unread = {"kind": UNREAD, "reason": ""}
    core = [{"id": name, "text": texts[name]} | known.get(name, unread) for name in sorted(set.intersection(*wrong))]
    slips = {row["id"] for row in core if row["kind"] == "slip"}
    rest = len(texts) - len(slips)
    return {
        "seeds": len(wrong),
        "utterances": len(texts),
        "core": core,
        "counts": {kind: sum(row["kind"] == kind for row in core) for kind in (*KINDS, UNREAD)},
        "as_published": over_seeds([1 - len(ids) / len(texts) for ids in wrong]),
        "slips_set_aside": over_seeds([1 - len(ids - slips) / rest for ids in wrong]),
    }


def page(report: dict[str, Any]) -> str:
    """Counts, both scores, and each utterance with its reason."""
    lines = ["# The hard core", "", table(report), ""]
    lines += ["Scores stand as published; the line without slips says only how much labels could explain.", ""]
    lines += ["| utterance | kind | why |", "| --- | --- | --- |"]
    lines += [f"| {plain(row['text'])} | {row['kind']} | {row['reason']} |" for row in report["core"]]
    return "\n".join(lines) + "\n"


def table(report: dict[str, Any]) -> str:
    """Markdown: how many of each kind all seeds get wrong, and the frame accuracy as published and without slips."""
    seeds, core = report["seeds"], report["core"]
    lines = [f"| wrong under all {seeds} seeds | {len(core)} of {report['utterances']} |", "| --- | ---: |"]
    said = KINDS | {UNREAD: "nobody read it yet"}
    lines += [f"| {kind}: {said[kind]} | {count} |" for kind, count in report["counts"].items()]
    for key, name in (("as_published", "as published"), ("slips_set_aside", "slips set aside")):
        figure = report[key]
        spread = "" if figure["sd"] is None else f" ± {figure['sd']:.4f}"
        lines.append(f"| frame accuracy, {name} | {figure['mean']:.4f}{spread} |")
    return "\n".join(lines)
