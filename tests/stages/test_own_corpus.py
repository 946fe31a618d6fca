"""A corpus of one's own in SNIPS layout: other intents, other labels, one label without a question."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.core import blocks, provenance
from pipelines.data import parquet
from pipelines.serving import Model
from stages import convert, download, evaluate, fetch_encoder, finetune, qa_limits, split, summary
from stages import runs as stock
from tests.conftest import INTENTS, ROOT, assert_one_line_error, edit_params, read_details, run_stage

RUNS = ("intent-full", "slots-full", "qa-full", "joint-full")
VALUES = {
    "device": ["lamp", "heating", "radio", "oven"],
    "room": ["kitchen", "attic", "hall", "cellar"],
    "alarm_time": ["seven", "noon", "half past six", "nine"],
    "weekday": ["monday", "friday", "sunday", "tuesday"],
    "partySize": ["two", "four", "six", "ten"],
}
SENTENCES = {
    "SwitchOn": ["turn on the ", ("device",), " in the ", ("room",)],
    "SetAlarm": ["wake me at ", ("alarm_time",), " on ", ("weekday",)],
    "BookHall": ["i need the hall for ", ("partySize",), " on ", ("weekday",)],
}


def write_corpus(folder: Path) -> None:
    for intent, parts in SENTENCES.items():
        (folder / intent).mkdir(parents=True)
        rows = []
        for n in range(16):
            at = iter((n % 4, n // 4))
            data = [
                {"text": part} if isinstance(part, str) else {"text": VALUES[part[0]][next(at)], "entity": part[0]}
                for part in parts
            ]
            rows.append({"data": data})
        for name, some in ((f"train_{intent}_full.json", rows[:12]), (f"validate_{intent}.json", rows[12:])):
            (folder / intent / name).write_text(json.dumps({intent: some}), encoding="utf-8")


@pytest.fixture
def own(project):
    write_corpus(Path("smart home"))

    def change(content):
        content["data"]["source"] = content["watch"]["data"] = "smart home"
        content["split"] |= {"protocol": "random", "validation_share": 0.2, "test_share": 0.2}
        content["finetune"] = {run: content["finetune"][run] | {"epochs": 2} for run in RUNS}
        content["generate"]["n"] = 2
        content["lessons"]["attention"] |= {"intent": "SetAlarm", "pair_tokens": 32}

    edit_params(change)
    return project


def run(*stages: str) -> None:
    for stage in stages:
        result = run_stage(*f"stages.{stage}".split(" "))
        assert result.returncode == 0, (stage, result.stderr)


def test_from_download_to_summary(own):
    run("download", "convert", "split", "fetch_encoder")
    quality = read_details("metrics/corpus.json")
    assert (quality["source"], quality["intents"], quality["slot_labels"]) == ("smart home", 3, 5)
    for name in RUNS:
        run(f"finetune {name}", f"evaluate {name}")
        assert read_details(f"metrics/{name}.json")["source"] == "smart home"
    config = json.loads(Path("data/models/qa-full/config.json").read_text(encoding="utf-8"))
    assert config["questions"]["partySize"] == "Which party size?"
    assert set(config["questions"]) == set(VALUES)
    config = json.loads(Path("data/models/intent-full/config.json").read_text(encoding="utf-8"))
    assert set(config["label2id"]) == set(SENTENCES)
    run("runs", "fetch_decoder", "tune_decoder", "generate", "judge", "adapt_encoder", "qa_limits", "compare_bert_gpt")
    samples = pq.read_table("data/generated/samples.parquet").to_pylist()
    assert {row["intent"] for row in samples} == set(SENTENCES)
    run("peers", "summary", "lesson tokenization", "lesson embeddings", "lesson attention")
    page = Path("data/report/summary.md").read_text(encoding="utf-8")
    assert "Data: the corpus smart home; split protocol: random." in page
    assert "Absent, as params.yaml has no such run: intent-head, slots-head, qa-head." in page
    everything = "".join(path.read_text(encoding="utf-8") for path in Path("metrics").glob("*.json"))
    assert not [name for name in INTENTS if name in everything.replace('"PlayMusic"', "")]


def corpus(texts):
    """JSON lines of (text, intent, value, label) each; the slot is where the value stands."""
    rows = []
    for text, intent, value, label in texts:
        start = text.index(value) if value else 0
        slots = [{"start": start, "end": start + len(value), "label": label}] if value else []
        rows.append({"text": text, "intent": intent, "slots": slots})
    return "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows).encode()


CITIES = ["Málaga", "León", "Cádiz", "Logroño", "Ávila", "Jaén", "Gijón", "Mérida", "Úbeda", "Alcalá"]
CORPORA = {
    "spanish": corpus(
        (text.format(city), intent, city, "ciudad")
        for city in CITIES
        for text, intent in (("¿lloverá mañana en {}?", "tiempo"), ("reserva una mesa en {}", "reservar"))
    ),
    "no slots": corpus((f"{verb} number {n}", verb, "", "") for verb in ("open", "close", "paint") for n in range(8)),
    "one intent": corpus((f"turn on lamp {n} now", "any", str(n), "lamp") for n in range(24)),
    "150 intents": corpus(
        (f"do {n} {how}", f"do_{n}", "", "") for n in range(150) for how in ("now", "please", "it", "so")
    ),
    "other scripts": b"\xef\xbb\xbf"
    + corpus(
        (f"{text} {n}", intent, str(n), "number")
        for n in range(12)
        for text, intent in (("💡 הדלק אור", "on"), ("أطفئ الضوء 🔥", "off"))
    ),
}


CORPORA["flights"] = (ROOT / "tests/flights.yml").read_bytes()


@pytest.mark.parametrize("kind", CORPORA)
def test_three_commands(project, kind):
    """`snips init`, the stages that `dvc repro summary` runs, and an answer."""
    mine = "mine.yml" if kind == "flights" else "mine.jsonl"
    Path(mine).write_bytes(CORPORA[kind])
    result = run_stage("pipelines.cli", "init", mine)
    assert result.returncode == 0, result.stderr
    for stage in (download.download, convert.convert, split.split, fetch_encoder.fetch_encoder):
        stage()
    runs = list(blocks.raw("finetune"))
    for name in runs:
        finetune.finetune(name)
        evaluate.evaluate(name)
    stock.runs()
    qa_limits.qa_limits()
    summary.summary()
    page = Path("data/report/summary.md").read_text(encoding="utf-8")
    assert f"Data: the corpus {mine}; split protocol: random." in page
    assert all(f"| {name} |" in page for name in runs)
    row = parquet.read(Path("data/splits/test.parquet"))[0]
    for name in runs:
        answer = Model.load(f"data/models/{name}")(row["text"])
        assert ("intent" in answer) == (not name.startswith("slots"))
        assert ("slots" in answer) == (not name.startswith("intent"))
        assert "on the corpus mine." in Path(f"data/models/{name}/README.md").read_text(encoding="utf-8")
    assert_one_line_error(run_stage("stages.few_shot", "10"), "on SNIPS alone, and data.source is mine.")
    header = Path("data/corpus/README.md").read_text(encoding="utf-8").split("---")[1]
    assert yaml.safe_load(header)["pretty_name"].startswith("mine.")


@pytest.mark.parametrize(
    ("source", "parts"),
    [("no such folder", ["no such file or folder", ".jsonl"]), ("stages", ["no intents", "train_<Intent>_full.json"])],
)
def test_a_folder_that_is_no_corpus(project, source, parts):
    edit_params(lambda content: (content["data"].update(source=source), content["watch"].update(data=source)))
    assert_one_line_error(run_stage("stages.download"), *parts)


def test_the_literatures_split_is_not_for_every_corpus(own):
    edit_params(lambda content: content["split"].update(protocol="literature"))
    run("download", "convert")
    said = ("literature is of snips and sample alone", "take official, random or given")
    assert_one_line_error(run_stage("stages.split"), *said)


def test_no_intent_of_snips_stands_in_the_code():
    for path in (ROOT / "pipelines").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [name for name in INTENTS if name in text], path
    for path in (ROOT / "stages").glob("*.py"):
        assert not [name for name in INTENTS if name in path.read_text(encoding="utf-8")], path
    assert provenance.described("mine") == "the corpus mine"
