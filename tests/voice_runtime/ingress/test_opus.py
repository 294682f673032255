"""Opus packets: lengths by the RFC's table, speech through, losses concealed by libopus, damage refused."""

from __future__ import annotations

import fractions

import numpy as np
import pytest
from aiortc.codecs.opus import OpusEncoder as WideEncoder
from av import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from controls.errors import ProviderError
from voice_runtime.ingress.opus import OpusDecoder, OpusEncoder, packet_length


def encoded(samples: NDArray[np.int16]) -> list[bytes]:
    """48 kHz mono in 20 ms packets."""
    encoder, packets = WideEncoder(), []
    for at in range(0, len(samples), 960):
        frame = AudioFrame.from_ndarray(samples[None, at : at + 960], layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, fractions.Fraction(1, 48_000)
        packets += encoder.encode(frame)[0]
    return packets


def tone(hz: float, seconds: float = 1.0) -> NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(int(48_000 * seconds)) / 48_000)).astype(np.int16)


def rms(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


@pytest.mark.parametrize(
    ("packet", "length"),
    [
        (bytes([0 << 3]), 480),  # SILK, 10 ms
        (bytes([3 << 3]), 2880),  # SILK, 60 ms
        (bytes([13 << 3]), 960),  # hybrid, 20 ms
        (bytes([16 << 3]), 120),  # CELT, 2.5 ms
        (bytes([31 << 3, 1, 2, 3]), 960),  # CELT, 20 ms
        (bytes([31 << 3 | 1]), 1920),  # two frames of one length
        (bytes([31 << 3 | 2, 0]), 1920),  # two frames
        (bytes([1 << 3 | 3, 3]), 2880),  # three of 20 ms
        (bytes([16 << 3 | 3, 48]), 5760),  # 48 of 2.5 ms: the longest there is
    ],
)
def test_lengths(packet: bytes, length: int):
    assert packet_length(packet) == length


@pytest.mark.parametrize(
    "packet", [b"", bytes([31 << 3 | 3]), bytes([31 << 3 | 3, 0]), bytes([3 << 3 | 3, 3])]
)
def test_what_is_no_opus_packet_has_no_length(packet: bytes):
    with pytest.raises(ValueError, match="Opus packet"):
        packet_length(packet)


def test_a_tone_comes_through():
    decoder = OpusDecoder()
    out = np.concatenate([decoder.decode(packet) for packet in encoded(tone(440))])
    assert out.dtype == np.int16
    assert len(out) == 8000
    spectrum = np.abs(np.fft.rfft(out[1600:].astype(float)))
    assert abs(np.argmax(spectrum) * 8000 / 6400 - 440) < 3
    assert rms(out[1600:]) > 3000


def test_a_loss_is_concealed_with_what_went_before():
    decoder = OpusDecoder()
    packets = encoded(tone(440))
    for packet in packets[:30]:
        real = decoder.decode(packet)
    made_up = decoder.conceal()
    assert len(made_up) == 160
    assert rms(made_up) > 0.7 * rms(real)
    spectrum = np.abs(np.fft.rfft(made_up.astype(float)))
    assert abs(np.argmax(spectrum) * 50 - 440) <= 50
    step = np.abs(np.diff(np.concatenate((real, made_up)).astype(int))).max()
    assert step < 1.3 * np.abs(np.diff(real.astype(int))).max()  # no seam
    assert rms(decoder.decode(packets[31])) > 0.5 * rms(real)


def test_before_the_first_packet_there_is_silence():
    assert not OpusDecoder().conceal().any()


def test_a_damaged_packet_is_refused_and_the_next_one_plays():
    decoder = OpusDecoder()
    packets = encoded(tone(440))
    for packet in packets[:20]:
        decoder.decode(packet)
    with pytest.raises(ProviderError):
        decoder.decode(bytes([31 << 3 | 3, 63]) + bytes(3))
    assert rms(decoder.decode(packets[20])) > 3000


@settings(max_examples=80, deadline=None)
@given(st.binary(min_size=1, max_size=60))
def test_whatever_comes_gives_whole_samples_or_is_refused(packet: bytes):
    decoder = OpusDecoder()
    try:
        length = packet_length(packet)
        samples = decoder.decode(packet)
    except (ValueError, ProviderError):
        pass
    else:
        assert len(samples) in (0, length // 6)
    assert len(decoder.conceal()) > 0


def test_what_we_send_carries_a_copy_that_repairs_a_loss():
    """In-band FEC: the second bit of a SILK packet says so (RFC 6716 section 4.2.3)."""
    encoder = OpusEncoder()
    sound = tone(300)[::6].astype("<i2").tobytes()
    packets = [encoder.encode(sound[at : at + 320]) for at in range(0, len(sound), 320)]
    assert {packet[0] >> 3 for packet in packets} == {1}  # SILK, narrow-band, 20 ms (RFC 6716 table 2)
    assert sum(packet[1] >> 6 & 1 for packet in packets) > len(packets) // 3  # a tone is not all speech to it
