"""What the page shows beside answers: where a layer of the encoder looks, and how GPT-2 goes on, by strategy."""

from pathlib import Path
from typing import Any

import torch

from pipelines.core.errors import InputError
from pipelines.decoder import language_model, sampling
from pipelines.decoder.options import Generate
from pipelines.models import inference, loading
from pipelines.serving.model import Model

MOST = 40  # tokens of a text whose attention is shown


class Inside:
    """The run in the folder `run`, and the tuned decoder in `decoder`, each loaded when it is first asked.

    `writing` is the section `generate` of params.yaml.
    """

    def __init__(self, run: Path, decoder: Path, writing: Generate) -> None:
        self.places, self.writing = (run, decoder), writing
        self.model: Model | None = None
        self.writer: tuple[Any, Any] | None = None

    @torch.no_grad()
    def attention(self, text: str, layer: int) -> dict[str, Any]:
        """`tokens`, the number of `layers`, and `weights`, (tokens, tokens): the mean over the heads of one layer.

        Raises:
            InputError: there is no such layer, or the text has more than `MOST` tokens.
        """
        self.model = self.model or Model.load(self.places[0])
        features = self.model.task.encode([{"text": text}], self.model.tokenizer, self.model.model)
        encoder, layers = self.model.model.eval().base_model, self.model.model.config.num_hidden_layers
        if len(features[0]["input_ids"]) > MOST:
            raise InputError(f"the attention of more than {MOST} tokens is not shown; take a shorter text")
        if not 0 <= layer < layers:
            raise InputError(f"layer {layer}: the encoder has layers 0 to {layers - 1}")
        output = encoder(**inference.collate(features[:1], {}), output_attentions=True)
        tokens = self.model.tokenizer.convert_ids_to_tokens(features[0]["input_ids"])
        return {"tokens": tokens, "layers": layers, "weights": output.attentions[layer][0].mean(dim=0).tolist()}

    def goes_on(self, text: str, intent: str) -> dict[str, str]:
        """Strategy of params.yaml -> how the decoder goes on after `text` where an utterance of `intent` is wanted.

        Raises:
            InputError: there is no decoder, it does not know the intent, or the text is too long for it.
        """
        if self.writer is None:
            folder = self.places[1]
            if not folder.is_dir():
                raise InputError(f"{folder}: no tuned decoder yet; run: dvc repro tune_decoder")
            self.writer = loading.load_model(language_model.TASK.auto_class, folder), loading.load_tokenizer(folder)
        found = {}
        for name, value in self.writing.strategies.listed().items():
            (row,) = sampling.generate(
                *self.writer, intent, name, value, 1, self.writing.seed, self.writing.max_new_tokens, text
            )
            found[name] = row["text"]
        return found
