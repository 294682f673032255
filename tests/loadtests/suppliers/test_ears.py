"""Recognition by likeness: whole sentences, halves of them, noise, and what is nothing known."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from loadtests.suppliers.ears import Likeness
from tests.needs import needs_system
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.speech import Spoken, sound

pytestmark = pytest.mark.anyio

#: At hand without flite.
SENTENCES = (
    "at ten",
    "can i see doctor patel on tuesday",
    "is this rash serious",
    "let me talk to a person",
    "yes",
)
LONG = SENTENCES[1]


async def known() -> list[Spoken]:
    voice = RecordedFlite("rms")
    return [await voice.say(text) for text in SENTENCES]


def samples(spoken: Spoken) -> NDArray[np.float64]:
    return np.frombuffer(audible.to_pcm(spoken.ulaw), "<i2").astype(np.float64)


def pcm(signal: NDArray[np.float64]) -> bytes:
    return np.clip(np.rint(signal), -32768, 32767).astype("<i2").tobytes()


async def test_each_sentence_is_recognised_trimmed_padded_resampled_and_in_noise() -> None:
    spoken = await known()
    ears = Likeness(spoken)
    noise = np.random.default_rng(3)
    for sentence in spoken:
        signal = samples(sentence)
        padded = np.concatenate([np.zeros(8000), signal, np.zeros(4000)])
        level = np.sqrt(np.square(signal).mean()) / 10 ** (15 / 20)
        for changed in (
            signal, padded, signal[400:-400], signal * 0.2, padded + noise.normal(0, level, len(padded)),
        ):  # fmt: skip
            assert ears.text(pcm(changed), 8000) == sentence.text
            for rate in (16_000, 24_000):
                assert ears.text(pcm(soxr.resample(changed, 8000, rate)), rate) == sentence.text


async def test_of_half_a_sentence_the_words_that_fall_into_it_come_back() -> None:
    spoken = await known()
    ears = Likeness(spoken)
    signal = samples(next(s for s in spoken if s.text == LONG))
    silence = np.zeros(4000)
    first = ears.text(pcm(np.concatenate([signal[: len(signal) // 2], silence])), 8000)
    second = ears.text(pcm(np.concatenate([silence, signal[len(signal) // 2 :]])), 8000)
    assert LONG.startswith(first)
    assert LONG.endswith(second)
    assert f"{first} {second}" == LONG


async def test_what_resembles_nothing_is_nothing() -> None:
    ears = Likeness(await known())
    for kind in ("cough", "noise", "tone"):
        for seconds in (0.3, 1.0):
            assert ears.text(audible.to_pcm(sound(kind, seconds).ulaw), 8000) == ""
    assert ears.text(bytes(16_000), 8000) == ""
    assert ears.text(b"", 8000) == ""
    assert ears.text(pcm(samples((await known())[0])[:300]), 8000) == ""
    assert Likeness([]).text(pcm(samples((await known())[0])), 8000) == ""


async def test_words_never_taught_are_not_made_into_known_ones() -> None:
    spoken = await known()
    for left_out in spoken:
        ears = Likeness(s for s in spoken if s is not left_out)
        assert ears.text(pcm(samples(left_out)), 8000) == ""


async def test_voices_and_paces_are_each_known_by_their_own_sound() -> None:
    needs_system("flite")
    voices = [RecordedFlite(name, rate=rate) for name in ("slt", "kal") for rate in (1.0, 1.25)]
    spoken = [await voice.say(text) for voice in voices for text in ("where can i park", "mhmm", "thank you")]
    ears = Likeness(spoken)
    for sentence in spoken:
        assert ears.text(pcm(samples(sentence)), 8000) == sentence.text
