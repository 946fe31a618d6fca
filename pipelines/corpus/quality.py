"""The quality report: sizes, labels, and what is odd in the files."""

from collections import Counter, defaultdict
from typing import Any

from pipelines.data.utterances import Utterance
from pipelines.data.words import words

# quirk -> what was done about it; the counts beside it come from what reads the files, and from `quality`
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
    "conflicting_texts": "kept (distinct texts, case ignored, that stand there with two intents, or with other slots)",
    "texts_in_both_files": "kept (distinct texts, case ignored); overlaps are counted in metrics/split.json",
    "no_utterances": "Rasa's synonyms, lookups and regular expressions: left out",
    "words_without_piece": "kept (BERT's normalizer leaves nothing of the word); tagged O, or as the slot around it",
}


def quality(parts: dict[str, list[Utterance]], quirks: Counter[str]) -> dict[str, Any]:
    """The quality report: sizes, labels, and each quirk of the files with its count and treatment."""
    from tokenizers.normalizers import BertNormalizer

    utterances = [row for rows in parts.values() for row in rows]
    train, *others = [[row["text"].lower() for row in rows] for rows in parts.values()]
    normalizer = BertNormalizer()
    counts = quirks | Counter(
        repeated_training_texts=len(train) - len(set(train)),
        conflicting_texts=len(conflicts(utterances)),
        texts_in_both_files=len(set(train) & {text for texts in others for text in texts}),
        words_without_piece=sum(
            not normalizer.normalize_str(row["text"][start:end]).strip()
            for row in utterances
            for start, end in words(row["text"])
        ),
    )
    return {
        "utterances": {part: len(rows) for part, rows in parts.items()},
        "intents": len({row["intent"] for row in utterances}),
        "slot_labels": len({slot["label"] for row in utterances for slot in row["slots"]}),
        "slots": sum(len(row["slots"]) for row in utterances),
        "quirks": [
            {"quirk": name, "count": counts[name], "treatment": treatment} for name, treatment in TREATMENT.items()
        ],
    }


def repeats(utterances: list[Utterance]) -> list[list[Utterance]]:
    """Utterances that say the same, case ignored, in groups of two and more."""
    by_text: dict[str, list[Utterance]] = defaultdict(list)
    for row in utterances:
        by_text[row["text"].lower()].append(row)
    return [rows for rows in by_text.values() if len(rows) > 1]


def conflicts(utterances: list[Utterance]) -> list[list[Utterance]]:
    """Those of `repeats` that have not all the same intent and slots."""

    def frame(row: Utterance) -> tuple[str, list[tuple[int, int, str]]]:
        return row["intent"], sorted((slot["start"], slot["end"], slot["label"]) for slot in row["slots"])

    return [rows for rows in repeats(utterances) if any(frame(row) != frame(rows[0]) for row in rows)]
