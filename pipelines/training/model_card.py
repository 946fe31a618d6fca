"""README.md of a trained model, in the Hub's card format."""

from pathlib import Path
from typing import Any

from pipelines.core.provenance import described
from pipelines.models.options import Card, Run

_LICENCES = {"sentence-transformers/all-MiniLM-L6-v2": "apache-2.0", "scratch": "cc0-1.0"}

_CARD = """\
---
license: {licence}
{language}{base_model}{tag}library_name: transformers
---

# {run}

{start} fine-tuned for `{task}` ({mode}) on {data}.

| | |
| --- | --- |
| trained weights | {trained_weights:,} of {weights:,} |
| best epoch | {best_epoch} of {epochs} |
| matrix products in | {computed_in} |
{validation}

Figures above are of the validation partition{where}.

```python
from {module} import {auto_class}
from transformers import AutoTokenizer

model = {auto_class}.from_pretrained("data/models/{run}")
tokenizer = AutoTokenizer.from_pretrained("data/models/{run}")
```
{asked}"""

_ASKED = """
Or with what comes before and after the weights, as `snips predict --model {run}` does it, in the project's folder:

```python
from pipelines.serving import Model

model = Model.load("data/models/{run}")
model("play some jazz by miles davis")
```
"""


def model_card(run: str, source: str, base: str, adapted: bool, card: Card, options: Run, facts: dict[str, Any]) -> str:
    """Markdown with YAML header for the folder of the run, which began from the model `base`, as it is or `adapted`.

    A folder is no model that the Hub could name, so the header leaves it out.
    """
    scratch = base == "scratch"
    return _CARD.format(
        licence=_LICENCES.get(base, "unknown"),
        base_model="" if scratch or Path(base).is_dir() else f"base_model: {base}\n",
        start="A small GPT-2 from random weights" if scratch else f"`{base}`{', adapted,' if adapted else ''}",
        language="language: [en]\n" if source in ("snips", "sample") else "",
        tag="" if card.tag is None else f"pipeline_tag: {card.tag}\n",
        run=run,
        task=options.task,
        mode="every weight" if options.mode == "full" else "the new layer only, on a frozen encoder",
        data=described(source),
        trained_weights=facts["trained_weights"],
        weights=facts["weights"],
        best_epoch=facts["best_epoch"],
        epochs=facts["epochs"],
        computed_in=facts["computed_in"],
        validation="\n".join(f"| validation {name} | {value:.4f} |" for name, value in facts["validation"].items()),
        where=card.where.format(run=run),
        auto_class=card.auto_class,
        module=card.module,
        asked=_ASKED.format(run=run) if options.in_finetune else "",
    )
