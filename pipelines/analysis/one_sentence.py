"""One sentence through one head of BERT or GPT-2: its weights, and the queries, keys and values that they come from."""

from typing import Any

import torch

from pipelines.analysis.heads import attentions

NAMES = ("query", "key", "value")


@torch.no_grad()
def inside(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`query`, `key` and `value` (layers, heads, tokens, width of a head); `weights` (layers, heads, tokens, tokens).

    The weights' rows sum to 1. `model` is a BertModel or a GPT2LMHeadModel under eager attention.
    """
    heads = model.config.num_attention_heads
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in NAMES}
    hooks = []

    def keep(names: tuple[str, ...], output: torch.Tensor) -> None:
        for name, part in zip(names, output[0].chunk(len(names), dim=-1), strict=True):
            seen[name].append(part.unflatten(-1, (heads, -1)).transpose(0, 1))

    for names, project in _projections(model):
        hooks.append(project.register_forward_hook(lambda module, given, output, names=names: keep(names, output)))
    try:
        weights = attentions(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.stack(parts) for name, parts in seen.items()} | {"weights": weights}


def _projections(model: Any) -> list[tuple[tuple[str, ...], torch.nn.Module]]:
    """The modules that make queries, keys and values, each with what comes out of it, from the first layer on."""
    if model.config.model_type == "gpt2":
        return [(NAMES, block.attn.c_attn) for block in model.transformer.h]  # one matrix for all three
    of_layers = [layer.attention.self for layer in model.encoder.layer]
    return [((name,), getattr(of_layer, name)) for of_layer in of_layers for name in NAMES]


@torch.no_grad()
def to_places(model: Any, inputs: dict[str, torch.Tensor], places: list[int]) -> list[dict[str, float]]:
    """By layer the `share` of attention that goes to these places, mean over heads and tokens, and its `lift`."""
    weights = attentions(model, inputs)
    shares = weights[..., places].sum(-1).mean(dim=(1, 2)).tolist()
    tokens = weights.shape[-1]
    return [
        {"layer": layer, "share": share, "lift": share * tokens / len(places)} for layer, share in enumerate(shares)
    ]
