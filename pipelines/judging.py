"""Measure what was written: does it say its intent, is it new, is it varied? Beside real utterances and n-grams."""

from collections import defaultdict
from statistics import mean
from types import ModuleType
from typing import Any

from pipelines import diversity, inference
from pipelines.params import Strategies
from pipelines.snips import Utterance
from pipelines.tasks import intent as intent_task
from pipelines.tasks import slots as slots_task

COLUMNS = {  # heading -> its key and how it is shown
    "recognised": ("intent_recognised", ".3f"),
    "novel": ("novel", ".3f"),
    "distinct-1": ("distinct_1", ".3f"),
    "distinct-2": ("distinct_2", ".3f"),
    "self-BLEU": ("self_bleu", ".1f"),
    "copied": ("copied_run", ".1f"),
    "slots": ("slots_found", ".3f"),
    "words": ("words", ".1f"),
    "empty": ("empty", "d"),
}


class Judge:
    """Two tuned models, intent and slots, that say what a text means."""

    def __init__(self, intent: tuple[Any, Any], slots: tuple[Any, Any]) -> None:
        self.models: list[tuple[ModuleType, Any, Any]] = [(intent_task, *intent), (slots_task, *slots)]

    def predictions(self, rows: list[Utterance]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What the two models say of each row, whose labels they do not see."""
        if not rows:
            return [], []
        bare = [{"id": "", "text": row["text"], "intent": "", "slots": []} for row in rows]
        of_intent, of_slots = (inference.predictions(*parts, bare) for parts in self.models)
        return of_intent, of_slots


def measure(samples: list[dict[str, Any]], known: diversity.Known, judge: Judge) -> dict[str, float]:
    """Figures of a set of utterances that were asked for by intent; an empty one counts as not right and not new.

    Args:
        samples: rows with `text` and the `intent` that was asked for.
        known: the training texts, as they are before values are swapped.

    Returns:
        `samples` and `empty` (counts); `intent_recognised`, `novel`, `slots_found` (shares: the judge sees the intent;
        not in the training texts; the judge finds a slot); `distinct_1`, `distinct_2` (shares, see
        `diversity.distinct`); `self_bleu` (points, mean within the intents); `copied_run` and `words` (words, means).
    """
    whole = [sample for sample in samples if sample["text"]]
    of_intent, of_slots = judge.predictions(whole)
    by_intent = defaultdict(list)
    for sample in samples:
        by_intent[sample["intent"]].append(sample["text"])
    texts = [sample["text"] for sample in whole]
    recognised = sum(said["intent"] == sample["intent"] for said, sample in zip(of_intent, whole, strict=True))
    return {
        "samples": len(samples),
        "empty": len(samples) - len(whole),
        "intent_recognised": recognised / len(samples),
        "novel": sum(text not in known for text in texts) / len(samples),
        "slots_found": sum(bool(said["slots"]) for said in of_slots) / len(samples),
        "distinct_1": diversity.distinct(texts, 1),
        "distinct_2": diversity.distinct(texts, 2),
        "self_bleu": mean(diversity.self_bleu(group) for group in by_intent.values()),
        "copied_run": sum(known.copied_run(text) for text in texts) / len(samples),
        "words": sum(len(text.split()) for text in texts) / len(samples),
    }


def table(report: dict[str, Any]) -> str:
    """Markdown table of metrics/generation.json: real utterances, n-grams, then each strategy."""
    rows = {"real utterances": report["real"], "n-grams": report["ngram"]}
    rows |= {name: report["strategies"][name] for name in Strategies.model_fields if name in report["strategies"]}
    lines = [f"| | {' | '.join(COLUMNS)} |", "| --- " + "| ---: " * len(COLUMNS) + "|"]
    lines += [
        f"| {name} | {' | '.join(format(row[key], form) for key, form in COLUMNS.values())} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def perplexity_table(report: dict[str, Any]) -> str:
    """Markdown table of metrics/generation.json: how well decoder and n-grams foresee validation."""
    case = ", lower case" if report["lowercase"] else ""
    rows = {f"GPT-2{case}": report, f"n-grams{case}": report["ngram"]}
    lines = ["| | perplexity per word | bits per byte |", "| --- | ---: | ---: |"]
    lines += [
        f"| {name} | {row['perplexity_per_word']:.1f} | {row['bits_per_byte']:.3f} |" for name, row in rows.items()
    ]
    return "\n".join(lines)
