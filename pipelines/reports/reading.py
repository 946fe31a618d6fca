"""The files in YAML that a person keeps beside what was measured."""

from pathlib import Path
from typing import Any

import yaml

from pipelines.core.errors import InputError


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        InputError: it is missing or broken.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such day, bytes, number
        raise InputError(f"{path}: {' '.join(str(error).split())}; restore the file") from None
