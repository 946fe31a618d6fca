"""What a lesson says in words, in lessons/<name>.md: question, idea, calls, three questions, the idea in Spanish."""

import re
from dataclasses import dataclass
from pathlib import Path

LESSONS = Path(__file__).parents[1]
# the way through the lessons; others come after them, by name
WAY = (
    *("tokenization", "embeddings", "attention", "architecture", "masking", "next_sentence"),
    *("transfer", "answers", "monitor"),
)


@dataclass(frozen=True)
class Words:
    """`idea` and answers are paragraphs, where text between backticks is code; `code` runs as it stands."""

    question: str
    idea: list[str]
    code: str
    quiz: list[tuple[str, list[str]]]
    spanish_question: str
    spanish_idea: list[str]


def read(name: str) -> Words:
    """The words of the lesson `name`."""
    text = (LESSONS / f"{name}.md").read_text(encoding="utf-8")
    head, _, calls, _, questions, spanish, told = re.split(r"^## (.*)\n", text, flags=re.M)
    title, *idea = _paragraphs(head)
    quiz = [_paragraphs(part) for part in re.split(r"^### ", questions, flags=re.M)[1:]]
    return Words(
        question=title.removeprefix("# "),
        idea=idea,
        code=re.search(r"```python\n(.*?)```", calls, re.S)[1],
        quiz=[(first, rest) for first, *rest in quiz],
        spanish_question=spanish.removeprefix("En español: "),
        spanish_idea=_paragraphs(told),
    )


def beside(name: str) -> tuple[str | None, str | None]:
    """The lessons before and after `name` on the way."""
    way = on_the_way([path.stem for path in LESSONS.glob("[a-z]*.py")])
    at = way.index(name)
    return way[at - 1] if at else None, way[at + 1] if at + 1 < len(way) else None


def on_the_way(names: list[str]) -> list[str]:
    """These lessons in the order in which they are read."""
    return sorted(names, key=lambda name: (WAY.index(name) if name in WAY else len(WAY), name))


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.strip().split("\n\n") if part.strip()]
