"""A small GPT-2 from random weights, with a tokenizer of its own."""

from typing import Any

import torch
from tokenizers.normalizers import Lowercase
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer, PreTrainedTokenizerFast

from pipelines.decoder.options import Scratch


def scratch(sizes: Scratch, texts: list[str]) -> tuple[Any, Any]:
    """A GPT-2 with random weights, and its byte-level BPE tokenizer learned on `texts`."""
    blank = [f" {text}" for text in texts]  # every utterance follows its control token after a blank
    learned = GPT2Tokenizer()
    if sizes.lowercase:
        learned.backend_tokenizer.normalizer = Lowercase()
    learned = learned.train_new_from_iterator(
        blank, sizes.vocab_size, show_progress=False, min_frequency=sizes.least_frequency
    )
    # loaded again, GPT2Tokenizer would forget the normalizer
    names = {"bos_token": learned.eos_token, "eos_token": learned.eos_token}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=learned.backend_tokenizer, **names)
    shared = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), sizes.dropout)
    end = tokenizer.eos_token_id
    shape = sizes.model_dump(include={"n_positions", "n_embd", "n_layer", "n_head"})
    torch.manual_seed(sizes.seed)
    # the same function as GPT-2's `gelu_new`, in one kernel: a step takes a tenth less
    shape["activation_function"] = "gelu_pytorch_tanh"
    config = GPT2Config(vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end, **shape, **shared)
    return GPT2LMHeadModel(config), tokenizer
