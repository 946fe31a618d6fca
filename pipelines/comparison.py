"""BERT and GPT-2 on the same sentences: what each sees, what it fills in or goes on with, and what that costs."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipelines import squad
from pipelines.language_model import control, log_probabilities

MASK = "[MASK]"


def attention_ahead(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, float]:
    """What the heads of a model look at after the piece that looks.

    Args:
        model: loaded with `attn_implementation="eager"`; other implementations give no attentions.
        inputs: one sentence, (1, pieces).

    Returns:
        `largest`: the largest weight above the diagonal, over layers and heads; exactly 0 under masked attention.
        `share`: the share of all attention above the diagonal.
    """
    with torch.no_grad():
        weights = torch.stack(model(**_on(model, inputs), output_attentions=True).attentions).double()
    ahead = weights.triu(diagonal=1)
    return {"largest": ahead.max().item(), "share": (ahead.sum() / weights.sum()).item()}


def fill_in(model: Any, tokenizer: Any, sentence: str, top: int) -> list[dict[str, Any]]:
    """The likeliest pieces for the mask of `sentence`, with their probabilities; both sides are seen."""
    inputs = tokenizer(sentence.replace(MASK, tokenizer.mask_token), return_tensors="pt")
    (place,) = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0].tolist()
    with torch.no_grad():
        return _likeliest(model(**_on(model, inputs)).logits[0, place], tokenizer, top)


def go_on(model: Any, tokenizer: Any, sentence: str, intent: str, top: int) -> list[dict[str, Any]]:
    """The likeliest next pieces after what stands before the mask of `sentence`; what follows it is not seen."""
    before = sentence.split(MASK)[0].rstrip()
    inputs = tokenizer(f"{control(intent)} {before}", return_tensors="pt")
    with torch.no_grad():
        return _likeliest(model(**_on(model, inputs)).logits[0, -1], tokenizer, top)


def answer(model: Any, tokenizer: Any, intent: str, question: str, pieces: int) -> str:
    """What the decoder writes after `question`, for `intent`: greedy, 1 to `pieces` pieces."""
    inputs = _on(model, tokenizer(f"{control(intent)} {question}", return_tensors="pt"))
    with torch.no_grad():
        output = model.generate(
            **inputs, min_new_tokens=1, max_new_tokens=pieces, do_sample=False, pad_token_id=tokenizer.eos_token_id
        )
    new = output[0, inputs["input_ids"].shape[1] :]
    return " ".join(tokenizer.decode(new, skip_special_tokens=True).split())


def _on(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Inputs on the device of the model."""
    return {name: value.to(model.device) for name, value in inputs.items()}


def _likeliest(logits: torch.Tensor, tokenizer: Any, top: int) -> list[dict[str, Any]]:
    values, numbers = logits.double().softmax(dim=-1).topk(top)
    return [
        {"piece": tokenizer.decode([number]).strip(), "probability": value}
        for number, value in zip(numbers.tolist(), values.tolist(), strict=True)
    ]


def likeliest_intent(model: Any, tokenizer: Any, text: str, intents: list[str]) -> str:
    """The intent under which the decoder gives `text` the highest probability: a generative classifier."""
    values = log_probabilities(model, tokenizer, [{"intent": intent, "text": text} for intent in intents])
    return intents[values.index(max(values))]


def answered(given: str, right: str) -> bool:
    """Whether an answer is right, on the normalisation of SQuAD."""
    return bool(squad.exact_match(given, right))


def multiply_adds(model: Any, inputs: dict[str, torch.Tensor]) -> int:
    """Multiply-adds of one forward pass, as PyTorch counts them: half of its floating-point operations."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**_on(model, inputs))
    return counter.get_total_flops() // 2


def writing_cost(model: Any, tokenizer: Any, pieces: int) -> dict[str, int]:
    """Multiply-adds of writing that many pieces after the end token, `with_cache` and `without_cache`."""
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
