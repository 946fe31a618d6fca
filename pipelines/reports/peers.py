"""Our figures beside published ones: reading the published, the interval of a test set, and the tables."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from scipy.stats import binomtest

from pipelines.core.errors import InputError, shown
from pipelines.reports.benchmark_2017 import utterances
from pipelines.reports.differences import Counts, micro_f1, resampled
from pipelines.reports.on_demand import OLDER
from pipelines.reports.reading import read_yaml

KEYS = {"model", "kind", "runs", "encoder", "weights", "intent", "slots", "frame", "definition", "source"}
FIGURES = ("intent", "slots", "frame")
KINDS = {"joint": "Intent and slots from one model", "pair": "One model a task", "intent": "Intent alone"}
ORDER = {"joint": "slots", "pair": "slots", "intent": "intent"}  # kind -> figure that its table is in order of
TITLES = {"intent": "intent", "slots": "slot F1", "frame": "frame"}
ABOUT = ("runs", "source")
RUNS = re.compile(r"mean of \d+|one run|best of runs|re-run|not said")
OURS, SETFIT, SPREAD = "ours", "SetFit, run here", "{}, deviation of draws"
FEW_SHOT_NOTES = """\
Mean slot F1 by utterances per intent (Coucke et al. 2018, arXiv:1805.10190), scored on the `validate` files: strict F1
of each of 53 (intent, slot) pairs, mean over draws, slots and intents; a vendor's precision of NaN (nothing was
predicted) counts as 0. The paper prints .790 and .930 for Snips at 70 and 2,000: its own average is not known, nor
whether its spans are strict. `all` is the whole training files, 1,942 to 2,000 utterances per intent (1,954 to 2,000
in the vendors' reports), once.

One learning rate is chosen for all draws, by the mean over the shares of them that are held out (`few_shot.choice`);
the model then learns from all of a draw, and `validate` is read once. Batch and, of the small sizes, epochs are set by
hand; that intents are read from the mean of the tokens was chosen on 2,000 training utterances outside the draws, more
labels than a size has. `all` chooses its epochs on what is held out too. Its batch, and around which learning rates it
looks, are those of slots-full and intent-full, which were chosen on validation, under `literature` the same files.

Where the protocols differ: ours is one model for all intents, theirs one model per intent; our draws are our own;
training texts that also stand in `validate` are taken out of ours.
"""


def read_literature(path: Path) -> list[dict[str, Any]]:
    """The published rows; figures in percent, None where the source shows none.

    Raises:
        InputError: the file is broken, or an entry lacks a key or has a figure that is none.
    """
    rows = read_yaml(path)
    for number, row in enumerate(rows if isinstance(rows, list) else [None]):
        if not isinstance(row, dict) or set(row) != KEYS:
            raise InputError(f"{path}: entry {number}: needs exactly {', '.join(sorted(KEYS))}; mend it")
        if not isinstance(row["kind"], str) or row["kind"] not in KINDS:
            raise InputError(f"{path}: entry {number}: kind: expected {', '.join(KINDS)}; mend it")
        if not isinstance(row["runs"], str) or not RUNS.fullmatch(row["runs"]):
            raise InputError(
                f"{path}: entry {number}: runs: expected mean of <n>, one run, best of runs, re-run or not said; "
                "mend it"
            )
        for name, most in (("weights", 1e6), *((figure, 100) for figure in FIGURES)):
            empty = row[name] is None and name != ORDER[row["kind"]]
            if not empty and not (isinstance(row[name], float | int) and 0 <= row[name] <= most):
                raise InputError(f"{path}: entry {number}: {name}: expected a number from 0 to {most:,.0f}; mend it")
    return rows


def read_augmentation(path: Path) -> dict[str, float]:
    """Published accuracies, in percent, by what was added to the few utterances.

    Raises:
        InputError: the file is broken, or has something else.
    """
    figures = read_yaml(path)
    known = isinstance(figures, dict) and all(isinstance(value, float | int) for value in figures.values())
    if not known or not all(0 <= value <= 100 for value in figures.values()):
        raise InputError(f"{path}: expected lines `name: percent`; mend it")
    return figures


def over_seeds(values: list[float]) -> dict[str, Any]:
    """`mean`, `sd` (sample standard deviation, None for a single seed) and the number of `seeds`."""
    return {"mean": mean(values), "sd": stdev(values) if len(values) > 1 else None, "seeds": len(values)}


def share_interval(right: int, total: int) -> list[float]:
    """95 % interval of a share of utterances (Wilson 1927)."""
    interval = binomtest(right, total).proportion_ci(0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def f1_interval(counts: Counts) -> list[float]:
    """95 % interval of micro F1 over utterances drawn anew, by bootstrap percentiles (Efron 1979)."""
    values = micro_f1(np.array([counts[pick].sum(axis=0) for pick in resampled(len(counts))]))
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def literature_page(ours: list[dict[str, Any]], published: list[dict[str, Any]], notes: list[str] | None = None) -> str:
    """A table a kind of model, what the test set leaves open, and the sources."""
    lines = [
        "# Beside the literature",
        "",
        "SNIPS, literature split, test part; percent. Slot F1 is over spans.",
        "",
    ]
    for kind, title in KINDS.items():
        lines += [f"## {title}", "", literature_table(ours, published, kind), ""]
    for row in ours:
        seeds = row[ORDER[row["kind"]]]["seeds"]
        spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
        intervals = ", ".join(
            f"{name} {row[name]['interval'][0] * 100:.1f} to {row[name]['interval'][1] * 100:.1f}"
            for name in FIGURES
            if name in row
        )
        lines.append(f"- {row['model']}: {spread}; 95 % interval that 700 utterances leave (first seed): {intervals}.")
    if not ours:
        lines.append("Our rows are left out: these figures stand for SNIPS under the literature protocol alone.")
    lines += [f"- {note}" for note in notes or []]
    lines += ["", "Sources:", ""]
    lines += [f"- {row['model']} ({row['encoder']}): {row['source']}; {row['definition']}" for row in published]
    return "\n".join(lines) + "\n"


@dataclass
class FewShot:
    """A metric by system and size; `older` says how those of our sizes were measured that are not of today's params."""

    systems: dict[str, dict[str, float]] = field(default_factory=lambda: {OURS: {}, SPREAD.format(OURS): {}})
    older: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, system: str, size: str, draws: list[float]) -> None:
        """Add a size that was measured here: the mean over its draws and, of several, the standard deviation."""
        self.systems.setdefault(system, {})[size] = mean(draws)
        if len(draws) > 1:
            self.systems.setdefault(SPREAD.format(system), {})[size] = stdev(draws)


