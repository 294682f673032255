"""A CTranslate2 Whisper model written from scratch: it computes in full and says what it was told to.

Such a model proves code and cost, **not accuracy**: its weights are random, so it
recognises nothing. What makes it useful: every layer has a published model's
shape and costs what a real one costs, while its text can be asserted.

How it says a sentence. All matrices are random, but what the attention and
feed-forward blocks add to the residual stream is scaled down to nothing (not to
zero: equal matrices would be stored once and stay in the processor's cache).
What is left of the decoder is a table: the embedding of the newest token is
one-hot, the output projection names the token that follows it. A prompt of any
length therefore ends in the same sentence.

How it tells sentences apart (``Sentence.hz``). The convolutions compare bands of
the spectrogram, one attention head carries the loudest band to the decoder, and
the first token is chosen by it. So an utterance that is a tone of 1,000 Hz comes
back as the sentence of 1,000 Hz, and texts swapped between two calls of a batch
would show. ``Listening`` does the same for speech that is known beforehand
(``engines.known_speech``).

Published shapes: OpenAI's Whisper, table 1 of https://arxiv.org/abs/2212.04356.
large-v3-turbo: its model card and ``config.json``
(https://huggingface.co/openai/whisper-large-v3-turbo): large-v3 (128 mel bands,
Cantonese as the hundredth language, vocabulary of 51,866) with 4 of its 32
decoder layers left; 809 million parameters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs.whisper_spec import WhisperSpec
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import _LANGUAGE_CODES
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

_RATE_HZ, _FRAMES, _POSITIONS = 16000, 1500, 448
#: Text tokens of the published multilingual vocabulary; the last is the empty one, which marks it as such.
_PUBLISHED_TEXT_TOKENS = 50257
_TIMESTAMPS = 1501
#: A file beside the weights that says what they are, to people and to what measures with them.
MADE_UP = "made-up-weights.txt"
#: What the blocks' outputs are scaled by: nothing that an argmax could notice.
_NOTHING = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """Width of the model, layers of its encoder and of its decoder, heads of each layer, bands it is given.

    A vocabulary of the published size costs a third of the decoding of ``tiny``; tests of logic need none.
    """

    width: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    mels: int = 80
    published_vocabulary: bool = True

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes in the published order; Cantonese, the last, came with large-v3 and its 128 bands."""
        return tuple(code for code in _LANGUAGE_CODES if code != "yue" or self.mels == 128)


