"""GUIDE.md: each example runs, from top to bottom, and prints what stands on the page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, commit, edit_params, make_repository, make_tiny_encoder
from tests.guide import MARK, PAGE, examples, plain, run, sections, unfit

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = [  # and whether an example of it can run here
    ("To begin", True),
    ("A variant", True),
    ("A sweep", True),
    ("A search", True),
    ("Taking an experiment over", True),
    ("Comparing two commits", True),
    ("Going back", True),
    ("Another base model", True),
    ("Your own corpus", True),
    ("Sharing", True),
    ("Publishing", True),
    ("Where DVC is awkward", True),
    ("Freeing space", True),
    ("VS Code", False),
    ("Colab, or another machine with a GPU", False),
]


@pytest.fixture
def clone(project, tiny_encoder):
    """A fresh clone with one run alone, on a tiny encoder, which learns something in a few steps."""
    make_repository()
    for path in (".dvc/plots", "data/.gitignore", "data/lessons/.gitignore", "data/models/.gitignore", "dvc.lock"):
        Path(path).parent.mkdir(exist_ok=True)
        (shutil.copytree if (ROOT / path).is_dir() else shutil.copy)(ROOT / path, path)
    shutil.copytree(ROOT / "metrics", "metrics", dirs_exist_ok=True)
    shutil.copytree(tiny_encoder, "tiny-bert")

    def as_cloned(content):
        content["data"]["source"] = "snips"
        content["encoder"]["name"] = content["watch"]["encoder"] = "tiny-bert"
        run = content["finetune"]["intent-full"]
        content["finetune"] = {"intent-full": run | {"epochs": 3, "batch_size": 8, "learning_rate": 1e-3}}

    edit_params(as_cloned)
    commit()
    subprocess.run(["git", "branch", "-M", "main"], check=True)
    make_tiny_encoder(Path("small-bert"), seed=1)
    (project / ".git/info/exclude").write_text(f"/{MARK}\n")
    (project / MARK).touch()
    yield project
    subprocess.run(["dvc", "queue", "stop", "--kill"], cwd=project, capture_output=True, check=False)


def test_each_example_prints_what_the_page_says(clone):
    for example in examples(TEXT):
        status, printed = run(example.command, clone)
        problem = unfit(example.printed, printed)
        assert problem is None, f"GUIDE.md, {example.section}: {example.command}\n{problem}\nprinted:\n{printed}"
        fails = any(line.startswith("ERROR") for line in example.printed)
        assert bool(status) == fails, f"GUIDE.md, {example.section}: {example.command}\nexit {status}:\n{printed}"


def test_no_folder_but_a_marked_clone_is_touched(tmp_path):
    for folder in (ROOT, tmp_path):
        with pytest.raises(ValueError, match="not a clone to be thrown away"):
            run("touch here", folder)
    assert list(tmp_path.iterdir()) == []


def test_each_thing_that_one_does_has_its_section():
    assert [title for title, _ in SECTIONS] == list(sections(TEXT))
    assert {title for title, runs in SECTIONS if runs} == {example.section for example in examples(TEXT)}
    for title, runs in SECTIONS:
        content = sections(TEXT)[title]
        assert set(re.findall(r"^```(\w+)$", content, flags=re.MULTILINE)) <= {"console", "sh"}, title
        assert ("```sh" in content) == ("not run by the test" in " ".join(content.split())), title
        assert runs or "```sh" in content, title


def test_the_guide_is_short_and_names_no_machine():
    words = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL).split()
    assert len(words) <= 1500
    assert not re.search(r"(?<!\w)/(work|tmp|root|home)/", TEXT)


@pytest.mark.parametrize(
    ("page", "printed", "problem"),
    [
        ("a 0.9\nb", "a 0.85\n\nb\n", None),
        ("a\n...", "a\nb\nc\n", None),
        ("...\nc", "a\nb\nc\n", None),
        ("a\n...\nc\nd\n...\ng", "a\nb\nc\nc\nd\ne\ng\n", None),
        ("a\n...\nb", "a\nb\n", None),
        ("", "", None),
        ("a", "a\nb\n", "not on the page: b"),
        ("", "b\n", "not on the page: b"),
        ("a\nb", "a\n", "not printed there: b"),
        ("...\nx", "a\nb\n", "not printed there: x"),
        ("...\na", "a\nb\n", "not printed there: a"),
        ("a\n...\nc\nb\n...", "a\nb\nc\n", "not printed there: c"),
        ("a rate-1", "a rate-2\n", "not printed there: a rate-1"),
    ],
)
def test_what_is_printed_is_held_against_the_page(page, printed, problem):
    assert unfit(tuple(page.splitlines()), printed) == problem


def test_what_differs_each_time_is_no_difference():
    for one, other in (
        ("7d71922 [rate-2]   10:14 AM  Success", "24ffce8 [rate-2] 09:05 PM Success"),
        ("summary.json  0.46939  0.14286  -0.32653", "summary.json  0.9  0.95  0.05"),
        ("(PID 8104): /somewhere/bin/dvc repro", "(PID 17): /else where/bin/dvc repro".replace(" w", "w")),
        ("learning_rate  3e-05   0.0001", "learning_rate  1  2"),
        ("1.2M total", "310K  total"),
    ):
        assert plain(one) == plain(other)
    assert plain("Stage 'split' didn't change") != plain("Stage 'convert' didn't change")
