"""Generation by each strategy, ours beside `model.generate` as it is, texts a second."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.core import blocks
from pipelines.decoder import language_model, sampling
from pipelines.decoder.options import Generate
from pipelines.models import loading

MODEL = Path("data/models/decoder")
# what a person passes to `generate`, beside the sample size and the length
PLAIN: dict[str, Callable[[float], dict[str, Any]]] = {
    "greedy": lambda value: {"do_sample": False},
    "beam": lambda value: {"do_sample": False, "num_beams": int(value), "num_return_sequences": int(value)},
    "temperature": lambda value: {"do_sample": True, "top_k": 0, "temperature": value},
    "top_k": lambda value: {"do_sample": True, "top_k": int(value)},
    "top_p": lambda value: {"do_sample": True, "top_k": 0, "top_p": value},
    "typical": lambda value: {"do_sample": True, "top_k": 0, "typical_p": value},
    "min_p": lambda value: {"do_sample": True, "top_k": 0, "min_p": value},
}


def ours(n: int) -> dict[str, float]:
    """`n` texts of each intent by `sampling.generate`; strategy -> texts a second."""
    model, tokenizer, options = _parts()

    def write(strategy: str, value: float, intent: str) -> None:
        sampling.generate(model, tokenizer, intent, strategy, value, n, options.seed, options.max_new_tokens)

    return _rates(write, n, tokenizer, options)


def plain(n: int) -> dict[str, float]:
    """The same number of texts by `model.generate`, `n` rows at once; strategy -> texts a second."""
    import torch

    model, tokenizer, options = _parts()

    def write(strategy: str, value: float, intent: str) -> None:
        rows = 1 if strategy == "beam" else n
        begin = torch.tensor([[tokenizer.convert_tokens_to_ids(language_model.control(intent))]] * rows)
        written = model.generate(
            begin,
            attention_mask=torch.ones_like(begin),
            max_new_tokens=options.max_new_tokens,
            pad_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **PLAIN[strategy](value),
        )
        tokenizer.batch_decode(written, skip_special_tokens=True)

    return _rates(write, n, tokenizer, options)


def _rates(write: Callable[[str, float, str], None], n: int, tokenizer: Any, options: Generate) -> dict[str, float]:
    intents = language_model.intents(tokenizer)
    found = {}
    for strategy, value in options.strategies.listed().items():
        write(strategy, value, intents[0])  # not counted
        start = time.perf_counter()
        for intent in intents:
            write(strategy, value, intent)
        found[strategy] = n * len(intents) / (time.perf_counter() - start)
    return found


def _parts() -> tuple[Any, Any, Generate]:
    options = blocks.load("generate", Generate)
    return loading.load_model(language_model.TASK.auto_class, MODEL).eval(), loading.load_tokenizer(MODEL), options
