"""Changed texts keep their labels at the right characters; on the sample."""

import pytest

from pipelines.analysis.robustness import KINDS, Noise, changed, edited, with_changed
from pipelines.core.errors import InputError


def values(row):
    return [(slot["label"], row["text"][slot["start"] : slot["end"]]) for slot in row["slots"]]


def edits_apart(one, other):
    """Damerau-Levenshtein distance of neighbours swapped (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for n, a in enumerate(one, start=1):
        row = [n]
        for m, b in enumerate(other, start=1):
            best = min(row[m - 1] + 1, rows[n - 1][m] + 1, rows[n - 1][m - 1] + (a != b))
            if n > 1 and m > 1 and a == other[m - 2] and b == one[n - 2]:
                best = min(best, rows[n - 2][m - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


@pytest.mark.parametrize("kind", KINDS)
def test_slots_hold_what_they_held(rows, kind):
    others = [changed(row, kind, 13) for row in rows]
    assert others == [changed(row, kind, 13) for row in rows]
    assert [row["intent"] for row in others] == [row["intent"] for row in rows]
    some = sum(row["text"] != other["text"] for row, other in zip(rows, others, strict=True))
    assert some > len(rows) / 4
    for row, other in zip(rows, others, strict=True):
        for (label, before), (label_after, after) in zip(values(row), values(other), strict=True):
            assert label == label_after
            if kind == "upper case":
                assert after == before.upper()
            elif kind == "typing errors":
                assert edits_apart(before, after) <= max(1, len(before.split()))
            else:
                assert after == before
    if kind != "upper case":
        assert others != [changed(row, kind, 14) for row in rows]


def test_each_word_has_one_typing_error_at_most_and_its_ends_stay(rows):
    for row in rows:
        before, after = row["text"].split(), changed(row, "typing errors", 13)["text"].split()
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            assert edits_apart(one, other) <= max(1, one.count("-") + one.count("'") + 1)
            if one.isalpha() and one != other:
                assert one[0] == other[0]


def test_a_polite_request_is_not_made_polite_again():
    def row(text):
        return {"id": "1", "intent": "a", "text": text, "slots": []}

    for text in ("Can you play jazz", "please play jazz", "what is the weather", "I want jazz", ""):
        assert changed(row(text), "polite", 13)["text"] == text
    found = {changed(row("play jazz.") | {"id": str(n)}, "polite", 13)["text"] for n in range(40)}
    assert {"could you please play jazz.", "play jazz please", "can you play jazz for me"} <= found


def test_edits_move_what_follows_and_stretch_what_they_are_in():
    row = {"id": "1", "intent": "a", "text": "play so what now", "slots": [{"start": 5, "end": 12, "label": "track"}]}
    other = edited(row, [(0, 4, "put on"), (9, 10, "hh"), (13, 13, "right ")])
    assert other["text"] == "put on so whhat right now"
    assert values(other) == [("track", "so whhat")]


def test_a_share_of_train_also_stands_there_changed(rows):
    noise = Noise(run=[], share=0.5, kinds=["typing errors", "fillers"], seed=13)
    made = with_changed(rows, noise)
    assert made[: len(rows)] == rows
    more = made[len(rows) :]
    assert 0.3 * len(rows) < len(more) < 0.7 * len(rows)
    assert more == with_changed(rows, noise)[len(rows) :]
    assert len({row["id"] for row in made}) == len(made)
    by_id = {row["id"]: row for row in rows}
    of = [(by_id[row["id"].removesuffix("/changed")], row) for row in more]
    kinds = {kind: sum(changed(one, kind, 13)["text"] == other["text"] for one, other in of) for kind in noise.kinds}
    assert min(kinds.values()) > 0
    assert sum(kinds.values()) == len(more)
    with pytest.raises(InputError, match=r"noise.kinds: lisps: no such rules"):
        with_changed(rows, Noise(run=[], share=0.5, kinds=["lisps"], seed=13))
