"""Corpora of one's own: each format gives the same utterances, a broken place is named, and init sets what fits."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.core import blocks
from pipelines.core.errors import InputError
from pipelines.corpus import jsonl, quality, rasa, records, snips, sources, starting
from tests.conftest import ROOT, assert_one_line_error, run_stage

RASA = """\
version: "3.1"
nlu:
- intent: book_table
  examples: |
    - book a table in [boston](city)
    - a table for [two]{"entity": "size", "role": "people"} in [new york](city:NYC)
- synonym: boston
  examples: |
    - bos
- intent: weather
  examples:
  - text: |
      - will it rain in [boston]{"entity": "city", "role": null}
  - text: is it hot
"""
ROWS = [
    ("book a table in boston", "book_table", [(16, 22, "city")]),
    ("a table for two in new york", "book_table", [(12, 15, "size.people"), (19, 27, "city")]),
    ("will it rain in boston", "weather", [(16, 22, "city")]),
    ("is it hot", "weather", []),
]


def record(text, intent, slots, **more):
    return {
        "text": text,
        "intent": intent,
        "slots": [{"start": start, "end": end, "label": label} for start, end, label in slots],
    } | more


def as_jsonl(rows) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def found(corpus):
    return [
        (row["text"], row["intent"], [(slot["start"], slot["end"], slot["label"]) for slot in row["slots"]])
        for rows in corpus.parts.values()
        for row in rows
    ]


def test_each_format_gives_the_same_utterances(tmp_path):
    rows = [record(*row) for row in ROWS]
    (tmp_path / "a.jsonl").write_bytes(as_jsonl(rows))
    (tmp_path / "a.yml").write_text(RASA, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.yml", "a.parquet"):
        corpus = sources.read(tmp_path / name)
        assert found(corpus) == ROWS, name
        assert list(corpus.parts) == ["train_full"]
        assert [row["id"] for row in corpus.parts["train_full"]] == [
            "train_full/book_table/0000",
            "train_full/book_table/0001",
            "train_full/weather/0000",
            "train_full/weather/0001",
        ]
    assert sources.read(tmp_path / "a.yml").quirks["no_utterances"] == 1
    places = sources.read(tmp_path / "a.yml").places
    assert list(places.values()) == [f"a.yml: line {n}" for n in (5, 6, 13, 14)]


def test_what_the_pipeline_writes_it_reads(tmp_path):
    """The folders data/corpus and data/splits are corpora too; the latter names its parts."""
    rows = [record(*row) for row in ROWS]
    for part in ("train", "validation", "test"):
        pq.write_table(pa.Table.from_pylist([row | {"id": "x"} for row in rows]), tmp_path / f"{part}.parquet")
    corpus = sources.read(tmp_path)
    assert {part: len(of) for part, of in corpus.parts.items()} == {"train": 4, "validation": 4, "test": 4}
    planned = starting.plan(corpus, seed=1)
    assert planned.split == {"protocol": "given"}
    assert planned.sizes == {"train": 4, "validation": 4, "test": 4}


def test_bytes_as_they_come():
    """A byte order mark, CRLF, empty lines, an emoji, text from right to left, white space within."""
    rows = [("💡 on in the kitchen", "on", [(12, 19, "room")]), ("שלום עולם", "on", [(5, 9, "word")])]
    spaced = record("off  with\tthe lamp ", "off", [(10, 18, "device")])
    data = b"\xef\xbb\xbf" + as_jsonl([record(*row) for row in rows] + [spaced]).replace(b"\n", b"\r\n\r\n")
    corpus = records.corpus(jsonl.read(data, "x"))
    assert found(corpus) == [*rows, ("off with the lamp", "off", [(9, 17, "device")])]
    assert corpus.quirks["double_space"] == corpus.quirks["outer_space"] == 1


GOOD = record("fly to boston", "fly", [(7, 13, "to")])


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"{", ["broken JSON", "mend or remove"]),
        (b"[1]", ["expected", "found [1]"]),
        (b'{"text": "\xff", "intent": "a"}', ["not UTF-8 at byte 10"]),
        (b'{"text": "\\ud83d", "intent": "a"}', ["half of a surrogate pair"]),
        (b'{"text": " ", "intent": "a"}', ["text: expected what was said"]),
        (b'{"text": "a"}', ["intent: expected a name, found None"]),
        (b'{"text": "a", "intent": "a/b"}', ["intent: 'a/b' cannot be a name"]),
        (b'{"text": "a", "intent": "<script>"}', ["intent: '<script>' cannot be a name"]),
        (b'{"text": "a", "intent": "a", "entities": []}', ["unknown key 'entities'"]),
        (b'{"text": "a", "intent": "a", "slots": 3}', ["slots: expected a list, found 3"]),
        (b'{"text": "a", "intent": "a", "split": "dev"}', ["split: expected train, validation, test, found 'dev'"]),
        (as_jsonl([GOOD | {"split": "train"}]), ["line 1: no split, and x: line 2 has one"]),
        (as_jsonl([record("abc", "a", [(0, 9, "x")])]), ["slots[0]: x: characters 0 to 9 hold nothing", "has 3"]),
        (as_jsonl([record("abc", "a", [(2, 2, "x")])]), ["slots[0]: x: characters 2 to 2"]),
        (as_jsonl([record("abc", "a", [(-1, 2, "x")])]), ["slots[0]: x: characters -1 to 2"]),
        (as_jsonl([record("a b", "a", [(1, 2, "x")])]), ["slots[0]: x: characters 1 to 2 hold nothing"]),
        (as_jsonl([record("abc", "a", [(True, 2, "x")])]), ['slots[0]: expected {"start": 5']),
        (as_jsonl([record("abc", "a", [(0, 2, "x y/z")])]), ["slots[0]: label: 'x y/z' cannot be a name"]),
        (as_jsonl([record("abc", "a", [(0, 2, None)])]), ["slots[0]: label: expected a name, found None"]),
        (as_jsonl([record("abc", "a", [(0, 2, "x"), (1, 3, "y")])]), ["y: it begins within the slot before it"]),
    ],
)
def test_a_broken_line_is_named(line, parts):
    with pytest.raises(InputError) as error:
        records.corpus(jsonl.read(as_jsonl([GOOD]) + line, "x"))
    assert "\n" not in str(error.value)
    for part in ["x: line 2" if "line 1" not in parts[0] else "x: line 1", *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("[boston](city)\n", "[boston](city\n"), "a.yml: line 5: an entity that is not closed"),
        (("[boston](city)\n", "[boston]{city}\n"), "a.yml: line 5: {city}: expected"),
        (("- intent: weather", "- intent: faq/weather"), "a.yml: line 13: intent: 'faq/weather' cannot be a name"),
        (("- synonym: boston", "- sinonym: boston"), "a.yml: line 7: expected an intent with examples"),
        (("nlu:", "stories:"), "a.yml: no list `nlu`"),
        (("  examples:\n", "  example:\n"), "a.yml: line 10: no examples"),
        (("nlu:", "nlu: ["), "a.yml: not valid YAML"),
        (("- synonym: boston\n", "nlu:\n- synonym: boston\n"), "a.yml: line 7: a second `nlu`; join it"),
        (("- synonym: boston\n", "  examples: |\n    - bos\n- synonym: b\n"), "a.yml: line 7: a second `examples`"),
        (("  examples:\n  - text: |", "  examples: &a\n  - *a\n  - text: |"), "a.yml: line 10: no examples"),
    ],
)
def test_a_broken_rasa_file_is_named(tmp_path, change, part):
    assert change[0] in RASA
    (tmp_path / "a.yml").write_text(RASA.replace(*change, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        sources.read(tmp_path / "a.yml")
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hyphen_of_a_text_stays(tmp_path):
    (tmp_path / "a.yml").write_text(RASA.replace("- text: is it hot", '- text: "-5 degrees"'), encoding="utf-8")
    assert found(sources.read(tmp_path / "a.yml"))[-1][0] == "-5 degrees"


def test_a_file_is_the_part_that_it_is_called_after(tmp_path):
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.jsonl").write_bytes(as_jsonl([record(f"{name} it", "i", [])]))
    corpus = sources.read(tmp_path)
    assert {name: [row["text"] for row in rows] for name, rows in corpus.parts.items()} == {
        name: [f"{name} it"] for name in ("train", "validation", "test")
    }
    (tmp_path / "more.jsonl").write_bytes(as_jsonl([record("more", "i", [])]))
    with pytest.raises(InputError, match=r"more\.jsonl: line 1: no split, and test\.jsonl: line 1 has one"):
        sources.read(tmp_path)


def test_a_key_that_stands_twice_is_named(tmp_path):
    line = b'{"text": "a b", "intent": "i", "slots": [{"start": 0, "end": 1, "label": "n"}], "slots": []}\n'
    with pytest.raises(InputError, match="x: line 1: broken JSON: the key 'slots' stands there twice"):
        jsonl.read(line, "x")
    with pytest.raises(InputError, match="the key 'A' stands there twice"):
        snips.parse(b'{"A": [{"data": [{"text": "one"}]}], "A": []}', "train", "A", "x")


def test_a_bracket_that_marks_nothing_is_text():
    assert rasa.annotated("play [live] (again)", "x") == ("play [live] (again)", [])


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.csv", b"text", "not a corpus by its name"),
        ("a.parquet", b"PAR1", "write it anew"),
        ("a.jsonl", b"\n\n", "the corpus is empty"),
        (None, b"", "no such file or folder"),
    ],
)
def test_what_is_no_corpus(tmp_path, name, content, part):
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=part):
        sources.read(tmp_path / (name or "missing"))


def test_files_of_snips_without_utterances_are_no_corpus(tmp_path):
    (tmp_path / "A").mkdir()
    for name in ("train_A_full.json", "validate_A.json"):
        (tmp_path / "A" / name).write_bytes(b'{"A": []}')
    with pytest.raises(InputError, match="no utterances in its files"):
        sources.read(tmp_path)


def test_a_folder_of_two_formats(tmp_path):
    for name in ("a.jsonl", "b.yml"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"several formats, a\.jsonl, b\.yml"):
        sources.read(tmp_path)


def some(count, intents=2, slots=True):
    return records.corpus(
        [
            (f"line {n}", record(f"say {n} now", f"i{n % intents}", [(4, 4 + len(str(n)), "n")] if slots else []))
            for n in range(count)
        ]
    )


@pytest.mark.parametrize(
    ("corpus", "runs"),
    [
        (some(60), ("intent-full", "slots-full", "joint-full")),
        (some(60, slots=False), ("intent-full", "intent-head")),
        (some(60, intents=1), ("slots-full", "slots-head")),
    ],
)
def test_the_runs_that_make_sense(corpus, runs):
    planned = starting.plan(corpus, seed=13)
    assert planned.runs == runs
    assert sum(planned.sizes.values()) == 60
    assert planned.sizes["test"] == planned.sizes["validation"] == 9


def test_each_part_has_each_of_many_intents():
    planned = starting.plan(some(600, intents=100), seed=13)
    assert planned.split["test_share"] == 0.17
    assert planned.sizes["test"] >= 100


@pytest.mark.parametrize(
    ("corpus", "part"),
    [
        (some(5, intents=3), "i2: fewer than 3 different utterances"),
        (some(9, intents=3), "9 different utterances of 3 intents are too few"),
        (some(60, intents=1, slots=False), "one intent and no slots"),
    ],
)
def test_a_corpus_that_cannot_be_learned(corpus, part):
    with pytest.raises(InputError, match=part):
        starting.plan(corpus, seed=13)


def test_what_is_odd_is_listed_with_its_place():
    corpus = records.corpus(
        [
            ("line 1", record("play jazz", "play", [(5, 9, "genre")])),
            ("line 2", record("Play jazz", "play", [(5, 9, "genre")])),
            ("line 3", record("in boston", "city", [(3, 7, "city")])),
            ("line 4", record("in boston", "city", [(3, 9, "city")])),
        ]
    )
    assert len(quality.conflicts(corpus.parts["train_full"])) == 1
    lines = starting.look(corpus)
    assert "  line 1, line 2: play jazz" in lines[lines.index("1 texts that stand there again:") :]
    assert "  line 3, line 4: in boston" in lines[lines.index("1 texts with two intents, or with other slots:") :]
    at = next(n for n, line in enumerate(lines) if line.startswith("1 slots that begin or end within a word"))
    assert "  line 3: city: bost" in lines[at:]


def test_init_changes_its_lines_and_keeps_the_comments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(before, encoding="utf-8")
    Path("my corpus.jsonl").write_bytes(as_jsonl([record(f"say {n}", f"i{n % 2}", [(4, 5, "n")]) for n in range(40)]))
    result = run_stage("pipelines.cli", "init", "my corpus.jsonl")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("Next:\n  dvc repro summary\n  snips predict 'say 0'\n")
    assert "left out: intent-head, slots-head, qa-full, qa-head (--runs names those to keep)\n" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    after = Path("params.yaml").read_text(encoding="utf-8")
    new = [line for line in after.splitlines() if line not in before.splitlines()]
    assert new == [
        "  source: my corpus.jsonl",
        "  protocol: random",
        "  validation_share: 0.15  # random: share of all utterances, 0 to 1",
        "  test_share: 0.15  # random: share of all utterances, 0 to 1",
        "  data: my corpus.jsonl",
        "    intent: i0",
    ]
    content = yaml.safe_load(after)
    assert list(content["finetune"]) == ["intent-full", "slots-full", "joint-full"]
    assert content["split"]["protocol"] == "random"
    assert blocks.raw("watch.data") == "my corpus.jsonl"
    result = run_stage("pipelines.cli", "init", "my corpus.jsonl", "--runs", "qa-full")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "error: params.yaml: finetune has no qa-full" in result.stderr
    assert Path("params.yaml").read_text(encoding="utf-8") == after


def test_init_keeps_texts_text_and_refuses_words_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(before, encoding="utf-8")
    rows = as_jsonl([record(f"say {n}", ("on", "off")[n % 2], []) for n in range(40)])
    Path("2024.jsonl").write_bytes(rows)
    result = run_stage("pipelines.cli", "init", "2024.jsonl")
    assert result.returncode == 0, result.stderr
    assert blocks.raw("lessons.attention.intent") == "on"  # PyYAML takes a plain one for true
    Path("snips").mkdir()
    for intent in ("a", "b"):
        Path("snips", intent).mkdir()
        texts = {intent: [{"data": [{"text": f"{intent} {n}"}]} for n in range(9)]}
        Path("snips", intent, f"train_{intent}_full.json").write_text(json.dumps(texts))
        Path("snips", intent, f"validate_{intent}.json").write_text(json.dumps(texts))
    result = run_stage("pipelines.cli", "init", "snips")
    assert result.returncode == 1
    assert "error: snips: as data.source this word means the corpus that comes with the project" in result.stderr


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("mine/snips", "data.source: Value error, outputs would call it as the corpus that comes with the project"),
        ("two\nlines", "data.source: Value error, it has characters that are not printed"),
    ],
)
def test_init_refuses_what_the_stages_would(tmp_path, monkeypatch, name, part):
    monkeypatch.chdir(tmp_path)
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(before, encoding="utf-8")
    Path(name).mkdir(parents=True)
    Path(name, "a.jsonl").write_bytes(as_jsonl([record(f"say {n}", f"i{n % 2}", []) for n in range(40)]))
    assert_one_line_error(run_stage("pipelines.cli", "init", name), part)
    assert Path("params.yaml").read_text(encoding="utf-8") == before


def test_init_needs_of_params_only_what_it_sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    del content["lessons"]["attention"]
    text = yaml.safe_dump(content, sort_keys=False)
    Path("a.jsonl").write_bytes(as_jsonl([record(f"say {n}", f"i{n % 2}", []) for n in range(40)]))
    Path("params.yaml").write_text(text + "watch: {}\n", encoding="utf-8")
    result = run_stage("pipelines.cli", "init", "a.jsonl")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "error: params.yaml: " in result.stderr
    assert "40 utterances" in result.stdout  # what is in the corpus is told all the same
    Path("params.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-u", "-m", "pipelines.cli", "init", "a.jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # as `| true` does
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")
    assert blocks.raw("data.source") == "a.jsonl"


def test_a_part_that_lacks_an_intent_is_named():
    parts = {"train": ("a", "b", "rare"), "validation": ("a", "b"), "test": ("a", "b", "rare")}
    rows = [record(f"{intent} {part}", intent, [], split=part) for part, of in parts.items() for intent in of]
    corpus = records.corpus([(f"line {n}", row) for n, row in enumerate(rows)])
    assert starting.plan(corpus, seed=13).lacking == {"validation": ["rare"]}
    assert starting.plan(some(60), seed=13).lacking == {}
