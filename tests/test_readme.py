import json

import pytest
import yaml

from pipelines.models import task as tasks
from tests.conftest import ROOT
from tests.readme import PAGES, generated


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_are_those_of_dvc_yaml_and_metrics(page):
    source = json.loads((ROOT / "metrics/summary.json").read_text(encoding="utf-8"))["source"]
    if source != "snips" and page != "stages/README.md":
        pytest.skip("after a run on another corpus, metrics/ no longer holds the figures that the pages publish")
    assert (ROOT / page).read_text(encoding="utf-8") == generated(page), "run: python -m tests.readme"


def test_the_map_names_what_is_there():
    house = (ROOT / "pipelines/README.md").read_text(encoding="utf-8")
    for path in (ROOT / "pipelines").iterdir():
        if path.suffix == ".py" and path.stem != "__init__":
            assert path.name in house, path
        if path.is_dir() and path.name != "__pycache__":
            assert f"{path.name}/ " in house, path


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1000


def test_each_option_of_a_run_is_shown_in_a_block_or_in_the_table():
    blocks = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["finetune"].values()
    table = (ROOT / "pipelines/README.md").read_text(encoding="utf-8").partition("## Options")[2].partition("\n## ")[0]
    for name in ("intent", "slots", "qa", "joint"):
        for option in tasks.offered(name).Options.model_fields:
            assert any(option in block for block in blocks) != (f"`{option}`" in table), (name, option)
