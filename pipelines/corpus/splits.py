"""How the corpus becomes train, validation and test: four protocols, and what overlaps."""

from typing import Any

from pipelines.core.errors import InputError
from pipelines.corpus.options import Split
from pipelines.corpus.records import GIVEN
from pipelines.data.drawing import draw, same_text
from pipelines.data.utterances import Utterance


def split(
    rows: dict[str, list[Utterance]], options: Split, test_positions: dict[str, list[int]]
) -> dict[str, list[Utterance]]:
    """Train, validation and test by `options.protocol`.

    Args:
        rows: the utterances by part: of SNIPS `train_full` and `validate`, of others those that they name.
        options: the block `split` of params.yaml.
        test_positions: intent -> zero-based positions in its training file; the test part of `literature`.

    Raises:
        InputError: the corpus has not the parts, or too few utterances, for what `options` asks.
    """
    needed = {"literature": ("train_full", "validate"), "official": ("train_full", "validate"), "given": GIVEN}
    if missing := [part for part in needed.get(options.protocol, ()) if part not in rows]:
        raise InputError(
            f"split.protocol {options.protocol}: the corpus has no part {', '.join(missing)}, but {', '.join(rows)}; "
            "take random"
        )
    parts = {
        "literature": lambda: _literature(rows, test_positions),
        "official": lambda: _official(rows, options),
        "random": lambda: _random(rows, options),
        "given": lambda: {name: rows[name] for name in GIVEN},
    }[options.protocol]()
    if options.per_intent is not None:
        kept = draw(parts["train"], options.per_intent, options.seed, "split.per_intent")
        parts["train"] = [row for row in parts["train"] if row["id"] in kept]
    if empty := [name for name in GIVEN if not parts[name]]:
        raise InputError(f"split.protocol {options.protocol}: no utterances for {', '.join(empty)}; take random")
    return parts


def intent_of_texts(rows: list[Utterance]) -> dict[tuple[str, ...], str]:
    """Texts that differ (see `same_text`) -> the intent of the first row with it."""
    return {same_text(row["text"]): row["intent"] for row in reversed(rows)}


def overlaps(parts: dict[str, list[Utterance]]) -> dict[str, Any]:
    """Sizes of the parts, and how many texts of validation and test also stand in train (see `same_text`)."""
    train = {same_text(row["text"]) for row in parts["train"]}
    report: dict[str, Any] = {name: len(parts[name]) for name in GIVEN}
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

    everything = [row for part in rows.values() for row in part]
    intent_of = intent_of_texts(everything)
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
    return {name: [row for row in everything if same_text(row["text"]) in side[name]] for name in GIVEN}


def _need_every_intent(left: list[Utterance], rows: list[Utterance], key: str) -> None:
    lost = {row["intent"] for row in rows} - {row["intent"] for row in left}
    if lost:
        raise InputError(f"{key}: too few utterances: none left to train {', '.join(sorted(lost))}; lower this key")
