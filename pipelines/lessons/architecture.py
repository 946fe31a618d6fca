"""Of what parts are BERT and GPT-2 made, what do they weigh and cost, and where do they part?"""

import re
from typing import Any

import torch
from transformers import BertModel, GPT2LMHeadModel

from pipelines.analysis import comparison
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName, Sentence

PARTS = {  # part -> what the names of its modules hold, first match
    "norms": r"LayerNorm|ln_",
    "attention": r"attention|attn",
    "feed-forward": r"intermediate|output|mlp",
    "embeddings": r"embeddings|wte|wpe",
    "head": r"pooler|lm_head",
}


# the largest of each; millions of weights, None where it was never said
FAMILY = [
    {
        "model": "GPT",
        "year": 2018,
        "weights": 117,
        "layers": 12,
        "open": "weights, code",
        "source": "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training",
    },
    {
        "model": "BERT-large",
        "year": 2018,
        "weights": 340,
        "layers": 24,
        "open": "weights, code",
        "source": "Devlin et al., arXiv:1810.04805",
    },
    {
        "model": "GPT-2",
        "year": 2019,
        "weights": 1_558,
        "layers": 48,
        "open": "weights, code",
        "source": "Radford et al. 2019, Language Models are Unsupervised Multitask Learners; weights as released, "
        "1558M of github.com/openai/gpt-2 (table 2 prints 1542M)",
    },
    {
        "model": "GPT-3",
        "year": 2020,
        "weights": 175_000,
        "layers": 96,
        "open": "no",
        "source": "Brown et al., arXiv:2005.14165",
    },
    {
        "model": "GPT-4",
        "year": 2023,
        "weights": None,
        "layers": None,
        "open": "no",
        "source": "OpenAI, arXiv:2303.08774",
    },
    {
        "model": "gpt-oss-120b",
        "year": 2025,
        "weights": 116_800,
        "layers": 36,
        "open": "weights, code",
        "source": "OpenAI, arXiv:2508.10925",
    },
]


class Options(LessonOptions):
    """An encoder and a decoder, and the sentence that they are counted on."""

    encoder: ModelName
    decoder: ModelName
    sentence: Sentence


def measure(options: Options, materials: Materials) -> Measured:
    """Modules with shapes, weights and multiply-adds of both models, checked; properties side by side."""
    facts: dict[str, Any] = {"sentence": options.sentence}
    properties = {}
    for role, auto_class, kind in (("encoder", BertModel, "bert"), ("decoder", GPT2LMHeadModel, "gpt2")):
        name = getattr(options, role)
        model, tokenizer = materials.load(role, name, auto_class, kind)
        model.set_attn_implementation("eager")  # others keep attentions and their multiply-adds to themselves
        materials.fits("sentence", tokenizer, model, options.sentence)
        inputs = comparison.inputs_of(model, tokenizer, options.sentence)
        facts[role] = {"name": name, "class": type(model).__name__} | account(model, inputs)
        properties[role] = described(model, inputs)
    facts["properties"] = [
        {"property": key, "encoder": value, "decoder": properties["decoder"][key]}
        | {"same": value == properties["decoder"][key]}
        for key, value in properties["encoder"].items()
    ]
    facts["family"] = FAMILY
    tables = {role: facts[role]["modules"] for role in ("encoder", "decoder")}
    return Measured(facts, tables | {"properties": facts["properties"]})


