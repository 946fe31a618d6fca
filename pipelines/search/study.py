"""A search over the options of a run: optuna proposes, `dvc exp run` trains, validation decides.

Each trial is an experiment in a folder of its own. The study is an SQLite file, so a search that was cut off goes on
with the trial that it was at. A proposal depends on the trials before it and on `seed` plus its number alone, so the
search ends as if nothing had happened. Other values, params or code make another study, with other experiments.
"""

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml

from pipelines.core import blocks, files
from pipelines.core.errors import InputError
from pipelines.search.picture import draw
from pipelines.search.space import Axis

FOLDER = Path(".search")  # studies and the logs of their trials; neither git nor DVC looks there
METRICS = Path("metrics/search")
CODE = ("pipelines", "stages", "dvc.yaml")
FAILURES = 3  # in a row: then it is not the values that fail
BUSY = ("Unable to acquire lock", "is busy, it is being blocked")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a search as Ctrl-C does."""


@dataclass(frozen=True)
class Search:
    """What is looked for: the best `metric` of `validation` in metrics/<run>.json, the highest, over the `axes`."""

    run: str
    metric: str
    axes: tuple[Axis, ...]
    seed: int
    key: str  # of all that a score depends on

    def experiment(self, number: int) -> str:
        """The name of a trial's experiment."""
        return f"{self.run}-search-{self.key}-{number}"

    def log(self, number: int) -> Path:
        """What DVC said of it."""
        return FOLDER / f"{self.run}-{self.key}" / f"trial-{number}.log"


