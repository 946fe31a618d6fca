"""Does it help a classifier of few utterances to learn from what a decoder writes after them? (Kumar et al. 2020)."""

from collections import defaultdict
from typing import Any

from pydantic import Field

from pipelines.core.blocks import Block, Count, Seed, Share
from pipelines.core.provenance import described
from pipelines.data.drawing import same_text
from pipelines.data.utterances import Utterance
from pipelines.decoder.options import Options as Decoder
from pipelines.reports.on_demand import OLDER
from pipelines.tasks.intent import Options as Classifier

CODE = ("pipelines.decoder.sampling", "pipelines.decoder.scratch")  # what writes, beside what trains


class Options(Block):
    """Few utterances, with and without what a decoder writes after them; and which sizes `dvc repro` measures."""

    run: list[Count]
    draws: int = Field(gt=0)
    seed: Seed
    top_p: float = Field(gt=0, le=1)
    samples: int = Field(gt=0)
    sure: Share
    keep: int = Field(gt=0)
    classifier: Classifier
    decoder: Decoder


def select(
    samples: list[dict[str, Any]], said: list[dict[str, Any]], few: list[Utterance], sure: float, keep: int
) -> list[Utterance]:
    """The written utterances that a classifier is sure of, as rows to train on (LAMBADA, Anaby-Tavor et al. 2020).

    Of each intent the `keep` with the highest probability, of those whose intent the classifier finds as asked for and
    with probability at least `sure`; no empty ones, none twice, and none that stands in `few` (case and punctuation
    aside).

    Args:
        samples: rows with `text` and the `intent` asked for.
        said: for each, the `intent` that the classifier finds and its probability `score`.
    """
    taken = {same_text(row["text"]) for row in few} | {()}
    kept: dict[str, list[str]] = defaultdict(list)
    pairs = sorted(zip(samples, said, strict=True), key=lambda pair: -pair[1]["score"])
    for sample, found in pairs:
        right = found["intent"] == sample["intent"] and found["score"] >= sure
        if right and same_text(sample["text"]) not in taken and len(kept[sample["intent"]]) < keep:
            taken.add(same_text(sample["text"]))
            kept[sample["intent"]].append(sample["text"])
    return [
        {"id": f"written/{intent}/{number:04}", "text": text, "intent": intent, "slots": []}
        for intent, texts in sorted(kept.items())
        for number, text in enumerate(texts)
    ]


def table(reports: list[dict[str, Any]]) -> str:
    """Markdown table of what was measured, a row a size; a dagger stands beside one that is `older`.

    Gains that are beyond chance (paired by utterance) are bold.
    """
    lines = [
        "| utterances per intent | kept | without | with | gain by draw |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    for report in reports:
        gains = ", ".join(_gain(draw) for draw in report["draws"])
        kept = sum(draw["kept"] for draw in report["draws"]) / len(report["draws"])
        size = f"{report['per_intent']}{OLDER if report['older'] else ''}"
        lines.append(f"| {size} | {kept:.0f} | {report['without']:.3f} | {report['with']:.3f} | {gains} |")
    return "\n".join(lines)


def _gain(draw: dict[str, Any]) -> str:
    shown = f"{draw['with'] - draw['without']:+.3f}"
    return f"**{shown}**" if draw.get("gain", {}).get("beyond_chance") else shown


def _tested(reports: list[dict[str, Any]]) -> list[str]:
    """What bold says, where all draws were tested."""
    if not all("gain" in draw for report in reports for draw in report["draws"]):
        return ["Whether a gain is beyond chance was not tested in figures that are marked as older."]
    return [
        "A gain in bold is beyond chance for its draw alone (exact test of McNemar and paired bootstrap, 95 %; nothing",
        "is corrected for the number of draws).",
    ]


def page(reports: list[dict[str, Any]], published: dict[str, float], source: str, protocol: str) -> str:
    """The table, what was done, and the published figures."""
    lines = ["# Does GPT-2 help where utterances are few?", ""]
    if not reports:
        lines.append("Not measured on this data: `dvc exp run -S 'augment.run=[\"10\"]'`.")
        return "\n".join(lines) + "\n"
    data = described(source)
    gains = [draw["with"] - draw["without"] for report in reports for draw in report["draws"]]
    lines += [
        f"Data: {data}; split protocol: {protocol}.",
        "",
        "Intent accuracy on test, mean over draws, without and with the utterances that GPT-2 wrote (`kept`, all",
        "intents together). Decoder, its tokenizer and the filter see the few utterances alone; both classifiers go",
        "through their texts equally often, so the second one trains longer.",
        "",
        table(reports),
        "",
        *(f"{OLDER} {report['per_intent']}: {report['older']}." for report in reports if report["older"]),
        *([""] if any(report["older"] for report in reports) else []),
        f"With what was written, accuracy is higher in {sum(gain > 0 for gain in gains)} of {len(gains)} draws.",
        *_tested(reports),
        "",
        "Published, with 1 % of SNIPS, in percent, mean of 15 draws (Kumar et al. 2020, arXiv:2003.02245v1; a",
        "pre-trained decoder): " + ", ".join(f"{name} {value}" for name, value in published.items()) + ".",
        "The first is in doubt: whoever ran their code again got 92.97 ± 2.00 without augmentation (issue 4 of",
        "TransformersDataAugmentation).",
    ]
    return "\n".join(lines) + "\n"
