"""What do the heads look at, and what does fine-tuning change? After Clark et al. 2019, "What does BERT look at?"."""

from typing import Any

import numpy as np
import torch
from pydantic import Field
from transformers import BertModel, GPT2LMHeadModel

from pipelines.analysis import comparison
from pipelines.analysis.clark2019 import REFERENCE, beside, by_layer, strongest
from pipelines.analysis.heads import (
    SINK,
    TARGETS,
    analyse,
    arrange,
    decoder_inputs,
    divergence_between,
    encoder_inputs,
    first_piece,
)
from pipelines.analysis.one_sentence import inside, to_places
from pipelines.core.blocks import RunName, Seed
from pipelines.core.errors import InputError
from pipelines.data.drawing import some
from pipelines.data.utterances import Utterance
from pipelines.decoder.language_model import control
from pipelines.lessons.common import page, pictures, views
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName, Sentence
from pipelines.models import loading

SHORTEST_PAIR = 16  # tokens
VARY = """
dvc exp run -S lessons.attention.tuned=slots-full lesson@attention
dvc exp run -S 'lessons.attention.sentence="the [MASK] is on the table"' -S lessons.attention.layer=5 lesson@attention
dvc exp run -S lessons.attention.decoder=base-decoder lesson@attention
"""

KINDS_OF_BLOCKS = {"utterances": "Utterances", "pairs": "Utterances of one intent, joined"}
WORDS = {"cls": "[CLS]", "sep": "[SEP]", "previous": "previous", "next": "next", "own": "own"}
DEPTH = ("sep", "cls", "entropy")
LARGEST_VIEW = 5_000_000  # bytes
HALF = 0.5  # share of its attention from which on a head is said to be about one target


class Options(LessonOptions):
    """Models, the sentences of the views, which layers they show, and how much is analysed."""

    encoder: ModelName
    tuned: RunName
    decoder: ModelName
    sentence: Sentence
    second: Sentence | None
    intent: Sentence
    decoder_sentence: Sentence
    layers: list[int]
    layer: int
    heads: list[int]
    utterances: int = Field(gt=0)
    pair_tokens: int = Field(ge=SHORTEST_PAIR)
    clusters: int = Field(gt=1)
    seed: Seed

    def runs(self) -> list[str]:
        return [self.tuned]


def measure(options: Options, materials: Materials) -> Measured:
    """Shares, entropies and distances of all heads, on utterances and on long pairs; views of single sentences."""
    models = {
        role: materials.load(role, getattr(options, role), auto_class, kind)
        for role, auto_class, kind in (
            ("encoder", BertModel, "bert"),
            ("tuned", BertModel, "bert"),
            ("decoder", GPT2LMHeadModel, "gpt2"),
        )
    }
    for model, _ in models.values():
        model.set_attn_implementation("eager")  # the others keep their attentions to themselves
    _check(options, models)
    rows = some(materials.rows("test"), options.utterances, options.seed)
    base, tokenizer = models["encoder"]
    one_head, numbers = _inside(options, materials, models)
    facts: dict[str, Any] = {
        "models": {role: getattr(options, role) for role in models},
        "sentences": {"encoder": options.sentence, "decoder": options.decoder_sentence},
        "mask": _mask(options, materials, models),
        "heads": _heads(base.config),
        "inside": one_head,
        "utterances": len(rows),
        "reference": REFERENCE,
        "sink": SINK,
        "arrangements": {},
    }
    tables: dict[str, list[dict[str, Any]]] = {"inside": numbers}
    for name in ("utterances", "pairs"):
        inputs, blocks = _inputs(options, models, rows, joined=name == "pairs")
        heads, divergences = analyse(base, inputs, tokenizer)
        tuned, _ = analyse(models["tuned"][0], inputs, tokenizer, distances=False)
        change = divergence_between(base, models["tuned"][0], inputs)
        points, clusters = arrange(divergences, options.clusters, options.seed)
        for number, head in enumerate(heads):
            x, y = points[number]
            head |= {"x": float(x), "y": float(y), "cluster": int(clusters[number])}
            head["divergence_from_tuned"] = float(change[head["layer"], head["head"]])
        facts["arrangements"][name] = {
            "inputs": len(inputs),
            "pieces": float(np.mean([one["input_ids"].numel() for one in inputs])),
            "layers": by_layer(heads, tuned),
            "strongest": strongest(heads),
            "over_half": {target: sum(head[target] > HALF for head in heads) for target in TARGETS},
            "heads": len(heads),
            "decoder": first_piece(models["decoder"][0], blocks),
        }
        tables[f"heads_{name}"] = heads
    facts["beside"] = beside(options.encoder, facts["arrangements"]["pairs"]["layers"])
    return Measured(facts, tables, _views(options, materials, models))


