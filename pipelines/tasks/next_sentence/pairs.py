"""Pairs of sentences: statements and replies of the chatterbot-corpus package, and with replies from elsewhere."""

import importlib.util
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TypedDict

import yaml

from pipelines.core.errors import InputError


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
    """The pairs, each followed by the same statement with a reply drawn from another group of its language.

    Raises:
        InputError: a language has one group alone.
    """
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


def overlap(pair: Pair) -> float:
    """Words that both sentences share, over all words of both (Jaccard)."""
    first, second = set(_plain(pair["first"]).split()), set(_plain(pair["second"]).split())
    return len(first & second) / max(1, len(first | second))


def best_cut(values: list[float], pairs: list[Pair]) -> float:
    """The value above which a reply is best taken for the next one, on these pairs; `values` has one for each."""
    candidates = [min(values) - 1, *sorted(set(values))]
    return max(
        candidates,
        key=lambda cut: sum((value > cut) == pair["next"] for value, pair in zip(values, pairs, strict=True)),
    )


def _plain(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.lower()).split())
