"""Figures that are measured on demand: what each was made from, and whether that is what params and code are now.

`made_from` holds parsed options with their defaults filled in, the seeds of draws, sums over the data and over the code
of what trained. A figure whose `made_from` is another is shown as older, or left out with a word.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipelines.core import files
from pipelines.core.blocks import Block, RunName, Seed, Share, validated
from pipelines.core.errors import InputError
from pipelines.core.provenance import code_of
from pipelines.data import parquet
from pipelines.data.utterances import Utterance
from pipelines.models import task as tasks
from pipelines.models.options import Run, Start


def _different(numbers: list[int]) -> list[int]:
    if len(set(numbers)) < len(numbers):
        raise ValueError("each number once")
    return numbers


Seeds = Annotated[list[Seed], Field(min_length=1)]
Folds = Annotated[list[int], Field(min_length=2), AfterValidator(_different)]  # numbers of the parts, one each
JUDGED = ("pipelines.data.drawing",)  # what parts are drawn with
OLDER = "†"  # stands beside a figure that was measured otherwise than now
CODE = ("pipelines.training.runs", "pipelines.models.inference")  # what all of them train and predict with


class Drawn(Block):
    """What a size of the few-shot benchmark draws: utterances per intent, None for all, and how often.

    And which `other_epochs` than its own are tried at the best learning rate, see `Choice`.
    """

    per_intent: int | None = Field(gt=0)
    draws: int = Field(gt=0)
    other_epochs: list[Annotated[int, Field(gt=0)]] = Field(default_factory=list)


class Choice(Block):
    """What of the options is chosen for a size, on which share of each draw: the learning rate, and then the epochs."""

    held_out: Share
    learning_rates: list[float] = Field(min_length=1)


def few_shot_size(block: Any, path: str) -> tuple[Drawn, Run]:
    """One size of the few-shot benchmark, at `path` in params.yaml: what it draws, and the options of its task.

    Raises:
        InputError: a key is unknown, missing or out of range, or the task is another than slots, joint or intent.
    """
    if not isinstance(block, dict) or block.get("task") not in ("slots", "joint", "intent"):
        raise InputError(f"params.yaml: {path}.task: expected slots, joint or intent; mend this key")
    if "teachers" in block:
        raise InputError(f"params.yaml: {path}.teachers: a size of the benchmark has none; take it out")
    drawn = {key: value for key, value in block.items() if key in Drawn.model_fields}
    rest = {key: value for key, value in block.items() if key not in Drawn.model_fields}
    return validated(Drawn, drawn, path), tasks.options(rest, path)


class Variant(Block):
    """A run of params.yaml, or another variant, with some options changed; and where it starts from, if elsewhere."""

    run: RunName
    finetune_from: Start | None = None
    change: dict[str, Any] = Field(default_factory=dict)


def variant(name: str, variants: dict[str, Variant], finetune: dict[str, Any]) -> tuple[Start, dict[str, Any]]:
    """Which encoder a variant starts from, and its block, as one of a run.

    Raises:
        InputError: there is no such variant, it is of no run that there is, or of itself.
    """
    path = f"variants.of.{name}"
    chain: list[Variant] = []
    while name in variants:
        if variants[name] in chain:
            raise InputError(f"params.yaml: {path}.run: {name} is a variant of itself; name a run")
        chain.append(variants[name])
        name = variants[name].run
    if not chain or not isinstance(finetune.get(name), dict):
        known = ", ".join([*finetune, *variants])
        raise InputError(f"params.yaml: {path}: {name}: no such run or variant; there are: {known}")
    block = dict(finetune[name])
    for of in reversed(chain):
        block |= of.change
    start = next((of.finetune_from for of in chain if of.finetune_from), "base")
    return start, block


def repeated(
    name: str, finetune_from: Start, variants: dict[str, Variant], finetune: dict[str, Any]
) -> tuple[Start, Run]:
    """Which encoder a run of params.yaml, or a variant, starts from, and its options: what `repeat` measures.

    Args:
        finetune_from: where all runs start from.

    Raises:
        InputError: there is no such run or variant, or a key of it is unknown, missing or out of range.
    """
    if name not in variants:
        return finetune_from, tasks.options(finetune.get(name), f"finetune.{name}")
    start, block = variant(name, variants, finetune)
    return start, tasks.options(block, f"variants.of.{name}")


def outside_test(splits: Path) -> list[Utterance]:
    """What cross-validation is over: all utterances but those of test."""
    return [row for part in ("train", "validation") for row in parquet.read(splits / f"{part}.parquet")]


def data(splits: Path) -> str:
    """SHA-256 over the splits, in hex: two corpora may have one name, and one may change."""
    key = hashlib.sha256()
    for path in sorted(splits.glob("*.parquet")):
        key.update(f"{path.name}\n{files.sha256(path)}\n".encode())
    return key.hexdigest()


def made_from_run(options: Run, start: str, **shared: Any) -> dict[str, Any]:
    """What `repeat` measures: all that a run is made from but its seed.

    Args:
        shared: what others are made from too: the sections `encoder`, `split` and `threads`, and `data`, see above.
    """
    settings = options.model_dump(exclude={"seed"}) | {"finetune_from": start}
    return _made_from(settings, [options.task], **shared)


def made_from_variant(options: Run, start: str, adapt: dict[str, Any], **shared: Any) -> dict[str, Any]:
    """What `variant` measures: as a run, with its seed, how the parts were drawn, and the adaptation where it has one.

    Args:
        adapt: the section `adapt_encoder`.
        shared: as of a run, and `folds` and `folds_seed`.
    """
    adapted = start == "adapted"
    settings = options.model_dump() | {"finetune_from": start} | ({"adapt_encoder": adapt} if adapted else {})
    return _made_from(settings, [options.task, *(["masked_lm"] if adapted else [])], JUDGED, **shared)


def made_from_size(drawn: Drawn, options: Run, choice: Choice, code: tuple[str, ...], **shared: Any) -> dict[str, Any]:
    """What `few_shot` measures, with the `code` that draws and scores; its seed draws the utterances, so it counts.

    The learning rate is always chosen.
    """
    settings = (
        options.model_dump(exclude={"learning_rate"}) | drawn.model_dump(exclude_defaults=True) | choice.model_dump()
    )
    return _made_from(settings, [options.task], code, **shared)


def made_from_augment(options: Block, settings: dict[str, Any], code: tuple[str, ...], **shared: Any) -> dict[str, Any]:
    """What `augment` measures, with further `settings` and `code`; its seed draws the few, so it counts."""
    settings = options.model_dump(exclude={"run"}) | settings
    return _made_from(settings, ["intent"], code, **shared)


def _made_from(settings: dict[str, Any], names: list[str], code: tuple[str, ...] = (), **shared: Any) -> dict[str, Any]:
    modules = (*CODE, *code, *(f"pipelines.tasks.{name}.task" for name in names))
    return {"options": settings | shared, "code": code_of(*modules)}


def read(path: Path) -> dict[str, Any] | None:
    """A report that was measured on demand, None if it never was.

    Raises:
        InputError: the file is broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))[0]
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: {error}; restore it with git checkout, or measure it anew") from None


def difference(report: dict[str, Any], source: str, made_from: dict[str, Any]) -> str:
    """How a report was made otherwise than now, in words; empty where it was made from the same."""
    if report["source"] != source:
        return f"measured on {report['source']}"
    old, new = report.get("made_from", {}), made_from
    if not isinstance(old.get("options"), dict):
        return "measured before options and code were kept with it"
    flat = [_flat(one["options"]) for one in (old, new)]
    for key in sorted(set(flat[0]) | set(flat[1])):
        before, now = (one.get(key, "(not set)") for one in flat)
        if before != now:
            if key == "data":
                return "measured on other utterances"
            return f"measured with {key} {before}, now {now}"
    return "" if old.get("code") == new["code"] else "measured with older code"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: round(value, 6) if isinstance(value, float) else value}  # as files keep numbers
    return {
        key: leaf for name, inner in value.items() for key, leaf in _flat(inner, f"{path}.{name}".strip(".")).items()
    }