def _inputs(
    options: Options, models: dict[str, tuple[Any, Any]], rows: list[Utterance], joined: bool
) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Inputs of encoder and decoder, a row each, or `joined`.

    Rows are joined into `pair_tokens`, or into half of that and so on, where they are too few to fill one.

    Raises:
        InputError: they do not even fill the shortest.
    """
    (encoder, tokenizer), decoder = models["encoder"], models["decoder"]
    size = options.pair_tokens
    while size >= SHORTEST_PAIR:
        longest = min(size, loading.max_positions(encoder)) if joined else None
        limit = min(size if joined else 10**9, loading.max_positions(decoder[0]))
        inputs = encoder_inputs(tokenizer, [row["text"] for row in rows], longest)
        blocks = list(decoder_inputs(decoder[1], rows, limit, joined=joined))
        if inputs and blocks:
            return inputs, blocks
        size //= 2
    raise InputError(
        f"lessons.attention.utterances: {len(rows)} are too few to be joined into {options.pair_tokens} pieces, or "
        "into fewer; raise it"
    )


def _check(options: Options, models: dict[str, tuple[Any, Any]]) -> None:
    """Raises InputError where a view asks for a layer or head that a model lacks."""
    config = models["encoder"][0].config
    for key, numbers, count in (
        ("layers", options.layers, config.num_hidden_layers),
        ("layer", [options.layer], config.num_hidden_layers),
        ("heads", options.heads, config.num_attention_heads),
    ):
        for number in numbers:
            if not 0 <= number < count:
                raise InputError(
                    f"lessons.attention.{key}: {number}: {options.encoder} has {key.rstrip('s')}s 0 to {count - 1}"
                )
    if options.layers and options.layer not in options.layers:
        raise InputError(f"lessons.attention.layer: {options.layer} is not among lessons.attention.layers; add it")
    shapes = [
        (model.config.num_hidden_layers, model.config.num_attention_heads, model.config.vocab_size)
        for model in (models["encoder"][0], models["tuned"][0])
    ]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"lessons.attention.tuned: {options.tuned} differs from {options.encoder} in layers, heads or pieces; "
            "name one that was tuned from it"
        )


def _views(options: Options, materials: Materials, models: dict[str, tuple[Any, Any]]) -> dict[str, str]:
    """Head, model and neuron view of one sentence each, for encoder and decoder."""
    pages = {}
    for role, (inputs, tokens) in _shown(options, materials, models).items():
        model = models[role][0]
        config = model.config
        parts = inside(model, inputs)
        weights = parts["weights"]
        layers, layer, heads = list(range(config.num_hidden_layers)), 0, []
        if role == "encoder":
            layers, layer, heads = options.layers or layers, options.layer, options.heads
        title = f"{getattr(options, role)}: attention, head by head"
        pages[f"head_view_{role}.html"] = views.head_page(title, weights, tokens, layers, layer, heads)
        title = f"{getattr(options, role)}: attention, all heads"
        pages[f"model_view_{role}.html"] = views.model_page(title, weights, tokens, layers)
        title = f"{getattr(options, role)}: queries and keys of one head"
        pages[f"neuron_view_{role}.html"] = views.neuron_page(
            title, parts, tokens, layers, layer, (heads or [0])[0], both_ways=role == "encoder"
        )
    for name, html in pages.items():
        if len(html.encode()) > LARGEST_VIEW:
            key, advice = "layers", "name fewer layers, or shorten the sentence"
            if "decoder" in name:
                key, advice = "decoder_sentence", "shorten the sentence"
            raise InputError(
                f"lessons.attention.{key}: {name} would have {len(html.encode()):,} bytes, above {LARGEST_VIEW:,}; "
                f"{advice}"
            )
    return pages


def _shown(
    options: Options, materials: Materials, models: dict[str, tuple[Any, Any]]
) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Inputs and tokens of the sentences that the views show."""
    model, tokenizer = models["encoder"]
    sentences = [options.sentence, *([options.second] if options.second else [])]
    materials.fits("sentence", tokenizer, model, *sentences)
    inputs = dict(tokenizer(*sentences, return_tensors="pt"))
    shown = {"encoder": (inputs, tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist()))}
    model, tokenizer = models["decoder"]
    asked = control(options.intent)  # which an untuned decoder does not know
    text = f"{asked} {options.decoder_sentence}" if asked in tokenizer.all_special_tokens else options.decoder_sentence
    materials.fits("decoder_sentence", tokenizer, model, text)
    inputs = comparison.inputs_of(model, tokenizer, text)
    return shown | {"decoder": (inputs, [tokenizer.decode([n]) for n in inputs["input_ids"][0].tolist()])}


