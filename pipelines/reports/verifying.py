"""A finished run beside the one that is in git: outputs by their sums, then figures within stated tolerances."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

SHOWN = 12  # differences of each kind that are listed; the rest is counted


@dataclass(frozen=True)
class Difference:
    """One value of a metrics file that is another there (in git) than here.

    `match` is the pattern of the tolerance that counts, empty where none does; `within` is None where any may be.
    """

    file: str
    key: str
    there: Any
    here: Any
    match: str
    within: float | None

    @property
    def size(self) -> float | None:
        """How far the two numbers are apart; a text or a missing value has no size."""
        return abs(self.here - self.there) if _number(self.there) and _number(self.here) else None

    @property
    def beyond(self) -> bool:
        """Whether it is more than the tolerance; where it has no size, it is."""
        if self.within is None:
            return False
        return self.size is None or self.size > self.within + 1e-9  # figures are rounded to 6 places

    def __str__(self) -> str:
        if self.size is not None:
            allowed = "" if self.within is None else f", within {self.within:g}"
            return f"{self.file} {self.key}: {self.there:g} -> {self.here:g} ({self.here - self.there:+.4f}{allowed})"
        return f"{self.file} {self.key}: {self.there!r:.30} -> {self.here!r:.30}"


def outputs(there: dict[str, Any], here: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Paths of outputs with the same bytes in two contents of dvc.lock, and of those with others or in one alone."""
    sums = [
        {out["path"]: out["md5"] for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])}
        for lock in (there, here)
    ]
    paths = sorted(sums[0] | sums[1])
    same = [path for path in paths if sums[0].get(path) == sums[1].get(path)]
    return same, [path for path in paths if path not in same]


def differences(file: str, there: Any, here: Any, tolerances: list[dict[str, Any]]) -> Iterator[Difference]:
    """Where the contents of a JSON file of metrics are not the same.

    Args:
        tolerances: `match`, a pattern of `file key` with `*` and `?`, and `within`, the largest absolute difference or
            none for any; the first that matches counts, and where none does nothing may differ.
    """
    values = [dict(_flat(content)) for content in (there, here)]
    for key in values[0] | values[1]:
        was, now = (one.get(key) for one in values)
        if was != now:
            matching = (one for one in tolerances if fnmatchcase(f"{file} {key}", one["match"]))
            yield Difference(file, key, was, now, **next(matching, {"match": "", "within": 0.0}))


def machines(there: Any, here: Any) -> list[str]:
    """Entries of two environments (metrics/environment.json) that are not the same, one line each."""
    values = [dict(_flat(content)) for content in (there, here)]
    keys = sorted(values[0] | values[1])
    was, now = ({key: one.get(key, "-") for key in keys} for one in values)
    return [f"{key}: {was[key]!r} -> {now[key]!r}" for key in keys if was[key] != now[key]]


def report(
    commit: str, same: list[str], other: list[str], found: list[Difference], machine: list[str] | None = None
) -> str:
    """What a person reads: how much is the same, what is not, and what else the machine is (None where not known)."""
    beyond = [str(one) for one in found if one.beyond]
    within = [str(one) for one in found if not one.beyond]
    lines = [f"Outputs: {len(same)} of {len(same) + len(other)} have the bytes of {commit}.", *_some(other)]
    if found:
        lines += [f"Figures: {len(beyond)} differ by more than their tolerance, {len(within)} by less.", *_some(beyond)]
        if within:
            lines += ["By less, or of no weight:", *_some(within)]
    else:
        lines.append("Figures: all the same.")
    if other and machine is None:
        lines.append(f"Machine: {commit} does not say what it ran on.")
    elif other and machine:
        lines += [f"Machine: other than that of {commit}.", *(f"  {line}" for line in machine)]
    elif other:
        lines.append(f"Machine: as that of {commit}.")
    return "\n".join(lines)


def _some(lines: list[str]) -> list[str]:
    more = [f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*(f"  {line}" for line in lines[:SHOWN]), *more]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": [{"b": 1}]}` -> `("a.0.b", 1)`; a list of one, as details are written, is no part of a key."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _flat(inner, key if not key and len(value) == 1 else f"{key}.{n}".lstrip("."))
    else:
        yield key, value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
