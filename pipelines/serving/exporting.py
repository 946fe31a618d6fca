"""A trained run as a folder that needs no torch: graph, tokenizer, labels, card and checksums. See `exported`."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pipelines.core import files
from pipelines.core.errors import InputError
from pipelines.models import loading
from pipelines.serving.exported import CHECKSUMS, FACTS, GRAPHS, INPUTS, TOKENIZER, WEIGHTS
from pipelines.serving.model import Model
from pipelines.serving.model import facts_of as facts_of_run

Format = Literal["onnx", "openvino"]
TASKS = ("intent", "slots", "joint")
OPSET = 17
CALIBRATED = 300  # texts that int8 of OpenVINO is fitted to

_CARD = """\
---
{header}---

# {name}

The run `{run}` as {format}{precision}. It needs no torch: tokenizers, NumPy, SciPy, scikit-learn, seqeval and
{runtime}, and of the project what stands before and after the graph.

```python
from pipelines.serving.exported import Exported

Exported.load("{place}")("play some jazz by miles davis")
```

`{checksums}` has the SHA-256 of each file; `sha256sum -c {checksums}` checks them. Its answers differ from
those of the run in the last digits of the probabilities{more}.
"""


class _Graph(torch.nn.Module):
    """The model with tensors in and a tuple of tensors out, as both formats trace it."""

    def __init__(self, model: Any, outputs: list[str]) -> None:
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> tuple[Any, ...]:
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return tuple(getattr(output, name) for name in self.outputs)


def export(run: Path, target: Path, kind: Format, int8: bool, texts: list[str]) -> None:
    """Write the run in the folder `run` to the folder `target`, whole or not at all.

    Args:
        texts: of train; 8-bit numbers of OpenVINO are fitted to some of them. ONNX needs none.

    Raises:
        InputError: the run is of a task that is not exported, or the runtime is not installed.
    """
    facts = facts_of_run(run)
    if facts["task"] not in TASKS:
        raise InputError(f"{run}: a run of {facts['task']} is not exported; take one of {', '.join(TASKS)}")
    model = Model.load(run)
    graph = _Graph(model.model.eval(), list(model.task.outputs))
    with warnings.catch_warnings(), files.whole(target) as folder:
        folder.mkdir()
        try:
            warnings.simplefilter("ignore")  # of tracers, to whom each comparison of sizes is suspect
            {"onnx": _onnx, "openvino": _openvino}[kind](graph, folder, int8, _Inputs(model, texts))
        except ImportError as error:
            raise InputError(f"{error.name} is not installed; run: pip install -r requirements-export.txt") from None
        model.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
        files.write_json(folder / FACTS, _facts(model, run, kind, int8))
        header = (run / "README.md").read_text(encoding="utf-8").split("---\n")[1]
        files.write_text(folder / "README.md", _card(header, run.name, target, kind, int8))
        sums = [f"{files.sha256(path)}  {path.name}" for path in sorted(folder.iterdir())]
        files.write_text(folder / CHECKSUMS, "\n".join(sums) + "\n")


class _Inputs:
    """Model inputs of texts one by one, and of two of unlike length, which a tracer is shown."""

    def __init__(self, model: Model, texts: list[str]) -> None:
        self.model, self.texts = model, texts

    def shown(self) -> tuple[torch.Tensor, ...]:
        ids = torch.tensor([[101, 2377, 3782, 102], [101, 2652, 102, 0]]) % self.model.model.config.vocab_size
        mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
        return ids, mask, torch.zeros_like(ids)

    def real(self) -> list[dict[str, np.ndarray]]:
        step = max(1, len(self.texts) // CALIBRATED)
        rows = [{"text": text} for text in self.texts[::step][:CALIBRATED]]
        features = self.model.task.encode(rows, self.model.tokenizer, self.model.model)
        zeros = [[0] * len(feature["input_ids"]) for feature in features]  # types of tokens, where the encoder has none
        return [
            {name: np.array([feature.get(name, zero)]) for name in INPUTS}
            for feature, zero in zip(features, zeros, strict=True)
        ]


def _onnx(graph: _Graph, folder: Path, int8: bool, inputs: _Inputs) -> None:
    import onnx  # noqa: F401 (torch needs it, and says so in a line of its own)
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = folder / GRAPHS["onnx"]
    whole = folder / "fp32.onnx" if int8 else target
    by_text = {name: {0: "texts", 1: "tokens"} for name in INPUTS}
    outputs = inputs.model.task.outputs
    by_text |= {name: {0: "texts"} | ({1: "tokens"} if by_token else {}) for name, by_token in outputs.items()}
    torch.onnx.export(
        graph,
        inputs.shown(),
        str(whole),
        input_names=list(INPUTS),
        output_names=graph.outputs,
        dynamic_axes=by_text,
        opset_version=OPSET,
        dynamo=False,
    )
    if int8:
        # weights of each output channel alone; activations as they come
        quantize_dynamic(whole, target, weight_type=QuantType.QInt8, per_channel=True)
        whole.unlink()


def _openvino(graph: _Graph, folder: Path, int8: bool, inputs: _Inputs) -> None:
    import openvino

    made = openvino.convert_model(graph, example_input=inputs.shown())
    for port, name in zip(made.inputs, INPUTS, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(made.outputs, graph.outputs, strict=True):
        port.get_tensor().set_names({name})
    if int8:
        import nncf

        made = nncf.quantize(
            made,
            nncf.Dataset(inputs.real()),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=CALIBRATED,
        )
    openvino.save_model(made, folder / GRAPHS["openvino"], compress_to_fp16=False)


def _facts(model: Model, run: Path, kind: Format, int8: bool) -> dict[str, Any]:
    config = model.model.config
    facts = {
        "run": model.name,
        "weights": files.sha256(run / WEIGHTS),  # by which a server sees that the run is another by now
        "task": model.task.name,
        "format": kind,
        "int8": int8,
        "outputs": model.task.outputs,
        "longest": loading.max_positions(model.model),
        "head_size": config.hidden_size // config.num_attention_heads,
        "inputs": list(model.tokenizer.model_input_names),
    }
    if model.task.name == "intent":
        return facts | {"intents": loading.label_names(model.model)}
    if model.task.name == "slots":
        return facts | {"tags": loading.label_names(model.model)}
    from pipelines.tasks.joint.task import chain

    scores = chain(model.model)
    crf = None if scores is None else [part.tolist() for part in scores]
    return facts | {"intents": config.intents, "tags": config.tags, "crf": crf}


def _card(header: str, run: str, target: Path, kind: Format, int8: bool) -> str:
    runtime = {"onnx": "onnxruntime", "openvino": "OpenVINO"}[kind]
    return _CARD.format(
        header="".join(line for line in header.splitlines(keepends=True) if not line.startswith("library_name")),
        name=target.name,
        run=run,
        format={"onnx": "ONNX", "openvino": "OpenVINO"}[kind],
        precision=" with 8-bit integers" if int8 else "",
        runtime=runtime,
        place=target.as_posix(),
        checksums=CHECKSUMS,
        more=", and for some texts in what is likeliest" if int8 else "",
    )
