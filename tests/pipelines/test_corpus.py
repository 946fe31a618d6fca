import pytest

from pipelines.core.errors import InputError
from pipelines.corpus import snips, splits
from pipelines.corpus.options import Split
from pipelines.corpus.records import GIVEN
from pipelines.data import drawing, parquet
from tests.conftest import INTENTS, MIRROR, ROOT, needs_snips


def options(**changes):
    values = {
        "protocol": "random",
        "seed": 13,
        "validation_per_intent": 2,
        "validation_share": 0.2,
        "test_share": 0.2,
        "per_intent": None,
    }
    return Split(**(values | changes))


def rows_of(folder):
    return {
        part: [
            row
            for intent in INTENTS
            for row in snips.parse((folder / pattern.format(intent)).read_bytes(), part, intent, intent)[0]
        ]
        for part, pattern in snips.PARTS.items()
    }


@pytest.fixture
def rows():
    """Ten training and four validate utterances of two intents; some training texts stand twice."""

    def row(part, intent, n, text):
        return {"id": f"{part}/{intent}/{n:04}", "text": text, "intent": intent, "slots": []}

    return {
        "train_full": [
            row("train_full", i, n, f"{i} number {n // 2 if n < 6 else n}") for i in "AB" for n in range(20)
        ],
        "validate": [row("validate", i, n, f"{i} validate {n}") for i in "AB" for n in range(4)],
    }


def test_literature_takes_the_listed_positions(rows):
    parts = splits.split(rows, options(protocol="literature"), {"A": [3, 0], "B": [7]})
    assert [row["id"] for row in parts["test"]] == ["train_full/A/0000", "train_full/A/0003", "train_full/B/0007"]
    assert parts["validation"] == rows["validate"]
    assert len(parts["train"]) == 37


def test_official_draws_validation_by_seed(rows):
    first, again, other = (splits.split(rows, options(protocol="official", seed=s), {}) for s in (1, 1, 2))
    assert first == again != other
    assert first["test"] == rows["validate"]
    assert [row["intent"] for row in first["validation"]] == ["A", "A", "B", "B"]
    ids = {row["id"] for row in first["train"]} | {row["id"] for row in first["validation"]}
    assert len(ids) == len(first["train"]) + 4 == 40


def test_random_gives_each_intent_its_share_of_each_part():
    rows = {
        "train_full": [
            {"id": f"train_full/{intent}/{n:04}", "text": f"{intent} {n}", "intent": intent, "slots": []}
            for intent, count in (("A", 60), ("B", 40))
            for n in range(count)
        ],
        "validate": [],
    }
    for seed in range(3):
        parts = splits.split(rows, options(seed=seed), {})
        found = {name: sorted(row["intent"] for row in parts[name]) for name in GIVEN}
        assert found["validation"] == found["test"] == ["A"] * 12 + ["B"] * 8


def test_parts_that_are_given_are_taken_and_one_that_is_missing_is_said(rows):
    given = {name: rows["train_full"][n : n + 3] for n, name in enumerate(GIVEN)} | {"more": rows["validate"]}
    assert splits.split(given, options(protocol="given"), {}) == {name: given[name] for name in GIVEN}
    for protocol, parts, missing in (
        ("given", rows, "train, validation, test, but train_full, validate"),
        ("literature", given, "train_full, validate, but train, validation, test, more"),
        ("official", {"validate": []}, "train_full, but validate"),
    ):
        with pytest.raises(InputError) as error:
            splits.split(parts, options(protocol=protocol), {})
        assert str(error.value) == f"split.protocol {protocol}: the corpus has no part {missing}; take random"


