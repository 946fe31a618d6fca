"""An answer as a person reads it: the sentence with its slots marked, then what they are, within 80 columns."""

from typing import Any

from pipelines.core.errors import printable

COLOURS = (32, 33, 34, 35, 36, 31)  # ANSI foregrounds; a label has one throughout an answer


def answer(said: dict[str, Any], model: str, coloured: bool) -> str:
    """What `Model` says of one text; with `coloured` slots are in colour, else in brackets with their label."""
    slots = said.get("slots", [])
    labels = list(dict.fromkeys(slot["label"] for slot in slots))
    colours = {label: COLOURS[n % len(COLOURS)] for n, label in enumerate(labels)}
    lines = [marked(said["text"], slots, colours if coloured else None)]
    if "intent" in said:
        lines.append(f"{'intent':<28} {said['intent']:<36} {said['score']:.3f}")
    for slot in slots:
        label = f"{slot['label']:<28}"
        label = _in(label, colours[slot["label"]]) if coloured else label
        lines.append(f"{label} {_cut(slot['value'], 36):<36} {slot['score']:.3f}  {slot['start']}-{slot['end']}")
    for one in said.get("answers", []):
        if one["answer"]:
            lines.append(f"{one['label']:<28} {_cut(one['answer'], 36):<36}        {one['start']}-{one['end']}")
    if "question" in said:
        where = f"  {said['start']}-{said['end']}" if said["answer"] else ""
        shown = _cut(said["answer"], 36) or "(the text does not say)"
        lines.append(f"{_cut(said['question'], 28):<28} {shown:<36} {said['score']:.3f}{where}")
    return "\n".join([*lines, f"({model})"])


def marked(text: str, slots: list[dict[str, Any]], colours: dict[str, int] | None) -> str:
    """The sentence with its slots in colour, or as `[value](label)`."""
    parts, at = [], 0
    for slot in slots:
        value = printable(text[slot["start"] : slot["end"]])
        shown = _in(value, colours[slot["label"]]) if colours else f"[{value}]({slot['label']})"
        parts += [printable(text[at : slot["start"]]), shown]
        at = slot["end"]
    return "".join([*parts, printable(text[at:])])


def _in(text: str, colour: int) -> str:
    return f"\033[{colour};1m{text}\033[0m"


def _cut(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"
