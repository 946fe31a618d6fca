"""How does BERT learn to fill in what is masked?"""

import math
from collections import Counter
from random import Random
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field
from transformers import pipeline

from pipelines.data.drawing import some
from pipelines.data.utterances import Utterance
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName, Sentence
from pipelines.models import inference, loading
from pipelines.tasks.masked_lm import Options as Masking
from pipelines.tasks.masked_lm import task as masked_lm
from pipelines.tasks.masked_lm.task import NO_LABEL
from pipelines.training import trainer

VARY = """
dvc exp run -S adapt_encoder.mask_rate=0.3 -S lessons.masking.training.mask_rate=0.3 lesson@masking
dvc exp run -S finetune_from=adapted evaluate@intent-full evaluate@slots-full   # does it help intents and slots?
dvc exp run -S '+models.bert={name: google-bert/bert-base-uncased, revision: main, sha256: null}' \\
  -S lessons.masking.adapted=bert lesson@masking
"""

MASK = "[MASK]"
LEARNED = {"before": "base-encoder", "after": "adapted-encoder"}  # one encoder, before and after it learned
KINDS = {"masked": "became [MASK]", "replaced": "became another token", "kept": "stayed"}
TOP = 5  # tokens shown
NEW_HEAD = "cls.predictions.transform.dense.weight"


def _one_mask(sentence: str) -> str:
    if sentence.count(MASK) != 1:
        raise ValueError(f"needs {MASK} exactly once")
    return sentence


class Options(LessonOptions):
    """The encoder before and after it learned to fill in; how words are masked, and how a layer alone is trained."""

    encoder: ModelName
    adapted: ModelName
    utterances: int = Field(gt=0)
    sentences: list[Annotated[Sentence, AfterValidator(_one_mask)]] = Field(min_length=1)
    training: Masking


def measure(options: Options, materials: Materials) -> Measured:
    """The masking rule counted on train; masked accuracy, pseudo-perplexity and fillings, before and after."""
    for key in ("encoder", "adapted"):
        materials.find(key, getattr(options, key), "bert")
    test = materials.rows("test")
    rule = options.training
    scored = [row["text"] for row in some(test, options.utterances, rule.seed)]
    shares = [rule.masked_share, rule.replaced_share]
    facts: dict[str, Any] = {
        "names": {"before": options.encoder, "after": options.adapted},
        "rate": rule.mask_rate,
        "shares": dict(zip(KINDS, (*shares, 1 - sum(shares)), strict=True)),
        "utterances": len(test),
        "scored": len(scored),
        "models": {},
        "filled": [],
    }
    features: dict[str, list[dict[str, Any]]] = {}
    for when, key in (("before", "encoder"), ("after", "adapted")):
        name = getattr(options, key)
        trainer.seed(rule.seed)  # a head that the model lacks is made anew
        model, tokenizer = materials.load(key, name, masked_lm.TASK.auto_class, "bert")
        if when == "before":
            facts["counted"] = counted(materials.rows("train"), tokenizer, rule)
        features[when] = masked_lm.encode(test, tokenizer, model, rule)
        facts["models"][when] = {
            "name": name,
            "head_is_new": not loading.holds(materials.find(key, name), NEW_HEAD),
            "masked_accuracy": masked_accuracy(model, tokenizer, features[when]),
            "vocabulary": len(tokenizer),
        } | pseudo_perplexity(model, tokenizer, scored)
        fill = pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=TOP, device=model.device)
        for sentence in options.sentences:
            materials.fits("sentences", tokenizer, model, sentence)
            found = fill(sentence.replace(MASK, tokenizer.mask_token))
            pieces = [{"piece": one["token_str"].strip(), "probability": one["score"]} for one in found]
            facts["filled"].append({"sentence": sentence, "when": when, "pieces": pieces})
    facts["layer_alone"] = _layer_alone(options, materials, features["before"], scored)
    train = [row["text"] for row in materials.rows("train")]
    facts["context_free"] = context_free(tokenizer, train, features["after"], scored)
    rows = [
        {"sentence": row["sentence"], "when": row["when"], **piece}
        for row in facts["filled"]
        for piece in row["pieces"]
    ]
    return Measured(facts, {"filled": rows})


