"""What is pre-training worth?"""

from collections import Counter
from typing import Any

import torch
from pydantic import Field, model_validator
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
dvc exp run lesson@transfer \\
  -S '+lessons.transfer.sizes.100={per_intent: 100, epochs: 4, frozen_epochs: 20, batch_size: 32}'
dvc exp run -S '+models.bert={name: google-bert/bert-base-uncased, revision: main, sha256: null}' \\
  -S lessons.transfer.encoder=bert lesson@transfer
dvc exp run -S 'lessons.transfer.sentences=[wake me up at seven]' lesson@transfer
"""

ARMS = {
    "random": "random weights, every weight trained",
    "frozen": "pre-trained weights, only the new layer trained",
    "full": "pre-trained weights, every weight trained",
}


MODELS = {"intent": "BertForSequenceClassification", "slots": "BertForTokenClassification", "qa": None}


class Arm(Run):
    """How one arm is trained on intents, but for what its size says."""

    @model_validator(mode="after")
    def _nothing_of_its_size(self) -> "Arm":
        if given := sorted({"epochs", "batch_size", "seed"} & self.model_fields_set):
            raise ValueError(f"{', '.join(given)}: no option of an arm; set it under sizes, the seed beside them")
        return self


class Size(Block):
    """Utterances an intent, empty for all; epochs over them, of the frozen arm its own, and utterances a step."""

    per_intent: int | None = Field(gt=0)
    epochs: int = Field(gt=0)
    frozen_epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)


class Question(Block):
    """A question on a text."""

    question: Sentence
    context: Sentence


class Options(LessonOptions):
    """The architecture, the sizes, how each arm is trained; and what the ready-made pipelines are asked."""

    encoder: ModelName
    seed: Seed
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
            if (arm.mode == "head") != (name == "frozen"):
                raise ValueError(f"arms.{name} cannot have mode {arm.mode}")
        return self


def measure(options: Options, materials: Materials) -> Measured:
    """Accuracy on test of each arm at each size; and what the pipelines of transformers say of a few sentences."""
    base = materials.find("encoder", options.encoder, "bert")
    tokenizer = loading.load_tokenizer(base)
    asked = _inference(options, materials)  # before what takes minutes, as it may name a model that is not there
    train, test = materials.rows("train"), materials.rows("test")
    fewest = min(Counter(row["intent"] for row in train).values())
    left_out = [name for name, size in options.sizes.items() if (size.per_intent or 0) > fewest]
    if len(left_out) == len(options.sizes):
        raise InputError(f"lessons.transfer.sizes: train has {fewest} utterances of an intent; name a smaller size")
    points = []
    drawn = {
        name: _drawn(train, of.per_intent, options.seed) for name, of in options.sizes.items() if name not in left_out
    }
    for name, rows in sorted(drawn.items(), key=lambda item: len(item[1])):
        size = options.sizes[name]
        for arm, settings in options.arms.items():
            epochs = size.frozen_epochs if arm == "frozen" else size.epochs
            settings = settings.model_copy(
                update={"epochs": epochs, "batch_size": size.batch_size, "seed": options.seed}
            )
            trainer.seed(settings.seed)
            model = intent.build(base, rows, settings)
            if arm == "random":
                model = type(model)(model.config)
            _drop_nothing(model)
            trained = trainer.train(intent.TASK, settings, model, tokenizer, rows, [], materials.checkpoints)
            said = inference.predictions(intent.TASK, trained.model, tokenizer, test)
            points.append(
                {"arm": arm, "size": name, "utterances": len(rows)}
                | {name: trained.facts[name] for name in ("epochs", "trained_weights")}
                | {"accuracy": intent.score(said, test)["accuracy"]}
            )
    facts = {
        "encoder": options.encoder,
        "test": len(test),
        "fewest": fewest,
        "left_out": left_out,
        "points": points,
        "models": options.models,
        "inference": asked,
    }
    return Measured(facts, {"curve": points})


def _drop_nothing(model: Any) -> None:
    """No dropout in any arm: the frozen one has none, and a few passes leave nothing to regularise."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def _drawn(rows: list[Utterance], per_intent: int | None, seed: int) -> list[Utterance]:
    if per_intent is None:
        return rows
    chosen = drawing.draw(rows, per_intent, str(seed), "lessons.transfer.sizes")
    return [row for row in rows if row["id"] in chosen]


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
    points = facts["points"]
    drawn = pictures.lines(
        {
            title: [(point["utterances"], point["accuracy"]) for point in points if point["arm"] == arm]
            for arm, title in ARMS.items()
        },
        "training utterances",
        "intent accuracy on test",
        logarithmic=True,
    )
    sizes = list(dict.fromkeys(point["size"] for point in points))
    of = {(point["arm"], point["size"]): point for point in points}
    rows = [
        {"size": size, "utterances": of["full", size]["utterances"], "epochs": of["full", size]["epochs"]}
        | {"frozen_epochs": of["frozen", size]["epochs"]}
        | {arm: of[arm, size]["accuracy"] for arm in ARMS}
        for size in sizes
    ]
    body = [
        page.heading("Learning curve"),
        page.picture(drawn, f"Intent accuracy on {facts['test']} test utterances by training utterances."),
        page.table(
            rows,
            {"size": "an intent", "utterances": "utterances", "epochs": "epochs", "frozen_epochs": "epochs, frozen"}
            | ARMS,
        ),
        page.text(
            f"The architecture is that of {facts['encoder']} each time, so the gap between the first and the last "
            "column is what pre-training is worth. The epochs are few, to be quick, so these two are not "
            "trained out, and a line may fall where the next size has far fewer. The frozen arm has more, as what the "
            "encoder gives is computed once. It reads `[CLS]` as pre-training left it: all-MiniLM was trained for the "
            "mean of all tokens, so there is little to read, and words that are trained from nothing can do better. "
            "One draw, one seed, no dropout, nothing chosen on test."
            + (
                f" Left out, as train has {facts['fewest']} utterances of an intent: {', '.join(facts['left_out'])}."
                if facts["left_out"]
                else ""
            )
        ),
        *_ready_made(facts),
    ]
    return page.Page(
        body=body,
        vary=VARY,
        pictures={"curve": drawn},
    )


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