SHAPES = {
    "micro": Shape(128, 1, 1, 2, published_vocabulary=False),  # for tests: loads in 10 ms
    "micro-turbo": Shape(256, 2, 1, 4, mels=128, published_vocabulary=False),
    "tiny": Shape(384, 4, 4, 6),
    "base": Shape(512, 6, 6, 8),
    "small": Shape(768, 12, 12, 12),
    "large-v3-turbo": Shape(1280, 32, 4, 20, mels=128),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the model says.

    Attributes:
        text: at least one word.
        hz: says it when the audio is a tone of this frequency; 0: says it whatever the audio is
            (one sentence only), or when ``Listening`` finds it.
        probability: of each of its tokens, over 0.5. Set by the size of logits, so only about.
        no_speech: the model's probability that nobody spoke, about.
        language: what detection answers for this tone.
        endless: the last word is followed by the first.
    """

    text: str
    hz: int = 0
    probability: float = 0.99
    no_speech: float = 0.01
    language: str = "en"
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Listening:
    """How sentences that were spoken are told apart, for ``n`` of them, in the order of ``sentences``.

    Attributes:
        features, thresholds: (width, mels, 3) and (width,): what the first convolution finds in a frame.
        marks: (n + 1, width), what each feature counts for and against each sentence, and for speech.
        offset: (n + 1,), added to that; large enough that the activation leaves every frame as it is.
        attention: logit for each unit of the normalised mark for speech.
        readout, bias: (n, n) and (n,): the attended mean to about 1 for the sentence, 0 for others.
    """

    features: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    marks: NDArray[np.float32]
    offset: NDArray[np.float32]
    attention: float
    readout: NDArray[np.float32]
    bias: NDArray[np.float32]


def build(
    folder: Path,
    sentences: Sequence[Sentence],
    *,
    shape: str = "micro",
    multilingual: bool = True,
    quantization: str | None = "int8",
    listening: Listening | None = None,
    seed: int = 1,
) -> Path:
    """Write the model into ``folder`` as a converter would, and return it.

    large-v3-turbo takes 1.6 GB on disk in float16, 0.8 GB in int8, and up to 5 GB of memory while it is made.

    Args:
        quantization: of the stored weights, as CTranslate2 names it; None: float32.
        listening: which of several spoken sentences it was, instead of tones.

    Raises:
        ValueError: sentences that cannot be told apart.
    """
    size = SHAPES[shape]
    vocabulary = _Vocabulary(sentences, size, multilingual=multilingual)
    spec = _spec(size, sentences, vocabulary, listening, np.random.default_rng(seed))
    spec.register_vocabulary(vocabulary.tokens)
    spec.config.lang_ids = [vocabulary.id(f"<|{code}|>") for code in size.languages]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [vocabulary.id("Ġ"), vocabulary.id("<|endoftext|>")]
    spec.config.alignment_heads = [[size.decoder_layers - 1, 0]]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    vocabulary.save_tokenizer(folder / "tokenizer.json")
    features = {"feature_size": size.mels, "sampling_rate": _RATE_HZ, "hop_length": 160, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps({**features, "n_fft": 400}))
    (folder / MADE_UP).write_text("Random weights, written from scratch: code and cost, no accuracy.\n")
    return folder


class _Vocabulary:
    """Tokens in the published order: text, then the special ones, then timestamps."""

    def __init__(self, sentences: Sequence[Sentence], size: Shape, *, multilingual: bool) -> None:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        taken = set(alphabet)
        self._spelled = {sentence: _spell(sentence.text, taken) for sentence in sentences}
        text = [*alphabet, *(piece for pieces in self._spelled.values() for piece in pieces)]
        if size.published_vocabulary:
            text += [f"Ġfiller{i}" for i in range(_PUBLISHED_TEXT_TOKENS - 1 - len(text))]
        if multilingual:
            text.append("")
        special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in size.languages)]
        special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
        special += ["<|nospeech|>", "<|notimestamps|>"]
        special += [f"<|{i * 0.02:.2f}|>" for i in range(_TIMESTAMPS)]
        self.tokens = text + special
        self._text, self._special = text, special
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def id(self, token: str) -> int:
        return self._ids[token]

    def words(self, sentence: Sentence) -> list[int]:
        return [self._ids[piece] for piece in self._spelled[sentence]]

    def save_tokenizer(self, path: Path) -> None:
        """Byte-level BPE without merges: any text becomes bytes, any token becomes its text."""
        tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(self._text)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in self._special])
        tokenizer.save(str(path))


def _spell(text: str, taken: set[str]) -> list[str]:
    """The text as tokens that nothing else is spelled with, for each stands for its place in a sentence.

    A word is one token; one that is taken is two, and where every cut is taken, it goes with the word after
    it (or, the last one, with the one before). Adds them to ``taken``.

    Raises:
        ValueError: no words, or a text that cannot be spelled so, such as the same one again.
    """
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces: list[str] = []
    left = ""
    for word in text.split():
        token = left + str(level.pre_tokenize_str(f" {word}")[0][0])
        cuts = [[token], *([token[:i], token[i:]] for i in range(len(token) - 2, 2, -1))]
        free = next((cut for cut in cuts if taken.isdisjoint(cut) and len(set(cut)) == len(cut)), None)
        left = "" if free else token
        pieces += free or []
        taken.update(free or [])
    if left and pieces:
        pieces[-1] += left
    if not pieces or (left and pieces[-1] in taken):
        raise ValueError(f"cannot be spelled apart from the other sentences: {text!r}")
    taken.add(pieces[-1])
    return pieces


def _spec(
    size: Shape,
    sentences: Sequence[Sentence],
    vocabulary: _Vocabulary,
    listening: Listening | None,
    random: np.random.Generator,
) -> WhisperSpec:
    spec = WhisperSpec(size.encoder_layers, size.heads, size.decoder_layers, size.heads)
    tones = [sentence.hz for sentence in sentences if sentence.hz]
    if listening is not None and (tones or listening.marks.shape != (len(sentences) + 1, size.width)):
        raise ValueError("listening is for sentences without tones, each with its marks")
    if listening is None and len(tones) != len(sentences) and (tones or len(sentences) != 1):
        raise ValueError("give each sentence its tone, or only one sentence without")
    marks = 0 if listening is None and not tones else len(sentences)
    if marks > size.width // size.heads:
        raise ValueError("more sentences than a head has places")
    for layer in (*spec.encoder.layer, *spec.decoder.layer):
        _fill_block(layer, size.width, random)
    _fill_convolutions(spec.encoder, size, random)
    first = spec.decoder.layer[0].attention
    if tones:
        _listen_for_tones(spec.encoder, size, tones)
        _attend_to_tones(first, size, marks)
    elif listening is not None:
        _listen_for_speech(spec.encoder, first, size, listening)
    _fill_norm(spec.encoder.layer_norm, size.width)
    spec.encoder.position_encodings.encodings = _noise(random, _FRAMES, size.width) * np.float32(_NOTHING)
    _fill_norm(spec.decoder.layer_norm, size.width)
    spec.decoder.position_encodings.encodings = _noise(random, _POSITIONS, size.width) * np.float32(_NOTHING)
    _fill_table(spec.decoder, size, sentences, vocabulary, marks, random)
    return spec


def _noise(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    return random.standard_normal((rows, columns), dtype=np.float32) / np.float32(math.sqrt(columns))


def _fill_norm(norm: Any, width: int) -> None:
    norm.gamma, norm.beta = np.ones(width, np.float32), np.zeros(width, np.float32)


def _fill_linear(
    linear: Any, rows: int, columns: int, random: np.random.Generator, scale: float = 1.0
) -> None:
    linear.weight = _noise(random, rows, columns) * np.float32(scale)
    linear.bias = random.standard_normal(rows, dtype=np.float32) * np.float32(0.01 * scale)


def _fill_block(layer: Any, width: int, random: np.random.Generator) -> None:
    """One transformer block at full cost whose additions to the residual stream are nothing."""
    attentions = [layer.self_attention] + ([layer.attention] if hasattr(layer, "attention") else [])
    for attention in attentions:
        _fill_norm(attention.layer_norm, width)
        *inner, out = attention.linear
        for linear, rows in zip(inner, [3 * width] if len(inner) == 1 else [width, 2 * width], strict=True):
            _fill_linear(linear, rows, width, random)
        _fill_linear(out, width, width, random, _NOTHING)
    _fill_norm(layer.ffn.layer_norm, width)
    _fill_linear(layer.ffn.linear_0, 4 * width, width, random)
    _fill_linear(layer.ffn.linear_1, width, 4 * width, random, _NOTHING)


def _fill_convolutions(encoder: Any, size: Shape, random: np.random.Generator) -> None:
    """Channels of nothing, at full cost."""
    shapes = ((size.width, size.mels, 3), (size.width, size.width, 3))
    for convolution, shape in zip((encoder.conv1, encoder.conv2), shapes, strict=True):
        convolution.weight = random.standard_normal(shape, dtype=np.float32) * np.float32(_NOTHING)
        convolution.bias = np.zeros(size.width, np.float32)


def _listen_for_tones(encoder: Any, size: Shape, tones: Sequence[int]) -> None:
    """Channel k: how much louder the band of tone k is than the whole."""
    filters = FeatureExtractor.get_mel_filters(_RATE_HZ, 400, size.mels)
    for k, hz in enumerate(tones):
        mel = int(np.argmax(filters[:, round(hz * 400 / _RATE_HZ)]))
        encoder.conv1.weight[k, :, 1] = -1 / size.mels
        encoder.conv1.weight[k, max(0, mel - 1) : mel + 2, 1] += 1 / 3
        encoder.conv2.weight[k, k, 1] = 1.0


def _clear_first_head(attention: Any, size: Shape) -> slice:
    """The first head of a cross-attention, emptied: it attends to all frames alike. Rows of its values."""
    query, key_value, _ = attention.linear
    head = size.width // size.heads
    values = slice(size.width, size.width + head)
    for linear, rows in ((query, slice(0, head)), (key_value, slice(0, head)), (key_value, values)):
        linear.weight[rows] = 0.0
        linear.bias[rows] = 0.0
    return values


def _attend_to_tones(attention: Any, size: Shape, marks: int) -> None:
    """The first head attends to frames with a tone, and writes its mark to the last places of the stream."""
    values = _clear_first_head(attention, size)
    query, key_value, out = attention.linear
    query.bias[0] = 12.0
    key_value.weight[0, :marks] = 1.0
    loud = math.sqrt(size.width)  # what layer normalisation makes of a vector with one large place
    for k in range(marks):
        key_value.weight[values.start + k, k] = 1.0
        out.weight[size.width - marks + k, k] = 1.0 / loud


def _listen_for_speech(encoder: Any, attention: Any, size: Shape, listening: Listening) -> None:
    """Channel k: what speaks for sentence k; the first head averages it over the frames with speech."""
    marks = len(listening.readout)
    encoder.conv1.weight, encoder.conv1.bias = listening.features, listening.thresholds
    encoder.conv2.weight[: marks + 1, :, 1] = listening.marks
    encoder.conv2.bias[: marks + 1] = listening.offset
    values = _clear_first_head(attention, size)
    query, key_value, out = attention.linear
    query.bias[0] = math.sqrt(size.width // size.heads)  # which the model divides by
    key_value.weight[0, marks] = listening.attention
    for k in range(marks):
        key_value.weight[values.start + k, k] = 1.0
    out.weight[size.width - marks :, :marks] = listening.readout
    out.bias[size.width - marks :] = listening.bias


def _fill_table(
    decoder: Any,
    size: Shape,
    sentences: Sequence[Sentence],
    vocabulary: _Vocabulary,
    bands: int,
    random: np.random.Generator,
) -> None:
    """Embeddings name the state, the projection names the token that follows it."""
    count, width = len(vocabulary.tokens), size.width
    embedding = _noise(random, count, width) * np.float32(_NOTHING)
    table = _noise(random, count, width) * np.float32(_NOTHING)
    states = {vocabulary.id("<|startoftranscript|>"): 0, vocabulary.id("<|notimestamps|>"): 1}
    for sentence in sentences:
        for token in vocabulary.words(sentence):
            states[token] = len(states)
    if len(states) > width - bands:
        raise ValueError(f"{len(states)} tokens are too many for a width of {width}")
    for token, state in states.items():
        embedding[token, state] = 1.0
    # After layer normalisation one hot place holds √width, two (a state and a band) √(width/2) each.
    hot = math.sqrt(width / 2 if bands else width)
    end = vocabulary.id("<|endoftext|>")
    first = _logit(0.99, count) / hot
    for k, sentence in enumerate(sentences):
        words = vocabulary.words(sentence)
        band = width - bands + k
        if bands:  # half from "now", half from the band; another band, or a word before, takes a half back
            table[words[0], width - bands :] = -first / 2
            table[words[0], 2 : len(states)] = -first  # never again, however strong its mark
            table[words[0], 1] = table[words[0], band] = first / 2
        else:
            table[words[0], 1] = first
        step = _logit(sentence.probability, count) / hot
        for token, following in zip(words, [*words[1:], words[0] if sentence.endless else end], strict=True):
            table[following, states[token]] += step
        nobody, language = vocabulary.id("<|nospeech|>"), vocabulary.id(f"<|{sentence.language}|>")
        table[nobody, band if bands else 0] = _logit(sentence.no_speech, count) / hot
        spoken = _logit(0.9, len(size.languages)) / hot
        table[language, 0] = spoken / 2 if bands else spoken
        if bands:
            table[language, band] = spoken / 2
    decoder.embeddings.weight, decoder.projection.weight = embedding, table
    decoder.projection.bias = np.zeros(count, np.float32)


def _logit(probability: float, others: int) -> float:
    """The logit that gives this probability among ``others`` tokens whose logit is 0."""
    return math.log(probability / (1 - probability) * others)
