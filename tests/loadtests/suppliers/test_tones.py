"""A voice of tones: every id is told apart after what telephones and browsers do to sound, speech is none."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from loadtests.suppliers import tones
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.speech import sound
from voice_runtime.caller.webrtc_wire import PACKET, RTP_HZ, Decoder, Encoder


def spoken(id: int, text: str = "We open at eight.", rate_hz: int = 24_000) -> bytes:
    """As a telephone has it: 8 kHz, through µ-law."""
    samples = np.frombuffer(tones.voice(text, id, rate_hz), "<i2").astype(np.float32)
    narrow = samples if rate_hz == 8000 else soxr.resample(samples, rate_hz, 8000)
    return audible.to_pcm(audible.to_ulaw(np.clip(narrow, -32768, 32767).astype("<i2").tobytes()))


@settings(max_examples=40, deadline=None)
@given(
    id=st.integers(0, tones.IDS - 1),
    rate_hz=st.sampled_from([8000, 16_000, 24_000]),
    text=st.text(st.sampled_from("abc e"), min_size=5, max_size=60),
    level=st.floats(0.1, 1.5),
    cut=st.integers(0, 1500),
)
def test_each_id_is_told_apart(id: int, rate_hz: int, text: str, level: float, cut: int) -> None:
    samples = np.frombuffer(spoken(id, text, rate_hz), "<i2")[cut:] * level
    assert tones.identify(np.clip(samples, -32768, 32767).astype("<i2").tobytes()) == id


def test_opus_leaves_ids_alone() -> None:
    encoder, decoder = Encoder(), Decoder()
    assert PACKET / RTP_HZ == 0.02
    for wanted in (0, 7, 31, 65):
        ulaw = audible.to_ulaw(spoken(wanted))
        back = b"".join(
            decoder.decode(encoder.encode(ulaw[at : at + 160])) for at in range(0, len(ulaw) - 160, 160)
        )
        assert tones.identify(audible.to_pcm(back)) == wanted


def test_gaps_and_noise_leave_ids_alone() -> None:
    samples = np.frombuffer(spoken(12), "<i2").astype(np.float32)
    for at in range(400, len(samples), 1600):
        samples[at : at + 320] = 0
    samples += np.random.default_rng(1).normal(0, 400, len(samples))
    assert tones.identify(np.clip(samples, -32768, 32767).astype("<i2").tobytes()) == 12


def test_an_answer_counts_before_words_that_are_none_and_before_a_shorter_answer() -> None:
    assert tones.identify(spoken(0, "Please hold the line for a while.") + spoken(5, "Yes.")) == 5
    assert tones.identify(spoken(4, "Yes.") + spoken(5, "We open at eight in the morning.")) == 5
    assert tones.identify(spoken(0)) == 0


async def _say(text: str) -> bytes:
    return audible.to_pcm((await RecordedFlite("rms").say(text)).ulaw)


@pytest.mark.anyio
async def test_speech_noise_and_silence_are_no_tone() -> None:
    assert tones.identify(await _say("can i see doctor patel on tuesday")) is None
    assert tones.identify(audible.to_pcm(sound("noise", 1.0).ulaw)) is None
    assert tones.identify(audible.to_pcm(sound("tone", 1.0).ulaw)) is None
    assert tones.identify(bytes(16_000)) is None
    assert tones.identify(b"") is None


def test_speech_is_loud_from_its_first_ms_never_falls_silent_and_ends_quietly() -> None:
    pcm = spoken(9, "We open at eight and close at six.", 8000)
    edges = audible.bounds(pcm)
    assert edges is not None
    assert edges[0] < 40
    assert audible.windows(pcm)[:-2].all()
    assert abs(np.frombuffer(pcm, "<i2")[-3:].astype(int)).max() < 500


def test_longer_words_take_longer() -> None:
    assert len(tones.voice("Yes.", 1)) < len(tones.voice("Yes, on Tuesday at ten.", 1))


def test_an_id_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OperatorError, match="id is 0 to 65"):
        tones.voice("Yes.", tones.IDS)
