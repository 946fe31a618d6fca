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


def each(model: Any, texts: list[str]) -> list[dict[str, Any]]:
    """What `model` says of each text, or `error`, why it says nothing; one bad text stops no other."""
    try:
        return model(texts)
    except InputError:  # of one of them, which the message does not number
        return [_alone(model, text) for text in texts]


def _alone(model: Any, text: str) -> dict[str, Any]:
    try:
        return model(text)
    except InputError as error:
        return {"text": text, "error": str(error)}