def _layer_alone(
    options: Options, materials: Materials, features: list[dict[str, Any]], scored: list[str]
) -> dict[str, Any]:
    """A layer for masked words that was trained on the encoder as it came, which stayed as it was."""
    base = materials.find("encoder", options.encoder)
    tokenizer = loading.load_tokenizer(base)
    trainer.seed(options.training.seed)
    model = masked_lm.build(base, [], options.training)
    model.base_model.requires_grad_(False)
    train = materials.rows("train")
    trained = trainer.train(masked_lm.TASK, options.training, model, tokenizer, train, [], materials.checkpoints)
    return {
        "masked_accuracy": masked_accuracy(trained.model, tokenizer, features),
        "trained_weights": trained.facts["trained_weights"],
        "epochs": trained.facts["epochs"],
    } | pseudo_perplexity(trained.model, tokenizer, scored)


def context_free(tokenizer: Any, train: list[str], features: list[dict[str, Any]], scored: list[str]) -> dict[str, Any]:
    """What is found without looking at the sentence: the token that is most frequent in `train`, whatever is masked.

    Its perplexity is that of the frequencies in `train`, with one added to each token (Laplace).
    """
    special = set(tokenizer.all_special_ids)
    counts = Counter(n for ids in tokenizer(train)["input_ids"] for n in ids if n not in special)
    ((most, _),) = counts.most_common(1)
    labels = [label for feature in features for label in feature["labels"] if label != NO_LABEL]
    total = sum(counts.values()) + len(tokenizer)
    surprise = [
        -math.log((counts[n] + 1) / total) for ids in tokenizer(scored)["input_ids"] for n in ids if n not in special
    ]
    return {
        "token": tokenizer.convert_ids_to_tokens(most),
        "masked_accuracy": {"all": sum(label == most for label in labels) / len(labels)},
        "pseudo_perplexity": math.exp(sum(surprise) / len(surprise)),
    }


def counted(rows: list[Utterance], tokenizer: Any, rule: Masking) -> dict[str, Any]:
    """What becomes of the words of `rows` in one pass: how many are chosen, and the share of each kind among them."""
    kinds: Counter[str] = Counter()
    words = 0
    for row, encoding in zip(rows, tokenizer([row["text"] for row in rows]).encodings, strict=True):
        random = Random(f"{rule.seed}/0/{row['id']}")
        shares = [rule.masked_share, rule.replaced_share]
        kinds.update(masked_lm.choose(encoding.word_ids, rule.mask_rate, shares, random).values())
        words += len({word for word in encoding.word_ids if word is not None})
    chosen = sum(kinds.values())
    return {"words": words, "chosen": chosen, "rate": chosen / words} | {
        "shares": {kind: kinds[kind] / chosen for kind in KINDS}
    }


