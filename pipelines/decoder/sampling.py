"""GPT-2 writes utterances for an intent, by the sampling strategies of `transformers.generate`."""

from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from pipelines.core.errors import InputError
from pipelines.decoder.language_model import control, intents
from pipelines.models import loading, precision

# strategy -> what narrows the distribution that is sampled from, given the strategy's number
WARPERS = {
    "temperature": TemperatureLogitsWarper,  # logits over a temperature (Ackley et al. 1985)
    "top_k": TopKLogitsWarper,  # the k likeliest tokens (Fan et al. 2018)
    "top_p": TopPLogitsWarper,  # nucleus: the likeliest tokens that make up p (Holtzman et al. 2020)
    "typical": TypicalLogitsWarper,  # tokens whose surprise is nearest to the expected one (Meister et al. 2023)
    "min_p": MinPLogitsWarper,  # tokens at least this share as likely as the likeliest (Nguyen et al. 2024)
}
# The two other strategies draw nothing: `greedy` takes the likeliest token, `beam` keeps the likeliest beginnings
# (Lowerre 1976) and ranks by log-probability a token, as transformers does by default.
BATCH = 50  # utterances; always whole batches, as the last bit of a logit depends on the size of its batch


class _Draw(LogitsProcessor):
    """Adds Gumbel noise, so that the highest score is a draw from softmax(scores) (Gumbel 1954; Maddison et al. 2014).

    Each row has a generator of its own, which `torch.multinomial` over a batch cannot offer: what is drawn for a seed
    does not depend on what else is drawn.
    """

    def __init__(self, seeds: list[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        noise = torch.stack([torch.empty(scores.shape[-1]).exponential_(generator=g) for g in self.generators])
        return scores - noise.log().to(scores.device)


def generate(
    model: Any,
    tokenizer: Any,
    intent: str,
    strategy: str,
    value: float,
    n: int,
    seed: int,
    max_new_tokens: int,
    prompt: str = "",
) -> list[dict[str, Any]]:
    """`n` utterances of `intent` that begin with `prompt`.

    Rows of `intent`, `strategy`, `seed` and `text`. Utterance number i has the seed `seed` + i, which with the other
    arguments fixes its text: a larger `n` adds to the set and changes nothing in it. `greedy` and `beam` draw nothing
    and have no seed: greedy writes one text n times, beam the n best of its beams.

    Args:
        value: the number of the strategy, see `pipelines.decoder.options.Strategies`.

    Raises:
        InputError: the model does not know the intent, there are fewer beams than `n`, or prompt and utterance
            together have more tokens than the model has positions.
    """
    _check(tokenizer, intent)
    if strategy == "beam" and value < n:
        raise InputError(f"strategy beam: {n} utterances of {value} beams; ask for fewer, or for more beams")
    begin = [tokenizer.convert_tokens_to_ids(control(intent))]
    if prompt:
        begin += tokenizer(f" {prompt}")["input_ids"]
    longest = loading.max_positions(model)
    if len(begin) + max_new_tokens > longest:
        raise InputError(
            f"prompt {prompt[:40]!r}: {len(begin)} tokens and {max_new_tokens} to write are more than the "
            f"{longest} positions of the model; shorten the prompt"
        )
    texts: list[str] = []
    drawn = strategy in WARPERS
    while len(texts) < n:
        seeds = range(seed + len(texts), seed + len(texts) + BATCH)
        if drawn:
            options = {"logits_processor": LogitsProcessorList([WARPERS[strategy](value), _Draw(list(seeds))])}
        elif strategy == "beam":
            options = {"num_beams": int(value), "num_return_sequences": int(value), "early_stopping": True}
        else:
            options = {}
        texts += _write(model, tokenizer, begin, len(seeds) if drawn else 1, max_new_tokens, options)
        if strategy == "greedy":
            texts *= n
    return [
        {"intent": intent, "strategy": strategy, "seed": seed + number if drawn else None, "text": text}
        for number, text in enumerate(texts[:n])
    ]


def _check(tokenizer: Any, intent: str) -> None:
    known = intents(tokenizer)
    if intent not in known:
        raise InputError(f"intent {intent}: the decoder does not know it; it knows: {', '.join(known)}")


@torch.no_grad()
def _write(
    model: Any, tokenizer: Any, begin: list[int], rows: int, max_new_tokens: int, options: dict[str, Any]
) -> list[str]:
    device = "cuda" if precision.on_gpu() else "cpu"
    model.to(device).eval()
    inputs = torch.tensor([begin] * rows, device=device)
    controls = [number for number in tokenizer.all_special_ids if number != tokenizer.eos_token_id]
    output = model.generate(
        input_ids=inputs,
        attention_mask=torch.ones_like(inputs),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        suppress_tokens=controls,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        **options,
    )
    return [" ".join(tokenizer.decode(row, skip_special_tokens=True).split()) for row in output]
