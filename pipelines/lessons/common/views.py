"""bertviz's head, model and neuron view as pages that carry their scripts, so that they open without a network."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import bertviz
from bertviz import head_view, model_view

VENDOR = Path(__file__).parent / "vendor"  # d3 5.7.0 (BSD-3-Clause), jQuery 3.7.1 (MIT)
# bertviz writes tokens into a script as they are: these signs could end it, so they go in as letters of their own
SIGNS = {sign: chr(0xE000 + number) for number, sign in enumerate("<>&")}

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>body {{ margin: 1.5rem; font: 15px/1.5 system-ui, sans-serif; color: #222; }}</style>
<script>{jquery}</script>
<script>{d3}</script>
<script>
const require = {{config: () => null}};
const requirejs = (names, made) => made(window.jQuery, window.d3);
</script>
</head>
<body>
<p><a href="index.html">back to the lesson</a></p>
<h1>{title}</h1>
<p>{how}</p>
{view}
</body>
</html>
"""

# as bertviz's neuron_view.show writes it
_NEURON = """\
<div id="bertviz" style="padding:8px">
<label class="dropdown-label">Layer: <select id="layer"></select></label>
<label class="dropdown-label">Head: <select id="att_head"></select></label>
<div id="vis" style="overflow-x:auto"></div>
</div>
<script>window.bertviz_params = {params};</script>
<script>{script}</script>
<script>
{layers}.forEach((layer, place) => document.querySelectorAll("#layer option")[place].textContent = layer);
</script>
"""


def head_page(title: str, attention: Any, tokens: list[str], layers: list[int], layer: int, heads: list[int]) -> str:
    """Lines from each token to those that it attends to, for the heads chosen.

    Args:
        attention: (layers, heads, tokens, tokens).
        layers: those that can be chosen; `layer` and `heads` are shown first, all heads where none is named.
    """
    how = (
        "Choose a layer; click a coloured square to switch a head off or on, double-click to see it alone; "
        "point at a token to see what it attends to."
    )
    options = {"include_layers": layers, "layer": layer, "heads": heads or None}
    return _page(title, how, head_view, attention, tokens, **options)


def model_page(title: str, attention: Any, tokens: list[str], layers: list[int]) -> str:
    """All heads of `layers` in a grid; attention as for `head_page`."""
    how = "A row is a layer, a column a head; click one to enlarge it."
    return _page(title, how, model_view, attention, tokens, include_layers=layers, display_mode="light")


def neuron_page(
    title: str, parts: dict[str, Any], tokens: list[str], layers: list[int], layer: int, head: int, both_ways: bool
) -> str:
    """Queries and keys of one head number by number, their products, and the softmax of the sums.

    bertviz's own function reads models of its own alone; its script is given what `one_sentence.inside` reads.

    Args:
        parts: `query` and `key` (layers, heads, tokens, width of a head), `weights` (layers, heads, tokens, tokens).
        layers: those that can be chosen; `layer` and `head` are shown first.
        both_ways: whether a token sees those after it.
    """
    how = (
        "Choose a layer and a head, point at a token on the left and click the +: its query, times the key of each "
        "token number by number (blue above 0, orange below), summed and divided by the root of the width, through "
        "softmax. A strong colour is a large number."
    )
    numbers = {
        name: parts[part][layers].double().round(decimals=4).tolist()
        for name, part in (("queries", "query"), ("keys", "key"), ("attn", "weights"))
    }
    shown = {
        "attention": {"all": numbers | {"left_text": tokens, "right_text": tokens}},
        "default_filter": "all",
        "root_div_id": "bertviz",
        "bidirectional": both_ways,
        "display_mode": "light",
        "layer": layers.index(layer),
        "head": head,
    }
    script = Path(bertviz.__file__).with_name("neuron_view.js").read_text(encoding="utf-8")
    params = json.dumps(shown)
    for sign in SIGNS:  # none of them ends the script
        params = params.replace(sign, f"\\u{ord(sign):04x}")
    return _filled(title, how, _NEURON.format(params=params, script=script, layers=layers))


def _page(title: str, how: str, view: Any, attention: Any, tokens: list[str], **options: Any) -> str:
    whole = [layer.unsqueeze(0).double().round(decimals=4) for layer in attention]
    safe = ["".join(SIGNS.get(sign, sign) for sign in token) for token in tokens]
    html = view(whole, safe, html_action="return", **options).data
    for sign, letter in SIGNS.items():
        html = html.replace(f"\\u{ord(letter):04x}", f"\\u{ord(sign):04x}")
    html = re.sub(r"bertviz-[0-9a-f]{32}", "bertviz", html)  # a fresh uuid each time
    html = re.sub(r"<script src=[^>]*></script>", "", html)
    html = html.replace('<select id="layer">', '<select id="layer" aria-label="Layer">')
    return _filled(title, how, html)


def _filled(title: str, how: str, html: str) -> str:
    html = re.sub(r"require\.config\(\{.*?\}\s*\}\);", "", html, flags=re.S)
    scripts = {name: (VENDOR / f"{name}.min.js").read_text(encoding="utf-8") for name in ("jquery", "d3")}
    return _PAGE.format(title=escape(title), how=escape(how), view=html, **scripts)
