"""Into what tokens do WordPiece and BPE cut a sentence, and what do they lose?"""

import io
import json
from random import Random
from typing import Any, Literal

import numpy as np
import sentencepiece
from pydantic import Field
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import bytes_to_unicode

from pipelines.core.blocks import Seed, Share
from pipelines.core.errors import InputError
from pipelines.lessons.common import page, pictures
from pipelines.lessons.common.materials import LessonOptions, Materials, Measured, ModelName, Sentence, Sentences
from pipelines.models import loading
from pipelines.tasks.masked_lm import task as masked_lm
from pipelines.tasks.next_sentence import pairs

VARY = """
dvc exp run -S lessons.tokenization.vocab_size=1000 lesson@tokenization
dvc exp run \\
  -S '+models.beto={name: dccuchile/bert-base-spanish-wwm-cased, revision: main, sha256: null, tokenizer_only: true}' \\
  -S 'lessons.tokenization.models=[base-encoder,beto]' lesson@tokenization
"""

UNKNOWN = "[UNK]"
LANGUAGES = ("english", "spanish")
HELD_OUT = 300  # sentences of each
RESAMPLES = 1000
PRIVATE = 0xF0000  # first sign of Unicode's private plane 15
PROBES = {
    "case": "Play Madonna",
    "accents": "canción de Málaga",
    "emoji": "play 🎵 now",
    "two blanks": "play  it",
    "punctuation": "what's on, please?",
}


class Options(LessonOptions):
    """Models whose tokenizers are compared, and the sentences that they cut."""

    models: list[ModelName] = Field(min_length=2, max_length=2)
    vocab_size: int = Field(gt=300, le=100_000)
    english: Sentences
    spanish: Sentences
    crossed_vocab_size: int = Field(gt=200, le=100_000)
    masked_sentences: dict[Literal["english", "spanish"], Sentence]
    mask_rate: Share
    seed: Seed


def measure(options: Options, materials: Materials) -> Measured:
    """Pieces a word, unknown tokens and round trips of each tokenizer; two ways to mask one sentence."""
    learned_on = [row["text"] for row in materials.rows("train")]
    cutters = {name: _of_model(name, materials) for name in options.models}
    cutters |= learn(learned_on, options.vocab_size)
    said = {language: conversations(language, options.seed) for language in LANGUAGES}
    texts = {"test": [row["text"] for row in materials.rows("test")]}
    texts |= {language: of[:HELD_OUT] for language, of in said.items()}
    rows = [
        {"tokenizer": name, "vocabulary": cutter.get_vocab_size()}
        | lost(cutter)
        | {f"{of}_{key}": value for of, those in texts.items() for key, value in counts(cutter, those).items()}
        for name, cutter in cutters.items()
    ]
    pieces = [
        {"tokenizer": name, "language": language, "sentence": sentence, "pieces": cut(cutter, sentence)}
        for language in LANGUAGES
        for sentence in getattr(options, language)
        for name, cutter in cutters.items()
    ]
    kept = [
        {"tokenizer": name, "probe": probe, "text": text, "comes_back": back, "kept": back == text}
        for name, cutter in cutters.items()
        for probe, text in PROBES.items()
        for back in [round_trip(cutter, text)]
    ]
    of_spanish, two = crossed(options.crossed_vocab_size, said, options.seed)
    facts = {
        "models": options.models,
        "tokenizers": rows,
        "pieces": pieces,
        "probes": kept,
        "learned_on_texts": len(learned_on),
        "vocab_size": options.vocab_size,
        "crossed": two,
        "masked": _masked(options, {"english": cutters[options.models[0]], "spanish": of_spanish}),
    }
    return Measured(facts, {"tokenizers": rows, "pieces": pieces, "probes": kept})


def _of_model(name: str, materials: Materials) -> Tokenizer:
    return loading.load_tokenizer(materials.find("models", name)).backend_tokenizer


def learn(texts: list[str], size: int) -> dict[str, Tokenizer]:
    """Tokenizers with `size` tokens each, learned on the same texts.

    - WordPiece as BERT's, uncased and cased (Schuster & Nakajima 2012; tokens merged by count, as the tokenizers
      library does)
    - byte-level BPE as GPT-2's (Radford et al. 2019)
    - BPE by SentencePiece (Kudo & Richardson 2018), cased, its tokens then used by WordPiece's rule of the longest
      match: this is how the vocabulary of BETO (Cañete et al. 2020) was made
    """
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    byte_level.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    )

    uncased, cased = normalizers.BertNormalizer(), _cased()
    return {
        "WordPiece, learned": _longest_match(_merged(_words(texts, uncased), size - 1), uncased),
        "WordPiece, learned, cased": _longest_match(_merged(_words(texts, cased), size - 1), cased),
        "byte-level BPE, learned": byte_level,
        "as BETO's, learned": _as_beto(texts, size),
    }


