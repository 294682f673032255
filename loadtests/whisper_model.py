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
would show.

Published shapes: OpenAI's Whisper, table 1 of https://arxiv.org/abs/2212.04356.
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

_MELS, _RATE_HZ, _FRAMES, _POSITIONS = 80, 16000, 1500, 448
#: Text tokens of the published multilingual vocabulary; the last is the empty one, which marks it as such.
_PUBLISHED_TEXT_TOKENS = 50257
_TIMESTAMPS = 1501
#: Languages of the published models with 80 mel bands: all but Cantonese, which came with large-v3.
_LANGUAGES = tuple(code for code in _LANGUAGE_CODES if code != "yue")
#: What the blocks' outputs are scaled by: nothing that an argmax could notice.
_NOTHING = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """Width of the model, layers of its encoder and of its decoder, heads of each layer."""

    width: int
    layers: int
    heads: int
    #: A vocabulary of the published size costs a third of the decoding; tests of logic need none.
    published_vocabulary: bool = True


SHAPES = {
    "micro": Shape(128, 1, 2, published_vocabulary=False),  # for tests: loads in 10 ms
    "tiny": Shape(384, 4, 6),
    "base": Shape(512, 6, 8),
    "small": Shape(768, 12, 12),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the model says.

    Attributes:
        text: words that differ from one another, and from every other sentence's.
        hz: says it when the audio is a tone of this frequency; 0: says it whatever the audio is
            (one sentence only).
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


def build(
    folder: Path,
    sentences: Sequence[Sentence],
    *,
    shape: str = "micro",
    multilingual: bool = True,
    quantization: str | None = "int8",
    seed: int = 1,
) -> Path:
    """Write the model into ``folder`` as a converter would, and return it.

    Args:
        quantization: of the stored weights, as CTranslate2 names it; None: float32.

    Raises:
        ValueError: sentences that cannot be told apart, or with a word twice.
    """
    size = SHAPES[shape]
    vocabulary = _Vocabulary(sentences, multilingual=multilingual, published=size.published_vocabulary)
    spec = _spec(size, sentences, vocabulary, np.random.default_rng(seed))
    spec.register_vocabulary(vocabulary.tokens)
    spec.config.lang_ids = [vocabulary.id(f"<|{code}|>") for code in _LANGUAGES]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [vocabulary.id("Ġ"), vocabulary.id("<|endoftext|>")]
    spec.config.alignment_heads = [[size.layers - 1, 0]]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    vocabulary.save_tokenizer(folder / "tokenizer.json")
    features = {"feature_size": _MELS, "sampling_rate": _RATE_HZ, "hop_length": 160, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps({**features, "n_fft": 400}))
    return folder


class _Vocabulary:
    """Tokens in the published order: text, then the special ones, then timestamps."""

    def __init__(self, sentences: Sequence[Sentence], *, multilingual: bool, published: bool) -> None:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        words = [_as_token(word) for sentence in sentences for word in sentence.text.split()]
        if len(set(words)) != len(words):
            raise ValueError("a word may occur once in all sentences together")
        text = [*alphabet, *words]
        if published:
            text += [f"Ġfiller{i}" for i in range(_PUBLISHED_TEXT_TOKENS - 1 - len(text))]
        if multilingual:
            text.append("")
        special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in _LANGUAGES)]
        special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
        special += ["<|nospeech|>", "<|notimestamps|>"]
        special += [f"<|{i * 0.02:.2f}|>" for i in range(_TIMESTAMPS)]
        self.tokens = text + special
        self._text, self._special = text, special
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def id(self, token: str) -> int:
        return self._ids[token]

    def words(self, sentence: Sentence) -> list[int]:
        return [self._ids[_as_token(word)] for word in sentence.text.split()]

    def save_tokenizer(self, path: Path) -> None:
        """Byte-level BPE without merges: any text becomes bytes, any token becomes its text."""
        tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(self._text)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in self._special])
        tokenizer.save(str(path))


