"""JointBERT (Chen et al. 2019, arXiv:1902.10909): intent and slots from one encoder."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.nn.utils.rnn import pad_sequence
from torchcrf import CRF
from transformers import BertModel, BertPreTrainedModel
from transformers.utils import ModelOutput

from pipelines.models import pooling


@dataclass
class JointOutput(ModelOutput):
    """`loss` (scalar), `intent_logits` (batch, intents), `slot_logits` (batch, tokens, tags)."""

    loss: torch.Tensor | None = None
    intent_logits: torch.Tensor | None = None
    slot_logits: torch.Tensor | None = None


@dataclass(frozen=True)
class Objective:
    """What training optimises; no part of the model, and in no config.

    `slot_loss_weight` is the share of the slot loss in the sum of both. `slot_dropout` is the share of the words in
    slots whose first token is hidden behind `mask_token_id`, so that a slot is also known by what stands around it.
    `r_drop` is the weight of how far two passes with other dropout lie apart (R-Drop, Liang et al. 2021,
    arXiv:2106.14448). `taught` is the share of the teachers' probabilities in the loss, where the labels have the rest
    (Hinton et al. 2015, arXiv:1503.02531; a student of its teachers' size: Furlanello et al. 2018, arXiv:1805.04770).
    """

    slot_loss_weight: float = 0.5
    slot_dropout: float = 0.0
    label_smoothing: float = 0.0
    r_drop: float = 0.0
    taught: float = 0.0
    mask_token_id: int | None = None


class JointBert(BertPreTrainedModel):
    """A linear layer for the intent on the pooled `[CLS]` or the mean of all tokens, one for the slots on every token.

    The config names the labels, `intents` and `tags`, and `head`: `crf` adds a conditional random field (Lafferty et
    al. 2001) over the first tokens of the words. `objective` is set for training.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.objective = Objective()
        self.on_mean = getattr(config, "pooling", "cls") == "mean"
        self.bert = BertModel(config, add_pooling_layer=not self.on_mean)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.intent_classifier = torch.nn.Linear(config.hidden_size, len(config.intents))
        self.slot_classifier = torch.nn.Linear(config.hidden_size, len(config.tags))
        self.crf = CRF(len(config.tags), batch_first=True) if config.head == "crf" else None
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, CRF):
            module.reset_parameters()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        intent_labels: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        taught_intents: torch.Tensor | None = None,
        taught_tags: torch.Tensor | None = None,
    ) -> JointOutput:
        """Logits, and with labels the weighted sum of both losses.

        Args:
            input_ids: (batch, tokens); `attention_mask`, `token_type_ids` and tag ids `labels` alike, -100 left out.
            intent_labels: (batch,) intent ids.
            taught_intents: (batch, intents) probabilities of teachers; `taught_tags` (batch, tokens, tags).
        """
        if self.training and self.objective.r_drop and labels is not None:
            given = (input_ids, attention_mask, token_type_ids, inputs_embeds, intent_labels, labels)
            given += (taught_intents, taught_tags)
            doubled = [None if one is None else torch.cat([one, one]) for one in given]
            input_ids, attention_mask, token_type_ids, inputs_embeds, intent_labels, labels = doubled[:6]
            taught_intents, taught_tags = doubled[6:]
        if self.training and self.objective.slot_dropout and input_ids is not None and labels is not None:
            hidden_pieces = (labels > 0) & (
                torch.rand(labels.shape, device=labels.device) < self.objective.slot_dropout
            )
            input_ids = input_ids.masked_fill(hidden_pieces, self.objective.mask_token_id)
        hidden = self.bert(
            input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, inputs_embeds=inputs_embeds
        )
        whole = pooling.mean(hidden.last_hidden_state, attention_mask) if self.on_mean else hidden.pooler_output
        intent_logits = self.intent_classifier(self.dropout(whole))
        slot_logits = self.slot_classifier(self.dropout(hidden.last_hidden_state))
        loss = None
        if intent_labels is not None and labels is not None:
            weight = self.objective.slot_loss_weight
            smoothing = self.objective.label_smoothing if self.training else 0.0
            intent_loss = cross_entropy(intent_logits, intent_labels, label_smoothing=smoothing)
            slot_loss = self._slot_loss(slot_logits, labels, smoothing)
            if taught_intents is not None:
                share, known = self.objective.taught, labels != -100
                intent_loss = (1 - share) * intent_loss + share * cross_entropy(intent_logits, taught_intents)
                slot_loss = (1 - share) * slot_loss + share * cross_entropy(slot_logits[known], taught_tags[known])
            if self.training and self.objective.r_drop:
                intent_loss = intent_loss + self.objective.r_drop * _apart(intent_logits)
                both = (labels != -100).chunk(2)[0]
                halves = torch.cat([half[both] for half in slot_logits.chunk(2)])
                slot_loss = slot_loss + self.objective.r_drop * _apart(halves)
            loss = (1 - weight) * intent_loss + weight * slot_loss
        return JointOutput(loss=loss, intent_logits=intent_logits, slot_logits=slot_logits)

    def _slot_loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Mean over the labelled tokens: cross entropy, or the negative log likelihood of whole paths."""
        if self.crf is None:
            return cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=smoothing)
        known = labels != -100
        if not known.any():
            return logits.sum() * 0
        logits, labels, known = (of[known.any(dim=1)] for of in (logits, labels, known))  # paths have a first token
        scores = pad_sequence([row[at] for row, at in zip(logits.float(), known, strict=True)], batch_first=True)
        tags = pad_sequence([row[at] for row, at in zip(labels, known, strict=True)], batch_first=True)
        lengths = known.sum(dim=1, keepdim=True)
        mask = torch.arange(tags.shape[1], device=tags.device) < lengths
        return -self.crf(scores, tags, mask=mask, reduction="token_mean")


def _apart(logits: torch.Tensor) -> torch.Tensor:
    """Mean Kullback-Leibler divergence, both ways, between the first half of the rows and the second, in nats."""
    one, other = log_softmax(logits.float(), dim=-1).chunk(2)
    ways = [
        kl_div(first, second, reduction="batchmean", log_target=True) for first, second in ((one, other), (other, one))
    ]
    return sum(ways) / 2
