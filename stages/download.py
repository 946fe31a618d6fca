"""Bring the 63 SNIPS files into data/raw, verified against data/snips.sha256; or copy the embedded sample.

SNIPS_MIRROR names a folder or a base URL to use in place of GitHub; the bytes are verified either way.
"""

import os
import shutil
import sys
from pathlib import Path

from pipelines import files, params, snips, sources
from pipelines.errors import InputError
from stages.command import command

CHECKSUMS = Path("data/snips.sha256")
SAMPLE = Path("data/sample")
RAW = Path("data/raw")


def download() -> None:
    """Make data/raw from the source that params.yaml names."""
    source = params.load().data.source
    with files.whole(RAW) as folder:
        if source == "sample":
            _copy_sample(folder)
        else:
            sources.fetch(sources.read_checksums(CHECKSUMS), mirror(), folder)


def mirror() -> str:
    """Folder or base URL that SNIPS comes from."""
    return os.environ.get("SNIPS_MIRROR") or sources.SNIPS_URL


def can_be_had() -> bool:
    """Whether what params.yaml asks for can be had, or is there already; if not, one line on stderr says why."""
    if params.load().data.source == "sample":
        return True
    checksums = sources.read_checksums(CHECKSUMS)
    if all((RAW / name).is_file() and files.sha256(RAW / name) == digest for name, digest in checksums.items()):
        return True
    try:
        sources.read(mirror(), next(iter(checksums)))
    except InputError as error:
        print(f"SNIPS cannot be had ({error}); the embedded sample is used instead", file=sys.stderr)
        return False
    return True


def _copy_sample(folder: Path) -> None:
    for intent in snips.INTENTS:
        for pattern in snips.PARTS.values():
            name = pattern.format(intent)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(SAMPLE / name, folder / name)
            except FileNotFoundError:
                raise InputError(f"{SAMPLE / name}: missing; restore it with git checkout {SAMPLE}") from None


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:  # for `make run`
        sys.exit(not can_be_had())
    command(download)
