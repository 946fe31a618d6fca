"""Rasa NLU YAML -> records: `- book a table in [boston](city)` under `examples` of an intent.

Format: https://rasa.com/docs/rasa/nlu-training-data. An entity with a role is labelled `city.departure`; the value of a
synonym is not used, as a slot is what was said. Synonyms, lookups and regular expressions are no utterances.
"""

import json
import re
from collections import Counter
from typing import Any

import yaml

from pipelines.core.errors import InputError

NO_UTTERANCES = ("synonym", "lookup", "regex")
# [boston](city), [boston](city:BOS), [boston]{"entity": "city", "role": "departure"}
_ENTITY = re.compile(r"\[(?P<value>[^\[\]]+)\](?:\((?P<label>[^():]+)(?::[^()]*)?\)|(?P<facts>\{[^{}]*\}))")


def read(data: bytes, where: str, quirks: Counter[str]) -> list[tuple[str, Any]]:
    """The records of a file, each after its place; `quirks` counts what holds no utterances.

    Raises:
        InputError: it is no YAML, or not of this kind; the message opens with `where` and the line.
    """
    try:
        top = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid YAML: {' '.join(str(error).split()):.200}; mend it") from None
    nlu = _entries(top, where).get("nlu")
    if not isinstance(nlu, yaml.SequenceNode):
        raise InputError(f"{where}: no list `nlu` in it; a file of Rasa has one, with an intent and examples in each")
    records = []
    for item in nlu.value:
        entries = _entries(item, where)
        at = f"{where}: line {item.start_mark.line + 1}"
        if "intent" not in entries:
            kind = next((name for name in NO_UTTERANCES if name in entries), None)
            if kind is None:
                raise InputError(f"{at}: expected an intent with examples, or {', '.join(NO_UTTERANCES)}")
            quirks["no_utterances"] += 1
            continue
        intent = entries["intent"].value
        for line, example in _examples(entries.get("examples"), where, at):
            place = f"{where}: line {line}"
            text, slots = annotated(example, place)
            records.append((place, {"text": text, "intent": intent, "slots": slots}))
    return records


def annotated(example: str, at: str) -> tuple[str, list[dict[str, Any]]]:
    """The text of an example and its slots.

    Raises:
        InputError: an annotation is not closed, or says no entity; the message opens with `at`.
    """
    text, slots, last = "", [], 0
    for match in _ENTITY.finditer(example):
        text += example[last : match.start()]
        slots.append({"start": len(text), "end": len(text) + len(match["value"]), "label": _label(match, at)})
        text += match["value"]
        last = match.end()
    text += example[last:]
    if re.search(r"\](\(|\{)", text):
        raise InputError(f"{at}: an entity that is not closed; write it as [boston](city)")
    return text, slots


def _label(match: re.Match[str], at: str) -> str:
    if match["label"] is not None:
        return match["label"].strip()
    try:
        facts = json.loads(match["facts"])
    except ValueError:
        facts = {}
    if not isinstance(facts.get("entity"), str):
        raise InputError(f'{at}: {match["facts"][:60]}: expected {{"entity": "city"}}; mend it')
    return ".".join(str(facts[name]) for name in ("entity", "role") if facts.get(name) is not None)


def _entries(node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key.value, str):
            continue
        if key.value in found:
            at = f"{where}: line {key.start_mark.line + 1}"
            raise InputError(f"{at}: a second `{key.value:.60}`; join it to the first")
        found[key.value] = value
    return found


def _examples(node: Any, where: str, at: str) -> list[tuple[int, str]]:
    """Lines of a file and the examples in them: a block of `- …` lines, or a list with a `text` in each."""
    if not isinstance(node, yaml.SequenceNode):
        return _lines(node, at, hyphens=True)
    texts = [_entries(item, where).get("text", item) for item in node.value]
    return [pair for text in texts for pair in _lines(text, at, hyphens=getattr(text, "style", None) in ("|", ">"))]


def _lines(node: Any, at: str, hyphens: bool) -> list[tuple[int, str]]:
    if not isinstance(node, yaml.ScalarNode):
        raise InputError(f"{at}: no examples; write them as lines that begin with a hyphen")
    first = node.start_mark.line + 1 + (node.style in ("|", ">"))
    lines = ((number, line.strip()) for number, line in enumerate(node.value.split("\n"), start=first))
    return [(number, line.removeprefix("-").strip() if hyphens else line) for number, line in lines if line]
