"""Classifiers of whole utterances: transformers' own, on the pooled `[CLS]`, and one on the mean of all tokens."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification, BertModel
from transformers.modeling_outputs import SequenceClassifierOutput

from pipelines.models import pooling


class BertOnMean(BertForSequenceClassification):
    """BERT whose new layer reads the mean of all tokens where it would read the pooled `[CLS]`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """`logits` (batch, labels), and with `labels` (batch,) the mean cross entropy."""
        hidden = self.bert(
            input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, inputs_embeds=inputs_embeds
        ).last_hidden_state
        logits = self.classifier(self.dropout(pooling.mean(hidden, attention_mask)))
        return SequenceClassifierOutput(loss=None if labels is None else cross_entropy(logits, labels), logits=logits)


class Classifier:
    """The one or the other, as the config says."""

    @staticmethod
    def from_pretrained(folder: Any, config: Any, **options: Any) -> Any:
        kind = BertOnMean if getattr(config, "pooling", "cls") == "mean" else AutoModelForSequenceClassification
        return kind.from_pretrained(folder, config=config, **options)
