"""Whisper weights that say the scenario's sentences: through our own engine, as it runs in the server."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path

import numpy as np
import pytest

from loadtests.engines.known_speech import _linear, write_whisper
from loadtests.whisper_model import SHAPES, Sentence, _Vocabulary
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.speech import Spoken
from voice_runtime.engine_settings import WhisperEngine
from voice_runtime.listen.whisper import WhisperRecogniser
from voice_runtime.ports import Hints

pytestmark = pytest.mark.anyio

#: Their recordings are in the package.
SENTENCES = ("can i see doctor patel on tuesday", "let me talk to a person", "is this rash serious", "yes")


async def spoken() -> list[Spoken]:
    return [await RecordedFlite("rms").say(text) for text in SENTENCES]


async def recognised(folder: Path, utterances: list[bytes]) -> list[str]:
    engine = WhisperEngine(engine="faster-whisper", folder=folder, threads=1, deadline_s=30)
    recogniser = WhisperRecogniser(engine)
    await recogniser.start()
    try:
        await recogniser.load("release", Hints("en-US"))
        texts = []
        for pcm in utterances:
            utterance = recogniser.open("release")
            utterance.feed(pcm)
            found = await utterance.finish()
            assert found.confidence > 0.5
            texts.append(found.text)
        return texts
    finally:
        await recogniser.close()


@pytest.mark.parametrize("shape", ["micro", "micro-turbo"])
async def test_each_sentence_comes_back_as_it_was_said(tmp_path: Path, shape: str) -> None:
    said = await spoken()
    folder = await to_thread(write_whisper, tmp_path, SENTENCES, shape, spoken=said)
    random = np.random.default_rng(7)
    utterances, expected = [], []
    for one in said:
        for before, after, noise in (
            (800, 1600, 0),
            (0, 4000, 0),
            (2400, 2000, 60),
        ):  # samples, samples, level
            pcm = np.pad(_linear(one.ulaw) * 32767, (before, after))
            pcm = pcm + random.normal(0, noise, len(pcm))
            utterances.append(np.clip(pcm, -32768, 32767).astype("<i2").tobytes())
            expected.append(one.text)
    assert await recognised(folder, utterances) == expected


async def test_without_recordings_it_says_one_sentence_to_everything(tmp_path: Path) -> None:
    folder = await to_thread(write_whisper, tmp_path, SENTENCES, "micro")
    noise = np.random.default_rng(1).normal(0, 3000, 12_000).astype("<i2").tobytes()
    assert await recognised(folder, [noise, noise[::-1]]) == [SENTENCES[0]] * 2


async def test_a_sentence_nobody_says_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nobody says: is this rash serious, yes"):
        await to_thread(write_whisper, tmp_path, SENTENCES, "micro", spoken=(await spoken())[:2])


def test_sentences_that_share_words_are_spelled_apart() -> None:
    texts = ("what about wednesday", "what about friday", "what about it", "is it", "it is i")
    sentences = [Sentence(text) for text in texts]
    vocabulary = _Vocabulary(sentences, SHAPES["micro"], multilingual=True)
    spelled = [vocabulary.words(sentence) for sentence in sentences]
    assert ["".join(vocabulary.tokens[n] for n in ids).replace("Ġ", " ").strip() for ids in spelled] == list(
        texts
    )
    assert len({n for ids in spelled for n in ids}) == sum(map(len, spelled))


def test_the_same_sentence_twice_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="spelled apart"):
        _Vocabulary([Sentence("yes", 400), Sentence("yes", 700)], SHAPES["micro"], multilingual=True)


def test_vocabularies_have_the_published_sizes() -> None:
    # https://huggingface.co/openai/whisper-large-v3-turbo and -base: vocab_size in config.json
    sizes = {"base": 51_865, "large-v3-turbo": 51_866}
    for shape, size in sizes.items():
        vocabulary = _Vocabulary([Sentence("yes")], SHAPES[shape], multilingual=True)
        assert len(vocabulary.tokens) == size
        assert ("<|yue|>" in vocabulary.tokens) == (shape == "large-v3-turbo")
