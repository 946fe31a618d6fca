"""What the lessons measure, on cases that are known."""

import math
import re
import subprocess
import sys
import warnings
from pathlib import Path
from random import Random

import nbformat
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertModel

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.decoder.language_model import NO_LABEL
from pipelines.lessons import embeddings, masking, tokenization, transfer
from pipelines.lessons.common import calls, page, pictures, words
from pipelines.lessons.common import materials as lessons
from pipelines.lessons.monitor import step
from pipelines.models import loading
from pipelines.tasks.intent import Options as Intent
from pipelines.tasks.intent import task as intent
from pipelines.tasks.masked_lm import Options as Masking
from pipelines.tasks.masked_lm import task as masked_lm
from pipelines.tasks.next_sentence import pairs as pairs_of
from pipelines.tasks.next_sentence import task as next_sentence
from pipelines.training import monitor, trainer
from tests.conftest import ROOT

TEXTS = [
    slot["text"]
    for path in sorted((ROOT / "data/sample").rglob("train_*_full.json"))
    for slot in snips.parse(path.read_bytes(), "train_full", path.parent.name, path.name)[0]
]


def test_learned_tokenizers_have_the_same_room_and_lose_what_they_say():
    cutters = tokenization.learn(TEXTS, 600)
    assert all(570 <= cutter.get_vocab_size() <= 600 for cutter in cutters.values())
    word_piece, cased, byte_level, beto = cutters.values()
    for text in ("Málaga  mañana 🌧️", "</script>", "zażółć"):
        assert tokenization.round_trip(byte_level, text) == text
    assert "[UNK]" in tokenization.cut(word_piece, "play 🎵")
    assert tokenization.round_trip(word_piece, "Play") == "play"
    assert tokenization.cut(cased, "Play") != tokenization.cut(cased, "play")
    assert "##" in "".join(tokenization.cut(beto, "unpretentious"))
    assert tokenization.cut(beto, "Play") != tokenization.cut(beto, "play")  # cased
    assert tokenization.cut(beto, "play, please")[1:2] == [","]
    counts = tokenization.counts(byte_level, TEXTS)
    assert counts["unknown"] == 0
    assert counts["round_trips"] == 1
    assert counts["fertility"] > 1


def test_unknown_is_what_the_tokenizer_itself_calls_so():
    def cutter(model):
        made = Tokenizer(model)
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        return made

    words_known = {"<none>": 0, "play": 1, "[UNK]": 2}
    for model in (
        models.WordPiece(words_known, unk_token="<none>"),
        models.WordLevel(words_known, unk_token="<none>"),
        models.Unigram([("play", -1.0), ("<none>", -9.0)], unk_id=1),
    ):
        assert tokenization.counts(cutter(model), ["play jazz", "play"])["unknown"] == pytest.approx(1 / 3)
    byte_level = tokenization.learn(TEXTS, 600)["byte-level BPE, learned"]
    assert tokenization.unknown_id(byte_level) is None


def test_what_a_tokenizer_loses_is_asked_of_it():
    uncased, cased, byte_level, beto = tokenization.learn([*TEXTS, "E é e"], 600).values()
    assert tokenization.lost(uncased) == {"loses_case": True, "loses_accents": True}
    for one in (cased, byte_level, beto):
        assert tokenization.lost(one) == {"loses_case": False, "loses_accents": False}
    byte_level.normalizer = normalizers.Lowercase()
    assert tokenization._of_lost(tokenization.lost(byte_level)) == "loses case and keeps accents"


