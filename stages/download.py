"""Bring the corpus into data/raw: SNIPS, verified against data/snips.sha256, the embedded sample, or one's own.

SNIPS_MIRROR names a folder or a base URL to use in place of GitHub; the bytes are verified either way.
"""

import os
import shutil
import sys
from pathlib import Path

from pipelines.core import blocks, files
from pipelines.core.command import FULL, command
from pipelines.core.errors import InputError
from pipelines.corpus import sources
from pipelines.data.source import PUBLISHED, SAMPLE, Data
from pipelines.fetching import mirrors, watching

CHECKSUMS = Path("data/snips.sha256")
EMBEDDED = Path("data/sample")
RAW = Path("data/raw")


def download() -> None:
    """Make data/raw from the source that params.yaml names."""
    source = blocks.load("data", Data).source
    watched = blocks.load("watch.data", blocks.Place)
    if source not in (PUBLISHED, SAMPLE):
        watching.check("data", "data.source", source, watched)
    with files.whole(RAW) as folder:
        if source == PUBLISHED:
            mirrors.fetch(mirrors.read_checksums(CHECKSUMS), mirror(), folder)
        else:
            _copy(EMBEDDED if source == SAMPLE else Path(source), folder)


def mirror() -> str:
    """Folder or base URL that SNIPS comes from."""
    return os.environ.get("SNIPS_MIRROR") or mirrors.SNIPS_URL


def can_be_had() -> bool:
    """Whether what params.yaml asks for can be had, or is there already; if not, one line on stderr says why."""
    if blocks.load("data", Data).source != PUBLISHED:
        return True
    checksums = mirrors.read_checksums(CHECKSUMS)
    if all((RAW / name).is_file() and files.sha256(RAW / name) == digest for name, digest in checksums.items()):
        return True
    try:
        mirrors.read(mirror(), next(iter(checksums)))
    except InputError as error:
        print(f"SNIPS cannot be had ({error}); the embedded sample is used instead", file=sys.stderr)
        return False
    return True


def _copy(corpus: Path, folder: Path) -> None:
    folder.mkdir()
    for name, path in sources.files(corpus).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, folder / name)
        except OSError as error:
            if error.errno in FULL:
                raise  # the corpus is whole, the disk is not large enough
            remedy = f"restore it with git checkout {corpus}" if corpus == EMBEDDED else "add it"
            raise InputError(f"{path}: {error.strerror}; {remedy}") from None


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:  # for `make run`
        try:
            sys.exit(0 if can_be_had() else 3)
        except InputError as error:  # of params.yaml
            sys.exit(f"error: {error}")
    command(download)
