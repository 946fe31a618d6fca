"""A section of params.yaml -> a validated value; an unknown or wrong key fails with its path in the file.

A section is named where it is read, and read alone: an option of one room is no change for the others. What a section
may hold stands beside the code that uses it.
"""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from pipelines.core.errors import InputError, shown

PARAMS = Path("params.yaml")

RunName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


def _inside(path: str) -> str:
    if ".." in Path(path).parts and not Path(path).is_absolute():
        raise ValueError("it leads out of the project; name a folder in it, or an absolute one")
    if not path.isprintable():
        raise ValueError("it has characters that are not printed; name it without")
    return path


# a name, a folder in the project, or an absolute one
Place = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_inside)]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]  # NumPy takes 2**32 - 1 at most, and stages count up from it
Threads = Annotated[int, Field(ge=1, le=1024)]  # of the processor
Count = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]


class Block(BaseModel):
    """A block of params.yaml: no key unknown, none changed once read."""

    # Not strict: PyYAML reads `3e-05`, which `dvc exp run -S` writes, as text, and pydantic turns it into a number.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def load(path: str, kind: Any) -> Any:
    """The section `path` of params.yaml (`split`, `finetune.intent-full`) as `kind`, a block or any type with hints.

    Raises:
        InputError: the file is missing or no YAML, there is no such section, or a key of it is unknown or out of range.
    """
    return validated(kind, raw(path), path)


def raw(path: str) -> Any:
    """The section `path` of params.yaml as YAML has it.

    Raises:
        InputError: the file is missing or no YAML, or there is no such section.
    """
    section = _content()
    parts = path.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(section, dict) or part not in section:
            there = ", ".join(map(str, section)) if isinstance(section, dict) else "nothing"
            raise InputError(f"{PARAMS}: {'.'.join(parts[: depth + 1])}: no such block; there are: {there}")
        section = section[part]
    return section


def validated(kind: Any, value: Any, path: str) -> Any:
    """`value`, which stands at `path` in params.yaml, as `kind`.

    Raises:
        InputError: a key is unknown, missing or out of range; the message has its path.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join([path, *(str(part) for part in first["loc"] if part != "[key]")])
        got = "" if first["type"] == "missing" else f" (got {shown(first['input'])})"
        more = f"; and {len(others)} more" if others else ""
        raise InputError(f"{PARAMS}: {where}: {first['msg']}{got}{more}; mend this key") from None


def _content() -> dict[str, Any]:
    try:
        content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{PARAMS}: not found; run from the top folder of the project") from None
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such day, bytes, number
        raise InputError(f"{PARAMS}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{PARAMS}: no sections in it; restore it with git checkout {PARAMS}")
    return content
