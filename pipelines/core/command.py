"""Run a stage function as a script."""

import argparse
import inspect
import sys
from collections.abc import Callable

from pipelines.core.errors import InputError


def command(stage: Callable[..., None]) -> None:
    """Call `stage` with one positional argument for each of its parameters; bad input becomes one line and exit 1."""
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{stage.__name__}", description=inspect.getdoc(inspect.getmodule(stage))
    )
    for name in inspect.signature(stage).parameters:
        parser.add_argument(name)
    arguments = parser.parse_args()
    try:
        stage(**vars(arguments))
    except InputError as error:
        sys.exit(f"error: {error}")
