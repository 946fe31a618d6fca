"""The charts of the page, as Vega-Lite specifications (Satyanarayan et al. 2017)."""

from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing is fetched
Rows = list[dict[str, Any]]


def results(rows: Rows) -> dict[str, Any]:
    """Bars of each run's headline on test, full and head in two colours. `rows`: run, metric, mode, value."""
    y = {"field": "run", "type": "nominal", "sort": None, "title": None}
    x = {"field": "value", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "test"}
    colour = {"field": "mode", "type": "nominal", "title": "trained", "sort": None}
    told = [{"field": name} for name in ("run", "metric", "value")]
    bars = {"mark": {"type": "bar"}, "encoding": {"y": y, "x": x, "color": colour, "tooltip": told}}
    numbers = {
        "mark": {"type": "text", "align": "left", "dx": 4},
        "encoding": {"y": y, "x": x, "text": {"field": "value", "format": ".3f"}},
    }
    return _chart("Headline metric of each run on test", rows, layer=[bars, numbers], height=22 * len(rows))


def curves(rows: Rows) -> dict[str, Any]:
    """Headline metric on validation by epoch, a line a run. `rows`: run, epoch, value."""
    return _chart(
        "Headline metric on validation after each epoch, a line for each run",
        rows,
        mark={"type": "line", "point": True},
        encoding={
            "x": {"field": "epoch", "type": "quantitative", "title": "epoch"},
            "y": {"field": "value", "type": "quantitative", "title": "validation", "scale": {"zero": False}},
            "color": {"field": "run", "type": "nominal", "title": None, "sort": None},
            "tooltip": [{"field": name} for name in ("run", "epoch", "value")],
        },
        height=280,
    )


def confusion(run: str, rows: Rows) -> dict[str, Any]:
    """A matrix of actual and predicted intents. `rows`: actual, predicted, count, share (of the actual)."""
    intents = len({row["actual"] for row in rows})
    y = {"field": "actual", "type": "nominal", "title": "actual"}
    x = {"field": "predicted", "type": "nominal", "title": "predicted", "axis": {"labelAngle": -40}}
    colour = {"field": "share", "type": "quantitative", "scale": {"scheme": "blues"}, "title": "share of the actual"}
    told = [{"field": name} for name in ("actual", "predicted", "count", "share")]
    cells = {"mark": {"type": "rect"}, "encoding": {"y": y, "x": x, "color": colour, "tooltip": told}}
    numbers = {
        "mark": {"type": "text"},
        "encoding": {
            "y": y,
            "x": x,
            "text": {"field": "count"},
            "color": {"condition": {"test": "datum.share > 0.5", "value": "white"}, "value": "#111"},
        },
    }
    return _chart(f"Actual and predicted intents of {run}", rows, layer=[cells, numbers], height=30 * intents)


def slots(run: str, rows: Rows) -> dict[str, Any]:
    """Bars of F1 by slot label, best last, with how often each stands in test. `rows`: label, f1, support."""
    y = {"field": "label", "type": "nominal", "sort": None, "title": None}
    x = {"field": "f1", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "F1"}
    told = [{"field": name} for name in ("label", "f1", "support")]
    bars = {"mark": {"type": "bar"}, "encoding": {"y": y, "x": x, "tooltip": told}}
    numbers = {
        "mark": {"type": "text", "align": "left", "dx": 4},
        "encoding": {"y": y, "x": x, "text": {"field": "support"}},
    }
    return _chart(
        f"F1 of {run} by slot label; the number is how often it stands in test",
        rows,
        layer=[bars, numbers],
        height=16 * len(rows),
    )


def reliability(rows: Rows) -> dict[str, Any]:
    """Share right by probability, a line a run; on the diagonal both agree, and a point is as large as what it holds.

    `rows`: of, probability, right, count.
    """
    x = {"field": "probability", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "probability given"}
    y = {"field": "right", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "share right"}
    colour = {"field": "of", "type": "nominal", "title": None, "sort": None}
    told = [{"field": name} for name in ("of", "probability", "right", "count")]
    line = {"mark": {"type": "line", "strokeWidth": 1}, "encoding": {"x": x, "y": y, "color": colour}}
    size = {"field": "count", "type": "quantitative", "legend": None, "scale": {"range": [15, 300]}}
    points = {
        "mark": {"type": "point", "filled": True, "opacity": 0.8},
        "encoding": {"x": x, "y": y, "color": colour, "size": size, "tooltip": told},
    }
    diagonal = {
        "data": {"values": [{"probability": 0, "right": 0}, {"probability": 1, "right": 1}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "gray"},
        "encoding": {"x": x, "y": y},
    }
    return _chart("Reliability: share right by the probability given", rows, layer=[diagonal, line, points], height=320)


def strategies(rows: Rows) -> dict[str, Any]:
    """Strategies of generation: how alike the texts are, and in how many the intent is recognised.

    `rows`: strategy, self_bleu, intent_recognised, novel.
    """
    x = {"field": "self_bleu", "type": "quantitative", "title": "self-BLEU: how alike they are"}
    y = {"field": "intent_recognised", "type": "quantitative", "title": "intent recognised", "scale": {"zero": False}}
    told = [{"field": name} for name in ("strategy", "self_bleu", "intent_recognised", "novel")]
    points = {"mark": {"type": "point", "filled": True, "size": 70}, "encoding": {"x": x, "y": y, "tooltip": told}}
    names = {
        "mark": {"type": "text", "align": "left", "dx": 7},
        "encoding": {"x": x, "y": y, "text": {"field": "strategy"}},
    }
    return _chart("Strategies of generation by likeness and recognised intent", rows, layer=[points, names], height=300)


def _chart(told: str, rows: Rows, **more: Any) -> dict[str, Any]:
    size = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    return {"$schema": SCHEMA, "description": told, "data": {"values": rows}} | size | more
