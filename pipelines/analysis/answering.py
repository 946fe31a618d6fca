"""Two ways to answer: a small BERT points at its answer in the text, a GPT-2 of the same size writes it.

Both read the same tokens, learn from the same questions, and start from random weights.
"""

import re
from collections import Counter, defaultdict
from random import Random
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from pydantic import Field, model_validator
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForQuestionAnswering, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from pipelines.core.blocks import Block
from pipelines.data.utterances import Utterance
from pipelines.models import inference
from pipelines.models.options import Run
from pipelines.models.task import Task
from pipelines.tasks.qa import squad
from pipelines.tasks.qa import task as qa

NO_LABEL = -100  # what the loss of transformers passes over
KINDS = {
    "extraction": "the answer stands in the text",
    "abstraction": "what the text asks for, in other words",
    "counting": "how many details the text gives",
    "yes or no": "whether the text says a thing",
}
ABOUT = "What is asked for?"
HOW_MANY = "How many details are given?"
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
N_BEST = 20  # starts and ends paired


class Question(TypedDict):
    """A question on a text; `start` and `end`: the characters of the answer in it, both 0 where it is not there."""

    id: str
    kind: str
    text: str
    question: str
    answer: str
    start: int
    end: int


class Shape(Block):
    """Sizes of both models."""

    width: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Shape":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class Training(Run):
    """How both are trained."""

    task: Literal["answering"] = "answering"
    mode: Literal["full"] = "full"


def questions(rows: list[Utterance], seed: int) -> list[Question]:
    """A question of each of `KINDS` on each row, drawn by seed; half of those for yes or no have the answer no.

    Rows without a slot whose label stands there once have none for extraction; where all rows have the same labels,
    nothing has the answer no. Where the answer of another kind happens to stand in the text, that question is left out:
    it could be pointed at.
    """
    written = qa.read_questions(qa.QUESTIONS)
    things = sorted({_words(slot["label"]) for row in rows for slot in row["slots"]})
    asked = []
    for row in rows:
        random = Random(f"{seed}/{row['id']}")
        there = sorted({_words(slot["label"]) for slot in row["slots"]})
        found: list[tuple[str, str, str, int, int]] = [
            ("abstraction", ABOUT, _words(row["intent"]), 0, 0),
            ("counting", HOW_MANY, NUMBERS[min(len(row["slots"]), len(NUMBERS) - 1)], 0, 0),
        ]
        labels = Counter(slot["label"] for slot in row["slots"])
        if once := [slot for slot in row["slots"] if labels[slot["label"]] == 1]:
            slot = random.choice(once)
            start, end, label = slot["start"], slot["end"], slot["label"]
            found.append(("extraction", _asking(written, label), row["text"][start:end], start, end))
        absent = [thing for thing in things if thing not in there]
        said = random.random() < 0.5
        if there if said else absent:
            thing = random.choice(there if said else absent)
            found.append(("yes or no", f"Does it say the {thing}?", "yes" if said else "no", 0, 0))
        for kind, question, answer, start, end in found:
            if not end and _stands_in(row["text"], answer):
                continue
            one = Question(
                id=f"{row['id']}/{kind}",
                kind=kind,
                text=row["text"],
                question=question,
                answer=answer,
                start=start,
                end=end,
            )
            asked.append(one)
    return asked


def _asking(written: dict[str, str], label: str) -> str:
    return written.get(label, qa.plain_question(label))


def _stands_in(text: str, answer: str) -> bool:
    return re.search(rf"\b{re.escape(answer)}\b", text.lower()) is not None


def _words(name: str) -> str:
    """`BookTable` and `party_size` in words."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", name).split()).lower()


def build(shape: Shape, tokenizer: Any, positions: int) -> tuple[Any, Any]:
    """A BERT and a GPT-2 from random weights, of one width, depth and vocabulary, without dropout."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    end = tokenizer.eos_token_id
    bert = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=None,
    )
    gpt2 = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_positions=positions,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
    )
    models = BertForQuestionAnswering(bert), GPT2LMHeadModel(gpt2)
    for model in models:
        model.set_attn_implementation("eager")  # of a fused kernel PyTorch counts no multiply-adds
    return models


