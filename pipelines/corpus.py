"""The corpus as a whole: its quality report, and the three protocols that split it."""

import random
import re
from collections import Counter, defaultdict
from typing import Any

from pipelines.errors import InputError
from pipelines.params import Split
from pipelines.snips import Utterance
from pipelines.words import words

SPLITS = ("train", "validation", "test")

# quirk -> what was done about it; the counts beside it come from pipelines.snips
TREATMENT = {
    "surrogate_pairs": "UTF-16 surrogates written into UTF-8 (CESU-8): joined to the one character that they mean",
    "newline_chunks": "each run of white space became one space",
    "double_space": "each run of white space became one space",
    "outer_space": "stripped from the utterance",
    "non_ascii_chunks": "kept as they are",
    "slot_outer_space": "the span was shrunk to the value",
    "slot_edge_inside_word": "the span was kept; a word is tagged by the slot that holds its first character",
    "same_slot_twice": "both kept; a question about such a slot has several right answers",
    "repeated_training_texts": "kept (copies beyond the first, case ignored); protocol random keeps them on one side",
    "texts_in_both_files": "kept (distinct texts, case ignored); overlaps are counted in metrics/split.json",
    "words_without_piece": "kept (BERT's normalizer leaves nothing of the word); tagged O, or as the slot around it",
}


def quality(utterances: list[Utterance], quirks: Counter[str]) -> dict[str, Any]:
    """The quality report: sizes, labels, and each quirk of the files with its count and treatment."""
    from tokenizers.normalizers import BertNormalizer

    texts = {part: [row["text"].lower() for row in rows] for part, rows in _by_part(utterances).items()}
    train = texts["train_full"]
    normalizer = BertNormalizer()
    counts = quirks | Counter(
        repeated_training_texts=len(train) - len(set(train)),
        texts_in_both_files=len(set(train) & set(texts["validate"])),
        words_without_piece=sum(
            not normalizer.normalize_str(row["text"][start:end]).strip()
            for row in utterances
            for start, end in words(row["text"])
        ),
    )
    return {
        "utterances": {part: len(rows) for part, rows in texts.items()},
        "intents": len({row["intent"] for row in utterances}),
        "slot_labels": len({slot["label"] for row in utterances for slot in row["slots"]}),
        "slots": sum(len(row["slots"]) for row in utterances),
        "quirks": [
            {"quirk": name, "count": counts[name], "treatment": treatment} for name, treatment in TREATMENT.items()
        ],
    }


def same_text(text: str) -> tuple[str, ...]:
    """Key under which two texts count as the same: their words in lower case, without signs."""
    return tuple(re.findall(r"\w+", text.lower()))


def split(
    rows: dict[str, list[Utterance]], options: Split, test_positions: dict[str, list[int]]
) -> dict[str, list[Utterance]]:
    """Train, validation and test by `options.protocol`.

    Args:
        rows: the utterances by part, `train_full` and `validate`.
        options: the block `split` of params.yaml.
        test_positions: intent -> zero-based positions in its training file; the test part of `literature`.

    Raises:
        InputError: there are too few utterances for what `options` asks.
    """
    parts = {
        "literature": lambda: _literature(rows, test_positions),
        "official": lambda: _official(rows, options),
        "random": lambda: _random(rows, options),
    }[options.protocol]()
    if options.per_intent is not None:
        kept = draw(parts["train"], options.per_intent, options.seed, "split.per_intent")
        parts["train"] = [row for row in parts["train"] if row["id"] in kept]
    return parts


def overlaps(parts: dict[str, list[Utterance]]) -> dict[str, Any]:
    """Sizes of the parts, and how many texts of validation and test also stand in train (see `same_text`)."""
    train = {same_text(row["text"]) for row in parts["train"]}
    report: dict[str, Any] = {name: len(parts[name]) for name in SPLITS}
    for name in ("validation", "test"):
        report[f"{name}_texts_in_train"] = sum(same_text(row["text"]) in train for row in parts[name])
    return report


def _literature(rows: dict[str, list[Utterance]], positions: dict[str, list[int]]) -> dict[str, list[Utterance]]:
    test = {f"train_full/{intent}/{position:04}" for intent, places in positions.items() for position in places}
    missing = sorted(test - {row["id"] for row in rows["train_full"]})
    if missing:
        raise InputError(
            f"split.protocol literature: {len(missing)} test utterances are not in the corpus, {missing[0]} first; "
            "too few utterances: use the whole corpus or another protocol"
        )
    return {
        "train": [row for row in rows["train_full"] if row["id"] not in test],
        "validation": rows["validate"],
        "test": [row for row in rows["train_full"] if row["id"] in test],
    }


def _official(rows: dict[str, list[Utterance]], options: Split) -> dict[str, list[Utterance]]:
    drawn = draw(rows["train_full"], options.validation_per_intent, options.seed, "split.validation_per_intent")
    left = [row for row in rows["train_full"] if row["id"] not in drawn]
    _need_every_intent(left, rows["train_full"], "split.validation_per_intent")
    return {
        "train": left,
        "validation": [row for row in rows["train_full"] if row["id"] in drawn],
        "test": rows["validate"],
    }


def _random(rows: dict[str, list[Utterance]], options: Split) -> dict[str, list[Utterance]]:
    """Stratified over everything. Texts are drawn, not rows, so that copies of a text stay on one side."""
    from sklearn.model_selection import train_test_split

    everything = rows["train_full"] + rows["validate"]
    intent_of = {same_text(row["text"]): row["intent"] for row in reversed(everything)}
    texts = sorted(intent_of)
    try:
        rest, test = train_test_split(
            texts,
            test_size=options.test_share,
            stratify=[intent_of[text] for text in texts],
            random_state=options.seed,
        )
        train, validation = train_test_split(
            rest,
            test_size=options.validation_share / (1 - options.test_share),
            stratify=[intent_of[text] for text in rest],
            random_state=options.seed,
        )
    except ValueError as error:
        raise InputError(
            f"split.test_share, split.validation_share: too few utterances for these shares ({error}); change them"
        ) from None
    side = {"train": set(train), "validation": set(validation), "test": set(test)}
    return {name: [row for row in everything if same_text(row["text"]) in side[name]] for name in SPLITS}


def draw(rows: list[Utterance], count: int, seed: int | str, key: str) -> set[str]:
    """The ids of `count` rows of each intent, drawn by seed.

    Raises:
        InputError: an intent has fewer; the message names `key`, the param that asks for them.
    """
    by_intent = defaultdict(list)
    for row in rows:
        by_intent[row["intent"]].append(row["id"])
    drawn: set[str] = set()
    for intent, ids in sorted(by_intent.items()):
        if len(ids) < count:
            raise InputError(f"{key}: too few utterances: {intent} has {len(ids)}, {count} asked; lower this key")
        drawn.update(random.Random(f"{seed}/{intent}").sample(sorted(ids), count))
    return drawn


def _need_every_intent(left: list[Utterance], rows: list[Utterance], key: str) -> None:
    lost = {row["intent"] for row in rows} - {row["intent"] for row in left}
    if lost:
        raise InputError(f"{key}: too few utterances: none left to train {', '.join(sorted(lost))}; lower this key")


def _by_part(utterances: list[Utterance]) -> dict[str, list[Utterance]]:
    parts: dict[str, list[Utterance]] = defaultdict(list)
    for row in utterances:
        parts[row["id"].split("/")[0]].append(row)
    return parts
