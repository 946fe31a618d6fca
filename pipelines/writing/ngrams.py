"""An n-gram model of the utterances of each intent: what a decoder has to be better than."""

import math
from collections import Counter, defaultdict
from random import Random
from typing import Any

import numpy as np

from pipelines.data.utterances import Utterance
from pipelines.decoder.language_model import control

Gram = tuple[int, ...]  # numbers of tokens
LEAST = 0.01  # that is taken off a count


class NgramModel:
    """Interpolated n-grams by modified Kneser-Ney (Chen & Goodman 1999, section 3), over the tokens of `tokenizer`.

    Each text begins with the control token of its intent, and ends with the end token: the same tokens, condition and
    end as the decoder's, so that log-probabilities compare. Below the single tokens stand even shares of all tokens, so
    that none is impossible.
    """

    def __init__(self, order: int, tokenizer: Any, rows: list[Utterance]) -> None:
        self.tokenizer, self.order, self.size = tokenizer, order, len(tokenizer)
        seen = Counter(place for row in rows for place in self._places(row))
        self.after: list[dict[Gram, dict[int, int]]] = []  # by order from 1: context -> token -> count
        self.discounts: list[tuple[float, ...]] = []  # of a count of 0, 1, 2, and 3 and more
        self.totals: list[dict[Gram, tuple[int, float]]] = []  # context -> sum of its counts, and of what is taken off
        for length in range(1, order + 1):
            after: dict[Gram, dict[int, int]] = defaultdict(dict)
            for gram, count in self._counted(seen, length).items():
                after[gram[:-1]][gram[-1]] = count
            self.after.append(dict(after))
            off = (0.0, *_discounts(Counter(n for of in after.values() for n in of.values())))
            self.discounts.append(off)
            self.totals.append(
                {
                    context: (sum(of.values()), math.fsum(off[min(count, 3)] for count in of.values()))
                    for context, of in after.items()
                }
            )

    def _counted(self, seen: Counter[Gram], length: int) -> Counter[Gram]:
        """How often each gram of this length stands there, where it is the longest or begins a text; of others, after
        how many different tokens."""
        grams: Counter[Gram] = Counter()
        before: dict[Gram, set[int]] = defaultdict(set)
        begins = set(self.tokenizer.all_special_ids) - {self.tokenizer.eos_token_id}
        for place, count in seen.items():
            gram = place[self.order - length :]
            if length > 1 and gram[0] in begins and gram[1] == gram[0]:
                continue  # a begin said twice is no longer context than one said once
            if length == self.order or (length > 1 and gram[0] in begins):
                grams[gram] += count
            else:
                before[gram].add(place[self.order - length - 1])
        return grams + Counter({gram: len(tokens) for gram, tokens in before.items()})

    def _begin(self, intent: str) -> Gram:
        return (self.tokenizer.convert_tokens_to_ids(control(intent)),) * (self.order - 1)

    def _places(self, row: Utterance) -> list[Gram]:
        """For each token of a text, and its end, the `order` - 1 tokens before it, and the token."""
        ids = self.tokenizer(f" {row['text']}", add_special_tokens=False)["input_ids"]
        whole = (*self._begin(row["intent"]), *ids, self.tokenizer.eos_token_id)
        return [whole[n : n + self.order] for n in range(len(ids) + 1)]

    def shares(self, context: Gram) -> np.ndarray:
        """Probability of each token after `context`, which has `order` - 1 tokens; they sum to 1."""
        shares = np.full(self.size, 1 / self.size)
        for length in range(self.order):
            after = self.after[length].get(context[len(context) - length :])
            if after is None:  # a longer one was not seen either
                break
            total, off = self.totals[length][context[len(context) - length :]]
            tokens, counts = (np.array(list(part)) for part in (after.keys(), after.values()))
            shares *= off / total
            shares[tokens] += (counts - np.array(self.discounts[length])[np.minimum(counts, 3)]) / total
        return shares

    def _share(self, place: Gram) -> float:
        """What `shares` says of the last token of `place` after those before it."""
        share = 1 / self.size
        for length in range(self.order):
            context = place[self.order - 1 - length : -1]
            after = self.after[length].get(context)
            if after is None:
                break
            total, off = self.totals[length][context]
            count = after.get(place[-1], 0)
            share = share * off / total + (count - self.discounts[length][min(count, 3)]) / total
        return share

    def log_probability(self, row: Utterance) -> float:
        """Log-probability of the text and end of `row`, given its intent, in nats."""
        return math.fsum(math.log(self._share(place)) for place in self._places(row))

    def write(self, intent: str, seed: int, max_new_tokens: int) -> str:
        """An utterance of `intent`, drawn token by token."""
        random = Random(seed)
        ids: list[int] = []
        while len(ids) < max_new_tokens:
            whole = (*self._begin(intent), *ids)
            limits = self.shares(whole[len(whole) - self.order + 1 :]).cumsum()
            drawn = int(np.searchsorted(limits, random.random() * limits[-1], side="right"))
            if drawn == self.tokenizer.eos_token_id:
                break
            ids.append(drawn)
        return " ".join(self.tokenizer.decode(ids).split())


def best(
    orders: list[int], tokenizer: Any, rows: list[Utterance], validation: list[Utterance]
) -> tuple[NgramModel, dict[int, list[float]]]:
    """Of models of `rows`, one an order, the one that predicts `validation` best; and what each says of its rows.

    Returns:
        the model; order -> log-probability of each row of `validation`, in nats.
    """
    said = {}
    for order in orders:
        model = NgramModel(order, tokenizer, rows)
        said[order] = [model.log_probability(row) for row in validation]
        del model  # one at a time, as each takes memory
    return NgramModel(max(orders, key=lambda order: math.fsum(said[order])), tokenizer, rows), said


def _discounts(counts: Counter[int]) -> tuple[float, ...]:
    """What is taken off a count of 1, of 2, and of 3 and more, from how many grams have the counts 1 to 4.

    Where there are too few grams to tell, 0.5, 1 and 1.5. Something is always taken off, so that a token that was not
    seen is never impossible.
    """
    ones, twos, threes, fours = (counts[n] for n in range(1, 5))
    if not (ones and twos and threes):
        return 0.5, 1.0, 1.5
    share = ones / (ones + 2 * twos)
    found = (1 - 2 * share * twos / ones, 2 - 3 * share * threes / twos, 3 - 4 * share * fours / threes)
    return tuple(min(max(one, LEAST), float(n)) for n, one in enumerate(found, start=1))
