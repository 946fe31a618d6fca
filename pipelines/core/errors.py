"""The one error that is the user's to mend; everything else is a bug and keeps its traceback."""

from typing import Any


class InputError(Exception):
    """Bad input. The message is one line: where, what, and what to do."""

    def __init__(self, message: object) -> None:
        super().__init__(printable(str(message)))


def printable(text: str) -> str:
    """`text` as a terminal may have it, in one line: what is not printed is written as an escape."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def shown(value: Any, most: int = 60) -> str:
    """The first `most` signs of a value; its kind where it cannot be written, such as a number of 5,000 digits."""
    try:
        return repr(value)[:most]
    except (ValueError, RecursionError):
        return type(value).__name__
