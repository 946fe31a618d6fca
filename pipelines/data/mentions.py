"""Slot values that take the place of others of their label, so that a model sees more names in more places."""

from collections import defaultdict
from random import Random

from pipelines.data.utterances import Utterance


def swapped(rows: list[Utterance], rate: float, random: Random) -> list[Utterance]:
    """`rows` with a share of their slot values replaced, each by one that stands in `rows` under the same label.

    Mention replacement (Dai & Adel 2020, section 3.2). A draw can give the same value again.
    """
    values: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for slot in row["slots"]:
            values[slot["label"]].append(row["text"][slot["start"] : slot["end"]])
    result = []
    for row in rows:
        text, slots = row["text"], []
        for slot in sorted(row["slots"], key=lambda slot: -slot["start"]):
            start, end = slot["start"], slot["end"]
            value = random.choice(values[slot["label"]]) if random.random() < rate else text[start:end]
            text = text[:start] + value + text[end:]
            longer = len(value) - (end - start)
            slots = [one | {"start": one["start"] + longer, "end": one["end"] + longer} for one in slots]
            slots.insert(0, slot | {"end": start + len(value)})
        result.append(row | {"text": text, "slots": slots})
    return result
