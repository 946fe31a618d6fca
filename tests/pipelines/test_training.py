"""Real training of a 2-layer BERT: what is trained, what is cached, and that a cut run ends in the same bytes."""

import hashlib
import os
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipelines.core.errors import InputError
from pipelines.corpus import snips
from pipelines.data import parquet
from pipelines.models import inference, loading
from pipelines.models import task as tasks
from pipelines.models.features import Features, write
from pipelines.training import averaging, checkpoints, dropout, embeddings, encoding, frozen, runs, trainer
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def rows():
    path = ROOT / "data/sample"
    return {
        part: [
            row
            for intent in ("PlayMusic", "AddToPlaylist")
            for row in snips.parse((path / pattern.format(intent)).read_bytes(), part, intent, intent)[0]
        ][::4]
        for part, pattern in snips.PARTS.items()
    }


def options_of(task, **values):
    return tasks.offered(task).Options(**({"mode": "full"} | values))


def run(rows, tiny_encoder, folder, task="intent", mode="full", epochs=3, **changes):
    options = options_of(task, **({"mode": mode, "epochs": epochs, "batch_size": 8, "learning_rate": 1e-3} | changes))
    module = tasks.get(task)
    trainer.seed(options.seed)
    model = module.build(tiny_encoder, rows["train_full"], options)
    tokenizer = loading.load_tokenizer(tiny_encoder)
    return trainer.train(module, options, model, tokenizer, rows["train_full"], rows["validate"], folder)


def digest(model, skip=()):
    key = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        if not name.startswith(tuple(skip)):
            key.update(name.encode() + weights.numpy().tobytes())
    return key.hexdigest()


@pytest.mark.parametrize("task", ["intent", "slots", "qa", "joint"])
def test_head_trains_the_new_layer_and_nothing_else(rows, tiny_encoder, tmp_path, task):
    trainer.seed(13)
    before = tasks.get(task).build(tiny_encoder, rows["train_full"], options_of(task, mode="head"))
    trained = run(rows, tiny_encoder, tmp_path / "c", task, "head")
    new = ["classifier", "qa_outputs", "intent_classifier", "slot_classifier"]
    assert digest(trained.model, new) == digest(before, new)
    assert digest(trained.model) != digest(before)
    size = sum(weights.numel() for name, weights in before.state_dict().items() if name.startswith(tuple(new)))
    assert trained.facts["trained_weights"] == size
    assert trained.facts["weights"] == sum(p.numel() for p in trained.model.parameters())
    assert not (tmp_path / "c").exists()


def test_full_trains_every_weight(rows, tiny_encoder, tmp_path):
    before = tasks.get("intent").build(tiny_encoder, rows["train_full"], options_of("intent")).state_dict()
    trained = run(rows, tiny_encoder, tmp_path / "c")
    assert trained.facts["trained_weights"] == trained.facts["weights"]
    still = [name for name, w in trained.model.state_dict().items() if torch.equal(w, before[name])]
    assert still == []


# fp32, and bf16 with its 8 bits; whatever the machine multiplies faster
PRECISIONS = {"fp32": 1e-5, "bf16": 0.02}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_cached_outputs_are_those_of_the_encoder(rows, tiny_encoder, tmp_path, precision):
    task = tasks.get("slots")
    model = task.build(tiny_encoder, rows["train_full"], options_of(task.name))
    write(tmp_path / "f", [task.encode(rows["validate"], loading.load_tokenizer(tiny_encoder), model)], task.labels)
    features = Features.of([tmp_path / "f"])
    expected = inference.predict(model, features, task.outputs, "fp32")
    encoder = model.base_model
    with frozen.outputs_kept(model, features, tmp_path, precision):
        assert list(tmp_path.iterdir()) == [tmp_path / "f"]  # the other has no name
        for got, want in zip(inference.predict(model, features, task.outputs), expected, strict=True):
            np.testing.assert_allclose(got, want, atol=PRECISIONS[precision])
    assert model.base_model is encoder


def test_a_disk_that_takes_a_part_at_a_time_gets_all(tmp_path, monkeypatch):
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda number, values, at: write(number, values[:7], at))
    hidden = torch.arange(12.0).view(3, 4)
    with (tmp_path / "kept").open("w+b") as file:
        outputs = frozen.Outputs(file.fileno(), 2, "fp32")
        outputs.keep(1, hidden)
        outputs.keep(0, -hidden)
        assert torch.equal(outputs.read(1), hidden)
        assert torch.equal(outputs.read(0), -hidden)


