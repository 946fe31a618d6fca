"""Questions: extractive question answering with refusal (SQuAD v2, Rajpurkar et al. 2018; Devlin et al. 2019, 4.3)."""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import softmax
from transformers import AutoModelForQuestionAnswering

from pipelines.core.errors import InputError, shown
from pipelines.data.utterances import Utterance
from pipelines.models import loading
from pipelines.models.inference import predict
from pipelines.models.task import Task
from pipelines.tasks.qa import Options, squad

OUTPUTS = {"start_logits": True, "end_logits": True}
QUESTIONS = Path(__file__).with_name("questions.yaml")
N_BEST, LONGEST_ANSWER, STRIDE = 20, 30, 32  # starts and ends paired; tokens; tokens shared by neighbouring windows
NOTHING = -1e6  # score where there is no span at all


def build(base: Path, rows: list[Utterance], options: Options) -> Any:
    """A span extractor on the encoder in `base`. Its config keeps which questions an intent's utterances are asked.

    Raises:
        InputError: the rows have no slots, or questions.yaml is broken, see `read_questions`.
    """
    asked: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        asked[row["intent"]].update(slot["label"] for slot in row["slots"])
    written = read_questions(QUESTIONS)
    labels = sorted(set().union(*asked.values()))
    if not labels:
        raise InputError("train has no slots, so there is nothing to ask for; take this run out of params.yaml")
    return loading.load_model(
        AutoModelForQuestionAnswering,
        base,
        new_head=True,
        num_labels=2,  # start and end, whatever the base model was for
        questions={label: written.get(label, plain_question(label)) for label in labels},
        asked={intent: sorted(labels) for intent, labels in sorted(asked.items())},
        null_threshold=0.0,
    )


def plain_question(label: str) -> str:
    """The question for a label that has none of its own: `party_size` and `partySize` become `Which party size?`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", label).split()
    return f"Which {' '.join(words).lower()}?"


def read_questions(path: Path) -> dict[str, str]:
    """Slot label -> question.

    Raises:
        InputError: the file is no mapping of labels to questions.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such day, bytes, number
        raise InputError(f"{path.name}: {' '.join(str(error).split())}; restore the file") from None
    if not isinstance(content, dict):
        raise InputError(f"{path.name}: expected `label: question` lines; mend the file")
    for label, question in content.items():
        if not isinstance(label, str):
            raise InputError(f"{path.name}: {shown(label)}: expected a label; put it in quotes")
        if not isinstance(question, str) or not question.strip().endswith("?"):
            raise InputError(f"{path.name}: {label}: expected a question, found {shown(question)}; mend this line")
    return content


def encode(
    rows: list[Utterance], tokenizer: Any, model: Any, options: Options | None = None, training: bool = False
) -> list[dict[str, Any]]:
    """Model inputs of each question on each utterance; where the text is too long, in several windows.

    Evaluation asks every slot that the utterance's intent has in train, and those that the utterance has. Training asks
    the latter, and of the others a share (`options.unanswerable_rate`), drawn by seed. A text without an intent is
    asked everything. Each feature also has `row`, `label`, and `offsets`: for each token its characters in the text,
    or None outside of it.

    Raises:
        InputError: a question leaves no room for a text.
    """
    config = model.config
    pairs = [
        (n, label)
        for n, row in enumerate(rows)
        for label in _asked(config, row)
        if not training or _gold(row, label) or _draw(options, row["id"], label) < options.unanswerable_rate
    ]
    features = []
    for n, label in pairs:
        question = config.questions.get(label, plain_question(label))
        for window in _windows(tokenizer, question, rows[n]["text"], loading.max_positions(model)):
            feature = window | {"row": n, "label": label}
            if "slots" in rows[n]:
                start, end = _target(window["offsets"], _gold(rows[n], label))
                feature |= {"start_positions": start, "end_positions": end}
            features.append(feature)
    return features


def _asked(config: Any, row: Utterance) -> list[str]:
    """The labels that are asked of a row."""
    if "intent" not in row:
        return sorted(config.questions)
    return sorted({*config.asked.get(row["intent"], []), *(slot["label"] for slot in row.get("slots", []))})


