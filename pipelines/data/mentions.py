"""Slot values that take the place of others of their label, so that a model sees more names in more places."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from random import Random

from pipelines.data.utterances import Utterance


def swapped(rows: Collection[Utterance], rate: float, random: Random) -> Iterator[Utterance]:
    """`rows` with a share of their slot values replaced, each by one that stands in `rows` under the same label.

    Mention replacement (Dai & Adel 2020, section 3.2). A draw can give the same value again.
    """
    values: dict[str, list[str]] = defaultdict(list)
    once: dict[str, str] = {}  # each text lies in memory once
    for row in rows:
        for slot in row["slots"]:
            value = row["text"][slot["start"] : slot["end"]]
            values[slot["label"]].append(once.setdefault(value, value))
    for row in rows:
        text, slots = row["text"], []
        for slot in sorted(row["slots"], key=lambda slot: -slot["start"]):
            start, end = slot["start"], slot["end"]
            value = random.choice(values[slot["label"]]) if random.random() < rate else text[start:end]
            text = text[:start] + value + text[end:]
            longer = len(value) - (end - start)
            slots = [one | {"start": one["start"] + longer, "end": one["end"] + longer} for one in slots]
            slots.insert(0, slot | {"end": start + len(value)})
        yield row | {"text": text, "slots": slots}