def test_each_process_learns_the_same_tokenizers():
    script = (
        "from tests.pipelines.test_lessons import TEXTS\n"
        "from pipelines.lessons.tokenization import learn\n"
        "print([sorted(one.get_vocab().items()) for one in learn(TEXTS, 600).values()])"
    )
    said = [
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert (
        said[0]
        == said[1]
        == f"{[sorted(one.get_vocab().items()) for one in tokenization.learn(TEXTS, 600).values()]}\n"
    )


def test_word_piece_begins_and_goes_on_as_its_trainer_would_have_it():
    (word_piece, *_) = tokenization.learn(TEXTS, 4000).values()
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer, trained.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    options = {"vocab_size": 4000, "special_tokens": ["[UNK]"], "show_progress": False}
    trained.train_from_iterator(TEXTS, trainers.WordPieceTrainer(**options))
    ours, theirs = set(word_piece.get_vocab()), set(trained.get_vocab())
    assert len(ours & theirs) > 0.95 * len(theirs)


def test_byte_level_pieces_are_shown_as_text_or_bytes():
    byte_level = tokenization.learn(TEXTS, 600)["byte-level BPE, learned"]
    assert tokenization.cut(byte_level, "play it")[-1].startswith("▁")
    assert "".join(tokenization.cut(byte_level, "🎵")) == "<f0><9f><8e><b5>"


@pytest.fixture(scope="module")
def masked(tiny_encoder):
    trainer.seed(3)
    model = masked_lm.build(tiny_encoder, [], Masking())
    return model, loading.load_tokenizer(tiny_encoder)


def test_the_head_at_masked_places_alone_gives_the_loss_and_gradients_of_the_whole(masked):
    model, tokenizer = masked
    batch = tokenizer(["play some jazz", "book a table for two in boston"], padding=True, return_tensors="pt")
    labels = torch.full_like(batch["input_ids"], NO_LABEL)
    labels[0, 2], labels[1, 3] = 40, 50
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    loss = model(**batch, labels=labels).loss
    loss.backward()
    found = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    whole = transformers.BertForMaskedLM.forward(model, **batch, labels=labels).loss
    whole.backward()
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    assert torch.allclose(found, model.get_input_embeddings().weight.grad, atol=1e-6)
    model.zero_grad()


def test_pseudo_perplexity_is_that_of_a_plain_loop(masked):
    model, tokenizer = masked
    model.eval()
    texts = ["play some jazz", "rate this book five stars"]
    surprise, pieces = 0.0, 0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        for place in range(1, ids.shape[1] - 1):
            hidden = ids.clone()
            hidden[0, place] = tokenizer.mask_token_id
            with torch.no_grad():
                surprise -= model(hidden).logits[0, place].log_softmax(-1)[ids[0, place]].item()
            pieces += 1
    found = masking.pseudo_perplexity(model, tokenizer, texts)
    assert found["pieces"] == pieces
    assert found["pseudo_perplexity"] == pytest.approx(math.exp(surprise / pieces), rel=1e-4)


def test_masked_accuracy_counts_by_what_became_of_a_word(masked, monkeypatch):
    model, tokenizer = masked
    rows = [{"id": str(n), "text": text} for n, text in enumerate(TEXTS[:60])]
    features = masked_lm.encode(rows, tokenizer, model, Masking())
    found = masking.masked_accuracy(model, tokenizer, features)
    assert set(found) == {"all", "masked", "replaced", "kept"}

    def says(of):
        """Stands in for a model that says `of` at each place of a feature."""
        size = len(tokenizer)
        for start in range(0, len(features), 7):
            batch = list(range(start, min(start + 7, len(features))))
            logits = [torch.nn.functional.one_hot(torch.tensor(of(features[n])), size).float() for n in batch]
            yield batch, type("Output", (), {"logits": torch.nn.utils.rnn.pad_sequence(logits, batch_first=True)})

    kept = sum(a == b for f in features for a, b in zip(f["input_ids"], f["labels"], strict=True))
    total = sum(label != NO_LABEL for f in features for label in f["labels"])
    assert 0 < kept < total / 4
    monkeypatch.setattr(masking.inference, "batches", lambda *_: says(lambda feature: feature["input_ids"]))
    found = masking.masked_accuracy(model, tokenizer, features)  # it repeats what it sees
    assert found == {"all": pytest.approx(kept / total), "masked": 0, "replaced": 0, "kept": 1}
    monkeypatch.setattr(masking.inference, "batches", lambda *_: says(lambda one: [max(n, 0) for n in one["labels"]]))
    assert set(masking.masked_accuracy(model, tokenizer, features).values()) == {1}


def test_conversations_of_one_part_are_in_no_other():
    pairs = pairs_of.real_pairs("spanish")
    assert len(pairs) > 300
    parts = pairs_of.split(pairs, {"validation": 0.1, "test": 0.2}, 13)
    assert sum(map(len, parts.values())) == len(pairs)
    assert len(parts["test"]) == pytest.approx(0.2 * len(pairs), rel=0.2)
    statements = {part: {pair["first"].lower() for pair in rows} for part, rows in parts.items()}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not statements[one] & statements[other]
    assert parts == pairs_of.split(pairs, {"validation": 0.1, "test": 0.2}, 13)
    assert parts != pairs_of.split(pairs, {"validation": 0.1, "test": 0.2}, 14)


def test_half_of_the_pairs_are_random_and_from_elsewhere():
    pairs = pairs_of.real_pairs("spanish")
    drawn = pairs_of.with_random(pairs, Random(1))
    assert [pair["next"] for pair in drawn] == [True, False] * len(pairs)
    by_second = {(pair["group"], pair["second"]) for pair in pairs}
    others = [pair for pair in drawn if not pair["next"]]
    assert sum((pair["group"], pair["second"]) in by_second for pair in others) < 0.1 * len(others)
    with pytest.raises(InputError, match="one conversation alone"):
        pairs_of.with_random(pairs[:1], Random(1))


def test_the_best_overlap_cut():
    def pair(first, second, is_next):
        return {"first": first, "second": second, "next": is_next}

    pairs = [pair("a b", "a b", True), pair("a b", "a c", True), pair("a b", "c d", False)]
    values = [pairs_of.overlap(one) for one in pairs]
    cut = pairs_of.best_cut(values, pairs)
    assert [value > cut for value in values] == [True, True, False]
    assert pairs_of.best_cut([0.5, 0.5], [pairs[0], pairs[1]]) < 0.5  # where all are next, all above


def test_a_page_escapes_all_it_is_given():
    bad = "</script><script>alert(1)</script>"
    told = words.Words(bad, [bad], bad, [(bad, [bad])], bad, [bad])
    made = page.Page(
        body=[
            *(page.heading(bad), page.text(f"`{bad}` {bad}"), page.table([{"a": bad}], {"a": bad})),
            *(page.picture(b"<svg/>", bad), page.link("x", bad)),
        ],
        vary=bad,
    ).html("attention", bad, told, bad, bad)
    assert "<script" not in made
    assert made.count("&lt;script&gt;") == 18
    assert "<script" not in page.left_out("attention", told, bad)


def test_the_links_of_a_page_say_that_their_pages_are_made_first():
    told = words.Words("Why?", ["So."], "", [("What?", ["That."])], "¿?", [""])
    shown = page.left_out("embeddings", told, "nothing")
    (links,) = re.findall(r"<nav [^>]*>(.*?)</nav>", shown)
    assert re.findall(r"<a href=\"([^\"]*)\"", links)[1:] == ["../tokenization/index.html", "../attention/index.html"]
    assert re.sub(r"<a .*</a>", "", links) == "<span>(each is there once dvc repro has made it)</span>"


def test_a_map_of_many_groups_keeps_its_size_and_names_each(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "_svg", lambda figure: drawn.append(figure) or b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (7, 21, 150):
            groups = [f"_{n}" if n % 2 else f"intent_{n}" for n in range(count)]
            pictures.maps({"": [(n, n % 5, group) for n, group in enumerate(groups)]})
            drawn[-1].draw_without_rendering()
            (axes,) = drawn[-1].axes
            assert axes.get_window_extent().height > 2 * drawn[-1].dpi
            assert {text.get_text() for text in axes.get_legend().get_texts()} == set(groups)
            seen = {(tuple(one.get_facecolor()[0]), one.get_paths()[0].vertices.tobytes()) for one in axes.collections}
            assert len(seen) == count


@pytest.mark.parametrize("text", ["日本語", "책", "play"])
def test_a_sign_that_the_font_lacks_is_left_to_the_browser(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = [
            pictures.bars({text: {"a": 1.0}}, "share"),
            pictures.matrices({"": (np.ones((1, 1)), [text])}),
            pictures.maps({"": [(0, 0, text), (1, 1, "b")]}),
        ]
    for svg in drawn:
        texts = re.findall(r"<text[^>]*>([^<]*)<", svg.decode())
        assert (text in texts) == (text != "play")


def test_layers_stand_in_the_order_of_the_model(monkeypatch):
    monkeypatch.setattr(embeddings, "_inputs", lambda facts, seen: [])
    row = {"first": "a", "second": "b"} | dict.fromkeys(sorted(f"layer_{n}" for n in range(12)), 0.5)
    facts = {"silhouette": {"base": 0.1, "tuned": 0.2}, "encoder": "a", "tuned": "b", "pooler": {}, "word": "book"}
    facts |= {"contexts": [row], "sentences": [row], "utterances": 2}
    points = [{"encoder": of, "x": n, "y": n, "intent": "i"} for of in ("base", "tuned") for n in range(2)]
    shown = embeddings.show(facts, {"positions": [{"position": 0, "0": 1.0}], "map": points})
    for table in (part for part in shown.body if "<table>" in part):
        assert re.findall(r">layer (\d+)<", table) == [str(n) for n in range(12)]


@pytest.mark.parametrize(
    ("word", "texts"),
    [("本", ["この本を評価", "本"]), ("책", ["이 책을 평가해", "책"]), ("book", ["a book", "book, please"])],
)
def test_a_word_is_found_where_no_blank_stands_beside_it(tiny_encoder, word, texts):
    model = loading.load_model(BertModel, tiny_encoder, pooler="optional")
    tokenizer = loading.load_tokenizer(tiny_encoder)
    assert embeddings.word_vectors(model, tokenizer, word, texts).shape[1] == 2
    with pytest.raises(InputError, match="has no 'book'"):
        embeddings.word_vectors(model, tokenizer, "book", ["on facebook"])


def test_one_utterance_gives_no_map():
    materials = lessons.Materials("embeddings", Path, lambda part: [{"text": "play"}], Path())
    with pytest.raises(lessons.LeftOutError, match="test has one utterance"):
        embeddings.measure(None, materials)


def test_a_lesson_is_read_in_an_order():
    assert words.beside("tokenization") == (None, "embeddings")
    assert words.beside(words.WAY[-1])[1] is None
    assert words.on_the_way(["zebra", "monitor", "ant", "attention"]) == ["attention", "monitor", "ant", "zebra"]
    assert set(words.WAY) <= set(lessons.names())
    for name in words.WAY:
        told = words.read(name)
        assert told.question.endswith("?")
        assert told.spanish_question.startswith("¿")
        assert len(told.quiz) == 3
        assert all(asked.endswith("?") and answer for asked, answer in told.quiz)
        assert 60 <= len(" ".join(told.idea).split()) <= 220
        assert told.spanish_idea


def test_calls_are_run_as_they_stand(tmp_path):
    (tmp_path / "text").write_text("from a folder that is not there yet")
    code = 'import torch\n\nprint(1 + 1)\nprint(open("data/lessons/x/text").read())\n'
    said = calls.run(code, Path("data/lessons/x"), tmp_path)
    assert said == "2\nfrom a folder that is not there yet\n"
    assert calls.with_models('load("data/models/decoder")', {"decoder": "other"}) == 'load("data/models/other")'


def test_a_notebook_has_a_cell_for_each_part():
    code = "import a\n\ndef f():\n    b\n\n    c\n\nf()\n"
    told = words.Words("Why?", ["So."], code, [("What?", ["That."])], "¿?", [""])
    made = nbformat.reads(calls.notebook(told, code), as_version=4)
    nbformat.validate(made)
    sources = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert sources[1:] == ["import a", "def f():\n    b\n\n    c", "f()"]
    assert calls.notebook(told, code) == calls.notebook(told, code)


class State:
    global_step = 3


@pytest.mark.parametrize("on_gpu", [False, True])
def test_the_monitor_samples_the_machine(monkeypatch, tmp_path, on_gpu):
    monkeypatch.setattr(monitor, "INTERVAL", 0.0)
    monkeypatch.setattr(torch.cuda, "utilization", lambda: 71)
    monkeypatch.setattr(torch.cuda, "device_memory_used", lambda: 5 * 2**20)
    seen = monitor.DeviceMonitor(on_gpu)
    seen.on_train_begin(None, State, None)
    for _ in range(3):
        sum(range(10**5))
        seen.on_step_end(None, State, None)
    columns = ["seconds", "step", "cpu_percent", "memory_mib"] + ["gpu_percent", "gpu_memory_mib"] * on_gpu
    assert [list(row) for row in seen.rows] == [columns] * 3
    assert all(row["memory_mib"] > 50 for row in seen.rows)
    monitor.draw(seen.rows, "a run", tmp_path / "run.svg")
    assert "<svg" in (tmp_path / "run.svg").read_text(encoding="utf-8")


def test_a_gpu_without_nvml_trains_on(monkeypatch, capsys):
    def refuse():
        raise RuntimeError("no handle")

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    assert monitor.DeviceMonitor(True).on_gpu is False
    assert "no handle" in capsys.readouterr().err


def test_the_bytes_of_a_step(tiny_encoder):
    rows = [{"id": str(n), "text": text, "intent": f"i{n % 2}", "slots": []} for n, text in enumerate(TEXTS[:8])]
    tokenizer = loading.load_tokenizer(tiny_encoder)
    sizes = []
    for count in (2, 8):
        model = intent.build(tiny_encoder, rows, Intent(mode="full"))
        features = intent.encode(rows[:count], tokenizer, model)
        from pipelines.models.inference import collate

        found = step(model, collate(features, intent.TASK.labels))
        assert found["weights"] == 4 * sum(weight.numel() for weight in model.parameters())
        assert found["optimizer"] == 2 * found["gradients"]
        sizes.append(found["activations"])
    assert sizes[0] < sizes[1]
    model = intent.build(tiny_encoder, rows, Intent(mode="head"))
    model.base_model.requires_grad_(False)
    frozen = step(model, collate(features, intent.TASK.labels))
    assert frozen["gradients"] == 4 * sum(weight.numel() for weight in model.classifier.parameters())
    assert frozen["optimizer"] == 2 * frozen["gradients"] < found["optimizer"]


def test_what_is_found_without_context(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    (play,) = tokenizer("play", add_special_tokens=False)["input_ids"]
    features = [{"labels": [NO_LABEL, play, play, play + 1]}]
    found = masking.context_free(tokenizer, ["play play", "play book"], features, ["play"])
    assert found["token"] == "play"
    assert found["masked_accuracy"]["all"] == pytest.approx(2 / 3)
    # three of four tokens, and one more for each that there is
    assert found["pseudo_perplexity"] == pytest.approx((4 + len(tokenizer)) / 4)


def test_the_first_class_of_next_sentence_is_that_it_follows(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    pairs = [
        {"first": "how are you", "second": "fine", "next": True},
        {"first": "hello", "second": "no", "next": False},
    ]
    model = type("Model", (), {"base_model": None, "config": BertConfig(max_position_embeddings=64, longest_pair=None)})
    features = next_sentence.encode(pairs, tokenizer, model)
    assert [feature["labels"] for feature in features] == [0, 1]  # as BertForNextSentencePrediction has it
    said = next_sentence.decode([np.array([3.0, 0.0]), np.array([0.0, 3.0])], features, pairs, model)
    assert said[0]["probability"] > 0.9 > 0.1 > said[1]["probability"]
    assert next_sentence.score(said, pairs) == {"accuracy": 1}
    assert next_sentence.score(said[::-1], pairs) == {"accuracy": 0}


def test_what_pre_training_is_worth_is_with_it_less_without_it_seed_by_seed():
    accuracy = {("full", 1): 0.9, ("full", 2): 0.8, ("random", 1): 0.7, ("random", 2): 0.4, ("mean", 1): 0.1}
    points = [
        {"arm": arm, "size": "5", "seed": seed, "utterances": 35, "accuracy": value}
        for (arm, seed), value in accuracy.items()
    ]
    (gain,) = transfer._gains(points)
    assert gain["mean"] == pytest.approx(0.3)
    assert (gain["low"], gain["high"]) == (pytest.approx(max(-1, 0.3 - 12.7062 * 0.1)), 1)  # t of one degree of freedom


def test_what_pre_training_is_worth_is_told_by_where_its_interval_lies():
    def told(*ends):
        return transfer._worth([{"mean": sum(of) / 2, "low": of[0], "high": of[1], "utterances": 35} for of in ends])

    assert told((0.1, 0.3)).startswith("At the same number of steps, pre-trained weights are worth 20.0 points with 35")
    assert told((-0.1, 0.3)) == "With 35 utterances the interval holds 0, so these seeds show no difference."
    assert told((-0.3, -0.1)).endswith("same number of steps, by 20.0 points with 35 utterances.")
    assert "holds 0" not in told((-0.3, -0.1), (0.1, 0.3))


def test_an_arm_that_reads_the_pooler_needs_one(tiny_encoder, tmp_path):
    def possible(folder, **more):
        arms = {arm: {"mode": "head" if arm in transfer.HEADS else "full"} for arm in transfer.ARMS}
        arms["frozen"] |= more
        return list(transfer._possible(folder, {arm: transfer.Arm(**of) for arm, of in arms.items()}))

    assert possible(tiny_encoder) == list(transfer.ARMS)
    weights = load_file(tiny_encoder / "model.safetensors")
    save_file({f"bert.{name}": value for name, value in weights.items()}, tmp_path / "model.safetensors")
    assert possible(tmp_path) == list(transfer.ARMS)
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, tmp_path / "model.safetensors")
    assert possible(tmp_path) == ["random", "mean", "full"]
    assert possible(tmp_path, random_pooler=True) == list(transfer.ARMS)


def test_a_tokenizer_is_measured_on_sentences_that_it_did_not_learn(monkeypatch):
    monkeypatch.setattr(tokenization, "HELD_OUT", 20)
    learned = [f"play some jazz and book table {n}" for n in range(100)]
    texts = {
        language: ["abzjk"] * 20 + [f"{text} {language}" for text in learned] for language in tokenization.LANGUAGES
    }
    _, found = tokenization.crossed(300, texts, 13)
    assert found["learned_on"] == 100
    assert all(row["fertility"] > 3 for row in found["rows"])  # letter by letter, where it was never seen