def read_few_shot(path: Path) -> dict[str, dict[str, float]]:
    """Published intent accuracies by system and size, as shares.

    Raises:
        InputError: the file is broken, or has something else.
    """
    systems = read_yaml(path)
    found = {}
    for name, of in systems.items() if isinstance(systems, dict) else [(None, None)]:
        figures = {key: value for key, value in of.items() if key not in ABOUT} if isinstance(of, dict) else {}
        known = all(isinstance(value, float | int) and 0 <= value <= 100 for value in figures.values())
        named = all(isinstance(one, str) for one in (name, *map(of.get, ABOUT))) if figures else False
        sized = all(isinstance(size, str | int) for size in figures)
        if not known or not named or not sized:
            raise InputError(f"{path}: {shown(name)}: expected runs, a source and percents by size; mend it")
        found[name] = {str(size): value / 100 for size, value in figures.items()}
    return found


def few_shot_sources(path: Path) -> dict[str, str]:
    """System -> of what runs its published figures are, and where they stand; of a file that `read_few_shot` took."""
    return {name: f"{of['runs']}; {of['source']}" for name, of in read_yaml(path).items()}


def few_shot_page(found: dict[str, FewShot]) -> str:
    """The tables of the benchmark of 2017, and where the protocols differ. `found` is empty without SNIPS."""
    lines = ["# Beside the vendors of 2017", ""]
    if not found:
        return "\n".join([*lines, "Left out: the vendors' figures come with SNIPS (`data.source: snips`)."]) + "\n"
    for kind, of in found.items():
        lines += ["## Intent accuracy", ""] if kind == "intent" else []
        lines += [few_shot_table(of.systems, of.older), ""]
        lines += [f"{OLDER} {size}: {other}." for size, other in of.older.items()] + ([""] if of.older else [])
        if SETFIT in of.systems:
            lines.append(f"{SETFIT}: its defaults, 20 pairs of a kind an utterance (`benchmarks/setfit_few_shot.py`).")
        lines += [f"{name}: {source}." for name, source in of.sources.items()] + ([""] if of.sources else [])
    lines += [FEW_SHOT_NOTES]
    return "\n".join(lines) + "\n"


def literature_table(ours: list[dict[str, Any]], published: list[dict[str, Any]], kind: str) -> str:
    """Markdown table of the rows of one kind, the best first, ours in bold; it fits 80 columns.

    `runs` says of what a row is: papers give one run, a mean, the best of several, or do not say.
    """
    order = ORDER[kind]
    figures = [name for name in FIGURES if any(row.get(name) is not None for row in published if row["kind"] == kind)]
    rows = [(row[order]["mean"] * 100, _our_cells(row, figures)) for row in ours if row["kind"] == kind]
    rows += [(row[order], _cells(row, figures)) for row in published if row["kind"] == kind]
    rows.sort(key=lambda pair: -pair[0])
    lines = ["| model | weights, M | runs | " + " | ".join(TITLES[name] for name in figures) + " |"]
    lines.append("| --- | ---: | --- |" + " ---: |" * len(figures))
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for _, cells in rows])


def few_shot_table(systems: dict[str, dict[str, float]], older: dict[str, str] | None = None) -> str:
    """Markdown table of mean slot F1, a row a system, a column a size (utterances per intent); ours may be `older`."""
    sizes = sorted({size for values in systems.values() for size in values}, key=utterances)
    systems = {name: of for name, of in systems.items() if of}
    lines = ["| system | " + " | ".join(sizes) + " |", "| --- |" + " ---: |" * len(sizes)]
    for name, values in systems.items():
        marks = dict.fromkeys(older or {}, OLDER) if name == OURS else {}
        cells = [f"{values[size]:.3f}{marks.get(size, '')}" if size in values else "" for size in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(row: dict[str, Any], figures: list[str]) -> list[str]:
    shown = ["" if row[name] is None else f"{row[name]:.2f}" for name in figures]
    return [row["model"], "" if row["weights"] is None else f"{row['weights']}", row["runs"], *shown]


def _our_cells(row: dict[str, Any], figures: list[str]) -> list[str]:
    shown = []
    for name in figures:
        figure = row[name]
        spread = "" if figure["sd"] is None else f"±{figure['sd'] * 100:.2f}".replace("±0.", "±.")
        shown.append(f"{figure['mean'] * 100:.2f}{spread}")
    seeds = row[ORDER[row["kind"]]]["seeds"]
    runs = f"mean of {seeds}" if seeds > 1 else "one run"
    return [f"**{row['model']}**", f"{row['weights'] / 1e6:.1f}", runs, *shown]
