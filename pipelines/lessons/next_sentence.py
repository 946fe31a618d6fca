"""Can BERT tell a reply from a random sentence?"""

import csv
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydantic import Field, model_validator
from scipy.stats import binomtest

from pipelines.core.blocks import Seed, Share
from pipelines.core.errors import InputError
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName
from pipelines.models import inference, loading
from pipelines.tasks.next_sentence import Options as Run
from pipelines.tasks.next_sentence import pairs as sentence_pairs
from pipelines.tasks.next_sentence import task as next_sentence
from pipelines.tasks.next_sentence.pairs import Pair
from pipelines.training import trainer

CHANCE = 0.5
RIGHT = {"bert": "right", "cosine": "cosine_right", "overlap": "overlap_right"}
OWN_PAIRS = Path("data/next_sentence.csv")
COLUMNS = ("first", "second", "next")


class Options(LessonOptions):
    """The encoder, the languages of the conversations, their split, and how it is trained."""

    encoder: ModelName
    languages: list[str] = Field(min_length=1)
    validation_share: Share
    test_share: Share
    split_seed: Seed
    training: Run

    @model_validator(mode="after")
    def _some_to_train(self) -> "Options":
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train")
        return self


def measure(options: Options, materials: Materials) -> Measured:
    """Accuracy on held-out conversations, beside chance and word overlap; and on own pairs."""
    own = read_pairs(OWN_PAIRS)
    folder = materials.find("encoder", options.encoder, "bert")
    pretrained = loading.holds(folder, next_sentence.HEAD)
    settings = options.training
    trainer.seed(settings.seed)
    auto_class, longest = next_sentence.TASK.auto_class, settings.longest_pair
    model, tokenizer = materials.load(
        "encoder", options.encoder, auto_class, "bert", pooler="new", longest_pair=longest
    )
    for pair in own:
        materials.fits("training.longest_pair", tokenizer, model, pair["first"], pair["second"], longest)
    parts = _parts(options)
    drawn = {
        part: sentence_pairs.with_random(rows, Random(f"{options.split_seed}/{part}")) for part, rows in parts.items()
    }
    baselines = _baselines(drawn, model, tokenizer, longest)
    best_epoch = None
    if not pretrained:
        trained = trainer.train(
            next_sentence.TASK, settings, model, tokenizer, parts["train"], drawn["validation"], materials.checkpoints
        )
        model, best_epoch = trained.model, trained.facts["best_epoch"]
    test = drawn["test"]
    predictions = inference.predictions(next_sentence.TASK, model, tokenizer, test, settings.precision)
    rows = [
        pair
        | {"probability": one["probability"], "right": (one["probability"] > CHANCE) == pair["next"]}
        | {name: of["test"][n] for name, of in baselines.items()}
        | {f"{name}_right": (of["test"][n] > of["cut"]) == pair["next"] for name, of in baselines.items()}
        for n, (pair, one) in enumerate(zip(test, predictions, strict=True))
    ]
    said = inference.predictions(next_sentence.TASK, model, tokenizer, own, settings.precision) if own else []
    known = {pair["second"] for pair in parts["train"]}
    facts = {
        "encoder": options.encoder,
        "pretrained_head": pretrained,
        "best_epoch": best_epoch,
        "real_pairs": {part: len(pairs) for part, pairs in parts.items()},
        "groups": {part: len({pair["group"] for pair in pairs}) for part, pairs in parts.items()},
        "known_replies": sum(pair["second"] in known for pair in parts["test"]),
        "cuts": {name: of["cut"] for name, of in baselines.items()},
        "accuracy": _accuracy(rows, options.languages),
        "own": [
            {"first": pair["first"], "second": pair["second"], "next": pair["next"], **one}
            for pair, one in zip(own, said, strict=True)
        ],
    }
    return Measured(facts, {"test": sorted(rows, key=lambda row: row["right"])}, models={"model": (model, tokenizer)})


def _parts(options: Options) -> dict[str, list[Pair]]:
    """Real pairs of all languages by part; no conversation is in two."""
    parts: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    shares = {"validation": options.validation_share, "test": options.test_share}
    for language in options.languages:
        first = 1 + max((pair["group"] for of in parts.values() for pair in of), default=-1)
        pairs = sentence_pairs.real_pairs(language, first)
        for part, rows in sentence_pairs.split(pairs, shares, options.split_seed).items():
            parts[part] += rows
    return parts


def _baselines(drawn: dict[str, list[Pair]], model: Any, tokenizer: Any, longest: int) -> dict[str, dict[str, Any]]:
    """By name: the values of the pairs of `test`, and the `cut` that is best on train. Nothing of it is trained.

    `overlap` is of words; `cosine` is of the mean vectors of both sentences, as the encoder comes.
    """
    values = {"overlap": {part: [sentence_pairs.overlap(pair) for pair in drawn[part]] for part in ("train", "test")}}
    texts = sorted({pair[side] for part in ("train", "test") for pair in drawn[part] for side in ("first", "second")})
    encoded = tokenizer(texts, truncation=True, max_length=longest)
    features = [{name: encoded[name][n] for name in encoded} for n in range(len(texts))]
    hidden = inference.predict(model.base_model, features, {"last_hidden_state": True}, "fp32")
    means = [row.mean(axis=0) for row in hidden]
    of = {text: mean / np.linalg.norm(mean) for text, mean in zip(texts, means, strict=True)}
    values["cosine"] = {
        part: [float(of[pair["first"]] @ of[pair["second"]]) for pair in drawn[part]] for part in ("train", "test")
    }
    return {
        name: {"test": parts["test"], "cut": sentence_pairs.best_cut(parts["train"], drawn["train"])}
        for name, parts in values.items()
    }


