"""Each task on real rows of the sample and a 2-layer BERT."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from pipelines.analysis import asking
from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.data import words
from pipelines.labels import tagging
from pipelines.models import inference, loading
from pipelines.models import task as tasks
from pipelines.reports.differences import unpacked
from pipelines.tasks.joint.model import Objective, _apart
from pipelines.tasks.qa import task as qa
from pipelines.training import trainer
from tests.conftest import INTENTS, ROOT

NAMES = ("intent", "slots", "qa", "joint")


def tokenizer_of(folder):
    return loading.load_tokenizer(folder)


def build(name, tiny_encoder, rows):
    return tasks.get(name).build(tiny_encoder, rows, tasks.offered(name).Options(mode="full"))


@pytest.fixture(params=NAMES)
def built(request, rows, tiny_encoder):
    task = tasks.get(request.param)
    model = build(request.param, tiny_encoder, rows)
    return task, model, task.encode(rows, loading.load_tokenizer(tiny_encoder), model)


def one_hot(labels, size):
    labels = np.atleast_1d(labels)
    logits = np.zeros((len(labels), size), dtype=np.float32)
    logits[np.arange(len(labels)), np.maximum(labels, 0)] = 9
    return logits


def gold_logits(feature, task, model):
    """The logits that a perfect model gives, shaped as `inference.predict` shapes them."""
    pieces = len(feature["input_ids"])
    values = {
        "logits": lambda: one_hot(feature["labels"], model.config.num_labels),
        "start_logits": lambda: one_hot(feature["start_positions"], pieces)[0],
        "end_logits": lambda: one_hot(feature["end_positions"], pieces)[0],
        "intent_logits": lambda: one_hot(feature["intent_labels"], 7)[0],
        "slot_logits": lambda: one_hot(feature["labels"], 79),
    }
    found = [values[name]() for name in task.outputs]
    if task is tasks.get("intent"):
        return found[0][0]
    return found[0] if len(found) == 1 else tuple(found)


def test_labels_come_from_the_rows_in_order(tiny_encoder, rows):
    config = build("intent", tiny_encoder, rows).config
    assert tuple(config.id2label[n] for n in range(config.num_labels)) == INTENTS
    config = build("slots", tiny_encoder, rows).config
    assert config.num_labels == 1 + 2 * 39
    assert [config.id2label[n] for n in (0, 1, 2)] == ["O", "B-album", "I-album"]
    config = build("joint", tiny_encoder, rows).config
    assert tuple(config.intents) == INTENTS
    assert len(config.tags) == 1 + 2 * 39


def test_the_outputs_have_the_shapes_that_the_task_says(built):
    task, model, features = built
    rests = {"intent": [(7,)], "slots": [(79,)], "qa": [(), ()], "joint": [(7,), (79,)]}[task.name]
    for logits, feature in zip(inference.predict(model, features[:5], task.outputs), features, strict=False):
        found = logits if isinstance(logits, tuple) else (logits,)
        for array, by_piece, rest in zip(found, task.outputs.values(), rests, strict=True):
            assert array.shape == ((len(feature["input_ids"]),) if by_piece else ()) + rest


def test_a_saved_model_loads_with_its_labels(built, tmp_path, rows):
    task, model, features = built
    model.save_pretrained(tmp_path)
    loaded = loading.load_model(task.auto_class, tmp_path)
    before, after = (
        task.decode(inference.predict(m, features, task.outputs), features, rows, m) for m in (model, loaded)
    )
    assert before == after


def test_gold_logits_decode_to_gold_and_score_one(built, rows):
    task, model, features = built
    predictions = task.decode([gold_logits(f, task, model) for f in features], features, rows, model)
    scores = task.score(predictions, rows)
    assert scores[task.best] > 0.99  # a question has one answer, so a slot that stands twice costs qa some recall
    assert all(task.is_right(p, row) for p, row in zip(predictions, rows, strict=True))
    same = {"answerable": "right answer", "unanswerable": "refused"}
    assert all(same.get(pair["actual"], pair["actual"]) == pair["predicted"] for pair in task.plots(predictions, rows))


def test_wrong_logits_score_less(built, rows):
    task, model, features = built

    def wrong(logits):
        return tuple(map(wrong, logits)) if isinstance(logits, tuple) else np.roll(logits, 1, axis=-1)

    predictions = task.decode([wrong(gold_logits(f, task, model)) for f in features], features, rows, model)
    assert task.score(predictions, rows)[task.best] < 0.5
    assert not all(task.is_right(p, row) for p, row in zip(predictions, rows, strict=True))


def test_decoding_never_leaves_iob2(rows, tiny_encoder):
    task = tasks.get("slots")
    model = build("slots", tiny_encoder, rows)
    text = "a b c"
    names = ["O", "I-x", "I-y", "B-x", "B-y"]
    model.config.id2label = dict(enumerate(names))
    logits = np.array([[0, 9, 0, 5, 0], [0, 9, 0, 0, 0], [0, 0, 9, 0, 0]], dtype=np.float32)
    (prediction,) = task.decode([logits], [{"first_tokens": [0, 1, 2]}], [{"text": text}], model)
    # alone the words would be I-x I-x I-y; the likeliest valid path opens x with its B-
    (slot, *_) = prediction["slots"]
    # the mean of what a softmax gives the two tags of the path, not of what it gives the likeliest
    shares = [math.exp(5) / (math.exp(9) + math.exp(5) + 3), math.exp(9) / (math.exp(9) + 4)]
    assert slot == {"start": 0, "end": 3, "label": "x", "score": pytest.approx(sum(shares) / 2)}
    assert all(slot["label"] in ("x", "y") for slot in prediction["slots"])


def test_a_confusion_has_each_word_that_either_puts_in_a_slot(rows):
    row = {"text": "a b c d", "slots": [{"start": 0, "end": 1, "label": "x"}, {"start": 2, "end": 3, "label": "y"}]}
    said = {"slots": [{"start": 2, "end": 3, "label": "x"}, {"start": 4, "end": 5, "label": "y"}]}
    assert tagging.plots([said], [row]) == [
        {"actual": "x", "predicted": "-"},
        {"actual": "y", "predicted": "x"},
        {"actual": "-", "predicted": "y"},
    ]


def test_a_row_without_slots_or_with_unknown_ones_stops_no_other(tiny_encoder):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    known = {"text": "play jazz", "slots": [{"start": 5, "end": 9, "label": "genre"}]}
    other = {"text": "play jazz", "slots": [{"start": 5, "end": 9, "label": "never seen"}]}
    new, first, second = tagging.encode([{"text": "a"}, known, other], tokenizer, ["O", "B-genre", "I-genre"], 64)
    assert "labels" not in new
    at = first["first_tokens"][1]
    assert (first["labels"][at], second["labels"][at]) == (1, tagging.IGNORED)


def test_a_word_without_a_piece_follows_its_neighbours(rows, tiny_encoder):
    task = tasks.get("slots")
    model = build("slots", tiny_encoder, rows)
    names = [model.config.id2label[n] for n in range(model.config.num_labels)]
    logits = np.zeros((2, len(names)), dtype=np.float32)
    logits[0, names.index("B-album")] = logits[1, names.index("I-album")] = 9
    (prediction,) = task.decode([logits], [{"first_tokens": [0, None, 1]}], [{"text": "a b c"}], model)
    share = math.exp(9) / (math.exp(9) + len(names) - 1)  # of both words that have a token
    assert prediction["slots"] == [{"start": 0, "end": 5, "label": "album", "score": pytest.approx(share)}]


def test_nothing_to_choose_or_to_tag_is_one_line(rows, tiny_encoder):
    without = [row | {"slots": []} for row in rows]
    for name in ("slots", "joint", "qa"):
        with pytest.raises(InputError, match=r"train has no slots, .*; take this run out"):
            build(name, tiny_encoder, without)
    with pytest.raises(InputError, match=r"train has one intent, PlayMusic, .*; take this run out"):
        build("intent", tiny_encoder, [row for row in rows if row["intent"] == "PlayMusic"])


# questions


def ask(rows, tiny_encoder, training=False, rate=0.5):
    task = tasks.get("qa")
    options = tasks.offered("qa").Options(mode="full", unanswerable_rate=rate)
    model = task.build(tiny_encoder, rows, options)
    return model, task.encode(rows, loading.load_tokenizer(tiny_encoder), model, options, training)


def test_every_label_has_a_question_and_no_other():
    folder = ROOT / "data/sample"
    labels = set()
    for intent in INTENTS:
        data = (folder / f"{intent}/train_{intent}_full.json").read_bytes()
        labels |= {slot["label"] for row in snips.parse(data, "t", intent, intent)[0] for slot in row["slots"]}
    questions = qa.read_questions(qa.QUESTIONS)
    assert set(questions) == labels
    assert len(set(questions.values())) == 39


def test_evaluation_asks_every_slot_of_the_intent(rows, tiny_encoder):
    model, features = ask(rows, tiny_encoder)
    asked = model.config.asked
    assert sum(map(len, asked.values())) == 53  # the (intent, slot) pairs of SNIPS
    assert len(features) == sum(len(asked[row["intent"]]) for row in rows)


def test_training_draws_the_unanswerable_by_seed_and_rate(rows, tiny_encoder):
    answerable = sum(len({slot["label"] for slot in row["slots"]}) for row in rows)
    everything = len(ask(rows, tiny_encoder)[1])
    assert len(ask(rows, tiny_encoder, training=True, rate=0.0)[1]) == answerable
    assert len(ask(rows, tiny_encoder, training=True, rate=1.0)[1]) == everything
    half = [(f["row"], f["label"]) for f in ask(rows, tiny_encoder, training=True)[1]]
    assert half == [(f["row"], f["label"]) for f in ask(rows, tiny_encoder, training=True)[1]]
    assert abs((len(half) - answerable) / (everything - answerable) - 0.5) < 0.1


def test_white_space_before_a_token_is_no_part_of_an_answer(rows, tiny_encoder, monkeypatch):
    tokenizer = loading.load_tokenizer(tiny_encoder)
    call = type(tokenizer).__call__

    def with_blanks(self, *given, **options):  # as SentencePiece counts
        made = call(self, *given, **options)
        if "offset_mapping" in made:
            made["offset_mapping"] = [
                [(start - (start > 0 and given[1][start - 1] == " "), end) for start, end in of]
                for of in made["offset_mapping"]
            ]
        return made

    plain = qa._windows(tokenizer, "Which artist?", "play some jazz", 64)
    monkeypatch.setattr(type(tokenizer), "__call__", with_blanks)
    assert qa._windows(tokenizer, "Which artist?", "play some jazz", 64) == plain


def test_a_base_model_of_another_task_leaves_nothing_of_its_head(rows, tiny_encoder, tmp_path):
    settings = {"num_labels": 3, "problem_type": "multi_label_classification"}
    shutil.copytree(tiny_encoder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    labels = {str(n): f"{n}" for n in range(settings["num_labels"])}
    config |= {"problem_type": settings["problem_type"], "id2label": labels}
    (tmp_path / "config.json").write_text(json.dumps(config | {"label2id": {of: int(n) for n, of in labels.items()}}))
    tokenizer = loading.load_tokenizer(tiny_encoder)
    for name in ("qa", "intent"):
        task = tasks.get(name)
        model = task.build(tmp_path, rows, tasks.offered(name).Options(mode="full"))
        features = task.encode(rows[:4], tokenizer, model)
        assert model(**inference.collate(features[:4], task.labels)).loss > 0


def test_a_long_text_is_cut_into_windows_that_find_the_answer(rows, tiny_encoder):
    text = "please play " + "some music and " * 30 + "freddie"
    row = {"id": "x", "text": text, "intent": "PlayMusic"}
    row["slots"] = [{"start": len(text) - 7, "end": len(text), "label": "artist"}]
    task = tasks.get("qa")
    model, _ = ask(rows, tiny_encoder)
    features = [f for f in task.encode([row], loading.load_tokenizer(tiny_encoder), model) if f["label"] == "artist"]
    assert len(features) > 2
    assert all(len(f["input_ids"]) <= 64 for f in features)
    logits = [gold_logits(f, task, model) for f in features]
    (prediction,) = task.decode(logits, features, [row], model)
    assert prediction["answers"][0]["answer"] == "freddie"
    assert prediction["answers"][0]["start"] == len(text) - 7


def test_calibration_finds_the_margin_between_right_and_wrong(rows, tiny_encoder):
    task = tasks.get("qa")
    model, features = ask(rows, tiny_encoder)
    logits = []
    for feature in features:
        start, end = gold_logits(feature, task, model)
        if not start.argmax():  # cannot be answered: the last token, less sure than the others are
            start, end = np.zeros_like(start), np.zeros_like(end)
            start[-2] = end[-2] = 3
        logits.append((start, end))
    task.calibrate(logits, features, rows, model)
    assert 6 < model.config.null_threshold < 18
    scores = task.score(task.decode(logits, features, rows, model), rows)
    assert (scores["unanswerable_accuracy"], scores["span_f1"]) == (1, 1)


def test_who_chooses_the_questions_decides_what_can_be_found(rows, tiny_encoder):
    model, _ = ask(rows, tiny_encoder)
    tokenizer = loading.load_tokenizer(tiny_encoder)
    wrong = [next(name for name in INTENTS if name != row["intent"]) for row in rows]
    asked = asking.ask(model, tokenizer, rows, wrong)
    everything = [set(of) for of in asked.answers]
    assert everything == [set(model.config.questions)] * len(rows)
    for row, answers in zip(rows, asked.answers, strict=True):
        for answer in answers.values():  # a perfect model: the slot where there is one, else it is sure of nothing
            slots = [slot for slot in row["slots"] if slot["label"] == answer["label"]]
            answer |= {"margin": 1.0, **slots[0]} if slots else {"margin": -1.0, "start": 0, "end": 1}
    found = {one["chosen_by"]: one for one in asking.by_chooser(asked, asked)}
    assert list(found) == ["gold intent", "predicted intent", "nobody"]
    assert found["nobody"]["questions"] == len(rows) * len(model.config.questions) > found["gold intent"]["questions"]
    twice = sum(len(row["slots"]) - len({slot["label"] for slot in row["slots"]}) for row in rows)
    slots = sum(len(row["slots"]) for row in rows)
    for chooser in ("gold intent", "nobody"):
        assert found[chooser]["answered"] == slots - twice
        assert found[chooser]["span_f1"] == pytest.approx(2 * (slots - twice) / (2 * slots - twice))
    assert found["predicted intent"]["span_f1"] < found["gold intent"]["span_f1"]  # not asked for is missed
    by_id = sorted(rows, key=lambda row: row["id"])
    counts = {"nobody": unpacked(found["nobody"]["not_whole"], "span_f1", rows)}
    assert counts["nobody"][:, 2].tolist() == [len(row["slots"]) for row in by_id]
    assert counts["nobody"][:, 0].tolist() == [len({slot["label"] for slot in row["slots"]}) for row in by_id]
    assert "predicted intent" not in asking.ask(model, tokenizer, rows[:1], None).asked


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("- a", "expected `label: question`"),
        ("artist: 7", "artist: expected a question, found 7"),
        ("artist: [", "questions.yaml"),
    ],
)
def test_a_bad_question_file_is_one_line(rows, tiny_encoder, tmp_path, monkeypatch, text, part):
    (tmp_path / "questions.yaml").write_text(text)
    monkeypatch.setattr(qa, "QUESTIONS", tmp_path / "questions.yaml")
    with pytest.raises(InputError, match=part) as error:
        ask(rows, tiny_encoder)
    assert "\n" not in str(error.value)


def crf_model(rows, tiny_encoder):
    task = tasks.get("joint")
    trainer.seed(13)
    model = task.build(tiny_encoder, rows, tasks.offered("joint").Options(mode="full", head="crf"))
    return task, model, task.encode(rows, loading.load_tokenizer(tiny_encoder), model)


def test_the_crf_starts_small_and_is_saved(rows, tiny_encoder, tmp_path):
    task, model, _ = crf_model(rows, tiny_encoder)
    for parameter in model.crf.parameters():
        assert 0 < parameter.abs().max() <= 0.1
    model.save_pretrained(tmp_path)
    again = loading.load_model(task.auto_class, tmp_path)
    assert torch.equal(again.crf.transitions, model.crf.transitions)


def test_the_loss_of_the_crf_is_that_of_the_gold_paths(rows, tiny_encoder):
    """Against the library on one utterance at a time, without padding."""
    task, model, features = crf_model(rows, tiny_encoder)
    batch = inference.collate(features[:5], task.labels)
    model.eval().objective = Objective(slot_loss_weight=1.0)
    total = known = 0
    for feature in features[:5]:
        at = [piece for piece in feature["first_tokens"] if piece is not None]
        (_, logits), *_ = inference.predict(model, [feature], task.outputs)
        tags = torch.tensor(feature["labels"])[at]
        total -= model.crf(torch.tensor(logits[at])[None], tags[None], reduction="sum")
        known += len(at)
    assert model(**batch).loss.item() == pytest.approx((total / known).item(), rel=1e-4)


def test_a_row_without_a_tag_adds_nothing_to_the_loss_of_the_crf(rows, tiny_encoder):
    _, model, _ = crf_model(rows, tiny_encoder)
    logits, labels = torch.randn(3, 4, model.crf.num_tags), torch.tensor([[-100, 1, 2, -100], [-100] * 4, [0] * 4])
    both = [0, 2]
    assert torch.equal(model._slot_loss(logits, labels, 0.0), model._slot_loss(logits[both], labels[both], 0.0))
    assert model._slot_loss(logits[1:2], labels[1:2], 0.0) == 0


def test_decoding_with_a_crf_takes_its_best_path(rows, tiny_encoder):
    task, model, features = crf_model(rows, tiny_encoder)
    with torch.no_grad():  # so that every path is valid: nothing leads to an I- tag
        inside = [n for n, tag in enumerate(model.config.tags) if tag.startswith("I-")]
        model.crf.transitions[0].uniform_(-3, 3)
        model.crf.end_transitions.uniform_(-3, 3)
        model.crf.transitions[:, inside] = model.crf.start_transitions[inside] = -1e4
    logits = inference.predict(model, features, task.outputs)
    for (_, slot_logits), feature, prediction, row in zip(
        logits, features, task.decode(logits, features, rows, model), rows, strict=True
    ):
        (path,) = model.crf.decode(torch.tensor(slot_logits[feature["first_tokens"]])[None])
        span = words.words(row["text"])
        found = [{name: slot[name] for name in ("start", "end", "label")} for slot in prediction["slots"]]
        assert found == words.slots(span, [model.config.tags[n] for n in path])


def test_teachers_say_what_they_say_on_average(rows, tiny_encoder):
    task, model = tasks.get("joint"), build("joint", tiny_encoder, rows)
    features = task.encode(rows[:3], loading.load_tokenizer(tiny_encoder), model)
    logits = inference.predict(model, features, task.outputs)
    turned = [(-intents, -tags) for intents, tags in logits]
    task.teach(features, [logits, turned])
    batch = inference.collate(features, task.labels)
    assert batch["taught_tags"].shape == (3, batch["input_ids"].shape[1], len(model.config.tags))
    for n, (intents, _) in enumerate(logits):
        shares = [torch.softmax(torch.tensor(sign * intents), dim=-1) for sign in (1, -1)]
        assert batch["taught_intents"][n].tolist() == pytest.approx(((shares[0] + shares[1]) / 2).tolist(), abs=1e-6)
    assert not any("taught_intents" in feature for feature in task.encode(rows[:3], tokenizer_of(tiny_encoder), model))


def test_the_loss_of_a_student_is_that_of_labels_and_of_teachers(rows, tiny_encoder):
    task, model = tasks.get("joint"), build("joint", tiny_encoder, rows)
    features = task.encode(rows[:5], tokenizer_of(tiny_encoder), model)
    own = inference.predict(model, features, task.outputs)
    plain = model.eval()(**inference.collate(features, task.labels)).loss.item()
    task.teach(features, [own])
    batch = inference.collate(features, task.labels)
    at = batch["labels"] != -100
    shares = [torch.softmax(torch.tensor(np.stack([intents for intents, _ in own])), dim=-1)]
    shares.append(batch["taught_tags"][at])
    entropies = [-(share * share.log()).sum(dim=-1).mean().item() for share in shares]
    for taught in (0.0, 0.3, 1.0):
        model.objective = Objective(taught=taught)
        expected = (1 - taught) * plain + taught * sum(entropies) / 2
        assert model(**batch).loss.item() == pytest.approx(expected, rel=1e-4)


def test_two_passes_without_dropout_lie_nowhere_apart(rows, tiny_encoder):
    task, model = tasks.get("joint"), build("joint", tiny_encoder, rows)
    batch = inference.collate(task.encode(rows[:5], tokenizer_of(tiny_encoder), model), task.labels)
    plain = model.eval()(**batch).loss.item()
    model.objective = Objective(r_drop=500.0)
    for module in model.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert model(**batch).loss.item() == pytest.approx(plain, rel=1e-5)
    model.dropout.p = 0.5
    torch.manual_seed(0)
    assert model(**batch).loss.item() > plain * 1.5


def test_how_far_apart_is_the_divergence_both_ways():
    one, other = torch.tensor([[0.7, 0.3]]), torch.tensor([[0.2, 0.8]])
    both = sum((a * (a / b).log()).sum().item() for a, b in ((one, other), (other, one)))
    assert _apart(torch.cat([one, other]).log()) == pytest.approx(both / 2, rel=1e-5)


def test_swapped_values_carry_their_tags(rows, tiny_encoder):
    task, model = tasks.get("joint"), build("joint", tiny_encoder, rows)
    options = tasks.offered("joint").Options(mode="full", epochs=2, swap_rate=0.9)
    tokenizer = tokenizer_of(tiny_encoder)
    plain = task.encode(rows, tokenizer, model, options)
    first, second = (task.encode(list(task.shown(rows, options, n)), tokenizer, model, options) for n in range(2))
    assert first != second

    def labels(feature):  # of the slots, in their order
        tags = [model.config.tags[tag] for tag in feature["labels"] if tag != tagging.IGNORED]
        return [tag for tag in tags if tag.startswith("B-")]

    assert [labels(feature) for feature in first + second] == [labels(feature) for feature in plain] * 2


def test_joint_counts_whole_frames(rows, tiny_encoder):
    task = tasks.get("joint")
    predictions = [{"intent": row["intent"], "slots": row["slots"]} for row in rows]
    predictions[0] = predictions[0] | {"intent": "RateBook"}
    predictions[1] = predictions[1] | {"slots": []}
    scores = task.score(predictions, rows)
    assert scores["frame_accuracy"] == pytest.approx(1 - 2 / len(rows))
    assert scores["intent_accuracy"] == pytest.approx(1 - 1 / len(rows))
    assert 0.9 < scores["slot_f1"] < 1


@pytest.mark.parametrize("threshold", [-1e9, 1e9])
def test_one_answer_has_the_shape_of_the_old_pipeline(rows, tiny_encoder, tmp_path, threshold):
    model, _ = ask(rows, tiny_encoder)
    model.config.null_threshold = threshold
    model.save_pretrained(tmp_path)
    loading.load_tokenizer(tiny_encoder).save_pretrained(tmp_path)
    text = "play heroes by david bowie"
    found = qa.pipeline(tmp_path)(question="Which artist?", context=text)
    assert set(found) == {"answer", "score", "start", "end"}
    assert 0 < found["score"] <= 1
    assert found["answer"] == text[found["start"] : found["end"]]
    assert bool(found["answer"]) == (threshold < 0)


def test_a_text_without_a_single_piece_has_no_answer(rows, tiny_encoder):
    model, _ = ask(rows, tiny_encoder)
    found = qa.answer("Which artist?", "\u200b\u200b", model, loading.load_tokenizer(tiny_encoder))
    assert (found["answer"], found["start"], found["end"]) == ("", 0, 0)


@pytest.mark.parametrize(("question", "text"), [("Which " * 80 + "?", "a"), ("Which?", " ")])
def test_a_question_too_long_and_an_empty_text_are_one_line(rows, tiny_encoder, question, text):
    model, _ = ask(rows, tiny_encoder)
    with pytest.raises(InputError, match=r"shorten the question|text to look in is empty"):
        qa.answer(question, text, model, loading.load_tokenizer(tiny_encoder))


@pytest.mark.parametrize("name", ["intent", "slots", "qa", "joint", "masked_lm"])
def test_every_task_predicts_new_text(rows, tiny_encoder, name):
    """Text alone, as a user gives it; and the same as for the labelled row."""
    task = tasks.get(name)
    model = build(name, tiny_encoder, rows)
    tokenizer = loading.load_tokenizer(tiny_encoder)
    texts = [{"text": row["text"]} for row in rows[:5]]
    features = task.encode(texts, tokenizer, model)
    assert not [key for feature in features for key in feature if key in task.labels]
    found = inference.predictions(task, model, tokenizer, texts)
    assert len(found) == 5
    if name in ("intent", "slots", "joint"):
        assert found == inference.predictions(task, model, tokenizer, rows[:5])
    if name == "qa":  # of no known intent: every question is asked
        assert all(len(one["answers"]) == len(model.config.questions) for one in found)


def test_next_sentence_predicts_new_pairs(tiny_encoder):
    task = tasks.get("next_sentence")
    model = task.build(tiny_encoder, [], tasks.offered("next_sentence").Options())
    pairs = [{"first": "play some jazz", "second": "with pleasure"}]
    (found,) = inference.predictions(task, model, loading.load_tokenizer(tiny_encoder), pairs)
    assert 0 < found["probability"] < 1


@pytest.mark.parametrize("name", tasks.names())
def test_the_config_of_a_model_keeps_no_training_options(rows, tiny_encoder, name):
    options = set(tasks.offered(name).Options.model_fields) - {"task", "mode", "head", "longest_pair"}
    config = set(build(name, tiny_encoder, rows).config.to_dict())
    assert config & options == set()


@pytest.mark.parametrize("name", ["intent", "joint"])
def test_the_whole_utterance_is_read_as_the_mean_of_its_tokens(rows, tiny_encoder, tmp_path, name):
    task = tasks.get(name)
    options = tasks.offered(name).Options(mode="full", pooling="mean")
    model = task.build(tiny_encoder, rows, options)
    assert not [key for key in model.state_dict() if "pooler" in key]
    features = task.encode(rows[:9], tokenizer_of(tiny_encoder), model)
    layer = model.classifier if name == "intent" else model.intent_classifier
    for feature, found in zip(features, inference.predict(model, features, task.outputs), strict=True):
        ids = torch.tensor([feature["input_ids"]])
        with torch.no_grad():
            expected = layer(model.bert(ids).last_hidden_state.mean(dim=1))[0]
        assert (found if name == "intent" else found[0]).tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    model.save_pretrained(tmp_path)
    again = loading.load_model(task.auto_class, tmp_path)
    assert type(again) is type(model)
    for one, other in zip(
        inference.predict(again, features, task.outputs),
        inference.predict(model, features, task.outputs),
        strict=True,
    ):
        assert np.array_equal(one, other) if name == "intent" else np.array_equal(one[0], other[0])
    assert options.card.module == type(model).__module__
    assert options.card.auto_class == type(model).__name__


def test_a_joint_model_says_how_it_is_loaded():
    assert tasks.offered("joint").CARD.tag is None
    assert tasks.offered("joint").CARD.module == "pipelines.tasks.joint.model"
