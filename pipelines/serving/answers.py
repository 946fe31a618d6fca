"""What is the same for every model that answers: the texts that have an answer, and what it looks like."""

from typing import Any

from pipelines.core.errors import InputError


def check(text: str) -> None:
    """Whether there is anything to say something of.

    Raises:
        InputError: the text is empty, or is no text.
    """
    if not text.strip():
        raise InputError("the text is empty; give a text")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise InputError("the text has half of a surrogate pair, which is no character; mend its encoding")


def shown(text: str, prediction: dict[str, Any]) -> dict[str, Any]:
    """A prediction with its text, and each slot with its value."""
    answer = {"text": text} | prediction
    if "slots" in answer:
        answer["slots"] = [
            {"label": slot["label"], "value": text[slot["start"] : slot["end"]]}
            | {name: slot[name] for name in ("start", "end", "score")}
            for slot in prediction["slots"]
        ]
    return answer
