"""The lessons by name: each answers one question about the models with measured facts, a picture and a page.

Its words stand in <name>.md (see `words`), and its module offers

- `Options`: its block of params.yaml
- `measure(options, materials)`: the facts, which become its JSON, and tables, which become CSV files
- `named(facts)`: the models that the calls name -> those that were looked into
- `show(facts, tables)`: the page; what it says is read from the facts
"""

import importlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipelines.core.blocks import Block, Place
from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance
from pipelines.models import loading
from pipelines.models.options import Pooler

LESSONS = Path(__file__).parents[1]
KINDS = {"bert": "base-encoder", "gpt2": "decoder"}  # what lessons look into -> one that is there offline


def _can_be_drawn(text: str) -> str:
    if not text.strip():
        raise ValueError("an empty sentence; write one, or take the line out")
    if any(unicodedata.category(sign) in NOT_IN_XML for sign in text):
        raise ValueError("a sign that no picture can hold; take it out")
    return text


NOT_IN_XML = ("Cc", "Cs", "Cn")  # control signs, halves of surrogate pairs, signs that Unicode has not given out
Sentence = Annotated[str, AfterValidator(_can_be_drawn)]
Sentences = Annotated[list[Sentence], Field(min_length=1)]
SeveralSentences = Annotated[list[Sentence], Field(min_length=2)]  # to set side by side
ModelName = Place  # a folder of data/models


class LessonOptions(Block):
    """A block under `lessons` of params.yaml. A lesson that looks at runs of `finetune` says which."""

    def runs(self) -> list[str]:
        """Runs that the lesson cannot do without; the pipeline may have none of that name."""
        return []


class LeftOutError(InputError):
    """The corpus has nothing that this lesson could look at; the line says why."""


@dataclass(frozen=True)
class Measured:
    """What a lesson found: `facts` for its JSON; by name `tables`, rows for its CSV files, and `pages`, more HTML.

    `models` are those that it trained: by name, model and tokenizer.
    """

    facts: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    models: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Materials:
    """What a lesson works on. `folder` finds a model by its name, `rows` reads a partition of the split."""

    lesson: str
    folder: Callable[[str], Path]
    rows: Callable[[str], list[Utterance]]
    checkpoints: Path

    def rows_to_classify(self) -> list[Utterance]:
        """The rows of train.

        Raises:
            LeftOutError: they have but one intent.
        """
        rows = self.rows("train")
        if len(intents := {row["intent"] for row in rows}) < 2:
            raise LeftOutError(
                f"left out, as train has one intent, {', '.join(intents)}, so there is nothing to classify"
            )
        return rows

    def find(self, key: str, name: str, kind: str | None = None) -> Path:
        """Folder of the model that the param `key` names, checked to be of `kind` (`bert` or `gpt2`).

        Raises:
            InputError: it is nowhere to be had, or of another kind.
        """
        where = f"lessons.{self.lesson}.{key} {name}"
        try:
            folder = self.folder(name)
        except InputError as error:
            reason = str(error).split(": ", 1)[-1]
            raise InputError(f"{where}: {reason}; offline there is {KINDS.get(kind, 'base-encoder')}") from None
        found = loading.model_type(folder)
        if kind not in (None, found):
            raise InputError(f"{where}: this is a {found}, and the lesson is about a {kind}; try {KINDS[kind]}")
        return folder

    def load(
        self, key: str, name: str, auto_class: Any, kind: str, pooler: Pooler = "optional", **config: Any
    ) -> tuple[Any, Any]:
        """Model and tokenizer of `find`, without dropout; its head may be new, a missing pooler is left out."""
        folder = self.find(key, name, kind)
        model = loading.load_model(auto_class, folder, new_head=True, pooler=pooler, **config).eval()
        return model, loading.load_tokenizer(folder)

    def fits(
        self, key: str, tokenizer: Any, model: Any, text: str, second: str | None = None, longest: int | None = None
    ) -> None:
        """Raises InputError where `text`, or the pair of it and `second`, has more tokens than `model` or `longest`."""
        size = len(tokenizer(text, second)["input_ids"])
        longest = min(loading.max_positions(model), longest or size)
        if size > longest:
            raise InputError(
                f"lessons.{self.lesson}.{key}: {text[:40]!r}…: {size} tokens, but the model takes {longest}; shorten it"
            )


def names() -> list[str]:
    """The lessons that there are: the modules of the folder."""
    return sorted(path.stem for path in LESSONS.glob("[a-z]*.py"))


def get(name: str) -> ModuleType:
    """The module of a lesson.

    Raises:
        InputError: there is no such lesson.
    """
    if name not in names():
        raise InputError(f"lesson {name}: there is no such; there are: {', '.join(names())}")
    return importlib.import_module(f"pipelines.lessons.{name}")
