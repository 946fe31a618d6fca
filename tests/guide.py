"""The examples of GUIDE.md: read from the page, run, and set beside what the page says they print.

`python -m tests.guide CLONE` runs them in a fresh clone and prints all of it, to be cut for the page. The examples
throw away what is not committed, so no other folder is taken: it must be named, and hold the mark `MARK`.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGE = ROOT / "GUIDE.md"
MARK = ".throw-away"  # a file that says that a clone may be changed at will; `touch` it there
CUT = "..."  # a line of the page that stands for any lines, or none
SECONDS = 600  # of one command, before it counts as hanging
VARIES = (
    (r"\x1b\[[0-9;]*m|.*\r", ""),  # colours, and what a progress bar wrote over
    (r"(/.*|\S*)/bin/", "…/bin/"),  # a folder may have blanks in its name
    (r"\b\d\d:\d\d [AP]M\b|\b[A-Z][a-z]{2} \d\d, \d{4}\b", "TIME"),
    (r"\b[0-9a-f]{7,}\b", "HASH"),  # one in a thousand is of letters alone
    (r"(?<![\w.-])[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?[KMG]?\b", "NUMBER"),
    (r"[-─]{2,}", "-"),
    (r"\s+", " "),
)


@dataclass(frozen=True)
class Example:
    """A command, and the lines that follow it on the page."""

    section: str
    command: str
    printed: tuple[str, ...]


def sections(text: str) -> dict[str, str]:
    """What stands under each heading of second order."""
    _, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return dict(part.split("\n", 1) for part in parts)


def examples(text: str) -> list[Example]:
    """Each command of each ```console block, in the order of the page."""
    found = []
    for section, content in sections(text).items():
        for block in re.findall(r"^```console\n(.*?)^```$", content, flags=re.MULTILINE | re.DOTALL):
            before, *commands = re.split(r"^\$ ", block, flags=re.MULTILINE)
            assert not before, f"{section}: a console block begins with a command, not with {before!r}"
            for lines in map(str.splitlines, commands):
                more = next((at for at, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
                command = "\n".join([lines[0], *(line.removeprefix("> ") for line in lines[1:more])])
                found.append(Example(section, command, tuple(lines[more:])))
    return found


def run(command: str, folder: Path) -> tuple[int, str]:
    """Exit status of a command in `folder`, which is to be thrown away, and all that it prints, with `…` for its path.

    Raises:
        ValueError: the folder may not be changed at will.
    """
    folder = folder.resolve()
    if folder == ROOT.resolve() or not (folder / MARK).is_file():
        raise ValueError(f"{folder}: not a clone to be thrown away; it has no {MARK}, or is this project itself")
    environment = os.environ | {"COLUMNS": "80", "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(folder)}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:  # workers of DVC's queue would keep a pipe open
        status = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=SECONDS,
            check=False,
        ).returncode
        out.seek(0)
        return status, out.read().replace(str(folder), "…").replace(str(folder.parent), "…")


def plain(line: str) -> str:
    """A line with one word for each kind of thing that differs between machines, runs and encoders."""
    for pattern, word in VARIES:
        line = re.sub(pattern, word, line)
    return line.strip()


def unfit(expected: tuple[str, ...], printed: str) -> str | None:
    """The first line of the page that was not printed in its place, or of what was printed beyond it; None if all fits.

    Empty lines count on neither side.
    """
    there = [line for line in map(plain, printed.splitlines()) if line]
    groups: list[list[str]] = [[]]
    for line in expected:
        if line == CUT:
            groups.append([])
        elif plain(line):
            groups[-1].append(line)
    at = 0
    for number, group in enumerate(groups):
        wanted = [plain(line) for line in group]
        first, last = number == 0, number == len(groups) - 1
        places = range(at, len(there) - len(wanted) + 1)
        places = places[:1] if first else places
        if last and not first:
            places = places[-1:]
        place = next((place for place in places if there[place : place + len(wanted)] == wanted), None)
        if place is None:
            missing = [line for line, one in zip(group, wanted, strict=True) if one not in there[at:]]
            return f"not printed there: {(missing or group)[0]}"
        at = place + len(wanted)
    if groups[-1:] == groups[:1] and at < len(there):  # no cut
        return f"not on the page: {there[at]}"
    return None


def main(folder: Path) -> None:
    """Run the page in `folder`, and print what it should say."""
    for example in examples(PAGE.read_text(encoding="utf-8")):
        print(f"## {example.section}\n$ {example.command}", flush=True)
        start = time.monotonic()
        status, printed = run(example.command, folder)
        print(printed, end="", flush=True)
        problem = unfit(example.printed, printed)
        print(f"-- {time.monotonic() - start:.1f} s, exit {status}{f', {problem}' if problem else ''}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
