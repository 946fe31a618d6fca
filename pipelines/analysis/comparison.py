"""BERT and GPT-2 on the same sentences: what each sees, what it fills in or goes on with, and what that costs."""

from typing import Annotated, Any

import torch
from pydantic import Field, StringConstraints
from torch.utils.flop_counter import FlopCounterMode

from pipelines.core.blocks import Block
from pipelines.decoder.language_model import control
from pipelines.models import loading

MASK = "[MASK]"


class Options(Block):
    """Sentences that encoder and decoder are compared on, each with one `[MASK]`."""

    sentences: list[Annotated[str, StringConstraints(pattern=r"^[^\[]*\S *\[MASK\][^\[]*$")]] = Field(min_length=1)


def attention_ahead(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, float]:
    """What the heads of a model look at after the token that looks.

    Args:
        model: loaded with `attn_implementation="eager"`; other implementations give no attentions.
        inputs: one sentence, (1, tokens).

    Returns:
        `largest`: the largest weight above the diagonal, over layers and heads; exactly 0 under masked attention.
        `share`: the share of all attention above the diagonal.
    """
    with torch.no_grad():
        weights = torch.stack(model(**inputs, output_attentions=True).attentions).double()
    ahead = weights.triu(diagonal=1)
    return {"largest": ahead.max().item(), "share": (ahead.sum() / weights.sum()).item()}


def fill_in(model: Any, tokenizer: Any, sentence: str, top: int) -> list[dict[str, Any]]:
    """The likeliest tokens for the mask of `sentence`, with their probabilities; both sides are seen."""
    inputs = inputs_of(model, tokenizer, sentence.replace(MASK, tokenizer.mask_token))
    (place,) = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0].tolist()
    with torch.no_grad():
        return _likeliest(model(**inputs).logits[0, place], tokenizer, top)


def go_on(model: Any, tokenizer: Any, sentence: str, intent: str, top: int) -> list[dict[str, Any]]:
    """The likeliest next tokens after what stands before the mask of `sentence`; what follows it is not seen."""
    inputs = inputs_of(model, tokenizer, f"{control(intent)} {before(sentence)}")
    with torch.no_grad():
        return _likeliest(model(**inputs).logits[0, -1], tokenizer, top)


def answer(model: Any, tokenizer: Any, intent: str, question: str, pieces: int) -> str:
    """What the decoder writes after `question`, for `intent`: greedy, 1 to `pieces` tokens."""
    inputs = inputs_of(model, tokenizer, f"{control(intent)} {question}", spare=pieces)
    with torch.no_grad():
        output = model.generate(
            **inputs, min_new_tokens=1, max_new_tokens=pieces, do_sample=False, pad_token_id=tokenizer.eos_token_id
        )
    new = output[0, inputs["input_ids"].shape[1] :]
    return " ".join(tokenizer.decode(new, skip_special_tokens=True).split())


def before(sentence: str) -> str:
    """What stands before the mask of `sentence`."""
    return sentence.split(MASK)[0].rstrip()


def inputs_of(model: Any, tokenizer: Any, text: str, spare: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of one text, each (1, tokens), where the model is.

    Raises:
        InputError: with `spare` more tokens it would not fit the model's positions.
    """
    (feature,) = loading.tokenize(tokenizer, [text], loading.max_positions(model) - spare)
    return {name: torch.tensor([values], device=model.device) for name, values in feature.items()}


def _likeliest(logits: torch.Tensor, tokenizer: Any, top: int) -> list[dict[str, Any]]:
    values, numbers = logits.double().softmax(dim=-1).topk(top)
    return [
        {"piece": tokenizer.decode([number]).strip(), "probability": value}
        for number, value in zip(numbers.tolist(), values.tolist(), strict=True)
    ]


def likeliest_intent(model: Any, tokenizer: Any, text: str, intents: list[str]) -> str:
    """The intent under which the decoder gives a text that begins with `text` the highest probability.

    A generative classifier; that the text ends there is not asked, as it may go on.
    """
    values = []
    for intent in intents:
        inputs = inputs_of(model, tokenizer, f"{control(intent)} {text}".rstrip())
        with torch.no_grad():
            scores = model(**inputs).logits[0, :-1].double().log_softmax(dim=-1)
        values.append(scores.gather(1, inputs["input_ids"][0, 1:, None]).sum().item())
    return intents[values.index(max(values))]


def multiply_adds(model: Any, inputs: dict[str, torch.Tensor]) -> int:
    """Multiply-adds of one forward pass, as PyTorch counts them: half of its floating-point operations."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**inputs)
    return counter.get_total_flops() // 2


def writing_cost(model: Any, tokenizer: Any, pieces: int) -> dict[str, int]:
    """Multiply-adds of writing that many tokens after the end token, `with_cache` and `without_cache`."""
    costs = {}
    for name, cached in (("with_cache", True), ("without_cache", False)):
        start = torch.tensor([[tokenizer.eos_token_id]], device=model.device)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.generate(
                input_ids=start,
                attention_mask=torch.ones_like(start),
                min_new_tokens=pieces,
                max_new_tokens=pieces,
                do_sample=False,
                use_cache=cached,
                pad_token_id=tokenizer.eos_token_id,
            )
        costs[name] = counter.get_total_flops() // 2
    return costs
