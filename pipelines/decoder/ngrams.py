"""An n-gram model of the utterances of each intent: what a decoder has to be better than."""

import math
from random import Random
from typing import Any

from nltk.lm import Vocabulary
from nltk.lm.models import InterpolatedLanguageModel
from nltk.lm.smoothing import WittenBell

from pipelines.data.utterances import Utterance
from pipelines.decoder.language_model import control


class _OpenWittenBell(WittenBell):
    """Witten-Bell smoothing (Chen & Goodman 1999, section 2.6) down to even shares, so that no token has none."""

    def unigram_score(self, word: str) -> float:
        unigrams = self.counts.unigrams
        return (unigrams[word] + len(unigrams) / len(self.vocab)) / (unigrams.N() + len(unigrams))


class NgramModel:
    """Interpolated n-grams over the tokens of `tokenizer`, each text beginning with the control token of its intent.

    The same tokens, condition and end as the decoder's, so that log-probabilities compare.
    """

    def __init__(self, order: int, tokenizer: Any, rows: list[Utterance]) -> None:
        self.tokenizer, self.order = tokenizer, order
        self.model = InterpolatedLanguageModel(_OpenWittenBell, order, vocabulary=Vocabulary(sorted(tokenizer.vocab)))
        self.model.fit([gram for place in self._places(row) for gram in self._grams(place)] for row in rows)

    def _begin(self, intent: str) -> tuple[str, ...]:
        return (control(intent),) * (self.order - 1)

    def _places(self, row: Utterance) -> list[tuple[str, ...]]:
        """For each token of a text, and its end, the token with the `order` - 1 before it."""
        pieces = [*self.tokenizer.tokenize(f" {row['text']}"), self.tokenizer.eos_token]
        whole = (*self._begin(row["intent"]), *pieces)
        return [whole[n : n + self.order] for n in range(len(pieces))]

    def _grams(self, place: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [place[n:] for n in range(self.order)]

    def log_probability(self, row: Utterance) -> float:
        """Log-probability of the text and end of `row`, given its intent, in nats."""
        return math.fsum(math.log(self.model.score(last, before)) for *before, last in self._places(row))

    def write(self, intent: str, seed: int, max_new_tokens: int) -> str:
        """An utterance of `intent`, drawn token by token."""
        random = Random(seed)
        pieces: list[str] = []
        while len(pieces) < max_new_tokens:
            before = (*self._begin(intent), *pieces)[-self.order + 1 :]
            piece = self.model.generate(text_seed=before, random_seed=random)
            if piece == self.tokenizer.eos_token:
                break
            pieces.append(piece)
        return " ".join(self.tokenizer.convert_tokens_to_string(pieces).split())
