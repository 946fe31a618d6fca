"""A corpus of one's own, before the first run: what is in it, and the params that fit it."""

import io
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pipelines.core.errors import InputError, printable
from pipelines.corpus.options import Split
from pipelines.corpus.quality import conflicts, repeats
from pipelines.corpus.records import GIVEN, Corpus
from pipelines.corpus.splits import intent_of_texts, split
from pipelines.data.utterances import Utterance
from pipelines.data.words import words

SHOWN = 5  # of each kind of oddity
SHARES = ((2_000, 0.15), (10_000, 0.1))  # fewer texts than this -> share of validation, and of test
SMALLEST_SHARE, LARGEST_SHARE = 0.05, 0.3
# what each of these runs is there for; a corpus without several intents, or without slots, has no use for some
RUNS = {
    "both": ("intent-full", "slots-full", "joint-full"),
    "intents": ("intent-full", "intent-head"),
    "slots": ("slots-full", "slots-head"),
}


@dataclass(frozen=True)
class Plan:
    """What `params.yaml` is to say: `split`, the names of the runs, how many utterances each part then has, and the
    intents that validation or test are `lacking`."""

    split: dict[str, Any]
    runs: tuple[str, ...]
    sizes: dict[str, int]
    lacking: dict[str, list[str]]


def look(corpus: Corpus) -> list[str]:
    """The quality report, in lines of a terminal: utterances per intent, labels, and what is odd, with its place."""
    rows = [row for part in corpus.parts.values() for row in part]
    intents = Counter(row["intent"] for row in rows)
    labels = Counter(slot["label"] for row in rows for slot in row["slots"])
    parts = ", ".join(f"{name} {len(of)}" for name, of in corpus.parts.items() if len(corpus.parts) > 1)
    lines = [f"{len(rows)} utterances{f' ({parts})' if parts else ''}, {sum(labels.values())} slots"]
    for title, counts in (("intents", intents), ("labels", labels)):
        lines.append(f"{len(counts)} {title}:" if counts else "no slots: the runs that need them are left out")
        lines += [f"  {name:<40} {count:>6}" for name, count in counts.most_common(2 * SHOWN)]
        if len(counts) > 2 * SHOWN:
            (last, least) = counts.most_common()[-1]
            lines.append(f"  and {len(counts) - 2 * SHOWN} more, the fewest {last}: {least}")
    clash = conflicts(rows)
    lines += _listed("texts that stand there again", [_pair(of, corpus) for of in repeats(rows) if of not in clash])
    lines += _listed("texts with two intents, or with other slots", [_pair(of, corpus) for of in clash])
    lines += _listed("slots that begin or end within a word (scored in whole words)", _odd(rows, corpus))
    for quirk in ("slot_outer_space", "no_utterances"):
        if corpus.quirks[quirk]:
            lines.append(f"{quirk}: {corpus.quirks[quirk]}")
    return lines


def plan(corpus: Corpus, seed: int) -> Plan:
    """A split and runs that fit.

    Raises:
        InputError: there are too few utterances to split, in all or of an intent.
    """
    rows = [row for part in corpus.parts.values() for row in part]
    texts = intent_of_texts(rows)
    counts = Counter(texts.values())
    chosen: dict[str, Any] = {"protocol": "given"}
    if set(corpus.parts) != set(GIVEN):
        if few := sorted(intent for intent, count in counts.items() if count < 3):
            raise InputError(
                f"{', '.join(few)[:80]}: fewer than 3 different utterances, and train, validation and test need one "
                "each; add some, or take the intent out"
            )
        share = next((share for count, share in SHARES if len(texts) < count), SMALLEST_SHARE)
        share = max(share, round(len(counts) / len(texts) + 0.005, 2))  # each part has one of each intent
        if share > LARGEST_SHARE:
            raise InputError(
                f"{len(texts)} different utterances of {len(counts)} intents are too few to split; "
                f"have {math.ceil(1 / LARGEST_SHARE)} of each intent on average"
            )
        chosen = {"protocol": "random", "validation_share": share, "test_share": share}
    options = Split(
        **{"seed": seed, "validation_per_intent": 1, "validation_share": 0.1, "test_share": 0.1} | chosen,
        per_intent=None,
    )
    parts = split(corpus.parts, options, {})
    found = {name: {row["intent"] for row in of} for name, of in parts.items()}
    lacking = {name: sorted(found["train"] - of) for name, of in found.items() if found["train"] - of}
    slots = any(row["slots"] for row in rows)
    if len(counts) < 2 and not slots:
        raise InputError("one intent and no slots, so there is nothing to learn; add either")
    kind = "both" if slots and len(counts) > 1 else "slots" if slots else "intents"
    return Plan(chosen, RUNS[kind], {name: len(of) for name, of in parts.items()}, lacking)


def params(text: str, source: str, intent: str, planned: Plan) -> str:
    """The text of params.yaml for the corpus `source`, its comments kept; `intent` is one for lessons to look at.

    Raises:
        InputError: it lacks a run or a section that is needed, or has a key twice.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.default_flow_style = False  # as DVC writes it
    try:
        content = yaml.load(text)
        content["data"]["source"] = content["watch"]["data"] = _text(source)
        content["split"].update(planned.split)
    except (YAMLError, KeyError, TypeError) as error:
        why = next(iter(str(error).splitlines()))
        raise InputError(f"params.yaml: {why:.160}; git checkout params.yaml brings it back") from None
    if attention := (content.get("lessons") or {}).get("attention"):
        attention["intent"] = _text(intent)
    if missing := [run for run in planned.runs if run not in content["finetune"]]:
        raise InputError(
            f"params.yaml: finetune has no {', '.join(missing)}; git checkout params.yaml brings the runs back, "
            "or name others with --runs"
        )
    for run in [run for run in content["finetune"] if run not in planned.runs]:
        del content["finetune"][run]
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def _text(value: str) -> Any:
    """`value` in quotes where YAML's readers would not take it for text: `on`, `1e3`, `null`."""
    import yaml
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    try:
        plain = yaml.safe_load(value) == value
    except yaml.YAMLError:
        plain = False
    return value if plain else DoubleQuotedScalarString(value)


def _pair(rows: list[Utterance], corpus: Corpus) -> str:
    where = ", ".join(corpus.places[row["id"]] for row in rows[:3])
    return f"{where}{', …' if len(rows) > 3 else ''}: {printable(rows[0]['text'])[:40]}"


def _odd(rows: list[Utterance], corpus: Corpus) -> list[str]:
    found = []
    for row in rows:
        spans = words(row["text"])
        starts, ends = {start for start, _ in spans}, {end for _, end in spans}
        found += [
            f"{corpus.places[row['id']]}: {slot['label']}: {printable(row['text'][slot['start'] : slot['end']])[:40]}"
            for slot in row["slots"]
            if slot["start"] not in starts or slot["end"] not in ends
        ]
    return found


def _listed(title: str, found: list[str]) -> list[str]:
    if not found:
        return []
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [f"{len(found)} {title}:", *(f"  {line}" for line in found[:SHOWN]), *more]
