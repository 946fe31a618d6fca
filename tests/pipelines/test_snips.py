import json

import pytest

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.data.words import words
from tests.conftest import INTENTS, MIRROR, needs_snips


def parse(chunks, encoding="utf-8", errors="strict"):
    data = json.dumps({"PlayMusic": [{"data": chunks}]}, ensure_ascii=False).encode(encoding, errors)
    (row,), quirks = snips.parse(data, "validate", "PlayMusic", "here.json")
    return row, quirks


def values(row):
    return {slot["label"]: row["text"][slot["start"] : slot["end"]] for slot in row["slots"]}


def test_chunks_become_text_and_spans():
    row, _ = parse([{"text": "play "}, {"text": "Té Para Tres", "entity": "track"}, {"text": " now"}])
    assert row == {
        "id": "validate/PlayMusic/0000",
        "text": "play Té Para Tres now",
        "intent": "PlayMusic",
        "slots": [{"start": 5, "end": 17, "label": "track"}],
    }


def test_white_space_is_folded_and_spans_move_along():
    row, quirks = parse(
        [
            {"text": "\n play  the "},
            {"text": " new  song ", "entity": "track"},
            {"text": "\n"},
            {"text": "by"},
            {"text": " "},
            {"text": "Ana\n", "entity": "artist"},
        ]
    )
    assert row["text"] == "play the new song by Ana"
    assert values(row) == {"track": "new song", "artist": "Ana"}
    assert quirks["newline_chunks"] == 3
    assert quirks["outer_space"] == 1
    assert quirks["slot_outer_space"] == 2
    assert quirks["double_space"] == 1


def test_a_surrogate_pair_in_utf8_becomes_its_character():
    row, quirks = parse([{"text": "pizza \ud83c\udf55 é"}], errors="surrogatepass")
    assert row["text"] == "pizza 🍕 é"
    assert quirks["surrogate_pairs"] == 1


def test_same_slot_twice_and_an_edge_inside_a_word_are_counted():
    row, quirks = parse([{"text": "2016", "entity": "year"}, {"text": "s and "}, {"text": "1950", "entity": "year"}])
    assert len(row["slots"]) == 2
    assert quirks["same_slot_twice"] == 1
    assert quirks["slot_edge_inside_word"] == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"PlayMusic": [', ["broken JSON"]),
        ('{"RateBook": []}', ["'PlayMusic'", "RateBook"]),
        ("[]", ["'PlayMusic'", "list"]),
        ('{"PlayMusic": {}}', ["list of utterances"]),
        ('{"PlayMusic": [{"data": [{"text": "a"}]}, {}]}', ["PlayMusic[1]", "data"]),
        ('{"PlayMusic": [{"data": [{"text": "a"}, {"entity": "track"}]}]}', ["PlayMusic[0].data[1]", '"text"']),
        ('{"PlayMusic": [{"data": [{"text": 7}]}]}', ["PlayMusic[0].data[0]", '"text"']),
        ('{"PlayMusic": [{"data": [{"text": "a", "entity": 7}]}]}', ["PlayMusic[0].data[0]", "entity", "7"]),
        ('{"PlayMusic": [{"data": [{"text": " ", "entity": "track"}]}]}', ["PlayMusic[0].data[0]", "no text"]),
        ('{"PlayMusic": [{"data": [{"text": " "}]}]}', ["PlayMusic[0]", "empty"]),
    ],
)
def test_bad_files_are_one_line_with_the_place(text, parts):
    with pytest.raises(InputError) as error:
        snips.parse(text.encode(), "validate", "PlayMusic", "here.json")
    message = str(error.value)
    assert message.startswith("here.json")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_latin_1_is_refused():
    with pytest.raises(InputError, match=r"here\.json: not UTF-8"):
        parse([{"text": "Té"}], encoding="latin-1")


@pytest.mark.parametrize("name", ["a/b", "", " a", "a\n", "<script>", "|", "=1", "-", "x" * 101, "a\x00", "../a"])
def test_a_name_that_files_or_tables_take_amiss_is_refused(name):
    with pytest.raises(InputError, match=r"here\.json: PlayMusic\[0\]"):
        parse([{"text": "jazz", "entity": name}])


@pytest.mark.parametrize("name", ["artist", "party size", "partySize", "fecha-ñ", "日付", "o_2.1"])
def test_a_name_in_any_script_is_taken(name):
    row, _ = parse([{"text": "jazz", "entity": name}])
    assert values(row) == {name: "jazz"}


def test_an_intent_that_tables_take_amiss_is_refused(tmp_path):
    folder = tmp_path / "a|b"
    folder.mkdir()
    (folder / "train_a|b_full.json").write_text("{}")
    with pytest.raises(InputError, match=r"'a\|b' cannot be a name; take letters"):
        snips.intents(tmp_path)


def test_half_of_a_surrogate_pair_is_no_text():
    data = b'{"PlayMusic": [{"data": [{"text": "a \\ud83d"}]}]}'
    with pytest.raises(InputError, match=r"data\[0\]: half of a surrogate pair"):
        snips.parse(data, "validate", "PlayMusic", "here.json")


@needs_snips
def test_the_published_files_are_read_without_loss():
    seen = 0
    for part, pattern in snips.PARTS.items():
        for intent in INTENTS:
            data = (MIRROR / pattern.format(intent)).read_bytes()
            rows, _ = snips.parse(data, part, intent, intent)
            raw = json.loads(data.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16"))
            for row, utterance in zip(rows, raw[intent], strict=True):
                assert row["text"] == " ".join("".join(c["text"] for c in utterance["data"]).split())
                expected = [(" ".join(c["text"].split()), c["entity"]) for c in utterance["data"] if "entity" in c]
                assert [(row["text"][s["start"] : s["end"]], s["label"]) for s in row["slots"]] == expected
                assert words(row["text"])
                seen += 1
    assert seen == 14_484
