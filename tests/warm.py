"""Stages in processes that begin with the libraries imported: those take ten times as long as a stage on the sample."""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARIES = [
    "accelerate",
    "datasets",
    "pyarrow.parquet",
    "safetensors.torch",
    "scipy.stats",
    "seqeval.metrics",
    "sklearn.metrics",
    "torchcrf",
    "transformers.models.bert.modeling_bert",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.trainer",
]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(LIBRARIES)


def run_module(arguments: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """`python -m <arguments>` in the working folder; only libraries are older than the process, no code of the project.

    Raises:
        subprocess.TimeoutExpired: it took more than `timeout` seconds, and was killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _CONTEXT.Process(target=_run, args=(arguments, Path.cwd(), dict(os.environ), said))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        texts = [path.read_text(encoding="utf-8") for path in said]
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _run(arguments: list[str], folder: Path, environment: dict[str, str], said: list[Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(said, start=1):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
