import pytest
from markdown_it import MarkdownIt

from pipelines.core.markdown import plain

RENDER = MarkdownIt("commonmark", {"html": True}).enable("table")


@pytest.mark.parametrize(
    "text",
    [
        "play `jazz` by *miles* _davis_",
        "<script>alert(1)</script>",
        "![a](http://example.com/a.png) [b](javascript:alert(1)) <http://example.com>",
        "a | b | c",
        "# no title ~~here~~ &amp; \\| \\` $x$",
        "1. no list",
        "- none",
    ],
)
def test_signs_of_markdown_and_html_are_shown_as_they_are(text):
    shown = RENDER.render(f"| a | b |\n| --- | --- |\n| {plain(text)} | end |\n")
    cells = shown.split("<tbody>")[1].replace("</td>", "<td>").split("<td>")[1::2]
    assert len(cells) == 2
    said = cells[0].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert said == text
    assert "<" not in cells[0]


def test_lines_and_signs_that_are_not_printed_stay_in_one_line():
    assert plain("a\nb\tc\x1b[31m") == "a b c\\\\x1b\\[31m"
