"""Can BERT tell a reply from a random sentence?"""

import csv
from pathlib import Path
from random import Random
from typing import Any

from pydantic import Field, model_validator

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

QUESTION = "Can BERT tell a reply from a random sentence?"

CHANCE = 0.5
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
    best_epoch = None
    if not pretrained:
        trained = trainer.train(
            next_sentence.TASK, settings, model, tokenizer, parts["train"], drawn["validation"], materials.checkpoints
        )
        model, best_epoch = trained.model, trained.facts["best_epoch"]
    threshold = sentence_pairs.best_threshold(drawn["train"])
    test = drawn["test"]
    predictions = inference.predictions(next_sentence.TASK, model, tokenizer, test)
    rows = [
        pair
        | {"probability": one["probability"], "overlap": sentence_pairs.overlap(pair)}
        | {"right": (one["probability"] > CHANCE) == pair["next"]}
        | {"overlap_right": (sentence_pairs.overlap(pair) > threshold) == pair["next"]}
        for pair, one in zip(test, predictions, strict=True)
    ]
    said = inference.predictions(next_sentence.TASK, model, tokenizer, own) if own else []
    known = {pair["second"] for pair in parts["train"]}
    facts = {
        "encoder": options.encoder,
        "pretrained_head": pretrained,
        "best_epoch": best_epoch,
        "real_pairs": {part: len(pairs) for part, pairs in parts.items()},
        "groups": {part: len({pair["group"] for pair in pairs}) for part, pairs in parts.items()},
        "known_replies": sum(pair["second"] in known for pair in parts["test"]),
        "threshold": threshold,
        "accuracy": _accuracy(rows, options.languages),
        "own": [
            {"first": pair["first"], "second": pair["second"], "next": pair["next"], **one}
            for pair, one in zip(own, said, strict=True)
        ],
    }
    return Measured(facts, {"test": sorted(rows, key=lambda row: row["right"])})


def _parts(options: Options) -> dict[str, list[Pair]]:
    """Real pairs of all languages by part; no conversation is in two."""
    parts: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    shares = {"validation": options.validation_share, "test": options.test_share}
    for language in options.languages:
        pairs = sentence_pairs.real_pairs(language, sum(map(len, parts.values())))
        for part, rows in sentence_pairs.split(pairs, shares, options.split_seed).items():
            parts[part] += rows
    return parts


def _accuracy(rows: list[dict[str, Any]], languages: list[str]) -> list[dict[str, Any]]:
    """Share of pairs told rightly, by the model and by word overlap: of all, then of each language."""
    return [
        {"language": language, "pairs": len(chosen), "chance": CHANCE}
        | {"bert": sum(row["right"] for row in chosen) / len(chosen)}
        | {"overlap": sum(row["overlap_right"] for row in chosen) / len(chosen)}
        for language in ("all", *languages)
        for chosen in [[row for row in rows if language in ("all", row["language"])]]
    ]


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


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    titles = {"bert": facts["encoder"], "overlap": "word overlap", "chance": "chance"}
    drawn = pictures.bars(
        {row["language"]: {title: row[key] for key, title in titles.items()} for row in facts["accuracy"]},
        "share of pairs told rightly",
    )
    real, groups = facts["real_pairs"], facts["groups"]
    how = (
        "The model brings its own head for next sentences, which is used as it is."
        if facts["pretrained_head"]
        else "The model brings no head for next sentences, so one was trained; "
        f"epoch {facts['best_epoch']} was best on validation."
    )
    body = [
        page.heading("Held-out conversations"),
        page.picture(drawn, "Accuracy by language, beside word overlap and chance."),
        page.table(facts["accuracy"], {"language": "language", "pairs": "pairs"} | titles),
        page.text(
            f"{how} Real pairs: {real['train']:,} to train, {real['validation']:,} to choose the epoch, "
            f"{real['test']:,} held out; each comes once with its reply, and once with one from another conversation, "
            f"so a coin has one half. The parts share no conversation ({groups['train']:,}, {groups['validation']:,} "
            f"and {groups['test']:,} groups; conversations with the same statement are one); "
            f"{facts['known_replies']:,} of the held-out replies are also said in train, to other statements. Word "
            f"overlap takes a reply for the next one above {facts['threshold']:.3f} of shared words, the best cut on "
            "train."
        ),
        page.heading(f"Own pairs, from {OWN_PAIRS}"),
        page.table(
            facts["own"],
            {"first": "first", "second": "second", "next": "meant as next", "probability": "probability of next"},
        ),
    ]
    return page.Page(
        question=QUESTION,
        calls="""
model = BertForNextSentencePrediction.from_pretrained("data/models/base-encoder")
inputs = tokenizer("how are you", "fine, and you?", return_tensors="pt")   # [CLS] first [SEP] second [SEP]
inputs["token_type_ids"]                                                  # 0 in the first, 1 in the second
model(**inputs, labels=torch.tensor([0])).loss                            # 0: it is next, 1: it is random
model(**inputs).logits.softmax(-1)[0, 0]                                  # probability of next
""",
        body=body,
        vary="""
dvc exp run -S 'lessons.next_sentence.languages=[english]' lesson@next_sentence
dvc exp run -S '+models.bert={name: google-bert/bert-base-uncased, revision: main, sha256: null}' \\
  -S lessons.next_sentence.encoder=bert lesson@next_sentence   # its own head
$EDITOR data/next_sentence.csv && dvc repro lesson@next_sentence
""",
        data="chatterbot-corpus, statements and replies",
        pictures={"accuracy": drawn},
    )
