"""A search over the options of a run: optuna proposes, `dvc exp run` trains, validation decides.

Each trial is an experiment in a folder of its own. The study is an SQLite file, so a search that was cut off goes on
with the trial that it was at. A proposal depends on the trials before it and on `seed` plus its number alone, so the
search ends as if nothing had happened.
"""

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core import files
from pipelines.core.errors import InputError
from pipelines.search.picture import draw
from pipelines.search.space import Axis

FOLDER = Path(".search")  # studies and the logs of their trials; neither git nor DVC looks there
METRICS = Path("metrics/search")
FAILURES = 3  # in a row, from the first trial on: then it is not the values that fail


def search(run: str, metric: str, axes: list[Axis], trials: int, seed: int, say: Callable[[str], None] = print) -> None:
    """Go on until there are so many `trials`, those of earlier calls among them; what was found is in `METRICS`.

    Args:
        metric: of `validation` in metrics/<run>.json; the highest is the best.
        say: takes a line a trial.

    Raises:
        InputError: optuna is missing, a search of this run is at work or was begun over other values, or the first
            trials fail.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("optuna is not installed; run: pip install -r requirements-search.txt") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _alone(run):
        study = optuna.create_study(
            storage=f"sqlite:///{FOLDER / run}.db", study_name=run, direction="maximize", load_if_exists=True
        )
        _same_space(study, run, axes, seed)
        while _unfinished(study) or len(study.trials) < trials:
            _trial(study, run, metric, axes, seed, say)
            _write(study, run, metric)
            failed = [trial.state.name == "FAIL" for trial in study.trials]
            if len(failed) == FAILURES and all(failed):
                raise InputError(f"the first {FAILURES} trials failed; see {_log(run, 0)}")


def best(run: str) -> dict[str, Any] | None:
    """The best trial as it stands in `METRICS`: number, value, params, experiment; None where none is whole."""
    found = files.read_json(METRICS / f"{run}.json")[0]["trials"]
    whole = [trial for trial in found if trial["value"] is not None]
    return max(whole, key=lambda trial: trial["value"], default=None)


def _trial(study: Any, run: str, metric: str, axes: list[Axis], seed: int, say: Callable[[str], None]) -> None:
    import optuna

    unfinished = _unfinished(study)
    number = unfinished[0].number if unfinished else len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed + number)
    trial = optuna.trial.Trial(study, unfinished[0]._trial_id) if unfinished else study.ask()
    values = {axis.name: axis.suggest(trial) for axis in axes}
    shown = ", ".join(
        f"{name} {f'{value:.3g}' if isinstance(value, float) else value}" for name, value in values.items()
    )
    twin = next((old for old in study.trials[:number] if old.params == values and old.value is not None), None)
    if twin:  # DVC keeps no experiment twice
        study.tell(trial, twin.value)
        say(f"trial {number}: {shown}: as trial {twin.number}")
        return
    name = experiment(run, number)
    if _validation(run, name) is None:
        _run(run, name, values, _log(run, number))
    scores = _validation(run, name)
    if scores is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        say(f"trial {number}: {shown}: failed, see {_log(run, number)}")
    else:
        study.tell(trial, scores[metric])
        say(f"trial {number}: {shown}: {metric} {scores[metric]:.4f}")


def _run(run: str, name: str, values: dict[str, Any], log: Path) -> None:
    """`dvc exp run` of the run with these values, in a folder of its own; what it says is in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = [part for key, value in values.items() for part in ("-S", f"finetune.{run}.{key}={json.dumps(value)}")]
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *settings, f"evaluate@{run}"]
    with log.open("w", encoding="utf-8") as said:
        subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False)


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


def experiment(run: str, number: int) -> str:
    """The name of a trial's experiment."""
    return f"{run}-search-{number}"


def _unfinished(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.name == "RUNNING"]


def _log(run: str, number: int) -> Path:
    return FOLDER / run / f"trial-{number}.log"


def _same_space(study: Any, run: str, axes: list[Axis], seed: int) -> None:
    """Refuse to go on over other values than those that the study was begun with."""
    now = [repr(axis) for axis in axes] + [f"seed {seed}"]
    begun = study.user_attrs.get("axes")
    if begun is None:
        study.set_user_attr("axes", now)
    elif begun != now:
        raise InputError(
            f"{FOLDER / run}.db: begun over other values ({'; '.join(begun)}); name the same to go on, or remove the "
            f"file and the experiments {experiment(run, 0)} and so on (dvc exp remove) to begin anew"
        )


def _write(study: Any, run: str, metric: str) -> None:
    rows = [
        {
            "number": trial.number,
            "experiment": experiment(run, trial.number),
            "params": trial.params,
            "value": trial.value,
        }
        for trial in study.trials
        if trial.state.is_finished()
    ]
    files.write_details(METRICS / f"{run}.json", {"metric": metric, "split": "validation", "trials": rows})
    if any(row["value"] is not None for row in rows):
        with files.whole(METRICS / f"{run}.svg") as made:
            made.write_bytes(draw(rows, metric, run))


@contextmanager
def _alone(run: str) -> Iterator[None]:
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{run}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"a search of {run} is at work here; wait for it") from None
        yield
