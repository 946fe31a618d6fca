"""Texts of data in Markdown: shown as they are, whatever signs of Markdown or HTML stand in them."""

import re

from pipelines.core.errors import printable

SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def plain(text: str) -> str:
    """`text` in one line, in a paragraph, a list or a cell of a table, where no sign of it is Markdown or HTML."""
    return SIGNS.sub(r"\\\1", printable(" ".join(text.split())))
