"""No pickle is loaded: planted ones, which would leave a mark, run nowhere that the pipeline reads."""

import contextlib
import pickle
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification, BertModel

from pipelines.core.errors import InputError
from pipelines.data import parquet
from pipelines.fetching import base_models
from pipelines.models import loading
from pipelines.training import checkpoints, trainer
from tests.pipelines.test_checkpoints import split, train  # noqa: F401 (split is a fixture)

NAMES = (
    "pytorch_model.bin",
    "model.pt",
    "training_args.bin",
    "tokenizer.pkl",
    "dataset.pkl",
    "state.pickle",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
)


class Trap:
    """Whoever unpickles it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.fixture
def plant(tmp_path):
    """`plant(folder)` lays a trap under each of `NAMES`; at the end none may have gone off."""
    mark = tmp_path / "a pickle was loaded"

    def planted(folder: Path, names: tuple[str, ...] = NAMES) -> None:
        for name in names:
            (folder / name).write_bytes(pickle.dumps(Trap(mark)))

    planted.mark = mark
    yield planted
    assert not mark.exists()


def test_the_trap_works(plant, tmp_path):
    plant(tmp_path, ("x.pkl",))
    pickle.loads((tmp_path / "x.pkl").read_bytes()).close()
    assert plant.mark.exists()
    plant.mark.unlink()


def test_beside_a_whole_model(plant, tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    plant(folder)
    loading.load_model(BertModel, folder)
    loading.load_tokenizer(folder)
    wanted = base_models.Encoder(name=str(folder), revision="main", sha256=None)
    base_models.fetch(wanted, "encoder", "encoder", tmp_path / "fetched")
    assert not {path.name for path in (tmp_path / "fetched").iterdir()} & set(NAMES)


def test_in_place_of_a_model(plant, tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    plant(folder)
    for auto_class in (BertModel, AutoModelForSequenceClassification):
        with pytest.raises(InputError, match="not a model that can be loaded"):
            loading.load_model(auto_class, folder, new_head=True)
    for path in folder.glob("*.json"):
        if path.name != "config.json":
            path.unlink()
    with contextlib.suppress(InputError):
        loading.load_tokenizer(folder)


def test_beside_and_in_place_of_a_data_set(plant, split, tmp_path):  # noqa: F811
    plant(split)
    rows = parquet.read(split / "train.parquet")
    assert rows
    plant(tmp_path, ("bad.parquet",))
    with pytest.raises(InputError, match=r"bad\.parquet"):
        parquet.read(tmp_path / "bad.parquet")


def test_in_a_checkpoint_that_training_goes_on_from(plant, split, tiny_encoder, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv(checkpoints.ROOT, str(tmp_path / "shared"))
    save = trainer.Trainer._save_checkpoint

    def save_then_stop(self, *arguments, **named):
        save(self, *arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.Trainer, "_save_checkpoint", save_then_stop)
        train(split, tiny_encoder)
    (folder,) = (tmp_path / "shared").glob("*/checkpoint-*")
    there = tuple(path.name for path in folder.iterdir() if path.name in NAMES)
    assert "optimizer.pt" in there
    plant(folder, there)
    with pytest.raises(Exception, match=r"(?i)weights.only|unpickl"):
        train(split, tiny_encoder)
