"""Generation by each strategy, ours beside `model.generate` as it is, texts a second."""

import time
from pathlib import Path

from pipelines.core import blocks
from pipelines.decoder import language_model, sampling
from pipelines.decoder.options import Generate
from pipelines.models import loading

MODEL = Path("data/models/decoder")
# what a person passes to `generate`; `max_new_tokens` and the sample size are the same
PLAIN = {
    "greedy": lambda value: {"do_sample": False},
    "beam": lambda value: {"do_sample": False, "num_beams": int(value), "num_return_sequences": int(value)},
    **{
        name: lambda value, name=name: {"do_sample": True, f"{name}": value}
        for name in ("temperature", "top_k", "top_p", "min_p")
    },
    "typical": lambda value: {"do_sample": True, "typical_p": value},
}


def ours(strategy: str, n: int) -> dict[str, float]:
    """`n` texts of each intent by `sampling.generate`."""
    model, tokenizer, options = _parts()
    value = options.strategies.listed()[strategy]
    intents = language_model.intents(tokenizer)
    sampling.generate(model, tokenizer, intents[0], strategy, value, n, options.seed, options.max_new_tokens)
    start = time.perf_counter()
    for intent in intents:
        sampling.generate(model, tokenizer, intent, strategy, value, n, options.seed, options.max_new_tokens)
    return {"per_second": n * len(intents) / (time.perf_counter() - start)}


def plain(strategy: str, n: int) -> dict[str, float]:
    """The same number of texts by `model.generate`, `n` rows at once."""
    import torch

    model, tokenizer, options = _parts()
    value = options.strategies.listed()[strategy]
    settings = {"top_k": 0} | PLAIN[strategy](value) if strategy not in ("greedy", "beam") else PLAIN[strategy](value)
    rows = 1 if strategy == "beam" else n

    def write(intent: str) -> None:
        begin = torch.tensor([[tokenizer.convert_tokens_to_ids(language_model.control(intent))]] * rows)
        model.generate(
            begin,
            attention_mask=torch.ones_like(begin),
            max_new_tokens=options.max_new_tokens,
            pad_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **settings,
        )

    torch.manual_seed(options.seed)
    intents = language_model.intents(tokenizer)
    write(intents[0])
    start = time.perf_counter()
    for intent in intents:
        write(intent)
    return {"per_second": n * len(intents) / (time.perf_counter() - start)}


def _parts():
    options = blocks.load("generate", Generate)
    return loading.load_model(language_model.TASK.auto_class, MODEL).eval(), loading.load_tokenizer(MODEL), options
