"""The trials of a search as a picture: the score over each option."""

import io
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure


def draw(trials: list[dict[str, Any]], metric: str, title: str) -> bytes:
    """SVG with a panel an option; later trials are darker, the best one has a ring."""
    whole = [trial for trial in trials if trial["value"] is not None]
    names = list(whole[0]["params"])
    figure = Figure(figsize=(3.2 * len(names) + 0.6, 3), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    best = max(whole, key=lambda trial: trial["value"])
    for axes, name in zip(panels, names, strict=True):
        values = [trial["params"][name] for trial in whole]
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        x = values if numbers else [str(value) for value in values]
        axes.scatter(
            x,
            [trial["value"] for trial in whole],
            c=range(len(whole)),
            cmap="Blues",
            vmin=-len(whole) / 2,
            edgecolor="k",
        )
        at = best["params"][name]
        axes.scatter([at if numbers else str(at)], [best["value"]], s=140, facecolor="none", edgecolor="#c00")
        if numbers and min(values) > 0 and max(values) / min(values) > 8:
            axes.set_xscale("log")
        axes.set(xlabel=name)
    panels[0].set(ylabel=f"{metric} on validation")
    figure.suptitle(f"{title}: {len(whole)} trials, the best has the ring")
    return svg(figure)


def svg(figure: Figure) -> bytes:
    """The picture, the same bytes each time."""
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "snips"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
