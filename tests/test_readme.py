import json

from tests.readme import PARTS, ROOT, generated


def test_generated_parts_are_those_of_dvc_yaml_and_metrics():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    source = json.loads((ROOT / "metrics/corpus.json").read_text(encoding="utf-8"))["source"]
    # after a run on the sample, metrics/ no longer holds the figures that README.md publishes
    parts = PARTS if source == "snips" else {"stages": PARTS["stages"]}
    assert text == generated(text, parts), "run: python -m tests.readme"


def test_the_map_names_what_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    house = text.split("## The map of the house")[1]
    for folder in ("pipelines", "stages"):
        for path in (ROOT / folder).glob("[a-z]*.py"):
            assert path.name in house, path
