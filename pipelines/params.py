"""params.yaml -> frozen, validated models. An unknown or wrong key fails with its path in the file."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pipelines.errors import InputError

RunName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
LessonName = Annotated[str, StringConstraints(pattern=r"^[a-z]+(_[a-z]+)*$")]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy's generator takes
Count = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]
Task = Literal["intent", "slots", "qa", "joint"]

# option of a run -> the one task that has it
TASK_OPTIONS = {"unanswerable_rate": "qa"} | dict.fromkeys(
    ("head", "slot_loss_weight", "slot_dropout", "label_smoothing"), "joint"
)


class Block(BaseModel):
    """A block of params.yaml: no key unknown, none changed once read."""

    # Not strict: PyYAML reads `3e-05`, which `dvc exp run -S` writes, as text, and pydantic turns it into a number.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Block):
    """Where the utterances come from."""

    source: Literal["snips", "sample"]


class Split(Block):
    """How the corpus becomes train, validation and test; see `pipelines.corpus`."""

    protocol: Literal["literature", "official", "random"]
    seed: Seed
    validation_per_intent: int = Field(gt=0)
    validation_share: Share
    test_share: Share
    per_intent: int | None = Field(gt=0)


class Encoder(Block):
    """A base model by Hugging Face name (or local folder), revision and checksum of its weights."""

    section: ClassVar[str] = "encoder"
    name: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None


class Finetune(Block):
    """One fine-tuning run. Defaults stand here so that a new run needs to name only what it changes."""

    task: Task
    mode: Literal["full", "head"]
    epochs: int = Field(default=6, gt=0)
    batch_size: int = Field(default=32, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine"] = "linear"
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    ema: float = Field(default=0.0, ge=0, lt=1)
    seed: Seed = 13
    unanswerable_rate: float = Field(default=0.5, ge=0, le=1)
    head: Literal["linear", "crf"] = "linear"
    slot_loss_weight: float = Field(default=0.5, gt=0, lt=1)
    slot_dropout: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _options_of_the_task(self) -> "Finetune":
        for option, task in TASK_OPTIONS.items():
            if option in self.model_fields_set and self.task != task:
                raise ValueError(f"{option} is an option of the task {task}, this is {self.task}")
        if self.mode == "head" and self.slot_dropout:
            raise ValueError("slot_dropout needs mode full: the outputs of a frozen encoder are computed once")
        return self


class FewShotSize(Finetune):
    """One size of the few-shot benchmark: how its models are trained, on how many utterances, and how often."""

    task: Literal["slots", "joint"]
    per_intent: int | None = Field(gt=0)
    draws: int = Field(gt=0)


class FewShot(Block):
    """The few-shot benchmark, and which of its sizes `dvc repro` measures."""

    run: list[RunName]
    sizes: dict[Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]*|all)$")], FewShotSize]


class Repeat(Block):
    """Seeds that runs are trained with once more, and for which runs `dvc repro` does so."""

    run: list[RunName]
    seeds: list[Seed] = Field(min_length=1)


class Scratch(Block):
    """Sizes of a GPT-2 from random weights, by the names of `transformers.GPT2Config`."""

    vocab_size: int = Field(gt=256)
    lowercase: bool
    n_positions: int = Field(gt=1)
    n_embd: int = Field(gt=0)
    n_layer: int = Field(gt=0)
    n_head: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    seed: Seed

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Scratch":
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")
        return self


class Decoder(Encoder):
    """The base decoder: `scratch`, or a GPT-2 by name as for the encoder."""

    section: ClassVar[str] = "decoder"
    scratch: Scratch


class AdaptEncoder(Finetune):
    """How the base encoder learns to fill in what is masked in SNIPS: every weight, and a head."""

    task: Literal["masked"] = "masked"
    mode: Literal["full"] = "full"
    mask_rate: Share = 0.15
    masked_share: float = Field(default=0.8, ge=0, le=1)
    replaced_share: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _shares_of_one(self) -> "AdaptEncoder":
        if self.masked_share + self.replaced_share > 1:
            raise ValueError(f"masked_share {self.masked_share} and replaced_share {self.replaced_share} exceed 1")
        return self


class TuneDecoder(Finetune):
    """How the decoder learns to write utterances: every weight, and at one rate for all layers."""

    task: Literal["generation"] = "generation"
    mode: Literal["full"] = "full"
    layer_decay: Literal[1.0] = 1.0
    swap_rate: float = Field(default=0.0, ge=0, le=1)


class Strategies(Block):
    """Sampling strategies of `pipelines.generation`, each with its one number; those left out are not sampled."""

    greedy: Literal[1] | None = None
    beam: int | None = Field(default=None, gt=1)
    temperature: float | None = Field(default=None, gt=0)
    top_k: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    typical: float | None = Field(default=None, gt=0, lt=1)
    min_p: float | None = Field(default=None, gt=0, lt=1)

    def listed(self) -> dict[str, float]:
        """Strategy -> its number, of those that are to be sampled."""
        return {name: value for name, value in self if value is not None}


class Generate(Block):
    """What the tuned decoder writes."""

    n: int = Field(gt=0)
    seed: Seed
    max_new_pieces: int = Field(gt=0)
    strategies: Strategies

    @model_validator(mode="after")
    def _enough_beams(self) -> "Generate":
        if self.strategies.beam is not None and self.strategies.beam < self.n:
            raise ValueError(f"strategies.beam {self.strategies.beam} is less than n {self.n}")
        return self


class Judge(Block):
    """The n-gram model that the decoder is set beside."""

    ngram_order: int = Field(gt=1)


class Compare(Block):
    """Sentences that encoder and decoder are compared on, each with one `[MASK]`."""

    sentences: list[Annotated[str, StringConstraints(pattern=r"^[^\[]*\S *\[MASK\][^\[]*$")]] = Field(min_length=1)


class Classifier(Finetune):
    """How a classifier of few utterances is trained."""

    task: Literal["intent"]


class Augment(Block):
    """Few utterances, with and without what a decoder writes after them; and which sizes `dvc repro` measures."""

    run: list[Count]
    draws: int = Field(gt=0)
    seed: Seed
    top_p: float = Field(gt=0, le=1)
    samples: int = Field(gt=0)
    sure: Share
    keep: int = Field(gt=0)
    classifier: Classifier
    decoder: TuneDecoder


class Params(Block):
    """All of params.yaml."""

    data: Data
    split: Split
    encoder: Encoder
    adapt_encoder: AdaptEncoder
    finetune_from: Literal["base", "adapted"]
    finetune: dict[RunName, Finetune]
    repeat: Repeat
    few_shot: FewShot
    decoder: Decoder
    tune_decoder: TuneDecoder
    generate: Generate
    judge: Judge
    compare: Compare
    augment: Augment
    lessons: dict[LessonName, dict[str, Any]]

    @model_validator(mode="after")
    def _positions_for_what_is_written(self) -> "Params":
        longest, positions = self.generate.max_new_pieces, self.decoder.scratch.n_positions
        if self.decoder.name == "scratch" and longest >= positions:
            raise ValueError(
                f"generate.max_new_pieces {longest} has no room in decoder.scratch.n_positions {positions}"
            )
        return self


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and validate `path`.

    Raises:
        InputError: the file is missing, is not YAML, or a key is unknown, missing or out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run from the top folder of the project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return _validated(Params, raw, path)


def finetune(params: Params, run: str) -> Finetune:
    """The block of one run.

    Raises:
        InputError: there is no such run.
    """
    return _block(params.finetune, f"finetune.{run}", run)


def few_shot(params: Params, size: str) -> FewShotSize:
    """The block of one size of the few-shot benchmark.

    Raises:
        InputError: there is no such size.
    """
    return _block(params.few_shot.sizes, f"few_shot.sizes.{size}", size)


def lesson(params: Params, name: str, options: type[Block]) -> Any:
    """The block of one lesson, which alone knows its `options`.

    Raises:
        InputError: there is no such lesson, or a key of its block is unknown, missing or out of range.
    """
    return _validated(options, _block(params.lessons, f"lessons.{name}", name), Path("params.yaml"), ("lessons", name))


def strategy(name: str, value: float | None) -> float:
    """The number of a sampling strategy, once checked.

    Raises:
        InputError: there is no such strategy, it has no number, or one out of range.
    """
    if name not in Strategies.model_fields:
        raise InputError(f"strategy {name}: there is no such; there are: {', '.join(Strategies.model_fields)}")
    if value is None:
        raise InputError(f"strategy {name}: not under generate.strategies of params.yaml; give it a --value")
    try:
        return Strategies.model_validate({name: value}).listed()[name]
    except ValidationError as error:
        raise InputError(f"strategy {name}: {error.errors()[0]['msg']} (got {value}); give another --value") from None


def written_augment(params: Params) -> str:
    """All options of `augment` as one line; its seed draws the few, so it counts."""
    pieces = params.generate.max_new_pieces
    return f"{written(params.augment, params.encoder, params.decoder, params.split)} {params.augment.seed} {pieces}"


def written_run(params: Params, options: Finetune) -> str:
    """All options of a run but its seed as one line, and what it starts from where that is not the base encoder."""
    line = written(options, params.encoder, params.split)
    return line if params.finetune_from == "base" else f"{line} from the {params.finetune_from} encoder"


def written(options: Finetune | Augment, *others: Split | Encoder) -> str:
    """All options but the seed as one line, to tell whether a result was measured under the same."""
    return " ".join([options.model_dump_json(exclude={"run", "seed"}), *(other.model_dump_json() for other in others)])


def _validated(model: type[Block], raw: Any, path: Path, at: tuple[str, ...] = ()) -> Any:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(str(part) for part in (*at, *first["loc"]) if part != "[key]") or "(the whole file)"
        got = "" if first["type"] == "missing" else f" (got {first['input']!r:.60})"
        more = f"; and {len(others)} more" if others else ""
        raise InputError(f"{path}: {where}: {first['msg']}{got}{more}; mend this key") from None


def _block(blocks: dict[str, Any], path: str, name: str) -> Any:
    if name not in blocks:
        raise InputError(f"params.yaml: {path}: no such block; there are: {', '.join(blocks)}")
    return blocks[name]
