"""What stands in the vectors that go into BERT, and in those that come out?"""

import re
from typing import Any

import numpy as np
import torch
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_similarity
from threadpoolctl import threadpool_limits
from transformers import BertModel

from pipelines.core.blocks import RunName, Seed
from pipelines.core.errors import InputError
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import (
    LeftOutError,
    LessonOptions,
    Materials,
    Measured,
    ModelName,
    Sentence,
    SeveralSentences,
)
from pipelines.models import inference, loading

VARY = """
dvc exp run -S lessons.embeddings.tuned=slots-full lesson@embeddings
dvc exp run -S lessons.embeddings.word=table -S 'lessons.embeddings.contexts=[book a table,a table of contents]' \\
  lesson@embeddings
"""

# kana, Han, Hangul: beside a word stands the next one, or a particle
CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
DISTANCES = (1, 2, 5, 10, 50)


class Options(LessonOptions):
    """The encoder before and after tuning, sentences to compare, and one word in several contexts."""

    encoder: ModelName
    tuned: RunName
    sentences: SeveralSentences
    word: Sentence
    contexts: SeveralSentences
    seed: Seed

    def runs(self) -> list[str]:
        return [self.tuned]


def measure(options: Options, materials: Materials) -> Measured:
    """Shapes, sums and likenesses, of single sentences and of the test partition."""
    rows = materials.rows("test")
    if len(rows) < 2:
        raise LeftOutError("left out, as test has one utterance, so there is none to lie beside it on a map")
    model, tokenizer = materials.load("encoder", options.encoder, BertModel, "bert")
    for key in ("sentences", "contexts"):
        for sentence in getattr(options, key):
            materials.fits(key, tokenizer, model, sentence)
    inputs = tokenizer(options.sentences[0], return_tensors="pt")
    looked_at = {
        "sum_largest_error": sum_error(model, inputs),
        "pooler": pooler(model, inputs),
        "dimensions": dimensions(model, inputs["input_ids"]),
    }
    positions = model.embeddings.position_embeddings.weight.detach().double().numpy()
    likeness = cosine_similarity(positions)
    sentences = _between(sentence_vectors(model, tokenizer, options.sentences), options.sentences)
    contexts = _between(word_vectors(model, tokenizer, options.word, options.contexts), options.contexts)
    tuned = materials.load("tuned", options.tuned, BertModel, "bert")
    texts, intents = [row["text"] for row in rows], [row["intent"] for row in rows]
    points, silhouettes = [], {}
    for name, (one, pieces) in {"base": (model, tokenizer), "tuned": tuned}.items():
        vectors = sentence_vectors(one, pieces, texts)[-1]
        parted = 1 < len(set(intents)) < len(intents)
        silhouettes[name] = float(silhouette_score(vectors, intents, metric="cosine")) if parted else None
        flat = _flat(vectors, options.seed)
        points += [
            {"encoder": name, "id": row["id"], "intent": row["intent"], "x": float(x), "y": float(y)}
            for row, (x, y) in zip(rows, flat, strict=True)
        ]
    facts = {
        "encoder": options.encoder,
        "tuned": options.tuned,
        "matrices": [
            {"name": name, "shape": list(weight.shape), "weights": weight.numel()}
            for name, weight in model.embeddings.named_parameters()
        ],
        "sentence": options.sentences[0],
        "positions": [
            {"distance": distance, "cosine": float(np.diagonal(likeness, distance).mean())}
            for distance in DISTANCES
            if distance < len(likeness)
        ],
        "sentences": sentences,
        "word": options.word,
        "contexts": contexts,
        "silhouette": silhouettes,
        "utterances": len(rows),
    } | looked_at
    grid = [{"position": n} | {str(m): float(value) for m, value in enumerate(row)} for n, row in enumerate(likeness)]
    return Measured(facts, {"positions": grid, "sentences": sentences, "contexts": contexts, "map": points})


