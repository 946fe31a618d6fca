"""What is pre-training worth?"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from scipy.stats import t
from transformers import BertModel, pipeline

from pipelines.core.blocks import Block, RunName, Seed
from pipelines.core.errors import InputError
from pipelines.data import drawing
from pipelines.data.utterances import Utterance
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName, Sentence, Sentences
from pipelines.models import inference, loading
from pipelines.tasks.intent import Options as Run
from pipelines.tasks.intent import task as intent
from pipelines.tasks.qa import task as qa
from pipelines.training import trainer

VARY = """
dvc exp run lesson@transfer -S '+lessons.transfer.sizes.50={per_intent: 50, steps: 66, batch_size: 32}'
dvc exp run -S '+models.bert={name: google-bert/bert-base-uncased, revision: main, sha256: null}' \\
  -S lessons.transfer.encoder=bert lesson@transfer
dvc exp run -S 'lessons.transfer.sentences=[wake me up at seven]' lesson@transfer
"""

ARMS = {
    "random": "random weights, every weight trained",
    "frozen": "pre-trained, new layer on the pooled `[CLS]`",
    "mean": "pre-trained, new layer on the mean",
    "full": "pre-trained, every weight trained",
}
_CLS = (
    " `[CLS]` is read as pre-training left it; of an encoder that was trained for the mean of all tokens, as "
    "all-MiniLM was, the mean has more to read."
)
_WITHOUT_A_POOLER = (
    " This encoder brings no pooler, so the arm that reads the pooled `[CLS]` without training it is left out."
)
HEADS = ("frozen", "mean")  # the arms whose encoder stays as it is
LEVEL = 0.95  # of the intervals
POOLERS = ("pooler.dense.weight", "bert.pooler.dense.weight")  # by its name in an encoder, and in one with a head
MODELS = {"intent": "BertForSequenceClassification", "slots": "BertForTokenClassification", "qa": None}


class Arm(Run):
    """How one arm is trained on intents, but for what its size says."""

    @model_validator(mode="after")
    def _nothing_of_its_size(self) -> "Arm":
        if given := sorted({"epochs", "batch_size", "least_steps", "seed"} & self.model_fields_set):
            raise ValueError(f"{', '.join(given)}: no option of an arm; see sizes and seeds")
        return self


class Size(Block):
    """Utterances an intent, steps of the optimizer (whole epochs, at least one), and utterances a step."""

    per_intent: int = Field(gt=0)
    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)

    def epochs(self, rows: int) -> int:
        """The epochs over so many rows that come nearest to the steps."""
        return max(1, round(self.steps / -(-rows // self.batch_size)))


class Question(Block):
    """A question on a text."""

    question: Sentence
    context: Sentence


class Options(LessonOptions):
    """The architecture, the sizes, how each arm is trained; and what the ready-made pipelines are asked."""

    encoder: ModelName
    seeds: list[Seed] = Field(min_length=2)
    validation: int = Field(gt=0)
    sizes: dict[str, Size] = Field(min_length=1)
    arms: dict[str, Arm]
    models: dict[str, RunName]
    sentences: Sentences
    questions: list[Question] = Field(min_length=1)

    def runs(self) -> list[str]:
        return list(self.models.values())

    @model_validator(mode="after")
    def _known_keys(self) -> "Options":
        for key, found, wanted in (("arms", self.arms, ARMS), ("models", self.models, MODELS)):
            if set(found) != set(wanted):
                raise ValueError(f"{key} must be {', '.join(wanted)}, not {', '.join(found)}")
        for name, arm in self.arms.items():
            if (arm.mode == "head") != (name in HEADS):
                raise ValueError(f"arms.{name} cannot have mode {arm.mode}")
        return self


def measure(options: Options, materials: Materials) -> Measured:
    """Accuracy on test of each arm at each size and seed; and what transformers' pipelines say of a few sentences."""
    base = materials.find("encoder", options.encoder, "bert")
    tokenizer = loading.load_tokenizer(base)
    arms = _possible(base, options.arms)
    asked = _inference(options, materials)  # before what takes minutes, as it may name a model that is not there
    train, test = materials.rows_to_classify(), materials.rows("test")
    validation = drawing.some(materials.rows("validation"), options.validation, options.seeds[0])
    fewest = min(Counter(row["intent"] for row in train).values())
    left_out = [name for name, size in options.sizes.items() if size.per_intent > fewest]
    sizes = {name: size for name, size in options.sizes.items() if name not in left_out}
    if not sizes:
        raise InputError(f"lessons.transfer.sizes: train has {fewest} utterances of an intent; name a smaller size")
    points = []
    for name, size in sorted(sizes.items(), key=lambda item: item[1].per_intent):
        for seed in options.seeds:
            chosen = drawing.draw(train, size.per_intent, str(seed), "lessons.transfer.sizes")
            rows = [row for row in train if row["id"] in chosen]
            epochs = size.epochs(len(rows))
            same = {"epochs": epochs, "batch_size": size.batch_size, "seed": seed}
            for arm, settings in arms.items():
                settings = settings.model_copy(update=same)
                model = _built(arm, base, rows, settings)
                trained = trainer.train(
                    intent.TASK, settings, model, tokenizer, rows, validation, materials.checkpoints
                )
                said = inference.predictions(intent.TASK, trained.model, tokenizer, test, settings.precision)
                points.append(
                    {"arm": arm, "size": name, "seed": seed, "utterances": len(rows)}
                    | {"epochs": epochs, "steps": epochs * -(-len(rows) // size.batch_size)}
                    | {name: trained.facts[name] for name in ("best_epoch", "trained_weights")}
                    | {"accuracy": intent.score(said, test)["accuracy"]}
                )
    facts = {
        "encoder": options.encoder,
        "test": len(test),
        "validation": len(validation),
        "seeds": options.seeds,
        "fewest": fewest,
        "left_out": left_out,
        "arms_left_out": [arm for arm in ARMS if arm not in arms],
        "points": points,
        "arms": _arms(points),
        "gains": _gains(points),
        "models": options.models,
        "inference": asked,
    }
    return Measured(facts, {"curve": points})


def _possible(base: Path, arms: dict[str, Arm]) -> dict[str, Arm]:
    """The arms that an encoder can be given: `frozen` reads its pooler, and not each has one."""
    if arms["frozen"].pooler != "needed" or any(loading.holds(base, name) for name in POOLERS):
        return arms
    return {name: arm for name, arm in arms.items() if name != "frozen"}


def _built(arm: str, base: Path, rows: list[Utterance], settings: Run) -> Any:
    """The model of an arm before it is trained.

    No dropout in any: the frozen ones have none, and a few passes leave nothing to regularise.
    """
    trainer.seed(settings.seed)
    if arm == "mean":
        settings = settings.model_copy(update={"pooling": "mean"})
    model = intent.build(base, rows, settings)
    if arm == "random":
        model = type(model)(model.config)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def _arms(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each size and arm the mean accuracy over the seeds, with its interval, and the epochs that were kept."""
    return [
        {key: of[0][key] for key in ("arm", "size", "utterances", "epochs", "steps")}
        | _interval([point["accuracy"] for point in of], ends=(0.0, 1.0))
        | {"best_epochs": [point["best_epoch"] for point in of]}
        for of in _groups(points, "size", "arm")
    ]


def _gains(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each size what pre-training adds to accuracy: `full` less `random`, seed by seed."""
    result = []
    for of in _groups(points, "size"):
        found = {(point["arm"], point["seed"]): point["accuracy"] for point in of}
        seeds = list(dict.fromkeys(point["seed"] for point in of))
        result.append(
            {"size": of[0]["size"], "utterances": of[0]["utterances"]}
            | _interval([found["full", seed] - found["random", seed] for seed in seeds])
        )
    return result


def _groups(points: list[dict[str, Any]], *keys: str) -> list[list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for point in points:
        groups.setdefault(tuple(point[key] for key in keys), []).append(point)
    return list(groups.values())


def _interval(values: list[float], ends: tuple[float, float] = (-1.0, 1.0)) -> dict[str, float]:
    """Mean with its 95 % interval by Student's t, over seeds that draw other utterances each; cut at `ends`."""
    centre = float(np.mean(values))
    half = float(np.std(values, ddof=1) / len(values) ** 0.5 * t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return {"mean": centre, "low": max(ends[0], centre - half), "high": min(ends[1], centre + half)}


def _inference(options: Options, materials: Materials) -> dict[str, Any]:
    """What `text-classification`, `token-classification` and our pipeline for questions give."""
    folders = {task: materials.find(f"models.{task}", name, "bert") for task, name in options.models.items()}
    for task, architecture in MODELS.items():
        model, tokenizer = materials.load(f"models.{task}", options.models[task], BertModel, "bert")
        if architecture and architecture not in (model.config.architectures or []):
            raise InputError(
                f"lessons.transfer.models.{task} {options.models[task]}: this is no {architecture}; offline there is "
                f"{task}-full"
            )
        for sentence in options.sentences:
            materials.fits("sentences", tokenizer, model, sentence)
    classify = pipeline("text-classification", str(folders["intent"]))
    tag = pipeline("token-classification", str(folders["slots"]), aggregation_strategy="first")
    ask = qa.pipeline(folders["qa"])
    return {
        "intents": [
            {"sentence": sentence, "label": found["label"], "score": found["score"]}
            for sentence, found in zip(options.sentences, classify(options.sentences), strict=True)
        ],
        "slots": [
            {"sentence": sentence, "slot": one["entity_group"], "score": float(one["score"])}
            | {"text": sentence[one["start"] : one["end"]]}
            for sentence, found in zip(options.sentences, tag(options.sentences), strict=True)
            for one in found
        ],
        "answers": [
            {"question": one.question, "context": one.context}
            | {key: value for key, value in ask(question=one.question, context=one.context).items() if key != "start"}
            for one in options.questions
        ],
    }


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {f"{task}-full": run for task, run in facts["models"].items()}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    arms = {arm: title for arm, title in ARMS.items() if arm not in facts["arms_left_out"]}
    drawn = pictures.lines(
        {
            title.replace("`", ""): [
                (row["utterances"], row["mean"], row["low"], row["high"]) for row in facts["arms"] if row["arm"] == arm
            ]
            for arm, title in arms.items()
        },
        "training utterances",
        "intent accuracy on test",
        logarithmic=True,
    )
    seeds = ", ".join(map(str, facts["seeds"]))
    rows = [
        {key: of[0][key] for key in ("size", "utterances", "steps", "epochs")}
        | {row["arm"]: page.interval(row["mean"], row["low"], row["high"]) for row in of}
        for of in _groups(facts["arms"], "size")
    ]
    body = [
        page.heading("Learning curve"),
        page.picture(
            drawn,
            f"Intent accuracy on {facts['test']} test utterances by training utterances: mean of the seeds {seeds}, "
            "with its 95 % interval.",
        ),
        page.table(
            rows, {"size": "an intent", "utterances": "utterances", "steps": "steps", "epochs": "epochs"} | arms
        ),
        page.text(
            f"Mean of the seeds {seeds}, each with its own draw of utterances, and its 95 % interval (Student's t, cut "
            "at 1). All arms of a size take the same steps of the optimizer on the same utterances; of their epochs "
            f"the one that is best on {facts['validation']} utterances of validation is kept. No dropout."
            + (_WITHOUT_A_POOLER if "frozen" in facts["arms_left_out"] else _CLS)
            + (
                f" Left out, as train has {facts['fewest']} utterances of an intent: {', '.join(facts['left_out'])}."
                if facts["left_out"]
                else ""
            )
        ),
        page.heading("What pre-training is worth"),
        page.table(
            [
                {"utterances": row["utterances"], "gain": page.interval(row["mean"], row["low"], row["high"])}
                for row in facts["gains"]
            ],
            {"utterances": "utterances", "gain": "accuracy of the last column less that of the first, seed by seed"},
        ),
        page.text(_worth(facts["gains"])),
        *_ready_made(facts),
    ]
    return page.Page(
        body=body,
        vary=VARY,
        pictures={"curve": drawn},
    )


def _worth(gains: list[dict[str, Any]]) -> str:
    """What the intervals of the gain let one say, and no more."""
    sure = [row for row in gains if row["low"] > 0]
    unsure = [row for row in gains if row["low"] <= 0 <= row["high"]]
    worse = [row for row in gains if row["high"] < 0]
    said = []
    if sure:
        at = ", ".join(f"{100 * row['mean']:.1f} points with {row['utterances']:,} utterances" for row in sure)
        said.append(f"At the same number of steps, pre-trained weights are worth {at}.")
        said.append("Random weights would come nearer with more steps; how near was not measured here.")
    if unsure:
        at = ", ".join(f"{row['utterances']:,}" for row in unsure)
        said.append(f"With {at} utterances the interval holds 0, so these seeds show no difference.")
    if worse:
        at = ", ".join(f"{-100 * row['mean']:.1f} points with {row['utterances']:,} utterances" for row in worse)
        said.append(f"Random weights are better than pre-trained ones, at the same number of steps, by {at}.")
    return " ".join(said)


def _ready_made(facts: dict[str, Any]) -> list[str]:
    """What pipelines say of a few sentences."""
    asked = facts["inference"]
    return [
        page.heading("Ready-made pipelines on the models of this project"),
        page.text(f"`text-classification` with {facts['models']['intent']}:"),
        page.table(asked["intents"], {"sentence": "sentence", "label": "intent", "score": "probability"}),
        page.text(f"`token-classification` with {facts['models']['slots']}:"),
        page.table(asked["slots"], {"sentence": "sentence", "text": "words", "slot": "slot", "score": "probability"}),
        page.text(f"Questions with {facts['models']['qa']}, by this project's own pipeline:"),
        page.table(
            asked["answers"], {"context": "text", "question": "question", "answer": "answer", "score": "probability"}
        ),
    ]
