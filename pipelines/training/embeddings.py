"""Train the word embeddings that a run meets, and leave the rest of the vocabulary where it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class RowsInUse(torch.nn.Module):
    """Stands in for a whole table of word embeddings, (vocabulary, width), with its rows `used`, in order.

    A token that a run never meets has a gradient of 0 in every step, so its row could only be drawn to 0 by weight
    decay. Half of a small BERT are such rows, and an optimizer that passes over them costs a third of a step.
    """

    def __init__(self, whole: torch.nn.Embedding, used: list[int]) -> None:
        super().__init__()
        place = torch.full((whole.num_embeddings,), -1)  # no row: a token that was not foreseen is an error
        place[used] = torch.arange(len(used))
        self.register_buffer("place", place, persistent=False)
        self.weight = torch.nn.Parameter(whole.weight.detach()[used].clone())
        self.padding_idx = None if whole.padding_idx is None else int(place[whole.padding_idx])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding(self.place[ids], self.weight, self.padding_idx)


@contextmanager
def rows_in_use(model: Any, tokens: set[int]) -> Iterator[None]:
    """Within, `model` has the embeddings of these tokens alone; then all again.

    Nothing is done where the embeddings are frozen, or tied to an output layer, which needs them all.
    """
    whole = model.get_input_embeddings()
    if model.get_output_embeddings() is not None or not whole.weight.requires_grad:
        yield
        return
    used = sorted(tokens)
    rows = RowsInUse(whole, used)
    model.set_input_embeddings(rows)
    try:
        yield
    finally:
        with torch.no_grad():
            whole.weight[used] = rows.weight.to(whole.weight.device)
        model.set_input_embeddings(whole)