def test_bf16_is_near_fp32_and_not_the_same(rows, tiny_encoder):
    task = tasks.get("slots")
    model = task.build(tiny_encoder, rows["train_full"], options_of(task.name))
    features = task.encode(rows["validate"], loading.load_tokenizer(tiny_encoder), model)
    exact, near = (inference.predict(model, features, task.outputs, precision) for precision in PRECISIONS)
    worst = max(np.abs(one - other).max() for one, other in zip(exact, near, strict=True))
    assert 0 < worst < PRECISIONS["bf16"]
    assert "forward" not in vars(model.base_model)  # taken back


def test_rows_of_the_vocabulary_that_no_text_uses_stay_as_they_are(rows, tiny_encoder, tmp_path):
    task = tasks.get("intent")
    before = (
        task.build(tiny_encoder, rows["train_full"], options_of(task.name))
        .get_input_embeddings()
        .weight.detach()
        .clone()
    )
    trained = run(rows, tiny_encoder, tmp_path / "c").model
    after = trained.get_input_embeddings().weight
    assert after.shape == before.shape
    tokenizer = loading.load_tokenizer(tiny_encoder)
    seen = {token for row in rows["train_full"] for token in tokenizer(row["text"])["input_ids"]}
    moved = {number for number in range(len(before)) if not torch.equal(after[number], before[number])}
    assert seen <= moved  # weight decay moves the special tokens as well
    held = {token for row in rows["validate"] for token in tokenizer(row["text"])["input_ids"]}
    assert moved <= seen | held | set(tokenizer.all_special_ids) < set(range(len(before)))


def test_a_table_of_rows_in_use_gives_the_same_loss_and_gradients(rows, tiny_encoder):
    task = tasks.get("intent")
    model = task.build(tiny_encoder, rows["train_full"], options_of(task.name)).eval()
    tokenizer = loading.load_tokenizer(tiny_encoder)
    features = task.encode(rows["train_full"], tokenizer, model)
    batch = inference.collate(features, task.labels)
    loss = model(**batch).loss
    loss.backward()
    gradient = model.get_input_embeddings().weight.grad
    with embeddings.rows_in_use(model, {*batch["input_ids"].flatten().tolist(), *tokenizer.all_special_ids}):
        few = model.get_input_embeddings()
        again = model(**batch).loss
        again.backward()
        assert len(few.weight) < len(gradient)
        used = (few.place >= 0).nonzero().squeeze(1)
        torch.testing.assert_close(few.weight.grad, gradient[used])
        with pytest.raises(IndexError):
            few(torch.tensor([int((few.place < 0).nonzero()[0])]))
    torch.testing.assert_close(again, loss)


def test_dropout_draws_the_rate_that_was_asked_and_by_seed():
    values = torch.ones(1_000_003)
    torch.manual_seed(3)
    first = dropout.dropout(values, 0.1)
    assert (first == 0).float().mean().item() == pytest.approx(0.1, abs=0.002)
    assert first.mean().item() == pytest.approx(1, abs=0.002)
    assert set(first.unique().tolist()) == {0.0, first.max().item()}
    # the four values of one draw are independent: as often together as chance has it
    whole = (first[:1_000_000] == 0).view(-1, 4).float()
    together = (whole.T @ whole / len(whole)).fill_diagonal_(0.01)
    torch.testing.assert_close(together, torch.full((4, 4), 0.01), atol=0.002, rtol=0)
    torch.manual_seed(3)
    assert torch.equal(dropout.dropout(values, 0.1), first)
    assert dropout.dropout(values, 0.1, training=False) is values
    with dropout.fast_dropout("cpu"):
        assert torch.nn.functional.dropout is dropout.dropout
    assert torch.nn.functional.dropout is not dropout.dropout


