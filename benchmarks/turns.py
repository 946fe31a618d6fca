"""Measurements in turns: each in a process of its own, ours and theirs one after the other, several times."""

import json
import subprocess
import sys
from statistics import median
from typing import Any

TIMES = 3


def measure(function: str, **arguments: Any) -> dict[str, float]:
    """Call `module.function` of this package with these arguments in a new process; it returns figures by name.

    Raises:
        RuntimeError: the process failed; the message ends with what it said.
    """
    command = [sys.executable, "-m", "benchmarks.turns", function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{function} {arguments}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def in_turns(cases: dict[str, tuple[str, dict[str, Any]]], times: int = TIMES) -> dict[str, dict[str, float]]:
    """Median figures of each case, a function and its arguments; the cases take turns, `times` times."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for turn in range(times):
        for name, (function, arguments) in cases.items():
            found[name].append(measure(function, **arguments))
            print(f"  {turn + 1}/{times} {name}: {_shown(found[name][-1])}", flush=True)
    return {name: {key: median(one[key] for one in turns) for key in turns[0]} for name, turns in found.items()}


def _shown(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


if __name__ == "__main__":
    import importlib

    module, name = sys.argv[1].rsplit(".", 1)
    found = getattr(importlib.import_module(f"benchmarks.{module}"), name)(**json.loads(sys.argv[2]))
    print(json.dumps(found))
