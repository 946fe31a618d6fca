"""Pictures of lessons, by matplotlib: SVG in the same bytes each time."""

import io
import warnings
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

WIDTH = 8.5  # inches
MARKERS = "osD^vPX<>*hp"  # by their shape lines and groups differ where colours do not
NAMES_A_LINE = 3  # below a map


def bars(groups: dict[str, dict[str, float]], label: str) -> bytes:
    """Grouped horizontal bars: row -> series -> value."""
    names = list(next(iter(groups.values())))
    figure, axes = _figure(0.8 + 0.28 * len(groups) * max(1, len(names)))
    height = 0.8 / len(names)
    for number, name in enumerate(names):
        places = [row + (number - (len(names) - 1) / 2) * height for row in range(len(groups))]
        drawn = axes.barh(places, [values[name] for values in groups.values()], height, label=name)
        axes.bar_label(drawn, fmt="%.3g", padding=2, fontsize=8)
    axes.set(yticks=range(len(groups)), yticklabels=list(groups), xlabel=label)
    axes.margins(x=0.12)
    axes.invert_yaxis()
    if len(names) > 1:  # above, where it covers no bar
        figure.legend(loc="outside upper center", ncols=len(names), fontsize=8)
    return _svg(figure)


def lines(series: dict[str, list[tuple[float, ...]]], x: str, y: str, logarithmic: bool = False) -> bytes:
    """Lines through points (x, y), or (x, y, low, high) with an interval."""
    figure, axes = _figure(3.6)
    for name, points, marker in zip(series, series.values(), cycle(MARKERS)):
        across, up, *ends = zip(*points, strict=True)
        axes.plot(across, up, marker=marker, markersize=4, label=name)
        if ends:
            axes.fill_between(across, *ends, alpha=0.15)
    if logarithmic:
        axes.set_xscale("log")
        ticks = sorted({point[0] for points in series.values() for point in points})
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axes.minorticks_off()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return _svg(figure)


def heatmaps(matrices: dict[str, np.ndarray], x: str, y: str, ticks: bool = True, unit: str = "") -> bytes:
    """Matrices side by side, each under its title, on one scale of colours."""
    columns = min(3, len(matrices))
    height, width = next(iter(matrices.values())).shape
    size = WIDTH / columns
    rows = -(-len(matrices) // columns)
    figure, grid = _figure(min(6.0 * rows, rows * (size * min(1.0, height / width) + 0.75)), columns, matrices)
    low = min(float(matrix.min()) for matrix in matrices.values())
    high = max(float(matrix.max()) for matrix in matrices.values())
    for axes, (title, matrix) in zip(grid, matrices.items(), strict=True):
        image = axes.imshow(matrix, vmin=low, vmax=high, cmap="viridis", interpolation="none")
        axes.set_title(title, fontsize=9)
        axes.set(xlabel=x, ylabel=y)
        if ticks:
            axes.set(xticks=range(width), yticks=range(height))
        axes.tick_params(labelsize=7)
    figure.colorbar(image, ax=grid, shrink=0.8, label=unit)
    return _svg(figure)


def matrices(of: dict[str, tuple[np.ndarray, list[str]]]) -> bytes:
    """Square matrices side by side, on one scale: title -> values, and the names of its rows and columns."""
    figure, grid = _figure(min(6.0, 1.9 + 0.22 * max(len(names) for _, names in of.values())), len(of), of)
    high = max(float(values.max()) for values, _ in of.values())
    for axes, (title, (values, names)) in zip(grid, of.items(), strict=True):
        image = axes.imshow(values, vmin=0, vmax=high, cmap="viridis", interpolation="none")
        axes.set_title(title, fontsize=9)
        names = [name.replace("$", r"\$") for name in names]  # no formulas
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
    figure.colorbar(image, ax=grid, shrink=0.8)
    return _svg(figure)


def maps(panels: dict[str, list[tuple[float, float, str]]]) -> bytes:
    """Points (x, y, group) in panels side by side; in each a colour and marker a group, 240 of them, named below it."""
    named = [sorted({of for *_, of in points}, key=lambda of: (len(of), of)) for points in panels.values()]
    lines = -(-max(map(len, named)) // NAMES_A_LINE)
    figure, grid = _figure(5.0 + 0.17 * max(0, lines - 3), len(panels), panels)
    for axes, (title, points), groups in zip(grid, panels.items(), named, strict=True):
        colours = [f"C{n}" for n in range(10)] if len(groups) <= 10 else colormaps["tab20"].colors
        drawn = []
        for number, group in enumerate(groups):
            chosen = [(x, y) for x, y, of in points if of == group]
            again, colour = divmod(number, len(colours))
            marker = MARKERS[again % len(MARKERS)]
            drawn.append(axes.scatter(*zip(*chosen, strict=True), s=8, color=colours[colour], marker=marker))
        axes.set_title(title, fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.legend(drawn, groups, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=NAMES_A_LINE, fontsize=7)
    return _svg(figure)


def _figure(height: float, columns: int = 1, panels: Any = ()) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    if not panels:
        return figure, figure.subplots()
    grid = figure.subplots(-(-len(panels) // columns), columns, squeeze=False).flatten()
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure, list(grid[: len(panels)])


def _svg(figure: Figure) -> bytes:
    """The picture; where its font lacks a sign, texts stay texts, and the browser finds a font that has it."""
    known = get_font(findfont(FontProperties())).get_charmap()
    signs = {sign for text in figure.findobj(Text) for sign in text.get_text() if sign.isprintable()}
    lacking = any(ord(sign) not in known for sign in signs)
    drawn = io.BytesIO()
    with (
        rc_context({"svg.hashsalt": "snips", "svg.fonttype": "none" if lacking else "path"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