def _cased() -> Any:
    return normalizers.BertNormalizer(lowercase=False, strip_accents=False)


def _as_beto(texts: list[str], size: int) -> Tokenizer:
    made = io.BytesIO()
    words_of = _words(texts, _cased())
    if (signs := len({sign for words in words_of for word in words for sign in word})) > size / 3:
        raise InputError(
            f"lessons.tokenization: the texts have {signs:,} different characters, so a vocabulary of {size:,} has no "
            f"room for more; raise vocab_size or crossed_vocab_size above {3 * signs:,}"
        )
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words) for words in words_of]),
        model_writer=made,
        model_type="bpe",
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    found = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    pieces = [found.id_to_piece(number) for number in range(1, found.get_piece_size())]
    letters = sorted({sign for words in words_of for word in words for sign in word})
    # each letter can begin a word or go on; "▁play" begins one, "ing" goes on
    known = [form for letter in letters for form in (letter, f"##{letter}")]
    known += [piece[1:] if piece.startswith("▁") else f"##{piece}" for piece in pieces]
    return _longest_match(list(dict.fromkeys(filter(None, known)))[: size - 1], _cased())


def _words(texts: list[str], normalizer: Any) -> list[list[str]]:
    """The words and signs of each text, as BERT's tokenizers see them before they cut words."""
    cutter = pre_tokenizers.BertPreTokenizer()
    return [[word for word, _ in cutter.pre_tokenize_str(normalizer.normalize_str(text))] for text in texts]


