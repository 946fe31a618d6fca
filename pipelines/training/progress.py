"""What a person sees of a training: a bar in a terminal, a line every ten seconds or so in a log."""

import sys
import time
from typing import Any

from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from pipelines.core import processes

SECONDS = 10  # between two lines of a log


def watched() -> bool:
    """Whether a person looks on."""
    return sys.stderr.isatty()


def show(trainer: Trainer, run: str) -> None:
    """Let `trainer` show how far it is, in place of what transformers shows."""
    trainer.remove_callback(ProgressCallback if watched() else PrinterCallback)
    if not processes.rank():
        trainer.add_callback(_Bar() if watched() else _Lines(run))


class _Bar(ProgressCallback):
    """The bar of Trainer, with the last figures beside it; Trainer's own prints them to stdout."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        shown = {
            name: value
            for name, value in (logs or {}).items()
            if name in ("loss", f"eval_{args.metric_for_best_model}")
        }
        if self.training_bar is not None and shown:
            self.training_bar.set_postfix(shown)


class _Lines(TrainerCallback):
    """A line every ten seconds or so, and one at the end."""

    def __init__(self, run: str) -> None:
        self.run, self.loss = run, None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started = self.told = time.monotonic()
        self.first = state.global_step
        if self.first:
            print(f"{self.run}: goes on from step {self.first} of {state.max_steps}", file=sys.stderr, flush=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        self.loss = (logs or {}).get("loss", self.loss)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.monotonic()
        if now - self.told >= SECONDS:
            self.told = now
            left = (state.max_steps - state.global_step) * (now - self.started) / (state.global_step - self.first)
            self._tell(state, f", about {left:.0f} s left")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell(state, "")

    def _tell(self, state: Any, more: str) -> None:
        loss = "" if self.loss is None else f", loss {self.loss:.4f}"
        told = f"step {state.global_step} of {state.max_steps}, epoch {state.epoch:.1f}{loss}{more}"
        print(f"{self.run}: {told}", file=sys.stderr, flush=True)
