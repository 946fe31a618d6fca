"""Drawing utterances by seed, and telling texts that are the same."""

import random
import re
from collections import defaultdict

from pipelines.core.errors import InputError
from pipelines.data.utterances import Utterance


def same_text(text: str) -> tuple[str, ...]:
    """Key under which two texts count as the same: their words in lower case, without signs if there are words."""
    return tuple(re.findall(r"\w+", text.lower())) or tuple(text.split())


def draw(rows: list[Utterance], count: int, seed: int | str, key: str) -> set[str]:
    """The ids of `count` rows of each intent, drawn by seed.

    Raises:
        InputError: an intent has fewer; the message names `key`, the param that asks for them.
    """
    by_intent = defaultdict(list)
    for row in rows:
        by_intent[row["intent"]].append(row["id"])
    drawn: set[str] = set()
    for intent, ids in sorted(by_intent.items()):
        if len(ids) < count:
            raise InputError(f"{key}: too few utterances: {intent} has {len(ids)}, {count} asked; lower this key")
        drawn.update(random.Random(f"{seed}/{intent}").sample(sorted(ids), count))
    return drawn


def some(rows: list[Utterance], count: int, seed: int) -> list[Utterance]:
    """`count` of the rows, or all where there are fewer, drawn by seed; they keep their order."""
    drawn = random.Random(seed).sample(range(len(rows)), min(count, len(rows)))
    return [rows[n] for n in sorted(drawn)]


def parts(rows: list[Utterance], count: int, seed: int) -> list[list[Utterance]]:
    """The rows in `count` parts by seed, each with as many of each intent as the others; the same texts go together."""
    by_text: dict[tuple[str, tuple[str, ...]], list[Utterance]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["id"]):
        by_text[row["intent"], same_text(row["text"])].append(row)
    keys = sorted(by_text)
    random.Random(seed).shuffle(keys)
    result: list[list[Utterance]] = [[] for _ in range(count)]
    for number, key in enumerate(sorted(keys, key=lambda key: key[0])):
        result[number % count] += by_text[key]
    return result
