"""A run that was exported: the same answers without torch, by onnxruntime or OpenVINO."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import softmax
from tokenizers import Tokenizer

from pipelines.core import files
from pipelines.core.errors import InputError
from pipelines.labels import tagging
from pipelines.models import loading
from pipelines.serving.answers import check, shown

FACTS, TOKENIZER, CHECKSUMS = "export.json", "tokenizer.json", "sha256sums.txt"
WEIGHTS = "model.safetensors"  # of the run that was exported
GRAPHS = {"onnx": "model.onnx", "openvino": "model.xml"}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
BATCH = 32  # texts
ROWS = (2, 4, 8, 12, 16, 20, 24, BATCH)  # texts that OpenVINO is given at once, if more than one
LENGTHS = 4  # and tokens, a multiple of it


class Exported:
    """As `Model`, for what `snips export` wrote. Made by `load`."""

    def __init__(self, name: str, facts: dict[str, Any], tokenizer: Tokenizer, run: Any) -> None:
        self.name, self.facts, self.run = name, facts, run
        # what `loading.tokenize` asks of a tokenizer
        self.tokenizer = SimpleNamespace(backend_tokenizer=tokenizer, model_input_names=facts["inputs"])

    @classmethod
    def load(cls, folder: Path | str, threads: int = 0) -> "Exported":
        """The export in `folder`, run by so many threads, or as many as the runtime takes.

        Raises:
            InputError: there is none, a file is not the one that was written, or the runtime is not installed.
        """
        folder = Path(folder)
        if not (folder / FACTS).is_file():
            raise InputError(f"{folder}: no export in it; run: snips export <run>")
        sums = _checksums(folder)
        for name, digest in sums.items():
            if not (folder / name).is_file() or files.sha256(folder / name) != digest:
                raise InputError(f"{folder / name}: not the file that was exported; run snips export again")
        facts = files.read_json(folder / FACTS)
        if lacking := sorted({FACTS, TOKENIZER, GRAPHS[facts["format"]]} - set(sums)):
            raise InputError(f"{folder / CHECKSUMS}: it lacks {lacking[0]}; run snips export again")
        try:
            run = {"onnx": _onnx, "openvino": _openvino}[facts["format"]](folder, facts, threads)
        except ImportError as error:
            raise InputError(f"{error.name} is not installed; run: pip install -r requirements-export.txt") from None
        return cls(folder.name, facts, Tokenizer.from_file(str(folder / TOKENIZER)), run)

    def ask(self, text: str, question: str) -> dict[str, Any]:
        """As `Model.ask`, of a run that answers none.

        Raises:
            InputError: always, as no run of qa is exported.
        """
        raise InputError(f"{self.name}: an export answers no questions; take a run of qa, such as --model qa-full")

    def __call__(self, texts: str | list[str]) -> Any:
        """As `Model.__call__` says it.

        Raises:
            InputError: a text is empty, or longer than the model.
        """
        if isinstance(texts, str):
            return self([texts])[0]
        for text in texts:
            check(text)
        rows = [{"text": text} for text in texts]
        features = self._encoded(rows)
        logits = self._logits(features)
        return [shown(text, said) for text, said in zip(texts, self._decoded(logits, features, rows), strict=True)]

    def _encoded(self, rows: list[Any]) -> list[dict[str, Any]]:
        if "tags" in self.facts:
            return tagging.encode(rows, self.tokenizer, self.facts["tags"], self.facts["longest"])
        return loading.tokenize(self.tokenizer, [row["text"] for row in rows], self.facts["longest"])

    def _logits(self, features: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
        """Of each feature by output, without padding."""
        order = sorted(range(len(features)), key=lambda n: len(features[n]["input_ids"]))
        found: list[Any] = [None] * len(features)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            longest = len(features[batch[-1]]["input_ids"])
            arrays = {name: np.zeros((len(batch), longest), dtype=np.int64) for name in INPUTS}
            for row, n in enumerate(batch):
                size = len(features[n]["input_ids"])
                arrays["input_ids"][row, :size] = features[n]["input_ids"]
                arrays["attention_mask"][row, :size] = 1
            out = self.run(arrays)
            for row, n in enumerate(batch):
                size = len(features[n]["input_ids"])
                found[n] = {
                    name: out[name][row, :size] if by_token else out[name][row]
                    for name, by_token in self.facts["outputs"].items()
                }
        return found

    def _decoded(self, logits: list[dict[str, np.ndarray]], features: list[Any], rows: list[Any]) -> list[Any]:
        outputs = self.facts["outputs"]
        said: list[dict[str, Any]] = [{} for _ in rows]
        if "intents" in self.facts:
            (name,) = [name for name, by_token in outputs.items() if not by_token]
            for one, of in zip(said, logits, strict=True):
                shares = softmax(of[name].astype(np.float64))
                one |= {"intent": self.facts["intents"][int(shares.argmax())], "score": float(shares.max())}
        if "tags" in self.facts:
            (name,) = [name for name, by_token in outputs.items() if by_token]
            crf = self.facts.get("crf")
            chain = None if crf is None else (np.array(crf[0]), np.array(crf[1]))
            found = tagging.decode([of[name] for of in logits], features, rows, self.facts["tags"], chain)
            said = [one | of for one, of in zip(said, found, strict=True)]
        return said


def _checksums(folder: Path) -> dict[str, str]:
    """The file names of an export -> SHA-256."""
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError):
        raise InputError(f"{folder / CHECKSUMS}: missing or broken; run snips export again") from None


def _onnx(folder: Path, facts: dict[str, Any], threads: int) -> Any:
    import onnxruntime

    outputs = list(facts["outputs"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / GRAPHS["onnx"], options, providers=["CPUExecutionProvider"])
    taken = [one.name for one in session.get_inputs()]  # an encoder without types of tokens has no such input

    def run(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = session.run(outputs, {name: arrays[name] for name in taken})
        return dict(zip(outputs, found, strict=True))

    return run


def _openvino(folder: Path, facts: dict[str, Any], threads: int) -> Any:
    import openvino

    outputs, most, unfit = list(facts["outputs"]), facts["longest"], facts.get("head_size", 0)
    settings = {"PERFORMANCE_HINT": "LATENCY"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
    compiled = openvino.Core().compile_model(folder / GRAPHS["openvino"], "CPU", settings)
    return lambda arrays: dict(zip(outputs, compiled(of_few_shapes(arrays, most, unfit)).to_tuple(), strict=True))


def of_few_shapes(arrays: dict[str, np.ndarray], most: int, unfit: int = 0) -> dict[str, np.ndarray]:
    """More rows, and longer ones up to `most` tokens, than are asked for: OpenVINO compiles each shape, and keeps it.

    What it keeps grew to 3 GB over shapes at random, and half of the time went into it. One text stays as it is, and so
    does a whole batch, as many come one after the other.

    Args:
        arrays: input of the model -> (texts, tokens).
        unfit: a number of tokens that none may have. With 8-bit integers OpenVINO 2026.4 computes other logits, by up
            to 7, where there are as many tokens as a head has dimensions, and at none of the other lengths tried.
    """
    texts, tokens = arrays["input_ids"].shape
    alone = texts in (1, BATCH)
    if alone and tokens != unfit:
        return arrays
    rows = texts if alone else next(count for count in ROWS if count >= texts)
    longer = tokens if alone else max(tokens, min(tokens + -tokens % LENGTHS, most))
    longer = min(longer + LENGTHS, most) if longer == unfit else longer
    padded = {name: np.pad(array, ((0, rows - texts), (0, longer - tokens))) for name, array in arrays.items()}
    padded["attention_mask"][texts:, 0] = 1  # nothing to attend to is no input
    return padded
