"""BERT and GPT-2 side by side on the same sentences and questions: one page of measured facts."""

import time
from pathlib import Path
from typing import Any

from pipelines.analysis import comparison
from pipelines.core import blocks, files
from pipelines.core.command import command
from pipelines.core.markdown import plain
from pipelines.core.provenance import described
from pipelines.data.source import Data
from pipelines.decoder import language_model, sampling
from pipelines.models import loading
from pipelines.tasks.masked_lm.task import TASK as MASKED_LM
from pipelines.tasks.qa import squad

ENCODER = Path("data/models/adapted-encoder")
DECODER = Path("data/models/decoder")
LIMITS = Path("metrics/qa_limits.json")
REPORT = Path("metrics/compare_bert_gpt.json")
PAGE = Path("data/bert_gpt")
TOP = 5  # tokens shown
ANSWER = 8  # tokens, longest generated answer

_PAGE = """\
# BERT and GPT-2 side by side

The encoder is `{encoder_name}` with a head for masked words, the decoder `{decoder_name}`; both were tuned on {data}.

## What each sees

Attention to pieces further on, over all layers and heads of the {count} sentences below. GPT-2 masks it: above the
diagonal there is nothing. BERT looks both ways.

| | largest weight ahead | share of all attention ahead |
| --- | ---: | ---: |
| BERT | {ahead[encoder]} |
| GPT-2 | {ahead[decoder]} |

## Fill in, or go on

BERT fills in the mask and sees both sides of it. GPT-2 goes on after what stands before it, for the
intent under which it finds that likeliest.

| sentence | BERT | intent | GPT-2 |
| --- | --- | --- | --- |
{sentences}

## Extract, or generate an answer

The questions of the limits page, which no single span answers. Its run points at a span or refuses; GPT-2 goes on
after text and question (greedy, 1 to {answer} pieces), for the intent under which it finds the text likeliest. It
has seen utterances and never an answer. Right: {answers[extractive]} of {answers[questions]} extracted,
{answers[generated]} of {answers[questions]} generated.

| question on text | right | extracted | generated |
| --- | --- | --- | --- |
{questions}

## What it costs

Multiply-adds by PyTorch's counter. To write {steps} pieces, GPT-2 needs {written[with_cache]:.1f} M with the key/value
cache and {written[without_cache]:.1f} M without.

| | layers | width | weights | multiply-adds a piece |
| --- | ---: | ---: | ---: | ---: |
| BERT | {encoder[layers]} | {encoder[width]} | {encoder[weights]:,} | {encoder[multiply_adds_per_piece]:,} |
| GPT-2 | {decoder[layers]} | {decoder[width]} | {decoder[weights]:,} | {decoder[multiply_adds_per_piece]:,} |

These two differ in depth as well as in kind; the lesson `answers` sets a BERT and a GPT-2 of one size side by side.

Speeds are those of a machine and stand in no output: `python -m stages.compare_bert_gpt` prints them.
"""


def compare_bert_gpt() -> None:
    """Make metrics/compare_bert_gpt.json and the page data/bert_gpt/page.md; print speeds, which are not stored."""
    sentences = blocks.load("compare", comparison.Options).sentences
    encoder = (loading.load_model(MASKED_LM.auto_class, ENCODER, pooler="optional"), loading.load_tokenizer(ENCODER))
    decoder = (loading.load_model(language_model.TASK.auto_class, DECODER), loading.load_tokenizer(DECODER))
    intents = language_model.intents(decoder[1])
    filled = [
        {
            "sentence": sentence,
            "intent": (name := comparison.likeliest_intent(*decoder, comparison.before(sentence), intents)),
            "bert": comparison.fill_in(*encoder, sentence, TOP),
            "gpt2": comparison.go_on(*decoder, sentence, name, TOP),
        }
        for sentence in sentences
    ]
    (limits,) = files.read_json(LIMITS)
    cases = [_answer(case, *decoder) for case in limits["cases"]]
    report = {
        "source": blocks.load("data", Data).name,
        "sentences": filled,
        "answers": {
            "questions": len(cases),
            "extractive": sum(squad.exact_match(case["extracted"], case["right"]) for case in cases),
            "generated": sum(squad.exact_match(case["generated"], case["right"]) for case in cases),
            "cases": cases,
        },
        "encoder": _facts(*encoder, [_plain(sentence) for sentence in sentences]),
        "decoder": _facts(
            *decoder, [f"{language_model.control(row['intent'])} {_plain(row['sentence'])}" for row in filled]
        ),
        "written": comparison.writing_cost(*decoder, ANSWER),
    }
    files.write_details(REPORT, report)
    with files.whole(PAGE) as folder:
        folder.mkdir()
        files.write_text(folder / "page.md", _page(report))
    _print_speeds(encoder, decoder, sentences)


