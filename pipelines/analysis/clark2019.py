"""Heads by layer and by target, beside what Clark et al. 2019 found in bert-base ("What does BERT look at?")."""

from typing import Any

import numpy as np

from pipelines.analysis.heads import TARGETS

# Clark et al. 2019, bert-base, pairs of up to 128 tokens; by layer, read off the authors' plots (+-.03)
REFERENCE = {
    "layers": [
        {"layer": 0, "sep": 0.03, "cls": 0.06, "entropy": 3.65},
        {"layer": 1, "sep": 0.05, "cls": 0.25, "entropy": 2.9},
        {"layer": 2, "sep": 0.07, "cls": 0.23, "entropy": 2.55},
        {"layer": 3, "sep": 0.21, "cls": 0.14, "entropy": 2.7},
        {"layer": 4, "sep": 0.48, "cls": 0.02, "entropy": 2.4},
        {"layer": 5, "sep": 0.55, "cls": 0.01, "entropy": 1.95},
        {"layer": 6, "sep": 0.53, "cls": 0.01, "entropy": 1.95},
        {"layer": 7, "sep": 0.57, "cls": 0.01, "entropy": 1.75},
        {"layer": 8, "sep": 0.57, "cls": 0.01, "entropy": 2.2},
        {"layer": 9, "sep": 0.49, "cls": 0.01, "entropy": 2.5},
        {"layer": 10, "sep": 0.06, "cls": 0.02, "entropy": 2.8},
        {"layer": 11, "sep": 0.07, "cls": 0.0, "entropy": 2.85},
    ],
    "pieces": 119,  # on average, to which the uniform entropy of their plot fits: ln 119
    "uniform_entropy": 4.78,
    "previous_heads": 4,
    "next_heads": 5,
    "heads": 144,
    "count": 12,
}


def by_layer(heads: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the heads of each layer, and what tuning changed."""
    rows = []
    for layer in sorted({head["layer"] for head in heads}):
        chosen = [n for n, head in enumerate(heads) if head["layer"] == layer]
        row: dict[str, Any] = {"layer": layer}
        for name in (*TARGETS, "entropy"):
            row[name] = float(np.mean([heads[n][name] for n in chosen]))
            row[f"{name}_lift"] = float(np.mean([heads[n][f"{name}_lift"] for n in chosen]))
            row[f"{name}_change"] = float(np.mean([tuned[n][name] - heads[n][name] for n in chosen]))
        row["divergence_from_tuned"] = float(np.mean([heads[n]["divergence_from_tuned"] for n in chosen]))
        rows.append(row)
    return rows


def strongest(heads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The head with the highest lift for each target."""
    rows = []
    for target in TARGETS:
        best = max(heads, key=lambda head: head[f"{target}_lift"])
        found = {"target": target, "layer": best["layer"], "head": best["head"]}
        rows.append(found | {"share": best[target], "lift": best[f"{target}_lift"]})
    return rows


def beside(name: str, layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Layers of the paper, each before the layer of ours that lies at the same depth, where there is one.

    Uniform attention gives `[CLS]` one share of their tokens there, and the two `[SEP]` two.
    """
    pieces, count = REFERENCE["pieces"], len(REFERENCE["layers"])
    rows = []
    for layer in REFERENCE["layers"]:
        depth = (layer["layer"] + 1) / count
        lifts = {"cls_lift": layer["cls"] * pieces, "sep_lift": layer["sep"] * pieces / 2}
        entropy = {"entropy_lift": layer["entropy"] / REFERENCE["uniform_entropy"]}
        rows.append({"model": "bert-base", "depth": depth} | layer | lifts | entropy)
        for own in layers:
            if (own["layer"] + 1) * count == (layer["layer"] + 1) * len(layers):
                rows.append({"model": name, "depth": depth} | {key: own[key] for key in rows[-1] if key in own})
    return rows
