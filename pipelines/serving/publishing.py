"""A run or an export on the Hub: what would go there, and putting it there."""

from pathlib import Path
from typing import Any

import yaml

from pipelines.core.errors import InputError

MODELS = ({"config.json", "model.safetensors"}, {"export.json"})  # what makes a folder a run, or an export
LEFT_OUT = ("training.json",)  # facts of this project, which are in the card in words


def contents(folder: Path) -> list[tuple[str, int]]:
    """Names and bytes of the files of `folder` that are published.

    Raises:
        InputError: there is no model in the folder.
    """
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if "README.md" not in names or not any(model <= names for model in MODELS):
        raise InputError(f"{folder}: no model with a card in it; run: dvc repro finetune@{folder.name}")
    return [
        (path.name, path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in LEFT_OUT
    ]


def card_of(folder: Path) -> dict[str, Any]:
    """The metadata of the card, as `huggingface_hub` reads them.

    Raises:
        InputError: they are not valid.
    """
    from huggingface_hub import ModelCard

    try:
        return ModelCard.load(folder / "README.md").data.to_dict()
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder}/README.md: {str(error).splitlines()[0]:.160}; run dvc repro anew") from None


def publish(folder: Path, repository: str, private: bool) -> str:
    """Put the folder into `repository`, which is made if need be; -> its address.

    Raises:
        InputError: the Hub refuses, or cannot be reached, or finds the card not valid.
    """
    from huggingface_hub import HfApi, ModelCard
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    try:
        ModelCard.load(folder / "README.md").validate()
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message=f"{folder.name}, by snips push",
            allow_patterns=[name for name, _ in contents(folder)],
        )
    except LocalTokenNotFoundError:
        raise InputError("no token of the Hub; run: hf auth login, or set HF_TOKEN") from None
    except HFValidationError as error:
        raise InputError(f"{repository}: not the name of a repository: {str(error).splitlines()[0]:.120}") from None
    except HfHubHTTPError as error:
        code = error.response.status_code
        remedy = {401: "run: hf auth login, or set HF_TOKEN", 403: "take a token that may write there"}.get(
            code, "try again later"
        )
        raise InputError(f"{repository}: the Hub answers {code}: {str(error).splitlines()[0]:.120}; {remedy}") from None
    except ValueError as error:
        raise InputError(f"{folder}/README.md: {' '.join(str(error).split())[:160]}; mend the card") from None
    except OSError as error:  # no connection
        raise InputError(
            f"{repository}: {' '.join(str(error).split())[:160]}; try again when the Hub can be reached"
        ) from None
    return f"{api.endpoint}/{repository}"
