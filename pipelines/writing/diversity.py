"""How varied texts are, and how much of them is copied; pure functions over lists of texts, case aside."""

from collections.abc import Sequence
from statistics import mean

from sacrebleu.metrics import BLEU

from pipelines.data.drawing import same_text


def distinct(texts: list[str], n: int) -> float:
    """Distinct n-grams of words over all of them (Li et al. 2016, distinct-n); 0 where there are none."""
    grams = [gram for text in texts for gram in _grams(text.lower().split(), n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: list[str]) -> float:
    """Mean BLEU-4 of each text against all others, in points of 100 (Zhu et al. 2018); high where they are alike.

    Words are what white space parts; orders that a short text cannot have do not count. It grows with the number of
    texts: compare sets of one size only. 0 for a single text, which has no other to be like.
    """
    if len(texts) < 2:
        return 0.0
    bleu = BLEU(tokenize="none", effective_order=True, lowercase=True)
    return mean(
        bleu.sentence_score(text, texts[:n] + texts[n + 1 :]).score if text else 0.0 for n, text in enumerate(texts)
    )


class Known:
    """Texts that new ones are held against; punctuation aside."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = {same_text(text) for text in texts}
        self.runs = {run for words in self.texts for n in range(1, len(words) + 1) for run in _grams(words, n)}

    def __contains__(self, text: str) -> bool:
        return same_text(text) in self.texts

    def copied_run(self, text: str) -> int:
        """Length of the longest run of words of `text` that stands in one of the known texts."""
        words = same_text(text)
        for size in range(len(words), 0, -1):
            if any(run in self.runs for run in _grams(words, size)):
                return size
        return 0


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
