"""A lesson's page: HTML that carries all it shows, so that it opens from disk without a network."""

import base64
import re
from dataclasses import dataclass, field
from html import escape
from typing import Any

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #222; }}
h1 {{ font-size: 1.7rem; line-height: 1.25; }}
h2 {{ font-size: 1.25rem; margin-top: 2.2rem; }}
pre {{ background: #f4f4f2; padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }}
code {{ background: #f4f4f2; padding: 0 .2em; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }}
th, td {{ padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }}
td {{ white-space: pre-wrap; }}
th {{ border-bottom: 2px solid #999; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
figure {{ margin: 1.2rem 0; }}
img {{ max-width: 100%; }}
figcaption, .data {{ color: #666; font-size: .9rem; }}
</style>
</head>
<body>
<p class="data">Lesson: {name}. Data: {data}.</p>
<h1>{question}</h1>
<h2>The calls</h2>
<pre>{calls}</pre>
{body}
<h2>Vary it</h2>
<pre>{vary}</pre>
<p class="data">Numbers are read from <code>metrics/lessons/{name}.json</code>, pictures drawn from it and from the CSV
files beside this page.</p>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """A lesson as it is shown. `body` holds what the functions below make, `pictures` SVG files."""

    question: str
    calls: str
    body: list[str]
    vary: str
    data: str = ""  # what it was measured on, where that is not the corpus of the pipeline
    pictures: dict[str, bytes] = field(default_factory=dict)

    def html(self, name: str, data: str) -> str:
        """The page of the lesson `name`, made from `data`."""
        return _PAGE.format(
            title=escape(f"{name}: {self.question}"),
            name=name,
            data=escape(data),
            question=escape(self.question),
            calls=escape(self.calls.strip()),
            body="\n".join(self.body),
            vary=escape(self.vary.strip()),
        )


def left_out(name: str, question: str, line: str) -> str:
    """The page of a lesson that has nothing to look at; `line` says why."""
    return Page(question, "", [text(line)], "").html(name, "none")


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
        return f'<{tag} class="number">{content}</{tag}>' if key in numbers else f"<{tag}>{content}</{tag}>"

    lines = ["".join(cell("th", key, _inline(title)) for key, title in columns.items())]
    lines += ["".join(cell("td", key, escape(shown(row.get(key)))) for key in columns) for row in rows]
    return '<div class="wide"><table>\n' + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table></div>"


def picture(svg: bytes, caption: str) -> str:
    """An SVG picture, inside the page."""
    source = base64.b64encode(svg).decode()
    alternative = escape(caption.replace("`", ""))
    return (
        f'<figure><img alt="{alternative}" src="data:image/svg+xml;base64,{source}">'
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