def account(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Each kind of module that holds weights: shapes, weights and multiply-adds a token; and the checks.

    A matrix costs a multiply-add a weight and token; attention, which has no weights of its own, two for each pair of
    tokens and unit of width (scores, then the mean of the values); norms and look-ups are not counted. A pooler works
    on one token, `[CLS]`, alone.
    """
    pieces = inputs["input_ids"].numel()
    modules: dict[str, dict[str, Any]] = {}
    seen = set()
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if not own:
            continue
        name = re.sub(r"\.\d+\.", ".*.", path)
        entry = modules.setdefault(
            name,
            {"module": name, "kind": type(module).__name__, "part": _part(name), "times": 0, "shapes": []}
            | {"weights": 0, "multiply_adds": 0},
        )
        entry["times"] += 1
        entry["shapes"] = [f"{key} {page.shape(list(weight.shape))}" for key, weight in own.items()]
        entry["shapes"] += ["(tied to the embeddings)"] if any(id(weight) in seen for weight in own.values()) else []
        entry["weights"] += sum(weight.numel() for weight in own.values() if id(weight) not in seen)
        seen |= {id(weight) for weight in own.values()}
        if type(module).__name__ in ("Linear", "Conv1D"):
            entry["multiply_adds"] += own["weight"].numel() * (1 if "pooler" in name else pieces)
    config = model.config
    between = 2 * config.num_hidden_layers * pieces**2 * config.hidden_size
    rows = list(modules.values())
    scores = {"module": "(between tokens)", "kind": "softmax(QK')V", "part": "attention", "shapes": []}
    rows.append(scores | {"times": config.num_hidden_layers, "weights": 0, "multiply_adds": between})
    for row in rows:
        row["multiply_adds_a_piece"] = round(row["multiply_adds"] / pieces)
    shares = {
        part: {key: sum(row[key] for row in rows if row["part"] == part) for key in ("weights", "multiply_adds")}
        for part in PARTS
    }
    return {
        "modules": rows,
        "parts": shares,
        "pieces": pieces,
        "weights": sum(row["weights"] for row in rows),
        "weights_by_numel": sum(weight.numel() for weight in model.parameters()),
        "multiply_adds": sum(row["multiply_adds"] for row in rows),
        "multiply_adds_by_pytorch": comparison.multiply_adds(model, inputs),
        "multiply_adds_a_piece": round(sum(row["multiply_adds"] for row in rows) / pieces),
    }


def described(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the model is, seen from the model: sizes, order of calls in a layer, activations, mask, ties."""
    config = model.config
    body = model.base_model
    layers = body.encoder.layer if hasattr(body, "encoder") else body.h
    order: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, module in layers[0].named_modules()
        if not list(module.children()) and list(module.parameters())
    ]
    ahead = comparison.attention_ahead(model, inputs)["largest"]
    for hook in hooks:
        hook.remove()
    head = model.get_output_embeddings()
    tables = {name.rsplit(".", 2)[-2] for name, _ in body.named_parameters() if re.search(PARTS["embeddings"], name)}
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * config.hidden_size
    return {
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "heads a layer": config.num_attention_heads,
        "width of a head": config.hidden_size // config.num_attention_heads,
        "feed-forward width over width": inner / config.hidden_size,
        "longest input, tokens": config.max_position_embeddings,
        "tokens known": config.vocab_size,
        "added up at the input": sorted(tables - {"LayerNorm"}),
        "what is attended to": "both sides" if ahead > 0 else "what came before",
        "calls in a layer": order,
        "norm": "after the sum" if "norm" not in order[0].lower() and "ln" not in order[0] else "before attention",
        "activation in feed-forward": getattr(config, "hidden_act", None) or config.activation_function,
        "activation in attention": "softmax",
        "activation on top": "tanh (pooler)" if getattr(model, "pooler", None) is not None else "none",
        "head": ("none" if getattr(model, "pooler", None) is None else "pooler on [CLS]")
        if head is None
        else "next piece, tied to the embeddings"
        if head.weight is model.get_input_embeddings().weight
        else "next piece",
    }


def _part(name: str) -> str:
    return next(part for part, pattern in PARTS.items() if re.search(pattern, name))


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {"base-encoder": facts["encoder"]["name"]}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    drawn = {
        key: pictures.bars(
            {
                part: {facts[role]["name"]: facts[role]["parts"][part][key] / 1e6 for role in ("encoder", "decoder")}
                for part in PARTS
            },
            label,
        )
        for key, label in (("weights", "weights (M)"), ("multiply_adds", "multiply-adds of the sentence (M)"))
    }
    body = [
        page.heading("What they share, and where they part"),
        page.table(
            facts["properties"],
            {
                "property": "property",
                "encoder": facts["encoder"]["name"],
                "decoder": facts["decoder"]["name"],
                "same": "same",
            },
        ),
        page.picture(drawn["weights"], "Where the weights are."),
        page.picture(drawn["multiply_adds"], f"Where the work is, for “{facts['sentence']}”."),
    ]
    for role in ("encoder", "decoder"):
        one = facts[role]
        body += [
            page.heading(f"{one['name']}, a {one['class']}"),
            page.table(
                [row | {"shapes": ", ".join(row["shapes"])} for row in one["modules"]],
                {"module": "module", "kind": "kind", "times": "times", "shapes": "shapes, each", "weights": "weights"}
                | {"multiply_adds_a_piece": "multiply-adds per token"},
            ),
            page.text(
                f"{one['weights']:,} weights in the table; `sum(p.numel() for p in model.parameters())` gives "
                f"{one['weights_by_numel']:,}. {one['multiply_adds']:,} multiply-adds "
                f"({one['multiply_adds_a_piece']:,} per token); PyTorch's own counter gives "
                f"{one['multiply_adds_by_pytorch']:,}."
            ),
        ]
    body += _family(facts["family"])
    return page.Page(
        body=body,
        vary="""
dvc exp run -S '+models.bert={name: google-bert/bert-base-uncased, revision: main, sha256: null}' \\
  -S lessons.architecture.encoder=bert lesson@architecture
dvc exp run -S decoder.scratch.n_layer=2 -S lessons.architecture.decoder=base-decoder lesson@architecture
""",
        pictures=drawn,
    )


def _family(models: list[dict[str, Any]]) -> list[str]:
    """The largest of each kind, year by year."""
    columns = {"model": "largest model", "year": "year", "weights": "weights (M)", "layers": "layers", "open": "open"}
    return [
        page.heading("The family since 2018"),
        page.text(
            "Until 2020 size was what grew. gpt-oss-120b is a mixture of experts, of which a part works on each token. "
            "Where a figure is empty, it was never published."
        ),
        page.table([row | {"year": str(row["year"])} for row in models], columns | {"source": "source"}),
    ]
