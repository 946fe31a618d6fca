"""What of an utterance a layer for the whole of it reads: the pooled `[CLS]`, or the mean of its tokens."""

import torch


def mean(hidden: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """Hidden states (batch, tokens, hidden) -> their mean over the tokens that are no padding, (batch, hidden).

    What sentence-transformers were trained for (Reimers and Gurevych 2019, arXiv:1908.10084, section 3).
    """
    if attention_mask is None:
        return hidden.mean(1)
    here = attention_mask.unsqueeze(-1)
    return (hidden * here).sum(1) / here.sum(1)
