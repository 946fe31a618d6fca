"""DVC watches what dvc.yaml names, and a folder of one's own is named in params.yaml: the section `watch` says it."""

from pathlib import Path

from pipelines.core.errors import InputError


def check(what: str, param: str, source: str, watched: str) -> None:
    """Whether DVC would see a change in `source`, the value of `param`; `watched` is the value of `watch.<what>`.

    Raises:
        InputError: `source` is a folder or file, and not the one that is watched.
    """
    if Path(source).exists() and Path(source) != Path(watched):
        raise InputError(
            f"params.yaml: {param} {source}: DVC does not watch it, so that a change in it would not be "
            f"seen; add -S watch.{what}='{source}'"
        )