def _accuracy(rows: list[dict[str, Any]], languages: list[str]) -> list[dict[str, Any]]:
    """Share of pairs told rightly, by the model and without training: of all, then of each language.

    Each with its 95 % interval (Wilson 1927).
    """
    result = []
    for language in ("all", *languages):
        chosen = [row for row in rows if language in ("all", row["language"])]
        counts = {name: sum(row[key] for row in chosen) for name, key in RIGHT.items()}
        row = {"language": language, "pairs": len(chosen), "chance": CHANCE}
        for name, count in counts.items():
            interval = binomtest(count, len(chosen)).proportion_ci(0.95, method="wilson")
            row |= {name: count / len(chosen), f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}
        result.append(row)
    return result


def read_pairs(path: Path) -> list[Pair]:
    """Pairs of a CSV file with the columns `first`, `second` and `next` (yes or no).

    Raises:
        InputError: it is missing, has other columns, or a row without a sentence.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}; it has to be a CSV file with first, second, next") from None
    if missing := [name for name in COLUMNS if name not in columns]:
        raise InputError(f"{path}: its first line names no column {', '.join(missing)}; add it")
    pairs = []
    for number, row in rows:
        texts = [(row[name] or "").strip() for name in ("first", "second")]
        if not all(texts) or row["next"] not in ("yes", "no"):
            raise InputError(f"{path}, line {number}: needs first, second, and yes or no in next; mend or remove it")
        pairs.append(Pair(first=texts[0], second=texts[1], next=row["next"] == "yes", language="own", group=0))
    return pairs


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The calls load what this lesson trained, and no other model."""
    return {}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    how = "with its own head" if facts["pretrained_head"] else "fine-tuned"
    titles = {"bert": f"{facts['encoder']}, {how}", "cosine": "cosine, as it comes", "overlap": "word overlap"}
    titles |= {"chance": "chance"}
    shown = [
        row | {name: page.interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in RIGHT}
        for row in facts["accuracy"]
    ]
    drawn = pictures.bars(
        {row["language"]: {title: row[key] for key, title in titles.items()} for row in facts["accuracy"]},
        "share of pairs told rightly",
    )
    real, groups = facts["real_pairs"], facts["groups"]
    told = (
        "The model brings its own head for next sentences, which is used as it is. Real pairs: "
        f"{real['train']:,} in train, for the cuts below alone, {real['validation']:,} in validation, not used, "
        if facts["pretrained_head"]
        else "The model brings no head for next sentences, so one was trained; "
        f"epoch {facts['best_epoch']} was best on validation. Real pairs: {real['train']:,} to train, "
        f"{real['validation']:,} to choose the epoch, "
    )
    body = [
        page.heading("Held-out conversations"),
        page.picture(drawn, "Accuracy by language, beside what needs no training."),
        page.table(shown, {"language": "language", "pairs": "pairs"} | titles),
        page.text(
            f"{told}{real['test']:,} held out; each comes once with its reply, and once with one from another "
            f"conversation, so a coin has one half. The parts share no conversation ({groups['train']:,}, "
            f"{groups['validation']:,} and {groups['test']:,} groups; conversations with the same statement are one); "
            f"{facts['known_replies']:,} of the held-out replies are also said in train, to other statements. Word "
            f"overlap takes a reply for the next one above {facts['cuts']['overlap']:.3f} of shared words, the "
            f"cosine of mean vectors, of the encoder as it comes, above {facts['cuts']['cosine']:.3f}: the best cuts "
            "on train. In brackets the 95 % interval that so many pairs leave."
        ),
        page.heading(f"Own pairs, from {OWN_PAIRS}"),
        page.table(
            facts["own"],
            {"first": "first", "second": "second", "next": "meant as next", "probability": "probability of next"},
        ),
    ]
    return page.Page(
        body=body,
        vary="""
dvc exp run -S 'lessons.next_sentence.languages=[english]' lesson@next_sentence
dvc exp run -S '+models.bert={name: google-bert/bert-base-uncased, revision: main, sha256: null}' \\
  -S lessons.next_sentence.encoder=bert lesson@next_sentence   # its own head
python -i data/lessons/next_sentence/calls.py   # then: probability("are you hungry", "very much")
$EDITOR data/next_sentence.csv && dvc repro lesson@next_sentence   # your own in the table; all is done anew
""",
        data="chatterbot-corpus, statements and replies",
        pictures={"accuracy": drawn},
    )
