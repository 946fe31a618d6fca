"""A lesson's page: HTML that carries all it shows, so that it opens from disk without a network."""

import base64
import re
from dataclasses import dataclass, field
from html import escape
from typing import Any

from pipelines.lessons.common.words import Words, beside

ALTERNATIVE = "Chart, told below; its numbers stand in a table or CSV file of this lesson"

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
body {{ max-width: 62rem; margin: 1rem auto 3rem; padding: 0 1rem; }}
body {{ color: #222; font: 16px/1.55 system-ui, sans-serif; }}
h1 {{ font-size: 1.7rem; line-height: 1.25; }}
h2 {{ font-size: 1.25rem; margin-top: 2.2rem; }}
pre {{ background: #f4f4f2; padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }}
code {{ background: #f4f4f2; padding: 0 .2em; }}
nav {{ display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }}
a {{ color: #0b57a4; }}
.idea {{ font-size: 1.05rem; max-width: 46rem; }}
.said {{ border-left: 4px solid #9bb; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }}
th, td {{ padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }}
td, tbody th {{ white-space: pre-wrap; font-weight: inherit; }}
thead th {{ border-bottom: 2px solid #777; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
figure {{ margin: 1.2rem 0; }}
img {{ max-width: 100%; }}
summary {{ cursor: pointer; font-weight: 600; padding: .2rem 0; }}
figcaption, .data {{ color: #595959; font-size: .9rem; }}
</style>
</head>
<body>
<nav aria-label="Lessons">{links}</nav>
<main>
<p class="data">Lesson: {name}. Data: {data}.</p>
<h1>{question}</h1>
<div class="idea">
{idea}
</div>
<details lang="es"><summary>{spanish_question}</summary>
{spanish_idea}
</details>
{body}
{calls}
{vary}
<h2>Three questions</h2>
{quiz}
</main>
</body>
</html>
"""
_CALLS = """\
<h2>The calls</h2>
<pre tabindex="0">{code}</pre>
<p>They print:</p>
<pre class="said" tabindex="0">{said}</pre>
<p>Beside this page: <a href="calls.py">calls.py</a>, to be run from the project's folder, and <a
href="lesson.ipynb">lesson.ipynb</a>, the same as a notebook; change a copy of it, as DVC makes this folder anew.</p>
"""
_MADE = "<span>(each is there once dvc repro has made it)</span>"
_SOURCES = """\
<p class="data">Numbers are read from <code>metrics/lessons/{name}.json</code>, pictures drawn from it and from the CSV
files beside this page.</p>
"""


@dataclass(frozen=True)
class Page:
    """What a lesson measured, as it is shown. `body` holds what the functions below make, `pictures` SVG files."""

    body: list[str]
    vary: str
    data: str = ""  # what it was measured on, where that is not the corpus of the pipeline
    pictures: dict[str, bytes] = field(default_factory=dict)

    def html(self, name: str, data: str, words: Words, code: str, said: str) -> str:
        """The page of the lesson `name`, made from `data`; `code` printed `said`. Its first picture stands first."""
        at = next((n for n, part in enumerate(self.body) if part.startswith("<figure>")), 0)
        body = self.body  # where a heading alone stands before it, it stays
        if at > 1:
            body = [body[at], *body[:at], *body[at + 1 :]]
        return _filled(
            name,
            data,
            words,
            body="\n".join(body),
            calls=_CALLS.format(code=escape(code.strip()), said=escape(said.strip())),
            vary=f'{_SOURCES.format(name=name)}<h2>Vary it</h2>\n<pre tabindex="0">{escape(self.vary.strip())}</pre>',
        )


def left_out(name: str, words: Words, line: str) -> str:
    """The page of a lesson that has nothing to look at; `line` says why."""
    return _filled(name, "none", words, body=text(line), calls="", vary="")


def _filled(name: str, data: str, words: Words, **parts: str) -> str:
    before, after = beside(name)
    links = [("../../report/lessons.html", "all lessons")]
    links += [(f"../{before}/index.html", f"← {before}")] if before else []
    links += [(f"../{after}/index.html", f"{after} →")] if after else []
    quiz = [
        f"<details><summary>{_inline(asked)}</summary>\n{''.join(map(text, answer))}\n</details>"
        for asked, answer in words.quiz
    ]
    return _PAGE.format(
        title=escape(f"{name}: {words.question}"),
        links="".join(f'<a href="{escape(target)}">{escape(told)}</a>' for target, told in links) + _MADE,
        name=name,
        data=escape(data),
        question=escape(words.question),
        idea="\n".join(map(text, words.idea)),
        spanish_question=escape(words.spanish_question),
        spanish_idea="\n".join(map(text, words.spanish_idea)),
        quiz="\n".join(quiz),
        **parts,
    )


def heading(words: str) -> str:
    """A heading of a part of the page."""
    return f"<h2>{escape(words)}</h2>"


def text(words: str) -> str:
    """A paragraph; what stands between backticks is code."""
    return f"<p>{_inline(words)}</p>"


def link(target: str, words: str) -> str:
    """A paragraph that leads to a file beside the page."""
    return f'<p><a href="{escape(target)}">{escape(words)}</a></p>'


def table(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    """Rows as a table; `columns` gives the heading of each key."""
    numbers = {
        key
        for key in columns
        if rows
        and all(isinstance(row.get(key), int | float | None) and not isinstance(row.get(key), bool) for row in rows)
    }

    def cell(tag: str, key: str, content: str) -> str:
        return f'<{tag} class="number">{content}</{tag[:2]}>' if key in numbers else f"<{tag}>{content}</{tag[:2]}>"

    first = next(iter(columns))  # names the row
    head = "".join(cell('th scope="col"', key, _inline(title)) for key, title in columns.items())
    lines = [
        "".join(cell('th scope="row"' if key == first else "td", key, escape(shown(row.get(key)))) for key in columns)
        for row in rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="table"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """A figure and, in brackets, its interval."""
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def picture(svg: bytes, caption: str) -> str:
    """An SVG picture, inside the page."""
    source = base64.b64encode(svg).decode()
    return (
        f'<figure><img alt="{ALTERNATIVE}" src="data:image/svg+xml;base64,{source}">'
        f"<figcaption>{_inline(caption)}</figcaption></figure>"
    )


def shown(value: Any) -> str:
    """A value of the JSON as a reader wants it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return " ".join(shown(one) for one in value)
    return str(value)


def shape(sizes: list[int]) -> str:
    """`(30522, 384)`, as Python writes a tuple."""
    return str(tuple(sizes))


def _inline(words: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words))
