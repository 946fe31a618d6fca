"""Loading models and tokenizers, from local files only and from safetensors only; labels, and texts as inputs."""

import json
from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError


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
    from transformers.utils import SAFE_WEIGHTS_NAME

    with safe_open(folder / SAFE_WEIGHTS_NAME, "pt") as weights:
        return weight in weights.keys()  # noqa: SIM118 (not a dict)


def max_positions(model: Any) -> int:
    """Longest input of `model`, in tokens."""
    return model.config.max_position_embeddings


def label_config(labels: list[str]) -> dict[str, Any]:
    """The entries of a model config that name its labels."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}


def label_names(model: Any) -> list[str]:
    """The inverse of `label_config`."""
    return [model.config.id2label[n] for n in range(model.config.num_labels)]


def tokenize(tokenizer: Any, texts: list[str] | list[list[str]], longest: int) -> list[dict[str, Any]]:
    """Model inputs of each text, unpadded. Texts cut into words also get `first_tokens`, one entry a word.

    Raises:
        InputError: a text has more than `longest` tokens.
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
                f"text {start[:40]!r}…: {size} tokens, but the model has {longest} positions; shorten the text"
            )
        if split:
            first: dict[int, int] = {}
            for piece, word in enumerate(batch.word_ids(n)):
                if word is not None:
                    first.setdefault(word, piece)
            feature["first_tokens"] = [first.get(word) for word in range(len(text))]
        features.append(feature)
    return features