def _plain(sentence: str) -> str:
    return " ".join(sentence.replace(comparison.MASK, " ").split())


def _facts(model: Any, tokenizer: Any, texts: list[str]) -> dict[str, float]:
    inputs = [comparison.inputs_of(model, tokenizer, text) for text in texts]
    model.set_attn_implementation("eager")  # others keep their attentions, and their multiply-adds, to themselves
    cost = sum(comparison.multiply_adds(model, one) for one in inputs)
    ahead = [comparison.attention_ahead(model, one) for one in inputs]
    return {
        "layers": model.config.num_hidden_layers,
        "width": model.config.hidden_size,
        "weights": model.num_parameters(),
        "multiply_adds_per_piece": round(cost / sum(one["input_ids"].numel() for one in inputs)),
        "largest_ahead": max(one["largest"] for one in ahead),
        "share_ahead": sum(one["share"] for one in ahead) / len(ahead),
    }


def _answer(case: dict[str, str], model: Any, tokenizer: Any) -> dict[str, str]:
    intent = comparison.likeliest_intent(model, tokenizer, case["text"], language_model.intents(tokenizer))
    asked = " ".join(f"{case['text']} {case['question']}".split())
    names = ("text", "question", "right")
    return {name: case[name] for name in names} | {
        "extracted": case["answer"],
        "generated": comparison.answer(model, tokenizer, intent, asked, ANSWER),
    }


def _page(report: dict[str, Any]) -> str:
    def shown(pieces: list[dict[str, Any]]) -> str:
        return ", ".join(f"“{plain(one['piece'])}” {one['probability']:.2f}" for one in pieces)

    sentences = [
        f"| {plain(row['sentence'])} | {shown(row['bert'])} | {row['intent']} | {shown(row['gpt2'])} |"
        for row in report["sentences"]
    ]
    questions = [
        f"| {plain(case['text'])} — {plain(case['question'])} | {plain(case['right'])} "
        f"| {plain(case['extracted']) or '(refused)'} | {plain(case['generated'])} |"
        for case in report["answers"]["cases"]
    ]
    return _PAGE.format(
        encoder_name=blocks.load("encoder.name", str),
        decoder_name=blocks.load("decoder.name", str),
        data=described(report["source"]),
        count=len(sentences),
        sentences="\n".join(sentences),
        questions="\n".join(questions),
        answer=ANSWER,
        steps=ANSWER,
        **{name: report[name] for name in ("encoder", "decoder", "answers")},
        ahead={
            name: " | ".join(f"{value:.3g}" for value in (report[name]["largest_ahead"], report[name]["share_ahead"]))
            for name in ("encoder", "decoder")
        },
        written={name: value / 1e6 for name, value in report["written"].items()},
    )


def _print_speeds(encoder: tuple[Any, Any], decoder: tuple[Any, Any], sentences: list[str]) -> None:
    """Speeds of this machine, now: to be seen, and in no output."""
    start = time.perf_counter()
    for sentence in sentences:
        comparison.fill_in(*encoder, sentence, TOP)
    filled = time.perf_counter()
    rows = sampling.generate(*decoder, language_model.intents(decoder[1])[0], "top_p", 0.9, sampling.BATCH, 0, ANSWER)
    written = time.perf_counter()
    print(f"BERT fills in {len(sentences) / (filled - start):.0f} sentences a second, one by one; ", end="")
    print(f"GPT-2 writes {len(rows) * ANSWER / (written - filled):.0f} pieces a second, {len(rows)} texts at once.")


if __name__ == "__main__":
    command(compare_bert_gpt, computes=True)
