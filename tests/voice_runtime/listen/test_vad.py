"""Speech is speech in four voices and in noise; silence, noise and coughs are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import audio
from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.listen.vad import Silero, Vad, loudness, silero_session


def heard(pcm: bytes, vad: Vad | None = None) -> list[bool]:
    vad = vad or Vad()
    return [vad.hear(chunk) for chunk in audio.chunks(pcm)]


@pytest.mark.parametrize(
    "pcm",
    [
        audio.silence(1000),
        audio.noise(2000),
        audio.noise(2000, rms=2500),
        audio.silence(400) + audio.noise(600, rms=3000) + audio.silence(400),
        audio.silence(300) + audio.cough() + audio.silence(500),
        audio.silence(300) + audio.cough(bursts=4, seed=9) + audio.silence(500),
    ],
    ids=["silence", "noise", "loud noise", "burst", "cough", "long cough"],
)
def test_what_is_no_speech(pcm: bytes) -> None:
    assert not any(heard(pcm))


@pytest.mark.parametrize("voice", ["slt", "rms", "awb", "kal"])
def test_speech_is_found_soon_and_ends_sharply(voice: str, needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    said = audio.say("can i see doctor patel on tuesday", voice)
    chunks = heard(audio.silence(400) + said + audio.silence(600))
    first, last = chunks.index(True), len(chunks) - 1 - chunks[::-1].index(True)
    assert 20 <= first <= 26, "onset within 120 ms"
    end = 20 + len(said) // audio.CHUNK_BYTES
    assert end - 8 <= last <= end + 3, "end within 160 ms before and 60 ms after"
    gaps = "".join("#" if c else "." for c in chunks[first : last + 1]).split("#")
    assert max(len(gap) for gap in gaps) < 10, "no pause of 200 ms inside the sentence"


def test_speech_in_noise(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    line = audio.silence(400) + audio.say("can i see doctor patel on tuesday", "rms") + audio.silence(500)
    assert sum(heard(audio.with_noise(line, 10))) > 50


def test_quiet_speech(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    assert sum(heard(audio.silence(400) + audio.say("yes please", "rms", gain_db=-24))) > 15


def test_calls_share_the_session_and_no_state(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    one = audio.chunks(audio.silence(300) + audio.say("when are you open", "slt"))
    other = audio.chunks(audio.noise(300) + audio.say("let me talk to a person", "awb"))
    alone = [heard(b"".join(one)), heard(b"".join(other))]
    a, b = Vad(), Vad()
    mixed = [(a.hear(x), b.hear(y)) for x, y in zip(one, other, strict=False)]
    assert [x for x, _ in mixed] == alone[0][: len(mixed)]
    assert [y for _, y in mixed] == alone[1][: len(mixed)]
    assert silero_session() is silero_session()


def test_the_same_line_is_judged_the_same(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    pcm = audio.silence(400) + audio.say("at ten", "kal") + audio.silence(400)
    assert heard(pcm) == heard(pcm)


def test_an_onset_is_judged_afresh_whatever_came_before(
    needs_system: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_system("flite")
    states: list[float] = []
    reset = Silero.reset

    def watched(silero: Silero) -> None:
        reset(silero)
        states.append(float(abs(silero._state).max()))

    monkeypatch.setattr(Silero, "reset", watched)
    turn = audio.silence(2000) + audio.say("when are you open", "slt") + audio.silence(1000)
    vad = Vad()
    found = [heard(turn, vad).index(True) for _ in range(3)]
    assert max(found) - min(found) <= 2
    assert states == [0.0, 0.0, 0.0], "the recurrent state begins at zero at each onset"


def test_silence_costs_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Silero, "hear", lambda self, pcm: pytest.fail("asked the model about silence"))
    assert not any(heard(audio.silence(2000)))


@given(
    samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=CHUNK_SAMPLES),
    scale=st.sampled_from([1, 16, 32768]),
)
def test_loudness_is_the_root_mean_square(samples: list[int], scale: int) -> None:
    line = np.array([sample // scale for sample in samples], dtype="<i2")
    exact = float(np.sqrt(np.mean(np.square(line, dtype=np.float64))))
    assert loudness(line.tobytes()) == pytest.approx(exact, abs=1 / 65536)


@pytest.mark.parametrize("size", [0, 319, 640])
def test_a_chunk_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="320"):
        Vad().hear(bytes(size))