def longest(rows: list[Question], tokenizer: Any) -> tuple[int, int]:
    """Tokens of the longest question with its text and the longest answer after it; and of the longest answer alone,
    with its end."""
    answer = max(len(_tokens(tokenizer, row["answer"])[0]) + 1 for row in rows)
    return max(len(_prompt(row, tokenizer)[0]) for row in rows) + answer, answer


def _tokens(tokenizer: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Tokens of a text after a blank, so that a word is the same token wherever it stands; their characters."""
    batch = tokenizer(f" {text}", add_special_tokens=False, return_offsets_mapping=True)
    return batch["input_ids"], [(max(0, start - 1), max(0, end - 1)) for start, end in batch["offset_mapping"]]


def _prompt(row: Question, tokenizer: Any) -> tuple[list[int], int, list[tuple[int, int]]]:
    """`<end> question <end> text <end>`, the place of the text's first token, and the characters of its tokens."""
    end = tokenizer.eos_token_id
    asked, _ = _tokens(tokenizer, row["question"])
    text, offsets = _tokens(tokenizer, row["text"])
    return [end, *asked, end, *text, end], len(asked) + 2, offsets


def _encode_pointing(
    rows: list[Question], tokenizer: Any, model: Any, options: Any = None, training: bool = False
) -> list[dict[str, Any]]:
    """BERT's inputs; the targets are the answer's first and last token, or the first of all where none stands there."""
    features = []
    for row in rows:
        ids, first, offsets = _prompt(row, tokenizer)
        inside = [n for n, (start, end) in enumerate(offsets) if start < row["end"] and end > row["start"]]
        span = (first + inside[0], first + inside[-1]) if inside else (0, 0)
        features.append(
            {"input_ids": ids, "attention_mask": [1] * len(ids), "first": first, "offsets": offsets}
            | {"token_type_ids": [int(n >= first) for n in range(len(ids))]}
            | {"start_positions": span[0], "end_positions": span[1]}
        )
    return features


def _decode_pointing(
    logits: list[tuple[np.ndarray, np.ndarray]], features: list[dict[str, Any]], rows: list[Question], model: Any
) -> list[dict[str, Any]]:
    """The `answer` that start and end logits, each (tokens,), point at; empty where the first token scores higher."""
    answers = []
    for (start, end), feature, row in zip(logits, features, rows, strict=True):
        context = [feature["first"] + n for n, (a, b) in enumerate(feature["offsets"]) if b > a]
        value, first, last = squad.best_span(start, end, context, N_BEST, len(context))
        begin, stop = feature["offsets"][first - feature["first"]][0], feature["offsets"][last - feature["first"]][1]
        refused = start[0] + end[0] >= value
        answers.append({"answer": "" if refused else row["text"][begin:stop].strip()})
    return answers


def _score_pointing(predictions: list[dict[str, Any]], rows: list[Question]) -> dict[str, float]:
    """`right`: share of the questions that are answered right, or refused where the text does not hold the answer."""
    wanted = [row["answer"] if row["end"] else "" for row in rows]
    return {"right": float(np.mean([same(one["answer"], want) for one, want in zip(predictions, wanted, strict=True)]))}


def _encode_writing(
    rows: list[Question], tokenizer: Any, model: Any, options: Any = None, training: bool = False
) -> list[dict[str, Any]]:
    """GPT-2's inputs, answer and end behind the prompt; the loss is on these alone."""
    features = []
    for row in rows:
        prompt, *_ = _prompt(row, tokenizer)
        answer = [*_tokens(tokenizer, row["answer"])[0], tokenizer.eos_token_id]
        ids = prompt + answer
        features.append(
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": [NO_LABEL] * len(prompt) + answer}
        )
    return features


def _reduce_writing(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (rows, tokens, vocabulary), labels (rows, tokens) -> (rows, tokens), 1 where the likeliest is wrong."""
    wanted = labels[:, 1:]
    wrong = (logits[:, :-1].argmax(dim=-1) != wanted) & (wanted != NO_LABEL)
    return torch.nn.functional.pad(wrong.float(), (1, 0))


def _decode_writing(
    values: list[np.ndarray], features: list[dict[str, Any]], rows: list[Question], model: Any
) -> list[dict[str, Any]]:
    """What `_reduce_writing` gives -> whether the likeliest tokens are the answer: then greedy search writes it."""
    return [{"right": not row.any()} for row in values]


def _score_writing(predictions: list[dict[str, Any]], rows: list[Question]) -> dict[str, float]:
    return {"right": float(np.mean([one["right"] for one in predictions]))}


def same(one: str, other: str) -> bool:
    """Whether two answers are the same but for case and blanks."""
    return " ".join(one.lower().split()) == " ".join(other.lower().split())


def point(model: Any, tokenizer: Any, rows: list[Question]) -> list[str]:
    """BERT's answers; empty where it refuses."""
    return [one["answer"] for one in inference.predictions(POINTING, model, tokenizer, rows)]


@torch.no_grad()
def write(model: Any, tokenizer: Any, rows: list[Question], tokens: int) -> list[str]:
    """GPT-2's answers, greedy, of at most so many tokens; rows of one length at a time, so nothing is padded."""
    model.eval()
    prompts: dict[int, list[int]] = defaultdict(list)
    inputs = [_prompt(row, tokenizer)[0] for row in rows]
    for n, ids in enumerate(inputs):
        prompts[len(ids)].append(n)
    answers = [""] * len(rows)
    for size, chosen in sorted(prompts.items()):
        start = torch.tensor([inputs[n] for n in chosen], device=model.device)
        output = model.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            max_new_tokens=tokens,
            do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
        )
        for n, text in zip(chosen, tokenizer.batch_decode(output[:, size:], skip_special_tokens=True), strict=True):
            answers[n] = " ".join(text.split())
    return answers


def commonest(train: list[Question], rows: list[Question]) -> list[str]:
    """What nobody has to read for: the commonest answer to each question in train, of all to a new question."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in train:
        counts[row["question"]][row["answer"].lower()] += 1
        counts[""][row["answer"].lower()] += 1
    return [counts[row["question"] if row["question"] in counts else ""].most_common(1)[0][0] for row in rows]


def work(bert: Any, gpt2: Any, tokenizer: Any, rows: list[Question], tokens: int) -> dict[str, float]:
    """Million multiply-adds for a question, the mean over `rows`, one at a time: half of PyTorch's operations."""
    done = {}
    for name, ask in (
        ("bert", lambda row: point(bert, tokenizer, [row])),
        ("gpt2", lambda row: write(gpt2, tokenizer, [row], tokens)),
    ):
        with FlopCounterMode(display=False) as counter:
            for row in rows:
                ask(row)
        done[name] = counter.get_total_flops() / 2e6 / len(rows)
    return done


POINTING = Task(
    name="pointing",
    auto_class=BertForQuestionAnswering,
    best="right",
    outputs={"start_logits": True, "end_logits": True},
    labels={"start_positions": None, "end_positions": None},
    build=build,
    encode=_encode_pointing,
    decode=_decode_pointing,
    score=_score_pointing,
    shuffle_batches=True,
)
WRITING = Task(
    name="writing",
    auto_class=GPT2LMHeadModel,
    best="right",
    outputs={"logits": True},
    labels={"labels": NO_LABEL},
    build=build,
    encode=_encode_writing,
    decode=_decode_writing,
    score=_score_writing,
    reduce=_reduce_writing,
    shuffle_batches=True,
)
