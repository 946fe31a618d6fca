"""Whether a folder holds a model that the pipeline can use: of a kind that it knows, and filled by its weights."""

import json
from pathlib import Path
from typing import Any, Literal

from pipelines.core.errors import InputError

Kind = Literal["encoder", "decoder", "any", "tokenizer"]
POOLERS = ("pooler.",)  # what a base model may lack: only a head that reads it is the worse for it


def config_of(folder: Path) -> dict[str, Any]:
    """The content of config.json in `folder`.

    Raises:
        InputError: it is no JSON object.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict) or not isinstance(config.get("model_type", ""), str):
            raise ValueError("no object with a model_type in words")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"its config.json cannot be read ({error}); fetch it anew") from None
    return config


def check(folder: Path, kind: Kind) -> list[str]:
    """Load the model in `folder`, or its tokenizer alone, and return what a person should know of it, a line each.

    Raises:
        InputError: it is of another kind, brings code of its own, or its weights leave a part of it at random.
    """
    if kind == "tokenizer":
        _load_tokenizer(folder)
        return ["its tokenizer alone, as asked"]
    from transformers import AutoModel, AutoModelForCausalLM

    decoder = _known_kind(config_of(folder), kind) == "decoder"
    model, info = _loaded(AutoModelForCausalLM if decoder else AutoModel, folder)
    _load_tokenizer(folder)
    missing = sorted(info["missing_keys"])
    poolers = [name for name in missing if name.startswith(POOLERS)]
    lacking = [name for name in missing if name not in poolers]
    total = len(model.state_dict())
    if lacking:
        more = f" and {len(lacking) - 2} more" if len(lacking) > 2 else ""
        raise InputError(
            f"its weights fill {total - len(missing)} of {total} tensors, and not {', '.join(lacking[:2])}{more}, "
            "which would be made at random; use a model whose weights are whole and named as transformers names them"
        )
    if poolers:
        return ["it has no pooler, so a head that reads the pooler starts from a random one"]
    return []


def _load_tokenizer(folder: Path) -> None:
    from transformers import AutoTokenizer

    config_of(folder)
    try:
        AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise InputError(f"its tokenizer cannot be loaded ({' '.join(str(error).split()):.200}); use another") from None


def _known_kind(config: dict[str, Any], kind: Kind) -> Kind:
    from transformers.models.auto import modeling_auto as auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    found = config.get("model_type")
    if found not in CONFIG_MAPPING_NAMES:
        if config.get("auto_map"):
            raise InputError(
                f"a model of type {found} with code of its own (auto_map in config.json), which is never run; "
                "use one that transformers knows"
            )
        raise InputError(f"a model of type {found}, which this version of transformers does not know; use another")
    heads = (
        auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    )
    of = "encoder" if all(found in head for head in heads) and not config.get("is_encoder_decoder") else "neither"
    of = "decoder" if found == "gpt2" else of
    if of == "neither" or kind not in ("any", of):
        wanted = {
            "encoder": "an encoder such as BERT",
            "decoder": "a GPT-2",
            "any": "an encoder such as BERT, or a GPT-2",
        }
        raise InputError(f"a model of type {found}; use {wanted[kind]}")
    return of


def _loaded(auto_class: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Model, and what transformers says of its loading."""
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return auto_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # what a config can break in the making of a model has no common kind
        reason = " ".join(str(error).split())
        raise InputError(f"its weights and config.json do not make a model ({reason:.200}); use another") from None
