"""What does training need of the machine, and where does one see it?"""

from typing import Annotated, Any

import torch
from pydantic import Field

from pipelines.core.blocks import Seed
from pipelines.core.errors import InputError
from pipelines.data.drawing import some
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName
from pipelines.models import inference, loading
from pipelines.tasks.intent import Options as Run
from pipelines.tasks.intent import task as intent
from pipelines.training import trainer
from pipelines.training.monitor import INTERVAL

MIB = 2**20
MODES = {"full": "every weight", "head": "only the new layer"}
KINDS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "AdamW's two means",
    "activations": "kept for the backward pass",
}


class Options(LessonOptions):
    """The encoder, and how many utterances a step takes."""

    encoder: ModelName
    batch_sizes: list[Annotated[int, Field(gt=0)]] = Field(min_length=1)
    seed: Seed


def measure(options: Options, materials: Materials) -> Measured:
    """Bytes of one optimizer step on intents, by what they are for; counted on the tensors themselves."""
    base = materials.find("encoder", options.encoder, "bert")
    tokenizer = loading.load_tokenizer(base)
    rows = materials.rows_to_classify()
    if max(options.batch_sizes) > len(rows):
        raise InputError(
            f"lessons.monitor.batch_sizes: {max(options.batch_sizes)}: train has {len(rows)} utterances; lower it"
        )
    steps = []
    for mode in MODES:
        for size in options.batch_sizes:
            trainer.seed(options.seed)
            model = intent.build(base, rows, Run(mode="full"))
            if mode == "head":
                model.base_model.requires_grad_(False)
            batch = inference.collate(
                intent.encode(some(rows, size, options.seed), tokenizer, model), intent.TASK.labels
            )
            steps.append({"mode": mode, "batch_size": size, "pieces": batch["input_ids"].shape[1]} | step(model, batch))
    facts = {"encoder": options.encoder, "steps": steps, "interval_seconds": INTERVAL}
    return Measured(facts, {"steps": steps})


def step(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, int]:
    """Bytes after one step of AdamW: `weights`, `gradients`, `optimizer`, and `activations`.

    Activations are the tensors that autograd keeps between the forward and the backward pass, each storage once,
    without the weights.
    """
    weights = list(model.parameters())
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    trained = [weight for weight in weights if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    model.train()  # with dropout, whose masks are kept too
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(**batch).loss
    activations = sum(kept.values())
    loss.backward()
    optimizer.step()
    return {
        "weights": _bytes(weights),
        "gradients": _bytes([weight.grad for weight in weights if weight.grad is not None]),
        "optimizer": _bytes([value for state in optimizer.state.values() for value in state.values() if value.dim()]),
        "activations": activations,
    }


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {"base-encoder": facts["encoder"]}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    drawn = pictures.bars(
        {
            f"{MODES[row['mode']]}, {row['batch_size']} utterances": {
                title: row[kind] / MIB for kind, title in KINDS.items()
            }
            for row in facts["steps"]
        },
        "MiB",
    )
    rows = [
        {"mode": MODES[row["mode"]], "batch_size": row["batch_size"], "pieces": row["pieces"]}
        | {kind: row[kind] / MIB for kind in KINDS}
        for row in facts["steps"]
    ]
    body = [
        page.heading("Memory of one step"),
        page.picture(drawn, "MiB in tensors after one step of AdamW, by what they are for."),
        page.table(
            rows,
            {"mode": "trained", "batch_size": "utterances", "pieces": "tokens, padded"}
            | {kind: f"{title}, MiB" for kind, title in KINDS.items()},
        ),
        page.text(
            f"For {facts['encoder']} with a layer for intents, in float32. Weights, gradients and AdamW's means are "
            "the same for every batch: four numbers a trained weight. What autograd keeps grows with the batch and its "
            "longest utterance; where only the new layer learns, nearly nothing is kept."
        ),
        page.heading("What a run really used"),
        page.text(
            "Each training samples the machine after an optimizer step, at most once in "
            f"{facts['interval_seconds']} s: use of the processors and memory of the process (psutil), and where there "
            "is a GPU its use and memory (NVML). The samples lie in `data/monitor/<run>.csv`, drawn in "
            "`data/monitor/<run>.svg`. They differ each time, so DVC does not track them: they are no metric, "
            "and never a reason to run again. A run that DVC took from its cache did not train, and has none."
        ),
    ]
    return page.Page(
        body=body,
        vary="""
dvc exp run -S 'lessons.monitor.batch_sizes=[16,64]' lesson@monitor
dvc repro -f -s finetune@intent-head && cat data/monitor/intent-head.csv      # sampled anew
""",
        pictures={"memory": drawn},
    )
