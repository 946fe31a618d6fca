"""A trained run and what stands before and after its weights: a text in, what `evaluate` would say of it out."""

from pathlib import Path
from typing import Any

from pipelines.core import files
from pipelines.core.errors import InputError
from pipelines.models import inference, loading
from pipelines.models import task as tasks
from pipelines.models.options import Precision
from pipelines.models.precision import as_trained
from pipelines.models.task import Task
from pipelines.serving.answers import check, shown

FACTS = "training.json"  # what a run's folder says of itself


class Model:
    """A run of any task of `finetune`, ready for new texts. Made by `load`."""

    def __init__(self, name: str, task: Task, model: Any, tokenizer: Any, precision: Precision) -> None:
        self.name, self.task, self.model, self.tokenizer, self.precision = name, task, model, tokenizer, precision

    @classmethod
    def load(cls, folder: Path | str) -> "Model":
        """The run in `folder`, such as `data/models/joint-full`.

        Raises:
            InputError: the folder holds no run of `finetune`, or its weights are not whole.
        """
        folder = Path(folder)
        task = tasks.get(facts_of(folder)["task"])
        model = loading.load_model(task.auto_class, folder)
        return cls(folder.name, task, model, loading.load_tokenizer(folder), as_trained(folder))

    def __call__(self, texts: str | list[str]) -> Any:
        """What the run says of a text, or of each of several, which is faster than one by one.

        Returns:
            For each text a dict: `text`; of a run of intent or joint `intent` and its probability `score`; of slots or
            joint `slots`, each with `label`, `value`, `start` and `end` (characters of the text) and `score`; of qa
            `answers`, one for each label that the run knows.

        Raises:
            InputError: a text is empty, or longer than the model (qa reads a long text in parts).
        """
        if isinstance(texts, str):
            return self([texts])[0]
        for text in texts:
            check(text)
        rows = [{"text": text} for text in texts]
        said = inference.predictions(self.task, self.model, self.tokenizer, rows, self.precision) if rows else []
        return [shown(text, prediction) for text, prediction in zip(texts, said, strict=True)]

    def ask(self, text: str, question: str) -> dict[str, Any]:
        """The answer of a run of qa to a question in words: `answer` (empty where it refuses), `start`, `end`, `score`.

        Raises:
            InputError: the run answers no questions, a text is empty, or the question is too long.
        """
        if self.task.name != "qa":
            raise InputError(f"{self.name}: a run of the task {self.task.name} answers no questions; take one of qa")
        from pipelines.tasks.qa.task import answer

        check(text)
        if not question.strip():
            raise InputError("the question is empty; ask one such as: Which artist?")
        check(question)
        return {"text": text, "question": question} | answer(question, text, self.model, self.tokenizer)


def facts_of(folder: Path) -> dict[str, Any]:
    """What the run in `folder` says of itself: `run`, `task`, `mode`, `computed_in` and more.

    Raises:
        InputError: there is no such folder, or no run of `finetune` in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such model; run: dvc repro finetune@{folder.name}")
    try:
        facts = files.read_json(folder / FACTS)
    except InputError:
        facts = {}
    if facts.get("task") not in tasks.names() or not tasks.offered(facts["task"]).Options.in_finetune:
        raise InputError(f"{folder}: not a run of finetune, so it has no answers; name one of those in params.yaml")
    return facts


def best_for(
    models: Path, wanted: tuple[str, ...], named: dict[str, Any] | None = None, source: str | None = None
) -> Path:
    """The folder of the run to ask where nobody names one: of the first task that has one, every weight tuned first.

    Args:
        named: the runs of params.yaml, with their blocks. A folder of another name is left from an earlier plan, and
            passed over; so is one of another corpus than `source`. None where there is no params.yaml.

    Raises:
        InputError: there is no such run of these tasks.
    """
    found = []
    for path in sorted(models.glob(f"*/{FACTS}")):
        try:
            facts = facts_of(path.parent)
        except InputError:
            continue  # the decoder, the adapted encoder
        here = named is None or (path.parent.name in named and facts["source"] == source)
        if here and facts["task"] in wanted:
            found.append((wanted.index(facts["task"]), facts["mode"] != "full", path.parent))
    if found:
        return min(found)[-1]
    tasks_of = {run: block.get("task") for run, block in (named or {f"{wanted[0]}-full": {"task": wanted[0]}}).items()}
    fitting = [run for task in wanted for run, of in tasks_of.items() if of == task]
    if not fitting:
        raise InputError(f"params.yaml has no run of {' or '.join(wanted)}; add one under finetune, or name a --model")
    on = f" on {source}" if source else ""
    raise InputError(f"{models}: no run of {' or '.join(wanted)}{on} yet; run: dvc repro finetune@{fitting[0]}")
