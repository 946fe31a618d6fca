"""Dropout at a third of its price on a processor, where drawing random numbers is most of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipelines.core import processes
from pipelines.training.shares import whole

BITS = 16  # drawn for each value, so a rate is kept to 1 / 2**16


def dropout(values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    """`torch.nn.functional.dropout` (Srivastava et al. 2014): each value is 0 with probability `p`, else over 1 - `p`.

    One number of 64 bits of torch's generator serves four values; `torch.dropout` draws one of 64 for each.
    """
    if not training or p == 0:
        return values
    shape, own = whole(values.shape)
    count = shape.numel()
    drawn = torch.empty(-(-count * BITS // 64), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    drawn = drawn.view(torch.int16)[:count].view(shape)
    kept = (drawn if own is None else drawn[own]) >= round(p * 2**BITS) - 2 ** (BITS - 1)
    return values * kept.to(values.dtype).mul_(1 / (1 - p))


@contextmanager
def fast_dropout(device: str) -> Iterator[None]:
    """Within, models drop out by `dropout`, if they are on the processor or several processes train together."""
    if device != "cpu" and processes.size() == 1:
        yield
        return
    plain = torch.nn.functional.dropout
    torch.nn.functional.dropout = dropout
    try:
        yield
    finally:
        torch.nn.functional.dropout = plain
