"""Many texts, a line each: JSON lines out, in their order; a line without an answer says why, and the rest goes on."""

import json
import sys
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Any, TextIO

from tqdm import tqdm

from pipelines.core.errors import InputError
from pipelines.serving.answers import check, each
from pipelines.serving.model import Model

AT_ONCE = 512  # lines


def answer(model: Model, source: Iterable[bytes], target: TextIO, question: str | None = None) -> int:
    """Write what `model` says of each line of `source`, UTF-8, to `target`; -> how many lines had no answer.

    A bar on stderr counts the lines, if that is a terminal.
    """
    broken, lines = 0, iter(source)
    with tqdm(unit=" texts", disable=not sys.stderr.isatty()) as bar:
        at_once = 1 if getattr(source, "isatty", bool)() else AT_ONCE
        while some := list(islice(lines, at_once)):
            said = _answers(model, some, question)
            broken += sum("error" in one for one in said)
            target.writelines(as_json(one) + "\n" for one in said)
            target.flush()
            bar.update(len(some))
    return broken


def as_json(said: Any) -> str:
    """JSON in one line that a terminal may have: letters as they are, what is not printed as an escape."""
    text = json.dumps(said, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def _answers(model: Model, some: list[bytes], question: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [_read(line) for line in some]
    good = [n for n, one in enumerate(found) if "error" not in one]
    texts = [found[n]["text"] for n in good]
    said = each(model if question is None else partial(_asked, model, question), texts)
    for n, one in zip(good, said, strict=True):
        found[n] = one
    return found


def _asked(model: Model, question: str, texts: str | list[str]) -> Any:
    """As a model is called, with a question to each text."""
    return model.ask(texts, question) if isinstance(texts, str) else [model.ask(text, question) for text in texts]


def _read(line: bytes) -> dict[str, Any]:
    """The text of a line, or the bytes that are none with what is wrong, so that a line out is one line in."""
    text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8-sig", "backslashreplace")
    try:
        line.decode("utf-8")
        check(text)
    except UnicodeDecodeError as error:
        return {"text": text, "error": f"not UTF-8 at byte {error.start}; save the file as UTF-8"}
    except InputError as error:
        return {"text": text, "error": str(error)}
    return {"text": text}
