"""Measure what was written: does it say its intent, is it new, is it varied? Beside real utterances and n-grams."""

from collections import defaultdict
from statistics import mean
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from pipelines.core.blocks import Block, RunName
from pipelines.data.utterances import Utterance
from pipelines.decoder.options import Strategies
from pipelines.models import inference
from pipelines.models.options import Precision
from pipelines.models.task import Task
from pipelines.reports.differences import LEVEL, resampled
from pipelines.writing import diversity


class Options(Block):
    """The n-gram models of which the decoder is set beside the best on validation, and the runs that judge."""

    ngram_orders: list[Annotated[int, Field(gt=1)]] = Field(min_length=1)
    intent: RunName
    slots: RunName


COLUMNS = {  # heading -> its key and how it is shown
    "texts": ("texts", "d"),
    "recognised": ("intent_recognised", ".3f"),
    "novel": ("novel", ".3f"),
    "dist-1": ("distinct_1", ".3f"),
    "dist-2": ("distinct_2", ".3f"),
    "self-BLEU": ("self_bleu", ".1f"),
    "copied": ("copied_run", ".1f"),
    "slots": ("slots_found", ".3f"),
    "words": ("words", ".1f"),
    "empty": ("empty", "d"),
}


class Judge:
    """Two tuned models, of intents and of slots, that say what a text means; either can be missing (None).

    Each comes with its tokenizer and the precision that it is computed in.
    """

    def __init__(self, models: dict[Task, tuple[Any, Any, Precision] | None]) -> None:
        self.models = models

    def predictions(self, rows: list[Utterance]) -> list[list[dict[str, Any]] | None]:
        """What each of the models says of each row, whose labels they do not see; None of a missing one."""
        bare = [{"text": row["text"]} for row in rows]
        return [
            None if of is None else inference.predictions(task, *of[:2], bare, of[2]) if rows else []
            for task, of in self.models.items()
        ]

    def scores(self, rows: list[Utterance]) -> dict[str, float | None]:
        """How far the judges can be trusted: the metric of each task on labelled rows."""
        keys = ("judge_intent_accuracy", "judge_slot_f1")
        return {
            key: None if said is None else task.score(said, rows)[task.best]
            for key, task, said in zip(keys, self.models, self.predictions(rows), strict=True)
        }


def measure(samples: list[dict[str, Any]], known: diversity.Known, judge: Judge) -> dict[str, float]:
    """Figures of a set of utterances that were asked for by intent; an empty one counts as not right and not new.

    Shares and means are over different texts: what was written again for its intent counts once. How varied the set is
    is measured on all of it.

    Args:
        samples: rows with `text` and the `intent` that was asked for.
        known: the training texts, as they are before values are swapped.

    Returns:
        `samples`, `texts` (different ones) and, of these, `empty` (counts); `intent_recognised`, `novel`, `slots_found`
        (shares: the judge sees the intent; not in the training texts; the judge finds a slot); `distinct_1`,
        `distinct_2` (shares, see `diversity.distinct`); `self_bleu` (points, mean within the intents); `copied_run` and
        `words` (words, means).
    """
    by_intent = defaultdict(list)
    for sample in samples:
        by_intent[sample["intent"]].append(sample["text"])
    written = [sample["text"] for sample in samples if sample["text"]]
    different = list({(sample["intent"], sample["text"]): sample for sample in samples}.values())
    whole = [sample for sample in different if sample["text"]]
    texts = [sample["text"] for sample in whole]
    of_intent, of_slots = judge.predictions(whole)
    return {
        "samples": len(samples),
        "texts": len(different),
        "empty": len(different) - len(whole),
        "intent_recognised": _share(
            of_intent and [said["intent"] == sample["intent"] for said, sample in zip(of_intent, whole, strict=True)],
            different,
        ),
        "novel": sum(text not in known for text in texts) / len(different),
        "slots_found": _share(of_slots and [bool(said["slots"]) for said in of_slots], different),
        "distinct_1": diversity.distinct(written, 1),
        "distinct_2": diversity.distinct(written, 2),
        "self_bleu": mean(diversity.self_bleu(group) for group in by_intent.values()),
        "copied_run": sum(known.copied_run(text) for text in texts) / len(different),
        "words": sum(len(text.split()) for text in texts) / len(different),
    }


def _share(found: list[bool] | None, samples: list[dict[str, Any]]) -> float | None:
    """Share of the samples that were found to be so, None where there is no model to tell."""
    return None if found is None else sum(found) / len(samples)


def table(report: dict[str, Any]) -> str:
    """Markdown table of metrics/generation.json: real utterances, n-grams, then each strategy."""
    rows = {"real utterances": report["real"], f"{report['ngram']['order']}-grams": report["ngram"]}
    rows |= {name: report["strategies"][name] for name in Strategies.model_fields if name in report["strategies"]}
    lines = [f"| | {' | '.join(COLUMNS)} |", "| --- " + "| ---: " * len(COLUMNS) + "|"]
    lines += [
        f"| {name} | {' | '.join(_cell(row[key], form) for key, form in COLUMNS.values())} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def beside(decoder: list[float], ngrams: list[float], texts: list[str]) -> dict[str, Any]:
    """The decoder's perplexity per word as a share of that of n-grams, by the log-probability of each text, in nats.

    Returns:
        `share`; `low` and `high`, its 95 % interval from texts drawn anew (paired bootstrap); and `beyond_chance`,
        whether that leaves 1 out.
    """
    words = np.array([len(text.split()) + 1 for text in texts])  # as `language_model.perplexity` counts them
    surprise = np.array(ngrams) - np.array(decoder)
    shares = [float(np.exp(surprise[pick].sum() / words[pick].sum())) for pick in resampled(len(texts))]
    low, high = (float(value) for value in np.percentile(shares, [50 * (1 - LEVEL), 50 * (1 + LEVEL)]))
    share = float(np.exp(surprise.sum() / words.sum()))
    return {"share": share, "low": low, "high": high, "beyond_chance": low > 1 or high < 1}


def perplexity_table(report: dict[str, Any]) -> str:
    """Markdown table of metrics/generation.json: how well decoder and n-grams predict validation."""
    case = ", lower case" if report["lowercase"] else ""
    rows = {f"GPT-2{case}": report}
    rows |= {f"{order}-grams{case}": of for order, of in report["ngram_orders"].items()}
    beside, order = report.get("beside_ngrams"), report["ngram"]["order"]
    lines = ["| | perplexity per word | bits per byte |", "| --- | ---: | ---: |"]
    lines += [
        f"| {name} | {row['perplexity_per_word']:.1f} | {row['bits_per_byte']:.3f} |" for name, row in rows.items()
    ]
    if beside:  # not in a report of before it was measured
        shown = f"{beside['share']:.3f} of that of {order}-grams ({beside['low']:.3f} to {beside['high']:.3f}, 95 %)."
        lines += ["", f"GPT-2's perplexity is {shown}"]
    return "\n".join(lines)
