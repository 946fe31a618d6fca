"""What a search may turn: `learning_rate=5e-5..5e-4:log`, `epochs=4..10`, `batch_size=16,32,64`."""

import re
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.core.errors import InputError
from pipelines.models.options import Run

FIXED = ("task", "mode", "seed")  # other ones make another run, and a lucky seed is no better run
RANGE = re.compile(r"(?P<low>[^,]+?)\.\.(?P<high>[^,:]+)(?P<log>:log)?")


@dataclass(frozen=True)
class Axis:
    """One option of a run, and its values: `low` to `high`, both included, or `choices`."""

    name: str
    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Any) -> Any:
        """The value that `trial`, optuna's, is to take; whole where both ends are."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        ask = trial.suggest_int if whole else trial.suggest_float
        return ask(self.name, self.low, self.high, log=self.log)


def parse(text: str, options: Run) -> Axis:
    """An axis as it is typed, for a run with these `options`.

    Raises:
        InputError: there is no such option, it is none to search over, or it cannot have these values.
    """
    name, _, values = text.partition("=")
    known = [field for field in type(options).model_fields if field not in FIXED]
    if name not in known:
        raise InputError(f"{text}: {name or 'nothing'} is no option to search over; take one of {', '.join(known)}")
    if found := RANGE.fullmatch(values):
        low, high = (_number(found[end], text) for end in ("low", "high"))
        if low >= high or (found["log"] and low <= 0):
            raise InputError(f"{text}: write low..high, low below high, and for :log above 0")
        axis = Axis(name, low, high, log=bool(found["log"]))
        ends = [low, high]
    else:
        ends = [_value(part) for part in values.split(",")]
        axis = Axis(name, choices=tuple(ends))
        if len({repr(value) for value in ends}) < max(2, len(ends)):
            raise InputError(f"{text}: write low..high, or at least two different values with commas between them")
    for value in ends:
        try:
            type(options).model_validate(options.model_dump() | {name: value})
        except ValidationError as error:
            raise InputError(f"{text}: {value}: {error.errors()[0]['msg']}; give values that it can have") from None
    return axis


def _value(part: str) -> Any:
    """A value as YAML reads it in params.yaml; `1e-4` is a number too."""
    try:
        return float(part) if re.fullmatch(r"[\d.]+e-?\d+", part, re.IGNORECASE) else yaml.safe_load(part)
    except (yaml.YAMLError, ValueError):
        return part


def _number(part: str, text: str) -> int | float:
    value = _value(part)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{text}: {part} is no number; write low..high, or values with commas between them")
    return value
