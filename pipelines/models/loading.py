"""Loading models and tokenizers, from local files only and from safetensors only; labels, and texts as inputs."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError
from pipelines.models.options import Pooler

CHUNK = 1024  # texts tokenized at once
CAPITAL = "↑"  # a token of BERT's that SNIPS has nowhere
CAPITALS = [chr(code) for code in range(ord("A"), ord("ß")) if chr(code).isupper()]  # of Latin-1


def load_tokenizer(folder: Path, capitals: bool = False) -> Any:
    """The fast tokenizer of `folder`, without the fixed padding and truncation that some models ship.

    With `capitals` it marks them, see `marking_capitals`.

    Raises:
        InputError: the folder holds no tokenizer that can be loaded, or with `capitals` one that cannot mark them.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises nothing narrower
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: its tokenizer cannot be loaded: {reason:.160}; fetch the model anew") from None
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return marking_capitals(tokenizer) if capitals else tokenizer


def marking_capitals(tokenizer: Any) -> Any:
    """`tokenizer`, which lowers case, with the token `CAPITAL` before each word that begins with a capital letter.

    The encoder then sees what case says of names; whatever loads the saved tokenizer marks them too.

    Raises:
        InputError: the tokenizer has no such token, or keeps case.
    """
    from tokenizers import Regex, normalizers
    from transformers import PreTrainedTokenizerFast

    if CAPITAL not in tokenizer.get_vocab() or tokenizer.tokenize("A") != tokenizer.tokenize("a"):
        raise InputError(f"capitals: the tokenizer has no {CAPITAL} or keeps case; leave the option out")
    backend = tokenizer.backend_tokenizer
    rules = [normalizers.Replace(Regex(rf"\b{letter}"), f"{CAPITAL} {letter.lower()}") for letter in CAPITALS]
    backend.normalizer = normalizers.Sequence([*rules, backend.normalizer])
    names = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")  # BERT's
    kept = ("model_input_names", "model_max_length")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **{name: getattr(tokenizer, name) for name in (*names, *kept)}
    )


def load_model(auto_class: Any, folder: Path, new_head: bool = False, pooler: Pooler = "needed", **config: Any) -> Any:
    """A model of `auto_class` (`AutoModelFor…`) from `folder` in float32; `config` adds to its config.

    Its attention is written out (`eager`): over a dozen tokens a fused kernel costs more than it saves. What the folder
    holds no weights for would be made at random, so it is refused but for what the caller allows.

    Args:
        new_head: whether what lies above the encoder may be new.
        pooler: where the folder has none and the model reads one: `needed` refuses, `new` makes one at random and says
            so, `optional` leaves it out.

    Raises:
        InputError: the folder holds no model that `auto_class` can take, or its weights leave a part of it at random.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        settings = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        settings.update(config)
        if new_head and getattr(settings, "problem_type", None):
            settings.problem_type = None  # of the head that is left behind
        expected = getattr(auto_class, "config_class", None)
        if expected and settings.model_type != expected.model_type:
            raise ValueError(f"it is of type {settings.model_type}, {auto_class.__name__} takes {expected.model_type}")
        model, info = auto_class.from_pretrained(
            folder,
            config=settings,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: not a model that can be loaded: {reason:.200}") from None
    _check_whole(model, sorted(info["missing_keys"]), folder, new_head, pooler)
    return model


def _check_whole(model: Any, missing: list[str], folder: Path, new_head: bool, pooler: Pooler) -> None:
    """Refuse a model with parts at random; see `load_model`. `missing` names the tensors that had no weights."""
    encoder = model.base_model
    inner = "" if encoder is model else f"{model.base_model_prefix}."
    below = [name for name in missing if name.startswith(inner)]
    poolers = [name for name in below if name.startswith(f"{inner}pooler.")]
    lacking = [name for name in below if name not in poolers]
    if lacking:
        total = len(encoder.state_dict())
        raise InputError(
            f"{folder}: its weights fill {total - len(below)} of the encoder's {total} tensors, and not "
            f"{_first(lacking)}, which would be made at random; use a model whose weights are whole"
        )
    head = [name for name in missing if name not in below]
    if head and not new_head:
        raise InputError(f"{folder}: no weights for {_first(head)}; it was not trained for this, or run dvc repro anew")
    if not poolers:
        return
    if pooler == "needed":
        raise InputError(
            f"{folder}: it has no pooler, and the head reads one, which would stay random; take mode full, which "
            "trains it, or set random_pooler: true in the run"
        )
    if pooler == "optional":
        encoder.pooler = None
    else:
        print(f"{folder}: it has no pooler, and the head reads one; it starts from a random one", file=sys.stderr)


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


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
    """Longest input of `model`, in tokens.

    RoBERTa and MPNet count positions from the one after the padding's, and so take fewer tokens than they have rows.
    """
    rows = model.config.max_position_embeddings
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return rows if padding is None else rows - padding - 1


def label_config(labels: list[str]) -> dict[str, Any]:
    """The entries of a model config that name its labels."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}


def label_names(model: Any) -> list[str]:
    """The inverse of `label_config`."""
    return [model.config.id2label[n] for n in range(model.config.num_labels)]


def tokenize(tokenizer: Any, texts: list[str] | list[list[str]], longest: int) -> list[dict[str, Any]]:
    """Model inputs of each text, unpadded. Texts cut into words also get `first_tokens`, one entry a word.

    What marks a capital is not the first token of a word, but where the word has no other.

    Raises:
        InputError: a text has more than `longest` tokens.
    """
    if not texts:
        return []
    split = not isinstance(texts[0], str)
    mark = tokenizer.backend_tokenizer.token_to_id(CAPITAL)
    features = []
    for text, encoding in zip(texts, _encodings(tokenizer, texts, split), strict=True):
        size = len(encoding.ids)
        if size > longest:
            start = text if isinstance(text, str) else " ".join(text)
            raise InputError(
                f"text {start[:40]!r}…: {size} tokens, but the model has {longest} positions; shorten the text"
            )
        feature = inputs_of(tokenizer, encoding)
        if split:
            first: dict[int, int] = {}
            for piece, word in enumerate(encoding.word_ids):
                if word is not None and (word not in first or encoding.ids[first[word]] == mark):
                    first[word] = piece
            feature["first_tokens"] = [first.get(word) for word in range(len(text))]
        features.append(feature)
    return features


def counts_blanks(tokenizer: Any) -> bool:
    """Whether a token says if white space stands before it, as those of byte-level BPE do (RoBERTa, ModernBERT)."""
    return "ByteLevel(" in repr(tokenizer.backend_tokenizer.pre_tokenizer)


def inputs_of(tokenizer: Any, encoding: Any) -> dict[str, list[int]]:
    """Model inputs of one encoding of the tokenizers library, those that the model of `tokenizer` takes."""
    found = {"input_ids": encoding.ids, "token_type_ids": encoding.type_ids, "attention_mask": encoding.attention_mask}
    return {name: found[name] for name in tokenizer.model_input_names if name in found}


def _encodings(tokenizer: Any, texts: list[Any], split: bool) -> Iterator[Any]:
    """Encodings of texts, some at a time, as each keeps more than what a model takes."""
    for start in range(0, len(texts), CHUNK):
        yield from tokenizer.backend_tokenizer.encode_batch(texts[start : start + CHUNK], is_pretokenized=split)
