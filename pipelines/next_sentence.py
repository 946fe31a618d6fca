"""BERT tells whether one sentence follows another (Devlin et al. 2019, section 3.1); the functions of a task, to train.

The pairs are statements and replies of the chatterbot-corpus package, and statements with replies from elsewhere.
"""

import importlib.util
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, TypedDict

import numpy as np
import transformers
import yaml
from scipy.special import softmax

from pipelines import encoders
from pipelines.errors import InputError

AUTO_CLASS = transformers.BertForNextSentencePrediction
BEST = "accuracy"
LABELS = ("labels",)
OUTPUTS = {"logits": False}
EPOCHS_DIFFER = True
SHUFFLE_BATCHES = True
HEAD = "cls.seq_relationship.weight"


class Pair(TypedDict):
    """Two sentences; `next` says whether the second replies to the first, `group` where they were said."""

    first: str
    second: str
    next: bool
    language: str
    group: int


def conversations(language: str) -> list[list[str]]:
    """The conversations of chatterbot-corpus in a language, in the order of their files.

    Raises:
        InputError: the package has no such language.
    """
    package = importlib.util.find_spec("chatterbot_corpus").submodule_search_locations[0]
    data = Path(package) / "data"
    known = sorted(path.name for path in data.iterdir() if path.is_dir())
    if language not in known:
        raise InputError(f"lessons.next_sentence.languages: {language}: chatterbot-corpus has {', '.join(known)}")
    found = []
    for path in sorted((data / language).glob("*.yml")):
        for said in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            texts = [" ".join(str(text).split()) for text in said]
            found.append([text for text in texts if text])
    return found


def real_pairs(language: str, first_group: int = 0) -> list[Pair]:
    """Each statement with its reply, once; conversations that share a statement are one group.

    Many conversations of the corpus begin with the same question: put on both sides of a split, a model would know it.
    """
    said = [conversation for conversation in conversations(language) if len(conversation) > 1]
    parent = list(range(len(said)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = n = parent[parent[n]]
        return n

    seen: dict[str, int] = {}
    for n, conversation in enumerate(said):
        for statement in conversation[:-1]:
            parent[root(n)] = root(seen.setdefault(_plain(statement), n))
    pairs: dict[tuple[str, str], Pair] = {}
    for n, conversation in enumerate(said):
        for first, second in pairwise(conversation):
            pair = Pair(first=first, second=second, next=True, language=language, group=first_group + root(n))
            pairs.setdefault((_plain(first), _plain(second)), pair)
    return list(pairs.values())


def split(pairs: list[Pair], shares: dict[str, float], seed: int) -> dict[str, list[Pair]]:
    """Parts by name, whole groups each, drawn by seed until a part has its share of the pairs; `train` is the rest."""
    groups: dict[int, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair["group"], []).append(pair)
    order = sorted(groups)
    Random(seed).shuffle(order)
    parts: dict[str, list[Pair]] = {"train": [], **{name: [] for name in shares}}
    for group in order:
        short = [name for name, share in shares.items() if len(parts[name]) < share * len(pairs)]
        parts[short[0] if short else "train"] += groups[group]
    return parts


def with_random(pairs: list[Pair], random: Random) -> list[Pair]:
    """The pairs, each followed by the same statement with a reply drawn from another group of its language."""
    by_language: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_language.setdefault(pair["language"], []).append(pair)
    for language, those in by_language.items():
        if len({pair["group"] for pair in those}) < 2:
            raise InputError(f"lessons.next_sentence: a part of {language} has one conversation alone; raise its share")
    result = []
    for pair in pairs:
        other = pair
        while other["group"] == pair["group"]:
            other = random.choice(by_language[pair["language"]])
        result += [pair, pair | {"second": other["second"], "next": False}]
    return result


def encode(rows: list[Pair], tokenizer: Any, model: Any, training: bool = False) -> list[dict[str, Any]]:
    """Inputs of `[CLS] first [SEP] second [SEP]`, label 0 where the second is next; for training a copy an epoch.

    Training takes the real pairs alone, and draws random replies anew for each copy. Of a pair with more pieces than
    `model.config.longest_pair` or the model's positions, the longer sentence is cut at its end.
    """
    if training:
        config = model.config
        seeds = [f"{config.random_seed}/{copy}" for copy in range(config.random_copies)]
        rows = [row for seed in seeds for row in with_random(rows, Random(seed))]
    longest = min(model.config.longest_pair, encoders.max_positions(model))
    batch = tokenizer(
        [row["first"] for row in rows], [row["second"] for row in rows], truncation=True, max_length=longest
    )
    return [
        {name: batch[name][n] for name in tokenizer.model_input_names if name in batch}
        | {"labels": 0 if row["next"] else 1}
        for n, row in enumerate(rows)
    ]


def decode(
    values: list[np.ndarray], features: list[dict[str, Any]], rows: list[Pair], model: Any
) -> list[dict[str, Any]]:
    """Logits (2,) a pair -> `probability` that the second is next."""
    return [{"probability": float(softmax(row.astype(np.float64))[0])} for row in values]


def score(predictions: list[dict[str, Any]], rows: list[Pair]) -> dict[str, float]:
    """`accuracy`: share of the pairs that are told rightly; a coin has 0.5."""
    right = [(one["probability"] > 0.5) == row["next"] for one, row in zip(predictions, rows, strict=True)]
    return {"accuracy": sum(right) / len(right)}


def overlap(pair: Pair) -> float:
    """Words that both sentences share, over all words of both (Jaccard)."""
    first, second = set(_plain(pair["first"]).split()), set(_plain(pair["second"]).split())
    return len(first & second) / max(1, len(first | second))


def best_threshold(pairs: list[Pair]) -> float:
    """The overlap above which a reply is best taken for the next one, on these pairs."""
    values = [overlap(pair) for pair in pairs]
    candidates = [-1.0, *sorted(set(values))]
    return max(
        candidates,
        key=lambda cut: sum((value > cut) == pair["next"] for value, pair in zip(values, pairs, strict=True)),
    )


def _plain(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.lower()).split())
