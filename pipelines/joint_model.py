"""JointBERT (Chen et al. 2019, arXiv:1902.10909): intent and slots from one encoder."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import BertModel, BertPreTrainedModel
from transformers.utils import ModelOutput


@dataclass
class JointOutput(ModelOutput):
    """`loss` (scalar), `intent_logits` (batch, intents), `slot_logits` (batch, pieces, tags)."""

    loss: torch.Tensor | None = None
    intent_logits: torch.Tensor | None = None
    slot_logits: torch.Tensor | None = None


class JointBert(BertPreTrainedModel):
    """A linear layer for the intent on the pooled `[CLS]`, and one for the slots on every piece.

    The config names the labels: `intents` and `tags`, and `slot_loss_weight`, the share of the slot loss.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.intent_classifier = torch.nn.Linear(config.hidden_size, len(config.intents))
        self.slot_classifier = torch.nn.Linear(config.hidden_size, len(config.tags))
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        intent_labels: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> JointOutput:
        """Logits, and with labels the weighted sum of both cross entropies.

        Args:
            input_ids: (batch, pieces); `attention_mask`, `token_type_ids` and tag ids `labels` alike, -100 left out.
            intent_labels: (batch,) intent ids.
        """
        hidden = self.bert(
            input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, inputs_embeds=inputs_embeds
        )
        intent_logits = self.intent_classifier(self.dropout(hidden.pooler_output))
        slot_logits = self.slot_classifier(self.dropout(hidden.last_hidden_state))
        loss = None
        if intent_labels is not None and labels is not None:
            weight = self.config.slot_loss_weight
            intent_loss = cross_entropy(intent_logits, intent_labels)
            slot_loss = cross_entropy(slot_logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
            loss = (1 - weight) * intent_loss + weight * slot_loss
        return JointOutput(loss=loss, intent_logits=intent_logits, slot_logits=slot_logits)
