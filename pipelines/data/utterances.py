"""The row that everything is about."""

from typing import NotRequired, TypedDict

from pipelines.data.words import Slot


class Utterance(TypedDict):
    """One utterance; spans are in characters of `text`. A new text has no `id`, `intent` and `slots`.

    `id` is `<part>/<intent>/<zero-based position in its file>`.
    """

    text: str
    id: NotRequired[str]
    intent: NotRequired[str]
    slots: NotRequired[list[Slot]]
