"""One sentence through one head of BERT or GPT-2: its weights, and the queries, keys and values that they come from."""

from typing import Any

import torch

from pipelines.analysis.heads import attentions


@torch.no_grad()
def inside(model: Any, inputs: dict[str, torch.Tensor], layer: int, head: int) -> dict[str, torch.Tensor]:
    """`query`, `key` and `value` (tokens, width of a head), and `weights` (tokens, tokens), whose rows sum to 1.

    `model` is a BertModel or a GPT2LMHeadModel under eager attention.
    """
    width = model.config.hidden_size // model.config.num_attention_heads
    seen: dict[str, torch.Tensor] = {}
    hooks = []
    if model.config.model_type == "gpt2":
        project = model.transformer.h[layer].attn.c_attn  # one matrix for all three

        def keep(module: Any, given: Any, output: torch.Tensor) -> None:
            seen.update(zip(("query", "key", "value"), output.chunk(3, dim=-1), strict=True))

        hooks.append(project.register_forward_hook(keep))
    else:
        attention = model.encoder.layer[layer].attention.self
        for name in ("query", "key", "value"):
            hooks.append(
                getattr(attention, name).register_forward_hook(
                    lambda module, given, output, name=name: seen.__setitem__(name, output)
                )
            )
    try:
        weights = attentions(model, inputs)[layer, head]
    finally:
        for hook in hooks:
            hook.remove()
    return {name: of[0, :, head * width : (head + 1) * width] for name, of in seen.items()} | {"weights": weights}


@torch.no_grad()
def to_places(model: Any, inputs: dict[str, torch.Tensor], places: list[int]) -> list[dict[str, float]]:
    """By layer the `share` of attention that goes to these places, mean over heads and tokens, and its `lift`."""
    weights = attentions(model, inputs)
    shares = weights[..., places].sum(-1).mean(dim=(1, 2)).tolist()
    tokens = weights.shape[-1]
    return [
        {"layer": layer, "share": share, "lift": share * tokens / len(places)} for layer, share in enumerate(shares)
    ]