def test_predictions_do_not_depend_on_their_neighbours(rows, tiny_encoder):
    task = tasks.get("slots")
    model = task.build(tiny_encoder, rows["train_full"], options_of(task.name))
    features = task.encode(rows["validate"], loading.load_tokenizer(tiny_encoder), model)
    for precision, near in PRECISIONS.items():
        together = inference.predict(model, features, task.outputs, precision)
        for feature, logits in zip(features, together, strict=True):
            alone = inference.predict(model, [feature], task.outputs, precision)[0]
            np.testing.assert_allclose(alone, logits, atol=near)


@pytest.mark.parametrize("mode", ["full", "head"])
def test_the_kept_threshold_is_that_of_the_kept_model(rows, tiny_encoder, tmp_path, mode):
    model = run(rows, tiny_encoder, tmp_path / "c", "qa", mode, precision="fp32").model
    kept = model.config.null_threshold
    task = tasks.get("qa")
    features = task.encode(rows["validate"], loading.load_tokenizer(tiny_encoder), model)
    task.calibrate(inference.predict(model, features, task.outputs, "fp32"), features, rows["validate"], model)
    assert kept == pytest.approx(model.config.null_threshold, abs=1e-4)


def test_two_runs_are_equal_and_another_seed_is_not(rows, tiny_encoder, tmp_path):
    first, again, other = (run(rows, tiny_encoder, tmp_path / "c", seed=seed) for seed in (1, 1, 2))
    assert digest(first.model) == digest(again.model) != digest(other.model)
    assert first.train_curve == again.train_curve
    assert first.facts == again.facts


LEVERS = {"layer_decay": 0.8, "ema": 0.9, "schedule": "cosine"}
JOINT_LEVERS = {"head": "crf", "label_smoothing": 0.1, "slot_dropout": 0.2}
MORE_LEVERS = {"swap_rate": 0.5, "r_drop": 1.0, "pooling": "mean"}


@pytest.mark.parametrize(
    ("task", "mode", "changes"),
    [
        ("slots", "full", {}),
        ("slots", "full", {"batch_size": 1}),  # an epoch ends between two logs
        ("slots", "head", {}),
        ("slots", "head", {"ema": 0.9, "schedule": "cosine"}),
        ("joint", "full", LEVERS | JOINT_LEVERS),
        ("joint", "full", MORE_LEVERS),
        ("masked_lm", "full", {}),
    ],
)
def test_an_interrupted_run_ends_in_the_same_bytes(rows, tiny_encoder, tmp_path, monkeypatch, task, mode, changes):
    whole = run(rows, tiny_encoder, tmp_path / "whole", task, mode, **changes)

    save = trainer.Trainer._save_checkpoint

    def save_then_stop(self, *arguments, **named):
        save(self, *arguments, **named)
        if round(self.state.epoch) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.Trainer, "_save_checkpoint", save_then_stop)
        run(rows, tiny_encoder, tmp_path / "cut", task, mode, **changes)
    (tmp_path / "cut" / "checkpoint-999").mkdir()  # cut off before its state was written
    assert checkpoints.newest(tmp_path / "cut") is not None

    resumed = run(rows, tiny_encoder, tmp_path / "cut", task, mode, **changes)
    assert digest(resumed.model) == digest(whole.model)
    assert resumed.train_curve == whole.train_curve
    assert resumed.validation_curve == whole.validation_curve


@pytest.mark.parametrize("changes", [{name: value} for name, value in (LEVERS | JOINT_LEVERS | MORE_LEVERS).items()])
def test_each_lever_changes_the_weights(rows, tiny_encoder, tmp_path, changes):
    plain, changed = (run(rows, tiny_encoder, tmp_path / "c", "joint", epochs=1, **these) for these in ({}, changes))
    skipped = ["crf", "bert.pooler"]  # what one alone has
    assert digest(plain.model, skipped) != digest(changed.model, skipped)


