"""README.md of a trained model, in the Hub's card format."""

from typing import Any

from pipelines.params import Encoder, Finetune

_USE = {
    "intent": ("text-classification", "AutoModelForSequenceClassification"),
    "slots": ("token-classification", "AutoModelForTokenClassification"),
    "qa": ("question-answering", "AutoModelForQuestionAnswering"),
    "joint": ("token-classification", "JointBert"),
    "masked": ("fill-mask", "AutoModelForMaskedLM"),
    "generation": ("text-generation", "GPT2LMHeadModel"),
}
_WHERE = {"masked": "", "generation": "; what it writes is judged in `metrics/generation.json`"}
_LICENCES = {"sentence-transformers/all-MiniLM-L6-v2": "apache-2.0", "scratch": "cc0-1.0"}

_CARD = """\
---
license: {licence}
language: [en]
{base_model}pipeline_tag: {tag}
library_name: transformers
---

# {run}

{start} fine-tuned for `{task}` ({mode}) on {data}.

| | |
| --- | --- |
| trained weights | {trained_weights:,} of {weights:,} |
| best epoch | {best_epoch} of {epochs} |
{validation}

Figures above are of the validation partition{where}.

```python
from {module} import {auto_class}
from transformers import AutoTokenizer

model = {auto_class}.from_pretrained("data/models/{run}")
tokenizer = AutoTokenizer.from_pretrained("data/models/{run}")
```
"""


def model_card(
    run: str, source: str, encoder: Encoder, options: Finetune, facts: dict[str, Any], adapted: bool = False
) -> str:
    """Markdown with YAML header for the folder of the run, which began from `encoder`, as it is or `adapted`."""
    tag, auto_class = _USE[options.task]
    scratch = encoder.name == "scratch"
    return _CARD.format(
        licence=_LICENCES.get(encoder.name, "unknown"),
        base_model="" if scratch else f"base_model: {encoder.name}\n",
        start="A small GPT-2 from random weights" if scratch else f"`{encoder.name}`{', adapted,' if adapted else ''}",
        tag=tag,
        run=run,
        task=options.task,
        mode="every weight" if options.mode == "full" else "the new layer only, on a frozen encoder",
        data="SNIPS 2017" if source == "snips" else "the small embedded sample, not SNIPS",
        trained_weights=facts["trained_weights"],
        weights=facts["weights"],
        best_epoch=facts["best_epoch"],
        epochs=options.epochs,
        validation="\n".join(f"| validation {name} | {value:.4f} |" for name, value in facts["validation"].items()),
        where=_WHERE.get(options.task, f"; test figures stand in `metrics/{run}.json`"),
        auto_class=auto_class,
        module="pipelines.joint_model" if options.task == "joint" else "transformers",
    )