def _mask(options: Options, materials: Materials, models: dict[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """What goes to `[MASK]` of the encoder's sentence, by layer; nothing where it has none."""
    model, tokenizer = models["encoder"]
    inputs, _ = _shown(options, materials, models)["encoder"]
    places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten().tolist()
    if not places:
        return []
    return to_places(model, inputs, places)


def _heads(config: Any) -> dict[str, int]:
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    return {"hidden_size": config.hidden_size, "layers": layers, "heads": heads, "all": layers * heads}


def _inside(
    options: Options, materials: Materials, models: dict[str, tuple[Any, Any]]
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """One sentence through a head of the layer that is shown first, of encoder and of decoder: which head it is, and a
    row a number of it."""
    found, rows = {}, []
    same = options.model_copy(update={"sentence": options.decoder_sentence, "second": None})
    for role, (inputs, tokens) in _shown(same, materials, models).items():
        model = models[role][0]
        layer = min(options.layer, model.config.num_hidden_layers - 1)
        parts = {name: of[layer] for name, of in inside(model, inputs).items()}
        head = options.heads[0] if options.heads and role == "encoder" else _both_ways(parts["weights"])
        parts = {name: of[head] for name, of in parts.items()}
        found[role] = {"layer": layer, "head": head, "tokens": tokens}
        found[role] |= {"count": len(tokens), "width": parts["query"].shape[1]}
        rows += [
            {"model": role, "part": part, "row": row, "column": column, "value": value}
            for part, of in parts.items()
            for row, values in enumerate(of.double().tolist())
            for column, value in enumerate(values)
        ]
    return found, rows


def _both_ways(weights: torch.Tensor) -> int:
    """The head, of (heads, tokens, tokens), that gives most to the tokens on both sides; the first where none does."""
    beside = [weights.diagonal(offset, 1, 2).mean(-1) for offset in (-1, 1)]
    return int(torch.minimum(*beside).argmax())


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {"base-encoder": facts["models"]["encoder"], "decoder": facts["models"]["decoder"]}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    drawn: dict[str, bytes] = {}
    arrangements = [(name, facts["arrangements"][name]) for name in KINDS_OF_BLOCKS]
    drawn |= _matrices(facts, tables["inside"])
    body = _one_head(facts, drawn) + _views_and_mask(facts)
    for name, of in arrangements:
        drawn |= _drawn(name, of, tables[f"heads_{name}"])
        body += _by_target(facts, name, of, drawn) + _tuning(facts, name, of)
    drawn |= _by_depth(facts, arrangements)
    body += _paper(facts, drawn) + _first_token(facts, arrangements)
    return page.Page(body=body, vary=VARY, pictures=drawn)


def _matrices(facts: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """The weights of one head of each model, side by side, and what those of the encoder come from."""
    of: dict[tuple[str, str], dict[int, list[float]]] = {}
    for row in rows:  # in order
        of.setdefault((row["model"], row["part"]), {}).setdefault(row["row"], []).append(row["value"])
    weights = {
        f"{facts['models'][role]}, layer {one['layer']}, head {one['head']}": (
            _matrix(of[role, "weights"]),
            one["tokens"],
        )
        for role, one in ((role, facts["inside"][role]) for role in ("encoder", "decoder"))
    }
    drawn = {"matrices": pictures.matrices(weights)}
    parts = {name: _matrix(of["encoder", name]) for name in ("query", "key", "value")}
    drawn["inside"] = pictures.heatmaps(parts, "width of the head", "token", ticks=False)
    return drawn


def _matrix(rows: dict[int, list[float]]) -> np.ndarray:
    return np.array(list(rows.values()))


def _one_head(facts: dict[str, Any], drawn: dict[str, bytes]) -> list[str]:
    """Both ways or one way; and queries, keys and values with their shapes."""
    of, config = facts["inside"]["encoder"], facts["heads"]
    tokens, width = of["count"], of["width"]
    return [
        page.heading("One head, one sentence"),
        page.picture(
            drawn["matrices"],
            f"“{facts['sentences']['decoder']}”. A row says from whom its token takes; it sums to 1. The encoder looks "
            "both ways; the decoder's matrix is a triangle, as what comes after a token is masked. The encoder "
            "adds a frame of tokens of its own, a decoder that was tuned the intent.",
        ),
        page.picture(drawn["inside"], "Query, key and value of the encoder's head, a row a token."),
        page.text(
            f"Each of the three is {page.shape([tokens, width])}: {tokens} tokens, and {width} numbers a head, as "
            f"{config['hidden_size']} are shared among {config['heads']} heads. Queries times keys, over the root of "
            f"{width}, through softmax, give the {page.shape([tokens, tokens])} weights; those times the values what "
            f"the head says. {config['layers']} layers of {config['heads']} heads make {config['all']} here, where "
            f"bert-base has {facts['reference']['count']} layers and {facts['reference']['heads']} heads."
        ),
    ]


def _views_and_mask(facts: dict[str, Any]) -> list[str]:
    """Links to the views, and what goes to the mask of the sentence that they show."""
    names, sentences = facts["models"], facts["sentences"]
    body = [
        page.heading("See for yourself"),
        *(
            page.link(f"{view}_view_{role}.html", f"{view} view of {names[role]}: “{sentences[role]}”")
            for role in ("encoder", "decoder")
            for view in ("head", "model", "neuron")
        ),
    ]
    if not facts["mask"]:
        return body
    told = "What goes to `[MASK]` in this sentence, mean over tokens and heads; lift over uniform attention:"
    columns = {"layer": "layer", "share": "share", "lift": "times uniform"}
    return [*body, page.text(told), page.table(facts["mask"], columns)]


def _drawn(name: str, of: dict[str, Any], heads: list[dict[str, Any]]) -> dict[str, bytes]:
    """Pictures of all heads of one arrangement: shares by target, entropy, and who lies near whom."""
    count = len(of["layers"])
    grid = {word: _grid([head[target] for head in heads], count) for target, word in WORDS.items()}
    entropy = {"entropy": _grid([head["entropy"] for head in heads], count)}
    points = {
        "clusters": [(head["x"], head["y"], f"cluster {head['cluster']}") for head in heads],
        "layers": [(head["x"], head["y"], f"layer {head['layer']}") for head in heads],
    }
    return {
        f"shares_{name}": pictures.heatmaps(grid, "head", "layer", unit="share of attention"),
        f"entropy_{name}": pictures.heatmaps(entropy, "head", "layer", unit="nats"),
        f"clusters_{name}": pictures.maps(points),
    }


def _by_target(facts: dict[str, Any], name: str, of: dict[str, Any], drawn: dict[str, bytes]) -> list[str]:
    """What the heads of one arrangement look at."""
    over = ", ".join(f"{of['over_half'][target]} to {word}" for target, word in WORDS.items())
    columns = {"layer": "layer"} | WORDS | {"entropy": "entropy"}
    columns |= {f"{target}_lift": f"{word}, lift" for target, word in WORDS.items()}
    strongest = [row | {"target": WORDS[row["target"]]} for row in of["strongest"]]
    return [
        page.heading(f"{facts['models']['encoder']} on {_title(name, of)}"),
        page.text(
            f"{of['inputs']} inputs of {of['pieces']:.1f} tokens on average, made of {facts['utterances']} test "
            "utterances. Means over all tokens; a lift is a share over that of uniform attention, so that short "
            "and long inputs compare. Entropy is in nats."
        ),
        page.table(of["layers"], columns | {"entropy_lift": "entropy, share of uniform"}),
        page.picture(drawn[f"shares_{name}"], "Share of attention of each head, by target."),
        page.picture(drawn[f"entropy_{name}"], "Entropy of each head."),
        page.text(f"Heads, of {of['heads']}, with more than half of their attention on one target: {over}."),
        page.table(
            strongest,
            {"target": "target", "layer": "layer", "head": "its strongest head", "share": "share", "lift": "lift"},
        ),
        page.picture(
            drawn[f"clusters_{name}"],
            "Heads by distance (root of the Jensen-Shannon divergence, multidimensional scaling).",
        ),
    ]


def _tuning(facts: dict[str, Any], name: str, of: dict[str, Any]) -> list[str]:
    """What tuning changed in one arrangement."""
    columns = {"layer": "layer"} | {f"{target}_change": word for target, word in WORDS.items()}
    return [
        page.heading(f"What tuning changed: {facts['models']['tuned']}, {name}"),
        page.text("Change of each mean, and the divergence of each head from itself before tuning, in nats."),
        page.table(of["layers"], columns | {"entropy_change": "entropy", "divergence_from_tuned": "divergence"}),
    ]


def _by_depth(facts: dict[str, Any], arrangements: list[tuple[str, dict[str, Any]]]) -> dict[str, bytes]:
    """Lines over the depth, ours and the paper's."""
    drawn = {}
    series = {f"ours, {_title(name, of)}": of["layers"] for name, of in arrangements}
    series |= {"bert-base, Clark et al.": facts["reference"]["layers"]}
    for target in DEPTH:
        label = f"share of attention to {WORDS[target]}" if target in WORDS else "entropy, nats"
        points = {
            name: [((row["layer"] + 1) / len(rows), row[target]) for row in rows] for name, rows in series.items()
        }
        drawn[f"depth_{target}"] = pictures.lines(points, "depth: layer over layers", label)
    return drawn


def _paper(facts: dict[str, Any], drawn: dict[str, bytes]) -> list[str]:
    """Our layers beside those of the paper."""
    reference = facts["reference"]
    return [
        page.heading("Beside the paper"),
        page.text(
            f"The most that a layer gives to [CLS] and to [SEP]: {_most(facts['arrangements']['pairs']['layers'])} "
            f"here on pairs, {_most(reference['layers'])} in the paper, which takes [SEP] for the place where a head "
            "rests that has nothing to look for. Another model can rest elsewhere."
        ),
        *(
            page.picture(
                drawn[f"depth_{target}"],
                f"{'Attention to ' + WORDS[target] if target in WORDS else 'Entropy'} by depth.",
            )
            for target in DEPTH
        ),
        page.text(
            f"Clark et al. 2019 on bert-base, read off their plots: {reference['previous_heads']} of "
            f"{reference['heads']} heads give more than half of their attention to the previous token, "
            f"{reference['next_heads']} to the next. Layers are numbered from 0 here, from 1 in the paper."
        ),
        page.table(
            facts["beside"],
            {"depth": "depth", "model": "model", "layer": "layer"}
            | {"cls": "[CLS]", "cls_lift": "[CLS], lift", "sep": "[SEP]", "sep_lift": "[SEP], lift"}
            | {"entropy": "entropy", "entropy_lift": "entropy, share of uniform"},
        ),
    ]


def _first_token(facts: dict[str, Any], arrangements: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """What the decoder gives to the first token, and to what follows."""
    body = [page.heading(f"{facts['models']['decoder']}: the first token, and nothing ahead")]
    for name, of in arrangements:
        first = of["decoder"]
        body += [
            page.text(
                f"{KINDS_OF_BLOCKS[name]}: {first['inputs']} inputs of {first['pieces']:.1f} tokens. Uniform attention "
                f"to what came before would give the first token {first['uniform']:.3f}; {first['sinks']} of "
                f"{first['head_count']} heads give it more than {facts['sink']}. Largest weight on a later token: "
                f"{first['largest_ahead']}."
            ),
            page.table(first["heads"], {"layer": "layer", "head": "head", "first": "to the first", "lift": "lift"}),
        ]
    return body


def _title(name: str, of: dict[str, Any]) -> str:
    return f"{name}, {of['pieces']:.0f} tokens"


def _most(rows: list[dict[str, Any]]) -> str:
    return " and ".join(f"{max(row[target] for row in rows):.3f}" for target in ("cls", "sep"))


def _grid(values: list[float], layers: int) -> np.ndarray:
    return np.array(values).reshape(layers, -1)