def test_slot_dropout_hides_the_first_tokens_of_words_in_slots_and_in_training_alone(tiny_encoder):
    words = ["play", "jazz", "by", "miles", "davis"]
    slots = [{"start": 5, "end": 9, "label": "genre"}, {"start": 13, "end": 24, "label": "artist"}]
    row = {"id": "x", "text": " ".join(words), "intent": "PlayMusic", "slots": slots}
    task, tokenizer = tasks.get("joint"), loading.load_tokenizer(tiny_encoder)
    model = task.build(tiny_encoder, [row], options_of("joint", slot_dropout=0.5))
    batch = inference.collate(task.encode([row], tokenizer, model), task.labels)
    of_words = tokenizer(words, is_split_into_words=True).word_ids()
    firsts = {of_words.index(n) for n in (1, 3, 4)}
    assert len(of_words) > 2 + len(words)  # some words have several tokens
    seen = []
    model.bert.register_forward_pre_hook(lambda _, given: seen.append(given[0][0].tolist()))
    torch.manual_seed(13)
    for training in (True, False):
        model.train(training)
        for _ in range(50):
            model(**batch)
    plain = batch["input_ids"][0].tolist()
    hidden = [{at for at, token in enumerate(ids) if token != plain[at]} for ids in seen]
    assert set().union(*hidden) == firsts
    assert {ids[at] for ids, those in zip(seen, hidden, strict=True) for at in those} == {tokenizer.mask_token_id}
    assert 0.35 < sum(map(len, hidden[:50])) / (50 * len(firsts)) < 0.65
    assert not any(hidden[50:])


def test_teachers_are_trained_first_and_change_the_student(rows, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("SNIPS_CHECKPOINTS", str(tmp_path / "unfinished"))
    task, tokenizer = tasks.get("joint"), loading.load_tokenizer(tiny_encoder)
    for part, of in (("train", rows["train_full"]), ("validation", rows["validate"])):
        parquet.write(of, tmp_path / f"{part}.parquet")
    said = []
    monkeypatch.setattr(encoding, "predict", lambda model, *_: said.append(digest(model)) or predict(model, *_))
    predict = inference.predict

    def student(**changes):
        options = options_of("joint", epochs=2, learning_rate=1e-3, **changes)
        return digest(runs.train("r", task, tiny_encoder, tmp_path, options, tokenizer).model)

    alone, taught = student(), student(teachers=2)
    assert len(set(said)) == 2  # teachers, which are not alike
    assert alone not in said
    assert taught not in (alone, *said)
    assert student(teachers=2, taught=0.9) != taught == student(teachers=2)


def test_the_learning_rate_falls_with_the_depth(rows, tiny_encoder, tmp_path):
    model = tasks.get("joint").build(tiny_encoder, rows["train_full"], options_of("joint"))
    depths = {name: trainer._depths(model)[parameter] for name, parameter in model.named_parameters()}
    assert depths["slot_classifier.weight"] == depths["bert.pooler.dense.bias"] == 0
    assert depths["bert.encoder.layer.1.output.dense.weight"] == 1
    assert depths["bert.encoder.layer.0.output.dense.weight"] == 2
    assert depths["bert.embeddings.word_embeddings.weight"] == depths["bert.embeddings.LayerNorm.bias"] == 3
    arguments = trainer.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, learning_rate=1.0)
    made = trainer._Trainer(model, arguments)
    made.layer_decay = 0.5
    rates = {id(p): group["lr"] for group in made.create_optimizer().param_groups for p in group["params"]}
    assert {name: rates[id(p)] for name, p in model.named_parameters()} == {n: 0.5**d for n, d in depths.items()}


def test_the_average_follows_its_formula():
    model = torch.nn.Linear(1, 1, bias=False)
    state, weights = SimpleNamespace(global_step=0), []
    average = averaging.WeightAverage(decay=0.5)
    with torch.no_grad():
        model.weight.fill_(1.0)
        average.on_train_begin(None, state, None, model)
        for value in (2.0, 4.0):
            state.global_step += 1
            model.weight.fill_(value)
            average.on_step_end(None, state, None, model)
            weights.append(average.average["weight"].item())
    first = 2 / 11 * 1 + 9 / 11 * 2
    assert weights == pytest.approx([first, 3 / 12 * first + 9 / 12 * 4])


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_order_is_seeded_complete_and_grouped_by_length(shuffled):
    lengths = [n % 17 for n in range(403)]
    sampler = trainer._LengthGrouped(lengths, 8, 3, 1, shuffled)
    first = list(sampler)
    assert sorted(first) == list(range(403))
    assert first == list(trainer._LengthGrouped(lengths, 8, 3, 1, shuffled))
    sampler.set_epoch(1)
    assert first != list(sampler)
    spread = [
        max(lengths[n] for n in first[i : i + 8]) - min(lengths[n] for n in first[i : i + 8]) for i in range(0, 400, 8)
    ]
    assert np.mean(spread) < 4
    means = [np.mean([lengths[n] for n in first[i : i + 8]]) for i in range(0, 400, 8)]
    falls = sum(later < earlier for earlier, later in pairwise(means))
    assert (falls < 35) == shuffled  # in order of length each batch is shorter than the last, but for a new fifty


