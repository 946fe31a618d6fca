"""Attention heads in figures: what they look at, how far they lie apart, and what a decoder gives to its first token.

After Clark et al. 2019, "What does BERT look at?".
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.manifold import MDS

from pipelines.data.utterances import Utterance
from pipelines.decoder.language_model import control

TARGETS = ("cls", "sep", "previous", "next", "own")
SINK = 0.3  # mean attention to the first token from which on a head is a sink (Gu et al. 2025)


def encoder_inputs(tokenizer: Any, texts: list[str], longest: int | None) -> list[dict[str, torch.Tensor]]:
    """Texts one by one; or joined in their order into pairs of segments, `longest` tokens at most.

    A text that would be alone, with no other for the second segment, is left out.
    """
    if longest is None:
        return [dict(tokenizer(text, return_tensors="pt")) for text in texts]
    groups: list[list[str]] = []
    room = 0
    for text in texts:
        size = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        if size > room:
            groups.append([])
            room = longest - 3  # [CLS] and two [SEP]
        groups[-1].append(text)
        room -= size
    halves = [(group[: len(group) // 2], group[len(group) // 2 :]) for group in groups if len(group) > 1]
    return [dict(tokenizer(" ".join(a), " ".join(b), return_tensors="pt")) for a, b in halves]


@torch.no_grad()
def attentions(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Attention weights of one input, (layers, heads, tokens, tokens); rows sum to 1."""
    return torch.stack(model(**inputs, output_attentions=True).attentions)[:, 0]


def analyse(
    model: Any, inputs: list[dict[str, torch.Tensor]], tokenizer: Any, distances: bool = True
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Of each head the mean over all tokens: shares by target, entropy in nats, and their lifts over uniform attention.

    Returns:
        A row a head; and the mean Jensen-Shannon divergence of each pair of heads (Clark et al., section 6), in nats,
        (heads, heads), zeros without `distances`.
    """
    names = (*TARGETS, "entropy")
    config = model.config
    count = config.num_hidden_layers * config.num_attention_heads
    sums, uniform = np.zeros((count, len(names))), np.zeros(len(names))
    divergences = torch.zeros(count, count)
    pieces = 0
    for one in inputs:
        weights = attentions(model, one).flatten(0, 1)
        size = weights.shape[-1]
        masks = _targets(one["input_ids"][0], tokenizer)
        sums += torch.cat([_shares(weights, masks), entropy(weights).sum(-1, keepdim=True)], dim=1).double().numpy()
        even = torch.full((1, size, size), 1 / size)
        uniform += torch.cat([_shares(even, masks), entropy(even).sum(-1, keepdim=True)], dim=1)[0].double().numpy()
        if distances:
            divergences += _divergences(weights)
        pieces += size
    rows = []
    for number in range(count):
        layer, head = divmod(number, config.num_attention_heads)
        row: dict[str, Any] = {"layer": layer, "head": head}
        row |= {name: float(sums[number, n] / pieces) for n, name in enumerate(names)}
        row |= {f"{name}_lift": float(sums[number, n] / uniform[n]) for n, name in enumerate(names)}
        rows.append(row)
    return rows, (divergences / pieces).numpy()


def _targets(ids: torch.Tensor, tokenizer: Any) -> torch.Tensor:
    """Which token (column) is which target of which (row); (targets, tokens, tokens), 0 or 1."""
    size = len(ids)
    eye = torch.eye(size)
    column = torch.ones(size, 1)
    cls, sep = ((ids == number).float() * column for number in (tokenizer.cls_token_id, tokenizer.sep_token_id))
    return torch.stack([cls, sep, eye.roll(-1, dims=1).tril(), eye.roll(1, dims=1).triu(), eye])


def _shares(weights: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Attention (heads, tokens, tokens) to each target, summed over the tokens; (heads, targets)."""
    return torch.einsum("hij,tij->ht", weights, masks)


def entropy(weights: torch.Tensor) -> torch.Tensor:
    """Entropy of each row in nats; (…, tokens, tokens) -> (…, tokens)."""
    return torch.special.entr(weights).sum(-1)


def _divergences(weights: torch.Tensor) -> torch.Tensor:
    """Jensen-Shannon divergence of each two heads in nats, summed over the tokens; (heads, heads)."""
    own = entropy(weights).sum(-1)
    result = torch.zeros(len(weights), len(weights))
    for n in range(len(weights) - 1):
        mixed = entropy((weights[n] + weights[n + 1 :]) / 2).sum(-1)
        result[n, n + 1 :] = mixed - (own[n] + own[n + 1 :]) / 2
    return result + result.T


def divergence_between(first: Any, second: Any, inputs: list[dict[str, torch.Tensor]]) -> np.ndarray:
    """Jensen-Shannon divergence of each head from the same head of another model, mean over tokens; (layers, heads)."""
    total, pieces = 0.0, 0
    for one in inputs:
        a, b = attentions(first, one), attentions(second, one)
        total = total + (entropy((a + b) / 2) - (entropy(a) + entropy(b)) / 2).sum(-1).double()
        pieces += a.shape[-1]
    return (total / pieces).numpy()


def arrange(divergences: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Heads as points, by multidimensional scaling of their distances (as Clark et al.), and their clusters from 1 on.

    The distance is the square root of the divergence, which is a metric (Endres & Schindelin 2003).
    """
    distances = np.sqrt(np.clip(divergences, 0, None))
    scaling = MDS(metric="precomputed", random_state=seed, n_init=1, init="classical_mds")
    points = scaling.fit_transform(distances.astype(np.float64))
    tree = linkage(squareform(distances, checks=False), "average")
    return points, fcluster(tree, min(clusters, len(distances)), "maxclust")


def first_piece(model: Any, inputs: list[list[int]]) -> dict[str, Any]:
    """What heads give to the first token, beside uniform attention to what came before, and to what follows.

    Uniform causal attention gives the first of T tokens H_T / T, the mean of 1, 1/2, … 1/T.
    """
    shares, uniform, largest, pieces = 0.0, 0.0, 0.0, []
    for ids in inputs:
        weights = attentions(model, {"input_ids": torch.tensor([ids])}).double()
        shares = shares + weights[..., 0].mean(-1)
        uniform += sum(1 / (n + 1) for n in range(len(ids))) / len(ids)
        largest = max(largest, weights.triu(diagonal=1).max().item())
        pieces.append(len(ids))
    mean = (shares / len(pieces)).numpy()
    return {
        "inputs": len(pieces),
        "pieces": float(np.mean(pieces)),
        "uniform": uniform / len(pieces),
        "heads": [
            {"layer": layer, "head": head, "first": float(share), "lift": float(share * len(pieces) / uniform)}
            for layer, of_layer in enumerate(mean)
            for head, share in enumerate(of_layer)
        ],
        "head_count": mean.size,
        "sinks": int((mean > SINK).sum()),
        "largest_ahead": largest,
    }


def decoder_inputs(tokenizer: Any, rows: list[Utterance], longest: int, joined: bool) -> Iterator[list[int]]:
    """Pieces of each utterance after its control token, `longest` at most; or `joined`, of as many utterances of an
    intent as there is room for. The last block of each intent, which is rarely full, is then left out."""
    held: dict[str, list[int]] = {}
    for row in rows:
        ids = tokenizer(f" {row['text']}")["input_ids"]
        start = tokenizer(control(row["intent"]))["input_ids"]
        if not joined:
            yield (start + ids)[:longest]
            continue
        block = held.get(row["intent"], start)
        if len(block) + len(ids) > longest and len(block) > len(start):
            yield block
            block = start
        held[row["intent"]] = block + ids[: longest - len(start)]
