"""What a search may turn: `learning_rate=5e-5..5e-4:log`, `epochs=4..10`, `batch_size=16,32,64`."""

import re
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.core.errors import InputError, shown
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
    if values.count(",") == 0 and ".." not in values:
        raise InputError(f"{text}: write low..high, or at least two different values with commas between them")
    found = RANGE.fullmatch(values)
    ends = [found["low"], found["high"]] if found else values.split(",")
    given = [_possible(name, _value(end), text, options) for end in ends]
    if found is None:
        if len({repr(value) for value in given}) < max(2, len(given)):
            raise InputError(f"{text}: write low..high, or at least two different values with commas between them")
        return Axis(name, choices=tuple(given))
    low, high = given
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in given):
        raise InputError(f"{text}: its values have no order; name them with commas between")
    if low >= high or (found["log"] and low <= 0):
        raise InputError(f"{text}: write low..high, low below high, and for :log above 0")
    return Axis(name, low, high, log=bool(found["log"]))


def _possible(name: str, value: Any, text: str, options: Run) -> Any:
    """The value as the option has it: whole where the option is."""
    try:
        return getattr(type(options).model_validate(options.model_dump(exclude_unset=True) | {name: value}), name)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"{text}: {shown(value)}: {reason}; give values that it can have") from None


def _value(part: str) -> Any:
    """A value as YAML reads it in params.yaml; `1e-4` is a number too."""
    try:
        return float(part) if re.fullmatch(r"[\d.]+e-?\d+", part, re.IGNORECASE) else yaml.safe_load(part)
    except (yaml.YAMLError, ValueError):
        return part