def test_each_epoch_goes_through_its_own_copy():
    sampler = trainer._LengthGrouped([5] * 30, 4, 3, 3, True)
    assert len(sampler) == 10
    for epoch in range(4):
        sampler.set_epoch(epoch)
        start = epoch % 3 * 10
        assert sorted(sampler) == list(range(start, start + 10))


def test_the_best_epoch_is_the_first_of_the_best_on_validation(rows, tiny_encoder, tmp_path):
    trained = run(rows, tiny_encoder, tmp_path / "c", epochs=4)
    scores = [row["accuracy"] for row in trained.validation_curve]
    assert trained.facts["best_epoch"] == scores.index(max(scores)) + 1
    task = tasks.get("intent")
    features = task.encode(rows["validate"], loading.load_tokenizer(tiny_encoder), trained.model)
    predictions = task.decode(
        inference.predict(trained.model, features, task.outputs), features, rows["validate"], trained.model
    )
    assert task.score(predictions, rows["validate"])["accuracy"] == pytest.approx(max(scores))


def test_layers_are_found_whatever_an_encoder_calls_them():
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    config = DistilBertConfig(vocab_size=50, dim=16, hidden_dim=32, n_layers=2, n_heads=2)
    model = DistilBertForSequenceClassification(config)
    found = {name: trainer._depths(model)[parameter] for name, parameter in model.named_parameters()}
    assert found["distilbert.embeddings.word_embeddings.weight"] == 3
    assert found["distilbert.transformer.layer.0.ffn.lin1.weight"] == 2
    assert found["distilbert.transformer.layer.1.ffn.lin1.weight"] == 1
    assert found["classifier.weight"] == found["pre_classifier.weight"] == 0


def test_an_encoder_without_a_list_of_its_layers_is_one_line():
    from transformers import AlbertConfig, AlbertForSequenceClassification

    config = AlbertConfig(vocab_size=50, hidden_size=16, intermediate_size=32, num_attention_heads=2, embedding_size=8)
    with pytest.raises(InputError, match="layer_decay: a albert has no list of 12 layers"):
        trainer._depths(AlbertForSequenceClassification(config))


@pytest.mark.parametrize(
    ("rows", "expected"),
    # 13,084 rows give 5 x 409 steps, enough; 490 give 8 x 62 in batches of 8; 98 give 31 x 13
    [(13_084, (32, 5)), (2_560, (32, 5)), (1_280, (16, 5)), (490, (8, 7)), (98, (8, 31)), (1, (8, 400))],
)
def test_few_rows_get_smaller_batches_then_more_epochs(rows, expected):
    run = tasks.offered("intent").Options(mode="full", epochs=5, batch_size=32, least_steps=400)
    fitted = run.fitted(rows)
    assert (fitted.batch_size, fitted.epochs) == expected
    assert run.model_copy(update={"least_steps": 0}).fitted(rows).epochs == 5


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ("slots", {"mode": "head", "layer_decay": 0.5}, "layer_decay needs mode full"),
        ("intent", {"mode": "full", "pooling": "mean", "random_pooler": True}, "random_pooler needs pooling cls"),
        ("joint", {"mode": "full", "taught": 0.7}, "taught is the share of teachers"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(task, options, said):
    with pytest.raises(ValueError, match=said):
        options_of(task, **options)


@pytest.mark.parametrize("family", ["Albert", "Bert"])
def test_a_cached_encoder_pools_as_the_encoder_does(family):
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = getattr(transformers, f"{family}Config")(vocab_size=50, embedding_size=16, **sizes)
    encoder = getattr(transformers, f"{family}Model")(config).eval()
    with torch.no_grad():
        whole = encoder(torch.tensor([[2, 7, 8, 3]]))
        cached = frozen.CachedEncoder(encoder)(inputs_embeds=whole.last_hidden_state)
    assert torch.equal(cached.pooler_output, whole.pooler_output)
