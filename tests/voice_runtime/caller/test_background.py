"""Noise under a caller's speech: at the SNR that is stated, and without moving an edge."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_runtime.caller import audible
from voice_runtime.caller import background as backgrounds
from voice_runtime.caller.acting import prepare
from voice_runtime.caller.background import (
    LOOP_SAMPLES,
    NOMINAL_RMS,
    Background,
    NoiseKind,
    background,
    speech_rms,
)
from voice_runtime.caller.script import Noise, Say, Script
from voice_runtime.caller.speech import Spoken
from voice_runtime.events import CHUNK_SAMPLES


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64)


def rms(pcm: bytes) -> float:
    return float(np.sqrt(np.square(samples(pcm)).mean()))


def tone(level: int, count: int = 4000, before: int = 300, behind: int = 500) -> Spoken:
    """Something said, with silence around it: ``before`` is its first sample."""
    wave = [0] * before + [round(level * math.cos(n)) for n in range(count)] + [0] * behind
    ulaw = audible.to_ulaw(struct.pack(f"<{len(wave)}h", *wave))
    edges = audible.bounds(audible.to_pcm(ulaw))
    assert edges is not None
    return Spoken(ulaw, *edges, "hello")


def made(kind: NoiseKind, snr_db: float, *said: Spoken, seed: int = 0) -> Background:
    return asyncio.run(background(kind, snr_db, said, seed=seed))


@pytest.fixture
def babble(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A babble without flite: its loop is put in place."""
    loop = np.sin(np.arange(LOOP_SAMPLES) / 7) * np.sqrt(2)
    monkeypatch.setitem(backgrounds._loops, "babble", loop)
    backgrounds._scaled.cache_clear()
    yield
    backgrounds._scaled.cache_clear()


@given(
    st.sampled_from(["white", "street"]),
    st.floats(-5, 40),
    st.integers(1000, 20_000),
    st.integers(0, 3000),
)
def test_the_snr_is_what_was_asked_for_whatever_silence_lies_around_the_speech(
    kind: NoiseKind, snr_db: float, level: int, around: int
) -> None:
    said = tone(level, before=around, behind=around)
    noise = made(kind, snr_db, said).next(LOOP_SAMPLES)
    speech = rms(audible.to_pcm(said.ulaw)[said.first * 2 : said.last * 2 + 2])
    wanted = speech / rms(noise)
    if np.abs(samples(noise)).max() < 32767:  # beyond full scale a noise cannot be as loud as asked
        assert 20 * math.log10(wanted) == pytest.approx(snr_db, abs=0.5)


@pytest.mark.parametrize("kind", ["white", "street", "babble"])
@pytest.mark.parametrize("snr_db", [0, 15, 30])
def test_the_snr_also_holds_on_what_mulaw_leaves_of_it(kind: NoiseKind, snr_db: float, babble: None) -> None:
    said = tone(8000)
    noise = made(kind, snr_db, said)
    sent = b"".join(noise.mix(audible.ULAW_SILENCE * 160) for _ in range(LOOP_SAMPLES // 160))
    found = 20 * math.log10(8000 / math.sqrt(2) / rms(audible.to_pcm(sent)))
    assert found == pytest.approx(snr_db, abs=0.5)


def test_a_real_babble_is_many_voices_and_has_its_level(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    said = tone(8000)
    noise = made("babble", 15, said).next(LOOP_SAMPLES)
    assert 20 * math.log10(8000 / math.sqrt(2) / rms(noise)) == pytest.approx(15, abs=0.5)
    seconds = samples(noise).reshape(12, -1)
    levels = 20 * np.log10(np.sqrt(np.square(seconds).mean(axis=1)))
    assert levels.max() - levels.min() < 8  # one voice alone has pauses; eight have none


@given(
    st.integers(-5, 40),
    st.integers(500, 16_000),
    st.integers(1, 400),
    st.integers(0, 1000),
    st.integers(0, 10_000),
)
def test_speech_lies_in_the_mix_where_it_lay_alone(
    snr_db: int, level: int, count: int, before: int, seed: int
) -> None:
    said = tone(level, count + 40, before, 200)
    padded = said.ulaw.ljust(-(-len(said.ulaw) // CHUNK_SAMPLES) * CHUNK_SAMPLES, audible.ULAW_SILENCE)
    noise, again = made("white", snr_db, said, seed=seed), made("white", snr_db, said, seed=seed)
    mixed = b"".join(
        noise.mix(padded[at : at + CHUNK_SAMPLES]) for at in range(0, len(padded), CHUNK_SAMPLES)
    )
    assert len(mixed) == len(padded)
    clean, under = samples(audible.to_pcm(padded)), samples(again.next(len(padded)))
    whole = np.clip(clean + under, -32768, 32767)
    error = np.abs(samples(audible.to_pcm(mixed)) - whole)
    assert np.all(error <= np.abs(whole) / 16 + 700 * (np.abs(whole) > 32_000) + 8)  # half a step of µ-law


@given(st.integers(1, 200), st.lists(st.integers(1, 450), min_size=1, max_size=20), st.integers(0, 999))
def test_a_loop_goes_on_where_it_was_and_round(length: int, pieces: list[int], start: int) -> None:
    loop = struct.pack(f"<{length}h", *range(length))
    noise = Background(loop, start=start)
    taken = samples(b"".join(noise.next(n) for n in pieces))
    assert taken.tolist() == [(start + n) % length for n in range(sum(pieces))]


def test_a_caller_without_words_has_the_nominal_level() -> None:
    assert speech_rms([]) == NOMINAL_RMS
    assert speech_rms([tone(8000)]) == pytest.approx(8000 / math.sqrt(2), rel=0.02)
    assert speech_rms([tone(8000), tone(2000)]) == pytest.approx(math.sqrt((8000**2 + 2000**2) / 4), rel=0.02)


def test_calls_begin_elsewhere_in_the_same_noise() -> None:
    one, two = (made("white", 10, tone(8000), seed=seed).next(800) for seed in (1, 2))
    assert one != two
    assert one == made("white", 10, tone(8000), seed=1).next(800)


def test_a_streets_noise_is_dull_and_swells() -> None:
    street = samples(made("street", 10, tone(8000)).next(LOOP_SAMPLES))
    power = np.square(np.abs(np.fft.rfft(street)))
    dull = power[: len(power) * 700 // 4000].sum() / power.sum()
    seconds = np.sqrt(np.square(street.reshape(24, -1)).mean(axis=1))
    assert dull > 0.9
    assert 1.5 < seconds.max() / seconds.min() < 6


@pytest.mark.anyio
async def test_a_noisy_callers_words_keep_their_edges(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    quiet = Script(steps=(Say(text="yes please"),))
    noisy = Script(steps=(Noise(kind="white"), *quiet.steps), snr_db=5)
    assert await prepare(noisy, None) == await prepare(quiet, None)