def _merged(texts: list[list[str]], size: int) -> list[str]:
    """`size` tokens of WordPiece, merged by count; `##` before those that go on a word.

    WordPieceTrainer numbers `##` letters in an order that changes from process to process, and numbers break ties. So
    a letter inside a word becomes a sign of its own, in a fixed order, and plain BPE does the rest.
    """
    signs = sorted({sign for words in texts for word in words for sign in word})
    inside = {sign: chr(PRIVATE + n) for n, sign in enumerate(signs)}
    outside = {private: sign for sign, private in inside.items()}
    marked = [" ".join(word[0] + "".join(inside[sign] for sign in word[1:]) for word in of) for of in texts]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bpe.train_from_iterator(marked, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    by_number = sorted(bpe.get_vocab().items(), key=lambda item: item[1])
    return ["##" * (piece[0] in outside) + "".join(outside.get(sign, sign) for sign in piece) for piece, _ in by_number]


def _longest_match(pieces: list[str], normalizer: Any) -> Tokenizer:
    """A tokenizer by WordPiece's rule: of a word the longest token that is known, then of the rest."""
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([UNKNOWN, *pieces]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def cut(tokenizer: Tokenizer, text: str) -> list[str]:
    """The tokens of `text`; those of byte-level BPE as text, `▁` for a blank, or as bytes where they cut a letter."""
    pieces = tokenizer.encode(text, add_special_tokens=False).tokens
    if not isinstance(tokenizer.decoder, decoders.ByteLevel):
        return pieces
    byte_of = {sign: byte for byte, sign in bytes_to_unicode().items()}
    shown = []
    for piece in pieces:
        raw = bytes(byte_of[sign] for sign in piece)
        try:
            shown.append(raw.decode().replace(" ", "▁"))
        except UnicodeDecodeError:
            shown.append(f"<{raw.hex(' ')}>")
    return shown


def round_trip(tokenizer: Tokenizer, text: str) -> str:
    """What comes back when the tokens of `text` are decoded."""
    return tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)


def lost(tokenizer: Tokenizer) -> dict[str, bool]:
    """Whether letters that differ by case alone, or by an accent, are the same tokens."""
    plain = cut(tokenizer, "e")
    return {"loses_case": cut(tokenizer, "E") == plain, "loses_accents": cut(tokenizer, "é") == plain}


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The number of the token that stands for what is not known; None where there is no such token."""
    if isinstance(tokenizer.model, models.Unigram):
        return json.loads(tokenizer.to_str())["model"]["unk_id"]
    return tokenizer.token_to_id(tokenizer.model.unk_token or "")


def counts(tokenizer: Tokenizer, texts: list[str]) -> dict[str, Any]:
    """`fertility`: tokens a word, between blanks (Rust et al. 2021); `unknown`: share of unknown tokens; `round_trips`:
    share of the texts that come back as they were, and `ignoring_case` those that do but for case."""
    cuts = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    total, unknown = sum(map(len, cuts)), unknown_id(tokenizer)
    back = [round_trip(tokenizer, text) for text in texts]
    pairs = list(zip(texts, back, strict=True))
    return {
        "fertility": total / sum(len(text.split()) for text in texts),
        "unknown": sum(ids.count(unknown) for ids in cuts) / total,
        "round_trips": sum(text == other for text, other in pairs) / len(texts),
        "ignoring_case": sum(text.lower() == other.lower() for text, other in pairs) / len(texts),
    }


def conversations(language: str, seed: int) -> list[str]:
    """The sentences of chatterbot-corpus in a language, each once, in an order drawn by seed; code is left out."""
    said = sorted({" ".join(text.split()) for one in pairs.conversations(language) for text in one} - {""})
    said = [text for text in said if not set(text) & set("`=(){}<>")]
    Random(f"{seed}/{language}").shuffle(said)
    return said


def crossed(size: int, texts: dict[str, list[str]], seed: int) -> tuple[Tokenizer, dict[str, Any]]:
    """BETO's way learned on English and on Spanish, each measured on both, on sentences that it has not seen.

    `HELD_OUT` of the `texts` of each language are measured, as many of each are learned on. The 95 % interval of tokens
    per word is over sentences drawn anew (Efron 1979).

    Returns:
        The tokenizer that learned Spanish, and the figures.
    """
    learned_on = min(len(said) for said in texts.values()) - HELD_OUT
    cutters = {language: _as_beto(said[HELD_OUT : HELD_OUT + learned_on], size) for language, said in texts.items()}
    rows = []
    for language, cutter in cutters.items():
        for other, those in texts.items():
            low, high = _interval(cutter, those[:HELD_OUT], seed)
            row = {"learned": language, "measured": other, "low": low, "high": high}
            measured = counts(cutter, those[:HELD_OUT])
            rows.append(row | {name: measured[name] for name in ("fertility", "unknown")})
    facts = {"learned_on": learned_on, "held_out": HELD_OUT, "vocab_size": size, "rows": rows}
    return cutters["spanish"], facts


def _interval(tokenizer: Tokenizer, texts: list[str], seed: int) -> tuple[float, float]:
    sizes = np.array([(len(tokenizer.encode(text, add_special_tokens=False)), len(text.split())) for text in texts])
    picks = np.random.default_rng(seed).integers(len(texts), size=(RESAMPLES, len(texts)))
    tokens, words = sizes[picks].sum(axis=1).T
    low, high = np.percentile(tokens / words, [2.5, 97.5])
    return float(low), float(high)


def _masked(options: Options, cutters: dict[str, Tokenizer]) -> dict[str, Any]:
    """A sentence of each language, masked by whole words and by single tokens, at the same rate."""
    rows = []
    for language, sentence in options.masked_sentences.items():
        encoded = cutters[language].encode(sentence, add_special_tokens=False)
        ways = {"whole words": encoded.word_ids, "single pieces": list(range(len(encoded.tokens)))}
        rows.append({"language": language, "masking": "none", "pieces": encoded.tokens})
        for way, units in ways.items():
            chosen = masked_lm.choose(units, options.mask_rate, [1.0, 0.0], Random(options.seed))
            shown = ["[MASK]" if unit in chosen else piece for unit, piece in zip(units, encoded.tokens, strict=True)]
            rows.append({"language": language, "masking": way, "pieces": shown})
    return {"rate": options.mask_rate, "rows": rows}


def _of_lost(row: dict[str, Any]) -> str:
    """What `lost` found, in words."""
    case, accents = row["loses_case"], row["loses_accents"]
    if case == accents:
        return "loses case and accents" if case else "keeps case and accents"
    return "loses case and keeps accents" if case else "keeps case and loses accents"


def named(facts: dict[str, Any]) -> dict[str, str]:
    """The models that the calls of the page name, and those to name in their place."""
    return {"base-encoder": facts["models"][0]}


def show(facts: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> page.Page:
    """The page of the lesson."""
    tokenizers = facts["tokenizers"]
    languages = {"test": "test utterances", "english": "English talk", "spanish": "Spanish talk"}
    chart = pictures.bars(
        {row["tokenizer"]: {title: row[f"{of}_fertility"] for of, title in languages.items()} for row in tokenizers},
        "tokens per word",
    )
    body = [
        page.heading("Tokens per word"),
        page.picture(
            chart,
            "Fertility: 1 means that each word is one token; the fewer, the shorter the input. A word is what stands "
            "between blanks: where a language writes none, a sentence counts as one.",
        ),
        page.table(
            tokenizers,
            {"tokenizer": "tokenizer", "vocabulary": "tokens known"}
            | {f"{of}_fertility": f"tokens per word, {title}" for of, title in languages.items()}
            | {f"{of}_unknown": f"unknown, {title}" for of, title in languages.items()},
        ),
        page.text(
            f"The `learned` rows saw the same {facts['learned_on_texts']:,} training utterances, and had room "
            f"for {facts['vocab_size']:,} tokens, so they compare; the others come with their models. Talk is "
            f"{facts['crossed']['held_out']} sentences of chatterbot-corpus in each language. What a language costs "
            "that a vocabulary has not read is measured under “Why Spanish has a BERT of its own”. A letter that "
            "WordPiece lacks makes a whole word unknown. Bytes are never unknown: that is what byte-level BPE is for."
        ),
        page.text(
            "BETO's vocabulary is often called WordPiece. It is BPE that SentencePiece built, cased, with its pieces "
            "rewritten for WordPiece's rule of the longest match; `as BETO's` is made that way here. With a network, "
            "bring `dccuchile/bert-base-spanish-wwm-cased` to see the real one (below)."
        ),
        *_two_languages(facts["crossed"]),
        *_side_by_side(facts),
    ]
    return page.Page(
        body=body,
        vary=VARY,
        pictures={"fertility": chart},
    )


def _two_languages(crossed: dict[str, Any]) -> list[str]:
    """What it is worth to learn a vocabulary on the language that it is for."""
    rows = [row | {"fertility": page.interval(row["fertility"], row["low"], row["high"], 2)} for row in crossed["rows"]]
    return [
        page.heading("Why Spanish has a BERT of its own"),
        page.text(
            f"BETO's way, cased, learned on {crossed['learned_on']} conversational sentences of either language with "
            f"room for {crossed['vocab_size']:,} tokens, and measured on {crossed['held_out']} others of each. In "
            "brackets the 95 % interval. The language that a vocabulary has not read costs more tokens. An unknown "
            "word counts as one token, which flatters where many are unknown."
        ),
        page.table(
            rows,
            {"learned": "learned on", "measured": "measured on", "fertility": "tokens per word"}
            | {"unknown": "unknown tokens"},
        ),
    ]


def _side_by_side(facts: dict[str, Any]) -> list[str]:
    """The same texts by each tokenizer: into what, what comes back, and what masking hides."""
    told = "; ".join(
        f"{row['tokenizer']} {_of_lost(row)}" for row in facts["tokenizers"] if row["tokenizer"] in facts["models"]
    )
    body = [
        page.heading("The same sentence, token by token"),
        page.table(facts["pieces"], {"sentence": "sentence", "tokenizer": "tokenizer", "pieces": "tokens"}),
        page.heading("What comes back"),
        page.text(
            f"Encoded, then decoded. {told}. An uncased BERT loses case and accents on purpose; GPT-2 as published "
            "keeps both. Byte-level BPE knows a word with the blank before it, so the first word of a text may cost "
            "more tokens."
        ),
        page.table(
            facts["probes"],
            {"probe": "what", "text": "goes in", "tokenizer": "tokenizer", "comes_back": "comes back", "kept": "same"},
        ),
        page.table(
            facts["tokenizers"],
            {"tokenizer": "tokenizer"}
            | {"test_round_trips": "test utterances back as they were", "test_ignoring_case": "the same but for case"},
        ),
    ]
    if facts["masked"]:
        body += [
            page.heading("Whole words or single tokens"),
            page.text(
                f"Masked at a rate of {facts['masked']['rate']}. Where single tokens are masked, the rest of the word "
                "often gives the answer away; whole-word masking hides all tokens of a word at once. The Spanish "
                "sentence is cut by BETO's way, learned on Spanish above, as BETO was masked by whole words."
            ),
            page.table(facts["masked"]["rows"], {"language": "language", "masking": "masking", "pieces": "tokens"}),
        ]
    return body