def _flat(vectors: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE on cosine (van der Maaten & Hinton 2008); (texts, width) -> (texts, 2)."""
    perplexity = min(30, len(vectors) - 1)  # scikit-learn's default, where there are enough
    mapping = TSNE(init="pca", metric="cosine", perplexity=perplexity, random_state=seed)
    with threadpool_limits(1):  # its sums differ by the number of threads
        return mapping.fit_transform(vectors.astype(np.float32))


@torch.no_grad()
def sum_error(model: Any, inputs: dict[str, torch.Tensor]) -> float:
    """Largest difference between the model's own embedding output and LayerNorm(word + position + token type)."""
    parts = model.embeddings
    ids, types = inputs["input_ids"], inputs["token_type_ids"]
    places = torch.arange(ids.shape[1])
    added = parts.word_embeddings(ids) + parts.position_embeddings(places) + parts.token_type_embeddings(types)
    return float((parts.LayerNorm(added) - parts(input_ids=ids, token_type_ids=types)).abs().max())


@torch.no_grad()
def pooler(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Shape and largest value of the pooler's output, and how far tanh(W h + b) of `[CLS]` is from it."""
    if model.pooler is None:
        return {}
    output = model(**inputs)
    own = torch.tanh(model.pooler.dense(output.last_hidden_state[:, 0]))
    return {
        "shape": list(output.pooler_output.shape),
        "largest": float(output.pooler_output.abs().max()),
        "largest_error": float((own - output.pooler_output).abs().max()),
    }


@torch.no_grad()
def dimensions(model: Any, ids: torch.Tensor) -> dict[str, Any]:
    """What the model says to a sentence without a batch axis, and the shapes once `unsqueeze` has added it."""
    one = ids[0]
    try:
        model(one)
        refused = None
    except Exception as error:  # what it raises is what the lesson is about
        refused = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return {
        "one_sentence": list(one.shape),
        "refused": refused,
        "unsqueezed": list(one.unsqueeze(0).shape),
        "hidden_states": list(model(one.unsqueeze(0)).last_hidden_state.shape),
    }


def sentence_vectors(model: Any, tokenizer: Any, texts: list[str]) -> np.ndarray:
    """Mean over the tokens of each text, after the embeddings and after each layer; (layers + 1, texts, width)."""
    return _pooled(model, tokenizer, texts, [None] * len(texts))


def word_vectors(model: Any, tokenizer: Any, word: str, texts: list[str]) -> np.ndarray:
    """Mean over the tokens of `word` where it first stands in each text; (layers + 1, texts, width).

    Raises:
        InputError: it does not stand in a text.
    """
    places = []
    for text in texts:
        place = re.search(_alone(word), text, re.IGNORECASE)
        encoded = tokenizer(text)
        found = {encoded.char_to_token(n) for n in range(*place.span())} - {None} if place else set()
        if not found:
            raise InputError(f"lessons.embeddings.contexts: {text!r} has no {word!r}; change the one or the other")
        places.append(sorted(found))
    return _pooled(model, tokenizer, texts, places)


def _alone(word: str) -> str:
    """A pattern for `word` where it is not a part of another, as far as blanks tell."""
    before = "" if CJK.match(word[0]) else r"(?<!\w)"
    after = "" if CJK.match(word[-1]) else r"(?!\w)"
    return f"{before}{re.escape(word)}{after}"


def _pooled(model: Any, tokenizer: Any, texts: list[str], places: list[list[int] | None]) -> np.ndarray:
    features = loading.tokenize(tokenizer, texts, loading.max_positions(model))
    model.config.output_hidden_states = True
    results: list[Any] = [None] * len(texts)
    for batch, output in inference.batches(model, features, "fp32"):
        layers = torch.stack(output.hidden_states).double().cpu()
        for row, n in enumerate(batch):
            chosen = range(inference.length(features[n])) if places[n] is None else places[n]
            results[n] = layers[:, row, list(chosen)].mean(dim=1)
    model.config.output_hidden_states = False
    return torch.stack(results, dim=1).numpy()


def _between(vectors: np.ndarray, texts: list[str]) -> list[dict[str, Any]]:
    """Cosine of each pair of texts, layer by layer; layer 0 is the embeddings."""
    by_layer = [cosine_similarity(layer) for layer in vectors]
    return [
        {"first": texts[n], "second": texts[m]}
        | {f"layer_{layer}": float(matrix[n, m]) for layer, matrix in enumerate(by_layer)}
        for n in range(len(texts))
        for m in range(n + 1, len(texts))
    ]


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {"base-encoder": facts["encoder"]}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    likeness = np.array([[value for key, value in row.items() if key != "position"] for row in tables["positions"]])
    seen = pictures.heatmaps({"": likeness}, "position", "position", ticks=False, unit="cosine similarity")
    names = {
        name: facts[key] + ("" if of is None else f": silhouette {of:.3f}")
        for (name, of), key in zip(facts["silhouette"].items(), ("encoder", "tuned"), strict=True)
    }
    drawn = pictures.maps(
        {
            title: [(row["x"], row["y"], row["intent"]) for row in tables["map"] if row["encoder"] == name]
            for name, title in names.items()
        }
    )
    numbers = [int(key.removeprefix("layer_")) for key in facts["contexts"][0] if key.startswith("layer_")]
    layers = {f"layer_{number}": f"layer {number}" for number in sorted(numbers)}
    body = [
        page.heading("A map of the test utterances"),
        page.picture(
            drawn,
            f"{facts['utterances']} utterances in two dimensions (t-SNE on cosine), before and after tuning. "
            "The silhouette is of the full vectors: 1 where intents lie apart, 0 where they mix.",
        ),
    ]
    body += _inputs(facts, seen) + (_pooler(facts["pooler"]) if facts["pooler"] else [])
    body += [
        page.heading("Sentences"),
        page.text("Cosine similarity of mean vectors, after the embeddings (layer 0) and after each layer."),
        page.table(facts["sentences"], {"first": "sentence", "second": "and"} | layers),
        page.heading(f"One word, “{facts['word']}”, in several contexts"),
        page.text("In layer 0 the word differs by its position alone; each layer mixes in what stands around it."),
        page.table(facts["contexts"], {"first": "sentence", "second": "and"} | layers),
    ]
    return page.Page(
        body=body,
        vary=VARY,
        pictures={"positions": seen, "map": drawn},
    )


def _inputs(facts: dict[str, Any], seen: bytes) -> list[str]:
    """The tables that a token goes in by, its position, and the batch axis."""
    dims = facts["dimensions"]
    matrices = [row | {"shape": page.shape(row["shape"])} for row in facts["matrices"]]
    return [
        page.heading("Three tables and a norm"),
        page.table(matrices, {"name": "matrix", "shape": "shape", "weights": "weights"}),
        page.text(
            "A token goes in as the sum of three rows, one each for its word piece, its position and its sentence, "
            f"through LayerNorm. For “{facts['sentence']}” that sum differs from the model's own embedding output by "
            f"at most {facts['sum_largest_error']:.1e}."
        ),
        page.heading("Positions"),
        page.picture(
            seen,
            "Cosine similarity of the position embeddings. That neighbours are alike was learned: nobody told the "
            f"model which positions are near (mean cosine at distance {facts['positions'][0]['distance']}: "
            f"{facts['positions'][0]['cosine']:.3f}).",
        ),
        page.table(facts["positions"], {"distance": "positions apart", "cosine": "mean cosine"}),
        page.heading("Why a model takes a batch"),
        page.text(
            f"One sentence is {page.shape(dims['one_sentence'])} numbers. Given as it is, the model says: "
            f"`{dims['refused']}`. `ids.unsqueeze(0)` adds the batch axis, {page.shape(dims['unsqueezed'])}, and what "
            f"comes out has three dimensions, {page.shape(dims['hidden_states'])}: sentences, tokens, width. All "
            "sentences of a batch, padded to one length, go through each matrix in one product."
        ),
    ]


def _pooler(pooled: dict[str, Any]) -> list[str]:
    """What the pooler does with `[CLS]`."""
    return [
        page.heading("The pooler"),
        page.text(
            f"Its output, {page.shape(pooled['shape'])}, is tanh(W h + b) of the last hidden state of `[CLS]` "
            f"(largest difference {pooled['largest_error']:.1e}), so it lies between -1 and 1; the largest value "
            f"here is {pooled['largest']:.3f}."
        ),
    ]
