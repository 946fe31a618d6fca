"""The `snips` command, for people. It alone knows where the pipeline leaves its models."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from pipelines.core.errors import InputError, printable
from pipelines.models import loading

MODELS = Path("data/models")
EXPORTS = Path("data/exports")
SPLITS = Path("data/splits")
DECODER = MODELS / "decoder"
TOLERANCES = Path("metrics/tolerances.yaml")
ENVIRONMENT = "metrics/environment.json"


def main() -> None:
    """Parse and run; bad input becomes one line and exit 1."""
    arguments = _parser().parse_args()
    try:
        arguments.act(arguments)
        sys.stdout.flush()
    except InputError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # `snips predict < texts | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        place = f"{printable(str(error.filename))}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}; see that one may write there, and that there is room")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="snips", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    starting = commands.add_parser("init", help="look at a corpus of your own, and set params.yaml to it")
    starting.add_argument("corpus", help="JSON lines, Parquet, Rasa NLU YAML, or a folder in the layout of SNIPS")
    starting.add_argument("--runs", metavar="RUN,RUN", help="of those in params.yaml; those that fit if left out")
    starting.set_defaults(act=_init)
    writing = commands.add_parser("generate", help="let GPT-2 write utterances for an intent")
    writing.add_argument("--intent", required=True, help="one that the decoder learned")
    writing.add_argument(
        "--strategy", default="top_p", help="greedy, beam, temperature, top_k, top_p, typical or min_p"
    )
    writing.add_argument("--value", type=float, help="the number of the strategy; params.yaml has its default")
    writing.add_argument("--prompt", default="", help="how the utterances begin")
    writing.add_argument("--seed", type=int, help="of the first utterance; params.yaml has its default")
    writing.add_argument("-n", type=int, default=1, help="how many")
    writing.set_defaults(act=_generate)
    predicting = commands.add_parser(
        "predict", help="what a trained run says of a text, or of each line of standard input"
    )
    predicting.add_argument(
        "text", nargs="?", default="-", help="left out or -: standard input, a line each; JSONL out"
    )
    predicting.add_argument(
        "--model", metavar="RUN", help="a run of params.yaml, or a folder (./mine); the best kind if left out"
    )
    predicting.add_argument("--ask", metavar="QUESTION", help="have a run of qa answer it from the text")
    predicting.add_argument("--json", action="store_true", help="one line of JSON for the text")
    predicting.set_defaults(act=_predict)
    exporting = commands.add_parser("export", help="write a run as a folder that needs no torch to answer")
    exporting.add_argument("run", metavar="RUN", help="of params.yaml: of intent, slots or joint")
    exporting.add_argument("--format", choices=("onnx", "openvino"), default="onnx")
    exporting.add_argument("--int8", action="store_true", help="with 8-bit integers: a quarter of the size")
    exporting.set_defaults(act=_export)
    serving = commands.add_parser("serve", help="answer over HTTP, and on a page as one types")
    serving.add_argument(
        "--model", metavar="RUN", help="a run, or a folder (./mine); the export of the best run if there is one"
    )
    serving.add_argument("--host", default="127.0.0.1", help="another than this machine's own needs SNIPS_TOKEN")
    serving.add_argument("--port", type=int, default=8000)
    serving.add_argument("--log-texts", action="store_true", help="log what is asked")
    serving.set_defaults(act=_serve)
    searching = commands.add_parser(
        "search", help="look for better options of a run by experiments, judged on validation"
    )
    searching.add_argument("run", metavar="RUN", help="of params.yaml")
    searching.add_argument(
        "axes", nargs="+", metavar="OPTION=VALUES", help="learning_rate=5e-5..5e-4:log, epochs=4..10, batch_size=16,32"
    )
    searching.add_argument("--trials", type=int, default=20, help="in all; the same command goes on where it was (20)")
    searching.add_argument("--seed", type=int, default=13, help="of the proposals")
    searching.set_defaults(act=_search)
    pushing = commands.add_parser("push", help="publish a run on the Hugging Face Hub, with its card")
    pushing.add_argument("run", metavar="RUN", help="of params.yaml, or a folder (./mine)")
    pushing.add_argument("repository", metavar="USER/NAME")
    pushing.add_argument("--dry-run", action="store_true", help="show what would be published, and send nothing")
    pushing.add_argument("--private", action="store_true")
    pushing.set_defaults(act=_push)
    verifying = commands.add_parser(
        "verify", help="set a finished run beside the one of a commit; exit 1 if figures lie beyond the tolerances"
    )
    verifying.add_argument("commit", nargs="?", default="HEAD", help="whose dvc.lock and metrics count (HEAD)")
    verifying.set_defaults(act=_verify)
    return parser


def _init(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from pipelines.core import blocks, files
    from pipelines.corpus import sources, starting
    from pipelines.data.source import PUBLISHED, SAMPLE, Data

    source = Path(arguments.corpus)
    corpus = sources.read(source)
    here = Path.cwd().resolve()
    place = source.resolve().relative_to(here) if source.resolve().is_relative_to(here) else source.resolve()
    if str(place) in (PUBLISHED, SAMPLE):
        raise InputError(f"{place}: as data.source this word means the corpus that comes with the project; rename it")
    blocks.validated(Data, {"source": str(place)}, "data")
    finetune = list(blocks.load("finetune", dict[blocks.RunName, dict]))
    first = next(row for rows in corpus.parts.values() for row in rows)
    try:
        planned = starting.plan(corpus, blocks.load("split.seed", blocks.Seed))
        if arguments.runs:
            planned = replace(planned, runs=tuple(arguments.runs.split(",")))
        text = blocks.PARAMS.read_text(encoding="utf-8")
        files.write_text(blocks.PARAMS, starting.params(text, str(place), first["intent"], planned))
    finally:  # what is in the corpus, also where it does not do
        print("\n".join([f"{printable(str(source))}:", *starting.look(corpus)]))
    sizes = ", ".join(f"{name} {size}" for name, size in planned.sizes.items())
    print(f"\n{blocks.PARAMS} is set: {planned.split['protocol']} split, {sizes}\nruns: {', '.join(planned.runs)}")
    if others := [run for run in finetune if run not in planned.runs]:
        told = f"left out: {', '.join(others)} (--runs names those to keep)"
        print(textwrap.fill(told, 80, break_on_hyphens=False))
    for part, intents in planned.lacking.items():
        print(f"{part} has none of: {', '.join(map(printable, intents))[:80]}; more utterances of them would mend it")
    print(f"Next:\n  dvc repro summary\n  snips predict {shlex.quote(printable(first['text']))}")


def _predict(arguments: argparse.Namespace) -> None:
    from pipelines.serving import lines, terminal

    wanted = ("qa",) if arguments.ask is not None else ("joint", "intent", "slots")
    model = _load(_folder(arguments.model) if arguments.model else _best(wanted))
    if arguments.text == "-":
        broken = lines.answer(model, sys.stdin.buffer, sys.stdout, arguments.ask)
        if broken:
            raise InputError(f"{broken} of the lines had no answer; see their error in the output")
        return
    said = model(arguments.text) if arguments.ask is None else model.ask(arguments.text, arguments.ask)
    if arguments.json:
        print(lines.as_json(said))
    else:
        print(terminal.answer(said, model.name, sys.stdout.isatty() and not os.environ.get("NO_COLOR")))


def _best(wanted: tuple[str, ...]) -> Path:
    """The run of params.yaml to ask, of the corpus that it names; without a params.yaml any that is there."""
    from pipelines.core import blocks
    from pipelines.data.source import Data
    from pipelines.serving.model import best_for

    if not blocks.PARAMS.exists():
        return best_for(MODELS, wanted)
    named = blocks.load("finetune", dict[blocks.RunName, dict])
    return best_for(MODELS, wanted, named, blocks.load("data", Data).name)


def _folder(run: str) -> Path:
    """The folder of a run that is named, or the folder itself."""
    return Path(run) if "/" in run or os.sep in run else MODELS / run


def _serve(arguments: argparse.Namespace) -> None:
    import ipaddress
    import logging
    from functools import partial

    try:
        import uvicorn

        from pipelines.serving.server import server
    except ImportError as error:
        raise InputError(f"{error.name} is not installed; run: pip install -r requirements-serve.txt") from None
    from pipelines.serving.answers import each

    token = os.environ.get("SNIPS_TOKEN") or None
    try:
        local = arguments.host == "localhost" or ipaddress.ip_address(arguments.host).is_loopback
    except ValueError:
        local = False
    if not local and token is None:
        raise InputError(f"--host {arguments.host}: others could ask; set SNIPS_TOKEN to a secret that they must give")
    if not 0 < arguments.port < 2**16:
        raise InputError(f"--port {arguments.port}: give one from 1 to {2**16 - 1}")
    folder = _folder(arguments.model) if arguments.model else _exported()
    model = _load(folder)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    app = server(model.name, partial(each, model), token, arguments.log_texts, _inside(folder))
    uvicorn.run(app, host=arguments.host, port=arguments.port, timeout_graceful_shutdown=10, server_header=False)


def _exported() -> Path:
    """The export of the best run for new texts, the quickest form first; the run itself without one."""
    from pipelines.core import files
    from pipelines.serving.exported import FACTS, WEIGHTS

    run = _best(("joint", "intent", "slots"))
    forms = (EXPORTS / f"{run.name}-{form}" for form in ("openvino-int8", "onnx-int8", "openvino", "onnx"))
    now = files.sha256(run / WEIGHTS) if (run / WEIGHTS).is_file() else None
    for folder in filter(Path.is_dir, forms):
        if files.read_json(folder / FACTS).get("weights") == now:
            return folder
        print(f"{folder}: of other weights than {run} has now, so passed over; snips export renews it", file=sys.stderr)
    return run


def _inside(folder: Path) -> Any:
    """What the page looks into: the run that is served, or that was exported; None where it is not here."""
    from pipelines.serving.exported import FACTS

    if (folder / FACTS).is_file():
        folder = MODELS / json.loads((folder / FACTS).read_text(encoding="utf-8"))["run"]
    from pipelines.core import blocks

    if not folder.is_dir() or not blocks.PARAMS.exists():
        return None  # a server with nothing but the export, without torch; a model outside the project
    from pipelines.decoder.options import Generate
    from pipelines.serving.inside import Inside

    return Inside(folder, DECODER, blocks.load("generate", Generate))


def _load(folder: Path) -> Any:
    """The run or the export in a folder, on the threads that params.yaml gives."""
    from pipelines.core import blocks
    from pipelines.serving.exported import FACTS, Exported

    threads = blocks.load("threads", blocks.Threads) if blocks.PARAMS.exists() else 0
    if (folder / FACTS).is_file():
        return Exported.load(folder, threads)
    import torch

    from pipelines.serving.model import Model

    if threads:
        torch.set_num_threads(threads)
    return Model.load(folder)


def _search(arguments: argparse.Namespace) -> None:
    from pipelines.models import task as tasks
    from pipelines.search import space, study

    run, options = arguments.run, tasks.run_options(arguments.run)
    axes = [space.parse(text, options) for text in arguments.axes]
    names = [axis.name for axis in axes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{twice[0]}: named twice; give its values once")
    if arguments.trials < 1:
        raise InputError(f"--trials {arguments.trials}: give one at least")
    _check_seed(arguments.seed)
    metric = tasks.get(options.task).best
    try:
        study.search(run, metric, axes, arguments.trials, arguments.seed)
    except KeyboardInterrupt:
        raise InputError("stopped; the same command goes on with the trial that it was at") from None
    if found := study.best(run):
        print(f"best: trial {found['number']}, {metric} {found['value']:.4f} on validation")
        print(f"all of them: {study.METRICS}/{run}.json and .svg")
        print(f"to take it over: dvc exp branch {found['experiment']} NAME")
    else:
        raise InputError("no trial was whole; see .search")


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**31:
        raise InputError(f"--seed {seed}: give one from 0 to {2**31 - 1}")


def _push(arguments: argparse.Namespace) -> None:
    from pipelines.serving import publishing

    folder = _folder(arguments.run)
    files = publishing.contents(folder)
    card = publishing.card_of(folder)
    print("\n".join(f"{name:<40} {size:>12,}" for name, size in files))
    print("\n".join(f"{key}: {value}" for key, value in card.items()))
    if arguments.dry_run:
        print(f"{arguments.repository}: nothing was sent")
    else:
        print(publishing.publish(folder, arguments.repository, arguments.private))


def _export(arguments: argparse.Namespace) -> None:
    from pipelines.data import parquet
    from pipelines.serving.exporting import export

    target = EXPORTS / f"{arguments.run}-{arguments.format}{'-int8' if arguments.int8 else ''}"
    calibrated = arguments.int8 and arguments.format == "openvino"
    texts = [row["text"] for row in parquet.read(SPLITS / "train.parquet")] if calibrated else []
    export(MODELS / arguments.run, target, arguments.format, arguments.int8, texts)
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target}: {size / 1e6:.1f} MB")
    print(f"Next:\n  snips predict --model {target} {shlex.quote('play some jazz')}")


def _generate(arguments: argparse.Namespace) -> None:
    from pipelines.core import blocks
    from pipelines.decoder import language_model, sampling
    from pipelines.decoder.options import Generate, strategy
    from pipelines.serving.answers import check

    options = blocks.load("generate", Generate)
    value = options.strategies.listed().get(arguments.strategy) if arguments.value is None else arguments.value
    value = strategy(arguments.strategy, value)
    _check_seed(options.seed if arguments.seed is None else arguments.seed)
    if arguments.n < 1:
        raise InputError(f"-n {arguments.n}: how many utterances, at least 1")
    if arguments.prompt:
        check(arguments.prompt)
    if not DECODER.is_dir():
        raise InputError(f"{DECODER}: no tuned decoder yet; run: dvc repro tune_decoder")
    model, tokenizer = loading.load_model(language_model.TASK.auto_class, DECODER), loading.load_tokenizer(DECODER)
    seed = options.seed if arguments.seed is None else arguments.seed
    rows = sampling.generate(
        model,
        tokenizer,
        arguments.intent,
        arguments.strategy,
        value,
        arguments.n,
        seed,
        options.max_new_tokens,
        arguments.prompt,
    )
    print("\n".join(printable(row["text"]) or "(empty)" for row in rows))


def _verify(arguments: argparse.Namespace) -> None:
    import yaml

    from pipelines.core import blocks
    from pipelines.reports import verifying

    commit = _git("rev-parse", "--short", f"{arguments.commit}^{{commit}}").strip()
    source = yaml.safe_load(_git("show", f"{commit}:{blocks.PARAMS}"))["data"]["source"]
    if source != blocks.load("data.source", str):
        raise InputError(f"{commit} ran on {source}, and this run on {blocks.load('data.source', str)}: other figures")
    status = subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], capture_output=True, check=False)
    if status.returncode:
        raise InputError("this run is not finished (dvc status); run: dvc repro")
    lock = Path("dvc.lock")
    same, other = verifying.outputs(
        yaml.safe_load(_git("show", f"{commit}:{lock}")), yaml.safe_load(lock.read_text(encoding="utf-8"))
    )
    tolerances = yaml.safe_load(TOLERANCES.read_text(encoding="utf-8"))
    if source not in tolerances:
        raise InputError(f"{TOLERANCES}: no tolerances for {source}; write a section of that name, as for snips")
    found = []
    for path in [path for path in other if path.startswith("metrics/") and path.endswith(".json")]:
        if path == ENVIRONMENT:
            continue  # it explains figures and is none
        there = _json_at(commit, path)
        here = json.loads(Path(path).read_text(encoding="utf-8")) if Path(path).exists() else {}
        found += verifying.differences(path, there, here, tolerances[source])
    print(verifying.report(commit, same, other, found, _machines(commit)))
    if any(one.beyond for one in found):
        sys.exit(1)


def _machines(commit: str) -> list[str] | None:
    """How this machine differs from the one that a commit notes; None where it notes none."""
    from pipelines.core import blocks
    from pipelines.reports import environment, verifying

    there = _json_at(commit, ENVIRONMENT)
    return verifying.machines(there, environment.environment(blocks.load("threads", blocks.Threads))) if there else None


def _json_at(commit: str, path: str) -> Any:
    """The content of a JSON file of a commit, empty where it has no such file."""
    return json.loads(_git("show", f"{commit}:{path}")) if _git("ls-tree", commit, path) else {}


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise InputError(f"git {' '.join(arguments)}: {result.stderr.strip()}; name a commit of this project")
    return result.stdout


if __name__ == "__main__":
    main()
