"""The row that everything is about."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NotRequired, TypedDict

from pipelines.data.words import Slot

AT_ONCE = 10_000  # rows that are read, encoded, judged or written together, so that memory does not grow with them


class Utterance(TypedDict):
    """One utterance; spans are in characters of `text`. A new text has no `id`, `intent` and `slots`.

    `id` is `<part>/<intent>/<number>`, zero-based: in SNIPS the position in the file, in formats of one's own the count
    within part and intent. What a model wrote has `written/<intent>/<number>`, and what was changed for training ends
    in `/changed`.
    """

    text: str
    id: NotRequired[str]
    intent: NotRequired[str]
    slots: NotRequired[list[Slot]]


def some_at_once(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """`rows` in lists of `AT_ONCE`, the last shorter."""
    rest = iter(rows)
    while some := list(islice(rest, AT_ONCE)):
        yield some
