"""Run a stage function as a script."""

import argparse
import errno
import inspect
import os
import sys
from collections.abc import Callable, Iterator

from pipelines.core import blocks, processes, stopping
from pipelines.core.errors import InputError

# how torchrun, MPI and Slurm tell a process how many of it there are
SEVERAL = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
# what libraries of mathematics count their threads by
COUNTED_BY = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FULL = (errno.ENOSPC, errno.EDQUOT)
# how libraries that keep no errno say it: safetensors, torch.save (both of its writers)
FULL_IN_WORDS = ("No space left", "os error 28", "PytorchStreamWriter failed", "unexpected pos")


def command(
    stage: Callable[..., None], computes: bool = False, trains: bool = False, threads_of: str = "threads"
) -> None:
    """Call `stage` with one positional argument for each of its parameters; bad input becomes one line and exit 1.

    Args:
        computes: whether it runs a model. Then it uses the threads of params.yaml, whatever the machine has, as
            another number gives other last bits; and the first GPU alone, where there are several.
        threads_of: the param that says how many threads.
        trains: whether it trains a model. Then it runs in the processes that `launch` of params.yaml asks for.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{stage.__name__}", description=inspect.getdoc(inspect.getmodule(stage))
    )
    for name in inspect.signature(stage).parameters:
        parser.add_argument(name)
    arguments = parser.parse_args()
    try:
        _refuse_several_processes()
        threads = blocks.load(threads_of, blocks.Threads) if computes else 1
        launch = blocks.load("launch", processes.Launch) if trains else "python"
        if launch != "python" and processes.STARTED not in os.environ:
            processes.run(launch, f"stages.{stage.__name__}", list(vars(arguments).values()), threads)
        else:
            if computes:
                _on_one_device(threads)
            stage(**vars(arguments))
            processes.part()
        stopping.too_late()
    except InputError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if processes.is_left_alone(error):
            processes.wait_for_the_end()
            sys.exit(
                f"error: launch: another process of this training is gone or did not answer ({_first_line(error)}); "
                "dvc repro goes on, a training from its last whole epoch"
            )
        if _has_no_memory(error):
            sys.exit(
                "error: out of memory; take smaller batches (batch_size) or fewer processes (launch), then dvc repro"
            )
        if not _is_full(error):
            raise
        sys.exit("error: no space left on the disk; make room, then dvc repro, which goes on from the last whole epoch")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _refuse_several_processes() -> None:
    if processes.STARTED in os.environ:
        return
    for name in SEVERAL:
        if os.environ.get(name, "1") not in ("", "0", "1"):
            raise InputError(
                f"{name} is {os.environ[name]}: a stage runs in one process, and several would each train a model of "
                "their own; start it with dvc repro, and name what starts several in params.yaml: launch"
            )


def _on_one_device(threads: int) -> None:
    if processes.STARTED in os.environ:
        os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # precision of the run decides, not accelerate's own
    if processes.size() == 1:
        gpus = os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # Trainer would split each batch over all
        if "," in gpus:
            raise InputError(f"CUDA_VISIBLE_DEVICES is {gpus}: a stage computes on one GPU; name one")
    for name in COUNTED_BY:
        os.environ[name] = str(threads)  # for libraries that are loaded later
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _is_full(error: BaseException) -> bool:
    """Whether a full disk is behind it, or behind what led to it."""
    return any(
        (isinstance(one, OSError) and one.errno in FULL) or any(words in str(one) for words in FULL_IN_WORDS)
        for one in _with_causes(error)
    )


def _has_no_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or of a GPU, is behind it."""
    return any(
        isinstance(one, MemoryError) or type(one).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(one)
        for one in _with_causes(error)
    )


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
