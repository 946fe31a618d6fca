"""The tasks by name. Each module offers the same five functions:

- `build(base, rows, options)`: base model folder -> model with the task's new layer, its labels in the config
- `encode(rows, tokenizer, model, training)`: rows -> features, dicts of model inputs; one a row, in qa one a question
- `decode(logits, features, rows, model)`: logits -> predictions in the corpus's own terms
- `score(predictions, rows)`: predictions and gold -> metrics; the one named `BEST` chooses the epoch
- `plots(predictions, rows)`: pairs of actual and predicted label, for DVC's confusion matrix

and says `is_right(prediction, row)`, which model it takes (`AUTO_CLASS`), and its `LABELS` and `OUTPUTS`. A task with a
threshold also has `calibrate(logits, features, rows, model)`, which sets it on validation.
"""

import importlib
from types import ModuleType


def get(name: str) -> ModuleType:
    """The module of a task; `name` is one that `pipelines.params` admits."""
    return importlib.import_module(f"pipelines.tasks.{name}")