def test_few_are_drawn_by_the_seed(rows):
    first, again, other = (
        [row["id"] for row in splits.split(rows, options(protocol="official", per_intent=5, seed=seed), {})["train"]]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 10


def test_random_keeps_equal_texts_on_one_side(rows):
    parts = splits.split(rows, options(), {})
    assert sum(map(len, parts.values())) == 48
    report = splits.overlaps(parts)
    assert report["test_texts_in_train"] == report["validation_texts_in_train"] == 0
    sides = [{drawing.same_text(row["text"]) for row in parts[name]} for name in GIVEN]
    assert sum(map(len, sides)) == len(set().union(*sides)) < 48
    assert parts == splits.split(rows, options(), {})


def test_overlaps_ignore_case_and_signs(rows):
    rows["train_full"][0]["text"] = "Play it!"
    rows["validate"][0]["text"] = "play it"
    parts = splits.split(rows, options(protocol="official"), {})
    assert splits.overlaps(parts)["test_texts_in_train"] == int(rows["train_full"][0] in parts["train"])


def test_texts_of_signs_alone_are_not_all_the_same():
    assert len({drawing.same_text(text) for text in ("👍", "👎", "?", "? ", "Play it!", "play it")}) == 4


def test_a_part_without_utterances_is_refused_before_it_is_trained_on(rows):
    for protocol, positions, part in (("official", {}, "test"), ("literature", {"A": [0]}, "validation")):
        with pytest.raises(InputError, match=rf"split\.protocol {protocol}: no utterances for {part}; take random"):
            splits.split(rows | {"validate": []}, options(protocol=protocol), positions)


def test_per_intent_keeps_that_many_of_train_only(rows):
    parts = splits.split(rows, options(protocol="literature", per_intent=3), {"A": [0], "B": [0]})
    assert [row["intent"] for row in parts["train"]] == ["A"] * 3 + ["B"] * 3
    assert len(parts["validation"]) == 8


@pytest.mark.parametrize(
    ("changes", "positions", "key"),
    [
        ({"per_intent": 99}, {}, "split.per_intent"),
        ({"protocol": "official", "validation_per_intent": 21}, {}, "split.validation_per_intent"),
        ({"protocol": "official", "validation_per_intent": 20}, {}, "split.validation_per_intent"),
        ({"protocol": "literature"}, {"A": [500]}, "split.protocol literature"),
        ({"test_share": 0.01}, {}, "split.test_share"),
        ({"test_share": 0.6, "validation_share": 0.6}, {}, "split.test_share"),
    ],
)
def test_too_few_utterances_is_one_line_with_the_key(rows, changes, positions, key):
    with pytest.raises(InputError) as error:
        splits.split(rows, options(**changes), positions)
    assert str(error.value).startswith(key)
    assert "too few utterances" in str(error.value)
    assert "\n" not in str(error.value)


def test_parquet_loads_with_datasets_and_reads_back(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = rows_of(ROOT / "data/sample")["validate"]
    (tmp_path / "set").mkdir()
    parquet.write(rows, tmp_path / "set" / "validation.parquet")
    assert parquet.read(tmp_path / "set" / "validation.parquet") == rows
    loaded = datasets.load_dataset(str(tmp_path / "set"), split="validation", cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list() == rows
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["validation.parquet"]


def test_a_missing_or_broken_parquet_is_one_line(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"no")
    for name in ("broken.parquet", "missing.parquet"):
        with pytest.raises(InputError, match=f"{name}: .*dvc repro"):
            parquet.read(tmp_path / name)


@needs_snips
def test_the_literature_partition_is_that_of_the_papers():
    import json

    positions = json.loads((ROOT / "data/literature_split.json").read_text(encoding="utf-8"))["test"]
    parts = splits.split(rows_of(MIRROR), options(protocol="literature"), positions)
    report = splits.overlaps(parts)
    assert [report[name] for name in GIVEN] == [13_084, 700, 700]
    assert report["test_texts_in_train"] == 26


@needs_snips
def test_random_over_the_whole_corpus_has_no_test_text_in_train():
    parts = splits.split(rows_of(MIRROR), options(validation_share=0.05, test_share=0.05), {})
    report = splits.overlaps(parts)
    assert report["test_texts_in_train"] == report["validation_texts_in_train"] == 0
    assert sum(report[name] for name in GIVEN) == 14_484
    assert 650 < report["test"] < 800


def test_as_many_as_there_are_can_be_drawn():
    rows = [{"id": str(n), "text": "x", "intent": "A"} for n in range(4)]
    assert drawing.draw(rows, 4, 13, "key") == {"0", "1", "2", "3"}
    with pytest.raises(InputError, match="A has 4, 5 asked"):
        drawing.draw(rows, 5, 13, "key")


def test_some_rows_keep_their_order_and_are_drawn_by_seed():
    rows = [{"id": str(n), "text": "x"} for n in range(50)]
    drawn = [int(row["id"]) for row in drawing.some(rows, 10, 13)]
    assert len(drawn) == len(set(drawn)) == 10
    assert drawn == sorted(drawn)
    assert drawn == [int(row["id"]) for row in drawing.some(rows, 10, 13)]
    assert drawn != [int(row["id"]) for row in drawing.some(rows, 10, 14)]
    assert drawing.some(rows, 99, 13) == rows


def test_the_same_text_is_so_in_any_case_and_not_in_another_spelling():
    assert drawing.same_text("Play, JAZZ!") == drawing.same_text("play jazz")
    assert drawing.same_text("Straße") != drawing.same_text("strasse")


def test_parts_share_no_text_and_have_as_many_of_each_intent():
    rows = [
        {"id": f"{intent}{n:03}", "text": f"Play  song {n // 2}", "intent": intent, "slots": []}
        for intent in "ab"
        for n in range(40)
    ]
    parts = drawing.parts(rows, 4, 13)
    assert sorted(row["id"] for part in parts for row in part) == [row["id"] for row in rows]
    for part in parts:
        assert [sum(row["intent"] == intent for row in part) for intent in "ab"] == [10, 10]
    texts = [{(row["intent"], row["text"]) for row in part} for part in parts]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 40
    assert parts == drawing.parts(rows[::-1], 4, 13) != drawing.parts(rows, 4, 14)