def _as_token(word: str) -> str:
    """A word with the space before it, as byte-level BPE writes it."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return str(level.pre_tokenize_str(f" {word}")[0][0])


def _spec(
    size: Shape, sentences: Sequence[Sentence], vocabulary: _Vocabulary, random: np.random.Generator
) -> WhisperSpec:
    spec = WhisperSpec(size.layers, size.heads, size.layers, size.heads)
    bands = [sentence.hz for sentence in sentences if sentence.hz]
    if len(bands) != len(sentences) and (bands or len(sentences) != 1):
        raise ValueError("give each sentence its tone, or only one sentence without")
    if len(bands) > size.width // size.heads:
        raise ValueError("more tones than a head has places")
    for layer in (*spec.encoder.layer, *spec.decoder.layer):
        _fill_block(layer, size.width, random)
    _fill_convolutions(spec.encoder, size.width, bands, random)
    _fill_norm(spec.encoder.layer_norm, size.width)
    spec.encoder.position_encodings.encodings = _noise(random, _FRAMES, size.width) * np.float32(_NOTHING)
    _fill_norm(spec.decoder.layer_norm, size.width)
    spec.decoder.position_encodings.encodings = _noise(random, _POSITIONS, size.width) * np.float32(_NOTHING)
    if bands:
        _carry_band(spec.decoder.layer[0].attention, size, len(bands))
    _fill_table(spec.decoder, size.width, sentences, vocabulary, len(bands), random)
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


def _fill_convolutions(encoder: Any, width: int, bands: list[int], random: np.random.Generator) -> None:
    """Channel k: how much louder band k is than the whole; the other channels: nothing, at full cost."""
    first = random.standard_normal((width, _MELS, 3), dtype=np.float32) * np.float32(_NOTHING)
    second = random.standard_normal((width, width, 3), dtype=np.float32) * np.float32(_NOTHING)
    filters = FeatureExtractor.get_mel_filters(_RATE_HZ, 400, _MELS)
    for k, hz in enumerate(bands):
        mel = int(np.argmax(filters[:, round(hz * 400 / _RATE_HZ)]))
        first[k, :, 1] = -1 / _MELS
        first[k, max(0, mel - 1) : mel + 2, 1] += 1 / 3
        second[k, k, 1] = 1.0
    encoder.conv1.weight, encoder.conv1.bias = first, np.zeros(width, np.float32)
    encoder.conv2.weight, encoder.conv2.bias = second, np.zeros(width, np.float32)


def _carry_band(attention: Any, size: Shape, bands: int) -> None:
    """The first head attends to frames with a tone, and writes its band to the last places of the stream."""
    query, key_value, out = attention.linear
    head = size.width // size.heads
    query.weight[:head] = 0.0
    query.bias[:head] = 0.0
    query.bias[0] = 12.0
    key_value.weight[:head] = 0.0
    key_value.bias[:head] = 0.0
    key_value.weight[0, :bands] = 1.0
    values = slice(size.width, size.width + head)
    key_value.weight[values] = 0.0
    key_value.bias[values] = 0.0
    loud = math.sqrt(size.width)  # what layer normalisation makes of a vector with one large place
    for k in range(bands):
        key_value.weight[size.width + k, k] = 1.0
        out.weight[size.width - bands + k, k] = 1.0 / loud


def _fill_table(
    decoder: Any,
    width: int,
    sentences: Sequence[Sentence],
    vocabulary: _Vocabulary,
    bands: int,
    random: np.random.Generator,
) -> None:
    """Embeddings name the state, the projection names the token that follows it."""
    count = len(vocabulary.tokens)
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
            table[words[0], 2 : len(states)] = -first / 2
            table[words[0], 1] = table[words[0], band] = first / 2
        else:
            table[words[0], 1] = first
        step = _logit(sentence.probability, count) / hot
        for token, following in zip(words, [*words[1:], words[0] if sentence.endless else end], strict=True):
            table[following, states[token]] += step
        nobody, language = vocabulary.id("<|nospeech|>"), vocabulary.id(f"<|{sentence.language}|>")
        table[nobody, band if bands else 0] = _logit(sentence.no_speech, count) / hot
        spoken = _logit(0.9, len(_LANGUAGES)) / hot
        table[language, 0] = spoken / 2 if bands else spoken
        if bands:
            table[language, band] = spoken / 2
    decoder.embeddings.weight, decoder.projection.weight = embedding, table
    decoder.projection.bias = np.zeros(count, np.float32)


def _logit(probability: float, others: int) -> float:
    """The logit that gives this probability among ``others`` tokens whose logit is 0."""
    return math.log(probability / (1 - probability) * others)
