"""A 2-layer BERT made on the spot, and a project folder of its own for tests that run stages."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import warm
from tests.browser import CHROMIUM

ROOT = Path(__file__).parent.parent
# where a person's real SNIPS lies; tests that need the real files are skipped elsewhere
MIRROR = Path(os.environ.get("SNIPS_MIRROR", "nowhere")).resolve()
needs_snips = pytest.mark.skipif(not MIRROR.is_dir(), reason="SNIPS_MIRROR names no folder with the SNIPS files")

INTENTS = tuple(sorted(path.name for path in (ROOT / "data/sample").iterdir() if path.is_dir()))

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `make_tiny_encoder`, for all tests of a process."""
    return make_tiny_encoder(tmp_path_factory.mktemp("tiny-encoder"))


def make_tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """A 2-layer, 32-wide BERT with random weights and a WordPiece vocabulary learned on the sample, in `folder`."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, BertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "data/sample").rglob("*.json"))]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, on the sample, with the tiny encoder and one epoch; it is the working folder."""
    folder = tmp_path / "a project"
    monkeypatch.delenv("SNIPS_MIRROR", raising=False)
    copy_project(folder, tiny_encoder, monkeypatch)
    return folder


def copy_project(folder: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `project` in `folder` and go there."""
    folder.mkdir()
    for name in ("stages", "pipelines", "data/sample", "data/peers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "metrics/on_demand", folder / "metrics/on_demand")
    tracked = ("defaults.yaml", "snips.sha256", "literature_split.json", "qa_limits.yaml", "next_sentence.csv")
    for name in ("params.yaml", "dvc.yaml", ".dvcignore", "requirements.txt", *(f"data/{name}" for name in tracked)):
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder)

    def change(content: dict) -> None:
        content["threads"] = 1  # tests run one a core
        content["data"]["source"] = "sample"
        content["encoder"] = {"name": str(tiny_encoder), "revision": "main", "sha256": None}
        content["watch"]["encoder"] = str(tiny_encoder)
        for run in (*content["finetune"].values(), *content["few_shot"]["sizes"].values()):
            run |= {"epochs": 1, "least_steps": 0}
        content["few_shot"]["choice"]["learning_rates"] = [1e-4, 1e-2]
        for size in ("all", "intent-all"):
            content["few_shot"]["sizes"][size]["other_epochs"] = [2]
        content["decoder"]["scratch"] |= {
            "least_frequency": 0,
            "vocab_size": 400,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 2,
        }
        content["generate"] |= {"n": 3, "max_new_tokens": 12}
        content["generate"]["strategies"]["beam"] = 3
        content["augment"] |= {"draws": 1, "samples": 5, "sure": 0.01}
        for run in (
            content["adapt_encoder"],
            content["tune_decoder"],
            content["augment"]["classifier"],
            content["augment"]["decoder"],
        ):
            run |= {"epochs": 1, "least_steps": 0}
        lessons = content["lessons"]
        lessons["tokenization"]["vocab_size"] = 400
        lessons["attention"] |= {"layer": 1, "utterances": 24, "clusters": 2}
        lessons["masking"]["utterances"] = 5
        lessons["masking"]["training"]["epochs"] = 1
        lessons["next_sentence"]["languages"] = ["spanish"]
        lessons["next_sentence"]["training"]["epochs"] = 1
        lessons["answers"] |= {"shape": {"width": 16, "layers": 1, "heads": 2}, "utterances": 60, "validation": 10}
        lessons["answers"]["training"] |= {"epochs": 2, "least_steps": 0}
        lessons["transfer"] |= {"seeds": [13, 14], "sizes": {"10": {"per_intent": 10, "steps": 1, "batch_size": 32}}}

    edit_params(change)


@pytest.fixture(scope="session")
def rows():
    """The utterances of the sample's files of validation."""
    from pipelines.corpus import snips

    found = []
    for intent in INTENTS:
        content = (ROOT / f"data/sample/{intent}/validate_{intent}.json").read_bytes()
        found += snips.parse(content, "validate", intent, intent)[0]
    return found


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, where there is one."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def read_details(path: Path | str) -> dict:
    """The content of a details file: a list of one, which DVC takes no metrics from."""
    (details,) = json.loads(Path(path).read_text(encoding="utf-8"))
    return details


def edit_params(change) -> None:
    """Apply `change` to the content of params.yaml in the working folder."""
    path = Path("params.yaml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def run_stage(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m stages.<arguments>` in the working folder."""
    return warm.run_module(list(arguments), timeout=300)


def assert_one_line_error(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Exit code 1, nothing on stdout, no traceback, and a last line that names `parts`."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    for part in parts:
        assert part in lines[0]


def make_repository() -> None:
    """Make the working folder a git repository with DVC, as a clone of this project is."""
    for name, value in (("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@example.org")):
        os.environ[name] = os.environ[name.replace("AUTHOR", "COMMITTER")] = value
    subprocess.run(["git", "init", "-q"], check=True)
    dvc("init", "-q")
    dvc("config", "core.analytics", "false")
    Path(".gitignore").write_text("__pycache__/\n/.checkpoints/\n/data/monitor/\n")
    commit()


def dvc(*arguments: str, ok: bool = True, cwd: Path | None = None) -> str:
    """What a DVC command prints, in the working folder or in `cwd`."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "COLUMNS": "200"}
    result = subprocess.run(
        ["dvc", *arguments], capture_output=True, text=True, env=environment, timeout=600, check=False, cwd=cwd
    )
    assert not ok or result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` or `dvc exp run` really ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]


def commit() -> None:
    """Commit all of the working folder to git."""
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", "next"], check=True)