def masked_accuracy(model: Any, tokenizer: Any, features: list[dict[str, Any]]) -> dict[str, float]:
    """Share of the chosen tokens that the model finds: of all, and by what became of them."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for batch, output in inference.batches(model, features):
        likeliest = output.logits.argmax(dim=-1).cpu()
        for row, n in enumerate(batch):
            shown, labels = features[n]["input_ids"], features[n]["labels"]
            for place, label in enumerate(labels):
                if label == NO_LABEL:
                    continue
                kind = "masked" if shown[place] == tokenizer.mask_token_id else "replaced"
                kind = "kept" if shown[place] == label else kind
                for key in ("all", kind):
                    total[key] += 1
                    right[key] += int(likeliest[row, place] == label)
    return {key: right[key] / total[key] for key in ("all", *KINDS) if total[key]}


@torch.no_grad()
def pseudo_perplexity(model: Any, tokenizer: Any, texts: list[str]) -> dict[str, Any]:
    """exp of the mean surprise of each token, in nats, masked alone while all others are seen.

    Salazar et al. 2020, "Masked Language Model Scoring", equations 1 and 3. Lower is better; it compares between
    models of the same tokens alone.
    """
    features = []
    for feature in loading.tokenize(tokenizer, texts, loading.max_positions(model)):
        special = tokenizer.get_special_tokens_mask(feature["input_ids"], already_has_special_tokens=True)
        for place, is_special in enumerate(special):
            if not is_special:
                ids = list(feature["input_ids"])
                right, ids[place] = ids[place], tokenizer.mask_token_id
                features.append(feature | {"input_ids": ids, "place": place, "right": right})
    surprise = 0.0
    for batch, output in inference.batches(model.base_model, features, "fp32"):
        places = torch.tensor([features[n]["place"] for n in batch])
        right = torch.tensor([features[n]["right"] for n in batch])
        logits = model.cls(output.last_hidden_state[torch.arange(len(batch)), places]).float().cpu()
        surprise += float(torch.nn.functional.cross_entropy(logits, right, reduction="sum"))
    return {"pieces": len(features), "pseudo_perplexity": math.exp(surprise / len(features))}


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {LEARNED["after"]: facts["names"]["after"]}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    models = [(when, facts["models"][when]) for when in ("before", "after")]
    titles = {"before": f"{facts['names']['before']}, before", "after": f"{facts['names']['after']}, after"}
    kinds = {"all": "all chosen", **KINDS}
    drawn = pictures.bars(
        {
            title: {titles[when]: one["masked_accuracy"][kind] for when, one in models}
            for kind, title in kinds.items()
            if kind in facts["models"]["before"]["masked_accuracy"]
        },
        "share of tokens found",
    )
    new = [titles[when] for when, one in models if one["head_is_new"]]
    rows = [
        {"when": title, "accuracy": one["masked_accuracy"]["all"], "pseudo_perplexity": one["pseudo_perplexity"]}
        for title, one in (
            ("no context: how frequent a token is", facts["context_free"]),
            (titles["before"], facts["models"]["before"]),
            (f"{facts['names']['before']}, under a layer trained on it", facts["layer_alone"]),
            (titles["after"], facts["models"]["after"]),
        )
    ]
    by_kind = [
        {"kind": title} | {when: one["masked_accuracy"].get(kind) for when, one in models}
        for kind, title in kinds.items()
    ]
    filled = [
        {
            "sentence": row["sentence"],
            "when": titles[row["when"]],
            "pieces": ", ".join(f"“{one['piece']}” {page.shown(one['probability'])}" for one in row["pieces"]),
        }
        for row in sorted(facts["filled"], key=lambda row: row["sentence"])
    ]
    body = [
        *_rule(facts),
        page.heading("Before and after"),
        page.picture(drawn, f"Share of the chosen tokens found, on {facts['utterances']} test utterances."),
        page.table(
            rows,
            {"when": "model", "accuracy": "tokens found", "pseudo_perplexity": "pseudo-perplexity per token"},
        ),
        page.text(_pseudo_perplexity(facts, new)),
        page.text(
            "The first row does not look at the sentence: it says the token that is most frequent in train, and its "
            "perplexity is that of the frequencies. In the third the encoder stays as it came, and "
            f"{facts['layer_alone']['trained_weights']:,} weights of the layer on top of it learn from train in "
            f"{facts['layer_alone']['epochs']} passes: what it finds over the first row, the encoder knew. "
            + _last_row(facts["names"])
        ),
        page.table(by_kind, {"kind": "a chosen token", "before": titles["before"], "after": titles["after"]}),
        page.text(
            "Whether intents and slots gain by it is an experiment, the second command below; its last figures stand "
            "in metrics/README.md, under “What masked words bring”."
        ),
        page.heading("Fill in the mask"),
        page.table(filled, {"sentence": "sentence", "when": "model", "pieces": "likeliest tokens"}),
    ]
    return page.Page(
        body=body,
        vary=VARY,
        pictures={"found": drawn},
    )


def _last_row(names: dict[str, str]) -> str:
    """What the last row says of the encoder of the third, where it is the same, trained further, and where not."""
    if names == LEARNED:
        return "What the last row finds over the third comes of training the encoder together with the layer."
    return "The last row is another model, so what it finds over the third is not what this encoder learned."


def _rule(facts: dict[str, Any]) -> list[str]:
    """What the rule does with the words of train."""
    counts = facts["counted"]
    return [
        page.heading("The rule, counted"),
        page.text(
            f"In one pass over the training utterances {counts['chosen']:,} of {counts['words']:,} words were chosen "
            f"(asked for: a rate of {facts['rate']}, at least one word an utterance; counted: {counts['rate']:.3f}). "
            "A chosen word goes whole, with all its tokens."
        ),
        page.table(
            [
                {"kind": title, "asked": facts["shares"][kind], "counted": counts["shares"][kind]}
                for kind, title in KINDS.items()
            ],
            {"kind": "a chosen word", "asked": "share asked for", "counted": "share counted"},
        ),
    ]


def _pseudo_perplexity(facts: dict[str, Any], new: list[str]) -> str:
    """What the figure is, and what it says of models whose head is `new`."""
    return (
        f"Pseudo-perplexity: each of {facts['models']['before']['pieces']:,} tokens of {facts['scored']} test "
        "utterances is masked alone (Salazar et al. 2020)."
        + (
            f" A model whose layer for masked words is new guesses: {', '.join(new)}; its word embeddings are "
            "learned, the layer before them is random. To give each token the same chance would make "
            f"{facts['models']['before']['vocabulary']:,}."
            if new
            else ""
        )
    )
