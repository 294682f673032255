"""Opus packets to 8 kHz samples and back, and what the decoder makes up for packets that are lost.

The caller's packets hold whatever a browser makes of its microphone, up to 48 kHz
and stereo; libopus decodes them to 8 kHz mono by itself, without what a filter
after it would add in delay. What it makes up for a loss carries its state on, which
sounds better than repeating decoded samples and joins the next real packet
without a seam (RFC 6716 section 4.4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voice_runtime.events import CHUNK_BYTES, CHUNK_SAMPLES, RATE_HZ
from voice_runtime.ingress import libopus

_LONGEST_48 = 48_000 * 120 // 1000
_PER_SAMPLE = 48_000 // RATE_HZ
#: Frame lengths in samples at 48 kHz by configuration (RFC 6716 table 2): SILK, hybrid, CELT.
_LENGTHS = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
#: Low complexity takes a third of the time of the highest, and 36 kbit/s more than make up for it. Speech of
#: two flite voices against the original, by (complexity, kbit/s): log-spectral distance (0, 36) 2.85 dB,
#: (10, 28) 3.41 dB; frequency-weighted segmental SNR (Hu and Loizou, 2008) 24.9 against 24.1 dB.
_COMPLEXITY, _BITS_PER_S = 0, 36_000
#: The encoder spends bits on repairing single lost packets (in-band FEC) as if so many were lost, %.
_EXPECTED_LOSS = 5
_SILENCE = bytes(CHUNK_BYTES)
#: The encoder has settled after so much silence, packets (0.5 s): what it makes of more is the same.
_SETTLED = 25


def packet_length(payload: bytes) -> int:
    """Samples at 48 kHz that an Opus packet holds (RFC 6716 section 3.1 and 3.2).

    Raises:
        ValueError: it is no Opus packet.
    """
    if not payload:
        raise ValueError("an Opus packet has at least one byte")
    code = payload[0] & 3
    if code == 3 and len(payload) < 2:
        raise ValueError("an Opus packet of code 3 lacks its count of frames")
    frames = (1, 2, 2)[code] if code < 3 else payload[1] & 0x3F
    length = frames * _LENGTHS[payload[0] >> 3]
    if not 0 < length <= _LONGEST_48:
        raise ValueError("an Opus packet holds up to 120 ms")
    return length


class OpusDecoder:
    """One stream's decoder: 20 ms take 10 to 40 µs on the loop's own thread."""

    def __init__(self) -> None:
        self._decoder = libopus.Decoder(RATE_HZ, _LONGEST_48 // _PER_SAMPLE)
        self._frame = 0  # samples of one of the newest packet's frames

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """One packet's samples, shape (n,), 8 kHz.

        Raises:
            ProviderError: the packet is damaged; nothing comes of it.
        """
        samples = np.frombuffer(self._decoder.decode(payload), dtype=np.int16)
        self._frame = _LENGTHS[payload[0] >> 3] // _PER_SAMPLE
        return samples

    def conceal(self) -> NDArray[np.int16]:
        """What may have followed the newest packet, one frame long, shape (n,), 8 kHz; zeros before any."""
        if not self._frame:
            return np.zeros(CHUNK_SAMPLES, dtype=np.int16)
        return np.frombuffer(self._decoder.conceal(self._frame), dtype=np.int16)


class OpusEncoder:
    """8 kHz s16le in 20 ms pieces to Opus packets; narrow-band speech with in-band FEC (RFC 6716, 2.1.7).

    An agent is silent more than half of the time, and packets go on. Once the encoder has settled,
    silence is the packet before, and the encoder is not asked: the next sound finds it where it was.
    """

    def __init__(self) -> None:
        self._encoder = libopus.Encoder(
            RATE_HZ,
            libopus.APPLICATION_VOIP,
            {
                libopus.SET_BITRATE: _BITS_PER_S,
                libopus.SET_COMPLEXITY: _COMPLEXITY,
                libopus.SET_INBAND_FEC: 1,
                libopus.SET_PACKET_LOSS_PERC: _EXPECTED_LOSS,
            },
        )
        self._silent = 0  # packets of silence in a row
        self._newest = b""

    def encode(self, pcm: bytes) -> bytes:
        """One packet for one piece of ``CHUNK_BYTES``."""
        if pcm != _SILENCE:
            self._silent = 0
        elif self._silent < _SETTLED:
            self._silent += 1
        else:
            return self._newest
        self._newest = self._encoder.encode(pcm)
        return self._newest