def search(run: str, metric: str, axes: list[Axis], trials: int, seed: int) -> None:
    """Go on until there are so many `trials`, those of earlier calls among them; what was found is in `METRICS`.

    Raises:
        InputError: optuna is missing, a search or another command of DVC is at work, no branch is checked out, or
            three trials in a row fail.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("optuna is not installed; run: pip install -r requirements-search.txt") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    signal.signal(signal.SIGTERM, _terminated)
    with _alone():
        _on_a_branch()
        found = Search(run, metric, tuple(axes), seed, _key(run, axes, seed))
        study = optuna.create_study(
            storage=f"sqlite:///{FOLDER / run}-{found.key}.db",
            study_name=run,
            direction="maximize",
            load_if_exists=True,
        )
        _write(study, found)
        while _unfinished(study) or len(study.trials) < trials:
            _trial(study, found)
            _write(study, found)
            states = [trial.state.name for trial in study.trials if trial.state.is_finished()]
            if states[-FAILURES:] == ["FAIL"] * FAILURES:
                log = found.log(len(study.trials) - 1)
                left = f"rm -r {FOLDER / run}-{found.key}*"  # this study alone
                raise InputError(f"{FAILURES} trials in a row failed; see {log}, mend it and {left}")


def _terminated(*_: Any) -> None:
    raise Terminated


def best(run: str) -> dict[str, Any] | None:
    """The best trial as it stands in `METRICS`: number, value, params, experiment; None where none is whole."""
    found = files.read_json(METRICS / f"{run}.json")[0]["trials"]
    whole = [trial for trial in found if trial["value"] is not None]
    return max(whole, key=lambda trial: trial["value"], default=None)


def _trial(study: Any, search: Search) -> None:
    """Ask for values, or take those of the trial that was cut off; run them, and tell the study."""
    import optuna

    unfinished = _unfinished(study)
    number = unfinished[0].number if unfinished else len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + number)
    trial = optuna.trial.Trial(study, unfinished[0]._trial_id) if unfinished else study.ask()
    values = {axis.name: axis.suggest(trial) for axis in search.axes}
    say = partial(print, f"trial {number}: {', '.join(f'{name} {_shown(value)}' for name, value in values.items())}:")
    twin = next((old for old in study.trials[:number] if old.params == values and old.value is not None), None)
    if twin:  # DVC keeps no experiment twice
        trial.set_user_attr("experiment", twin.user_attrs["experiment"])
        study.tell(trial, twin.value)
        say(f"as trial {twin.number}", flush=True)
        return
    name = search.experiment(number)
    if _validation(search.run, name) is None:
        _run(search, number, values)
    scores = _validation(search.run, name)
    if scores is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        say(f"failed, see {search.log(number)}", flush=True)
    else:
        trial.set_user_attr("experiment", name)
        study.tell(trial, scores[search.metric])
        say(f"{search.metric} {scores[search.metric]:.4f}", flush=True)


def _run(search: Search, number: int, values: dict[str, Any]) -> None:
    """`dvc exp run` of the run with these values, in a folder of its own; what it says is in the log.

    Raises:
        InputError: another command of DVC is at work, so that the trial is to be run once more.
    """
    run, log = search.run, search.log(number)
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = [part for key, value in values.items() for part in ("-S", f"++finetune.{run}.{key}={json.dumps(value)}")]
    experiment = ["--temp", "--name", search.experiment(number), *settings, f"evaluate@{run}"]
    # the folder is another each time, and what was trained in it before a kill is to be found again
    environment = {"SNIPS_CHECKPOINTS": str(Path(".checkpoints").absolute())} | os.environ
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "exp", "run", *experiment],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            process.wait()
        except Terminated:  # DVC has it not; its stages are to stop one after the other until it ends
            while process.poll() is None:
                for one in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        one.terminate()
                time.sleep(0.5)
            raise
        except KeyboardInterrupt:  # DVC has it too, and puts the workspace back
            process.wait()
            raise
    if any(words in log.read_text(encoding="utf-8", errors="replace") for words in BUSY):
        raise InputError("another command of DVC is at work here; wait for it, then the same command goes on")


def _validation(run: str, name: str) -> dict[str, float] | None:
    """The figures on validation of an experiment that is whole; None if it is not there."""
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        content = dvc.api.read(f"metrics/{run}.json", rev=name)
    except (DvcException, SCMError, FileNotFoundError):
        return None
    return json.loads(content)[0]["validation"]


def _unfinished(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.name == "RUNNING"]


def _key(run: str, axes: list[Axis], seed: int) -> str:
    """Eight hex digits for all that a score depends on: values, params, code, and the files that `watch` names.

    Code counts as it lies there, as experiments take along what is not committed.
    """
    params = blocks.PARAMS.read_text(encoding="utf-8")
    parts = [run, *map(repr, axes), str(seed), params]
    for command in (["rev-parse", *(f"HEAD:{path}" for path in CODE)], ["diff", "HEAD", "--", *CODE]):
        parts.append(subprocess.run(["git", *command], capture_output=True, text=True, check=False).stdout)
    for watched in map(Path, yaml.safe_load(params)["watch"].values()):
        inside = sorted(path for path in watched.rglob("*") if path.is_file()) if watched.is_dir() else [watched]
        parts += [f"{path} {files.sha256(path)}" for path in inside if path.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _on_a_branch() -> None:
    """Refuse a detached HEAD: a DVC that was killed while it made an experiment leaves one, and other params."""
    if subprocess.run(["git", "symbolic-ref", "--quiet", "HEAD"], capture_output=True, check=False).returncode:
        raise InputError(
            "no branch is checked out here, as after a DVC that was killed; look at git status and git stash list, "
            "then git checkout --force <branch>"
        )


def _write(study: Any, search: Search) -> None:
    """`METRICS`: the trials that have ended, and their picture."""
    rows = [
        {
            "number": trial.number,
            "experiment": trial.user_attrs.get("experiment"),
            "params": trial.params,
            "value": trial.value,
        }
        for trial in study.trials
        if trial.state.is_finished()
    ]
    if not rows:
        return
    shown = [row | {"params": {name: _shown(value) for name, value in row["params"].items()}} for row in rows]
    facts = {"metric": search.metric, "split": "validation", "trials": shown}
    files.write_details(METRICS / f"{search.run}.json", facts)
    if any(row["value"] is not None for row in rows):
        with files.whole(METRICS / f"{search.run}.svg") as made:
            made.write_bytes(draw(rows, search.metric, search.run))


def _shown(value: Any) -> Any:
    """A number with its first six digits, in words, as JSON of the project has no more than six places."""
    return f"{value:.6g}" if isinstance(value, float) else value


@contextmanager
def _alone() -> Iterator[None]:
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another search is at work here; wait for it") from None
        yield