def decode(
    logits: list[tuple[np.ndarray, np.ndarray]], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> list[dict[str, Any]]:
    """Start and end logits of each window, each (tokens,) -> for each row its `answers`, one a question.

    An answer has `label`, `answer`, `start`, `end` and `margin`, the best span's score over that of no answer; where
    the margin is below the threshold in the model's config, the answer is empty.
    """
    predictions: list[dict[str, Any]] = [{"answers": []} for _ in rows]
    for n, answer in spans(logits, features, rows):
        if answer["margin"] < model.config.null_threshold:
            answer |= {"answer": "", "start": 0, "end": 0}
        predictions[n]["answers"].append(answer)
    return predictions


def calibrate(
    logits: list[tuple[np.ndarray, np.ndarray]], features: list[dict[str, Any]], rows: list[Utterance], model: Any
) -> None:
    """Set the threshold in the model's config to the one with the highest span F1 on these rows (validation)."""
    found = spans(logits, features, rows)
    right = [is_gold(answer, rows[n]) for n, answer in found]
    wanted = sum(len(_gold(rows[n], answer["label"])) for n, answer in found)
    threshold = squad.best_threshold(np.array([answer["margin"] for _, answer in found]), np.array(right), wanted)
    model.config.null_threshold = round(threshold, 6)


def score(predictions: list[dict[str, Any]], rows: list[Utterance]) -> dict[str, Any]:
    """SQuAD v2 metrics (see `squad.score`), and a row for each label under `per_slot`."""
    by_label: dict[str, list[Any]] = defaultdict(list)
    for answer, gold in _pairs(predictions, rows):
        by_label[answer["label"]].append((answer, gold))
    everything = [pair for label in sorted(by_label) for pair in by_label[label]]
    result: dict[str, Any] = squad.score(everything)
    result["per_slot"] = [
        {"label": label, "questions": len(pairs)} | squad.score(pairs) for label, pairs in sorted(by_label.items())
    ]
    return result


def is_right(prediction: dict[str, Any], row: Utterance) -> bool:
    """Whether every question is answered by the right characters, or rightly refused."""
    return all(_right(answer, gold) for answer, gold in _pairs([prediction], [row]))


def plots(predictions: list[dict[str, Any]], rows: list[Utterance]) -> list[dict[str, str]]:
    """Pairs of what should be done with a question and what was done, for a confusion matrix."""
    return [
        {
            "actual": "answerable" if gold else "unanswerable",
            "predicted": ("right answer" if _right(answer, gold) else "wrong answer")
            if answer["answer"]
            else "refused",
        }
        for answer, gold in _pairs(predictions, rows)
    ]


def _pairs(
    predictions: list[dict[str, Any]], rows: list[Utterance]
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each answer with the right ones to its question."""
    return [
        (answer, _gold(row, answer["label"]))
        for prediction, row in zip(predictions, rows, strict=True)
        for answer in prediction["answers"]
    ]


def _gold(row: Utterance, label: str) -> list[dict[str, Any]]:
    """The right answers to the question for `label`: none, one, or several where the slot stands twice."""
    return [
        {"answer": row["text"][slot["start"] : slot["end"]], "start": slot["start"], "end": slot["end"]}
        for slot in row.get("slots", [])
        if slot["label"] == label
    ]


def _right(answer: dict[str, Any], gold: list[dict[str, Any]]) -> bool:
    return (answer["start"], answer["end"]) in ([(g["start"], g["end"]) for g in gold] or [(0, 0)])


def is_gold(answer: dict[str, Any], row: Utterance) -> bool:
    """Whether the span is a slot of the row, with the label that was asked for."""
    return (answer["start"], answer["end"]) in [(g["start"], g["end"]) for g in _gold(row, answer["label"])]


def _draw(options: Options, row_id: str, label: str) -> float:
    return random.Random(f"{options.seed}/{row_id}/{label}").random()


def _windows(tokenizer: Any, question: str, text: str, longest: int) -> list[dict[str, Any]]:
    """Question and text as model inputs with `offsets`, cut into windows of `longest` tokens that overlap.

    Raises:
        InputError: the question leaves no room for a text.
    """
    size = len(tokenizer(question, add_special_tokens=False)["input_ids"])
    if longest - size - tokenizer.num_special_tokens_to_add(pair=True) <= STRIDE:
        raise InputError(
            f"question {question[:40]!r}…: {size} tokens leave too little of the model's {longest} positions "
            "for the text; shorten the question"
        )
    batch = tokenizer(
        question,
        text,
        truncation="only_second",
        max_length=longest,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    return [
        {name: batch[name][n] for name in tokenizer.model_input_names if name in batch}
        | {
            "offsets": [
                _without_blanks(text, *offset) if where == 1 else None
                for offset, where in zip(batch["offset_mapping"][n], batch.sequence_ids(n), strict=True)
            ]
        }
        for n in range(len(batch["input_ids"]))
    ]


def _without_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters of a token less the white space before them, which SentencePiece counts as part of it."""
    return end - len(text[start:end].lstrip()), end


def _target(offsets: list[tuple[int, int] | None], gold: list[dict[str, Any]]) -> tuple[int, int]:
    """First and last token of the first answer that lies whole in the window, else (0, 0), the `[CLS]`."""
    for answer in gold:
        inside = [n for n, o in enumerate(offsets) if o and o[0] < answer["end"] and o[1] > answer["start"]]
        if inside and offsets[inside[0]][0] <= answer["start"] and offsets[inside[-1]][1] >= answer["end"]:
            return inside[0], inside[-1]
    return 0, 0


def spans(
    logits: list[tuple[np.ndarray, np.ndarray]], features: list[dict[str, Any]], rows: list[Utterance]
) -> list[tuple[int, dict[str, Any]]]:
    """For each question (row, label) the best span over its windows, with its margin over no answer."""
    best: dict[tuple[int, str], dict[str, Any]] = {}
    null: dict[tuple[int, str], float] = {}
    for (start, end), feature in zip(logits, features, strict=True):
        key = (feature["row"], feature["label"])
        null[key] = min(null.get(key, np.inf), float(start[0] + end[0]))
        context = [piece for piece, offset in enumerate(feature["offsets"]) if offset and offset[1] > offset[0]]
        value, at = NOTHING, {"start": 0, "end": 0}
        if context:  # a text can be all white space to the tokenizer
            value, first, last = squad.best_span(start, end, context, N_BEST, LONGEST_ANSWER)
            at = {"start": feature["offsets"][first][0], "end": feature["offsets"][last][1]}
        if key not in best or value > best[key]["margin"]:
            best[key] = (
                {"label": key[1], "answer": rows[key[0]]["text"][at["start"] : at["end"]]} | at | {"margin": value}
            )
    for key, answer in best.items():
        answer["margin"] -= null[key]
    return [(key[0], answer) for key, answer in best.items()]


def pipeline(folder: Path) -> Callable[[str, str], dict[str, Any]]:
    """A function of question and context on the model in `folder`, in place of transformers' former pipeline.

    Raises:
        InputError: the folder holds no model of this task.
    """
    model, tokenizer = loading.load_model(AutoModelForQuestionAnswering, folder), loading.load_tokenizer(folder)
    if not hasattr(model.config, "null_threshold"):
        raise InputError(f"{folder}: not a model of the task qa; name one")
    return lambda question, context: answer(question, context, model, tokenizer)


def answer(question: str, text: str, model: Any, tokenizer: Any) -> dict[str, Any]:
    """One question on one text, in the shape of transformers' former question-answering pipeline.

    Returns:
        `answer`, its `start` and `end` in characters of `text`, and `score`, the product of the probabilities of its
        first and last token. Where the model refuses, the answer is empty and the score is that of `[CLS]`.

    Raises:
        InputError: the text is empty, or the question is too long for the model.
    """
    if not text.strip():
        raise InputError("the text to look in is empty; give a text")
    features = [
        window | {"row": 0, "label": ""} for window in _windows(tokenizer, question, text, loading.max_positions(model))
    ]
    logits = predict(model, features, OUTPUTS)
    ((_, best),) = spans(logits, features, [{"text": text}])
    refused = best["margin"] < model.config.null_threshold
    if refused:
        best |= {"answer": "", "start": 0, "end": 0}
    scores = [
        _probability(start, end, feature["offsets"], None if refused else best)
        for (start, end), feature in zip(logits, features, strict=True)
    ]
    score = min(scores) if refused else max(scores)  # there is no answer only if no window has one
    return {"answer": best["answer"], "score": score, "start": best["start"], "end": best["end"]}


def _probability(
    start: np.ndarray, end: np.ndarray, offsets: list[tuple[int, int] | None], span: dict[str, Any] | None
) -> float:
    """Probability of a span in one window, 0 where it does not lie in it; of `[CLS]` if `span` is None."""
    first = last = 0
    if span is not None:
        starts = [n for n, offset in enumerate(offsets) if offset and offset[0] == span["start"]]
        ends = [n for n, offset in enumerate(offsets) if offset and offset[1] == span["end"]]
        if not starts or not ends:
            return 0.0
        first, last = starts[0], ends[-1]
    return float(softmax(start.astype(np.float64))[first] * softmax(end.astype(np.float64))[last])


TASK = Task(
    name="qa",
    auto_class=AutoModelForQuestionAnswering,
    best="span_f1",
    outputs=OUTPUTS,
    labels={"start_positions": None, "end_positions": None},
    build=build,
    encode=encode,
    decode=decode,
    score=score,
    is_right=is_right,
    plots=plots,
    calibrate=calibrate,
)
