from pathlib import Path

import pytest

from pipelines.core import files
from pipelines.core.errors import InputError, shown


def test_json_is_sorted_rounded_and_ends_in_a_newline(tmp_path):
    files.write_json(tmp_path / "m.json", {"b": 1 / 3, "a": [2 / 3, {"c": "ñ"}]})
    expected = '{\n  "a": [\n    0.666667,\n    {\n      "c": "ñ"\n    }\n  ],\n  "b": 0.333333\n}\n'
    assert (tmp_path / "m.json").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_error_leaves_the_earlier_output_whole(tmp_path, kind):
    target = tmp_path / "out"
    if kind == "file":
        target.write_text("earlier")
    else:
        target.mkdir()
        (target / "part").write_text("earlier")
    with pytest.raises(RuntimeError), files.whole(target) as made:
        if kind == "folder":
            made.mkdir()
            made = made / "part"
        made.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target if kind == "file" else target / "part").read_text() == "earlier"


def test_a_folder_replaces_the_earlier_one(tmp_path):
    for content in ("one", "two"):
        with files.whole(tmp_path / "out") as folder:
            folder.mkdir()
            (folder / content).write_text(content)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_stop_between_two_renames_brings_the_earlier_folder_back(tmp_path, monkeypatch, error):
    target = tmp_path / "out"
    target.mkdir()
    (target / "part").write_text("earlier")

    def stop(*_):
        raise error

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(error), files.whole(target) as made:
        made.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target / "part").read_text() == "earlier"


def test_a_spreadsheet_runs_no_text_and_numbers_stay_numbers(tmp_path):
    rows = [
        {"a": "=cmd|' /C calc'!A0", "b": -0.5},
        {"a": "@x", "b": "+1"},
        {"a": "a=b", "b": "\t=1"},
        {"a": "-", "b": "+"},
    ]
    files.write_csv(tmp_path / "t.csv", rows, ["a", "b"])
    text = (tmp_path / "t.csv").read_text(encoding="utf-8")
    assert text == "a,b\n'=cmd|' /C calc'!A0,-0.5\n'@x,'+1\na=b,'\t=1\n-,+\n"  # a lone sign runs nothing


def test_an_error_is_one_line_without_what_a_terminal_obeys():
    said = str(InputError("ñ 🎵 \x1b[31m\r\n\ud800"))
    assert said == r"ñ 🎵 \x1b[31m\r\n\ud800"
    assert shown("a" * 99) == "'" + "a" * 59
    assert shown(10**5000) == "int"
