"""Opus packets to 8 kHz samples, and what the decoder itself makes up for those that are lost.

PyAV decodes with libopus but hands it neither "this packet is lost" nor the
redundant copy a next packet may carry (in-band FEC). The first is to be had
nonetheless: a frame of zero bytes is legal in every mode and tells the decoder
to conceal (RFC 6716 section 3.2.1 and 4.4), so a packet of nothing but the last
table-of-contents byte yields one frame of libopus's own concealment, with its
state carried on. That sounds better than repeating decoded samples and joins the
next real packet without a seam.
"""

from __future__ import annotations

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet
from numpy.typing import NDArray

from controls.errors import ProviderError
from voice_runtime.ingress.decimate import FACTOR, Decimator

_RATE_HZ = 48_000
_LONGEST = _RATE_HZ * 120 // 1000
#: Frame lengths in samples at 48 kHz by configuration (RFC 6716 table 2): SILK, hybrid, CELT.
_LENGTHS = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


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
    if not 0 < length <= _LONGEST:
        raise ValueError("an Opus packet holds up to 120 ms")
    return length


class OpusDecoder:
    """One stream's decoder: 20 ms take about 50 µs on the loop's own thread."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, AudioCodecContext)
        codec.format, codec.layout, codec.sample_rate = "s16", "mono", _RATE_HZ
        self._codec = codec
        self._decimator = Decimator()
        self._contents: bytes | None = None

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """One packet's samples, shape (n,), 8 kHz.

        Raises:
            ProviderError: the packet is damaged; nothing comes of it.
        """
        samples = self._samples(payload)
        self._contents = bytes([payload[0] & 0xFC])
        return samples

    def conceal(self) -> NDArray[np.int16]:
        """What may have followed the newest packet, one frame long, shape (n,), 8 kHz; zeros before any."""
        silence = np.zeros(_RATE_HZ // 50 // FACTOR, dtype=np.int16)
        if self._contents is None:
            return silence
        try:
            made_up = self._samples(self._contents)
        except ProviderError:
            return silence
        return made_up if len(made_up) else silence

    def _samples(self, payload: bytes) -> NDArray[np.int16]:
        try:
            frames = self._codec.decode(Packet(payload))
        except av.FFmpegError as exc:
            raise ProviderError("an Opus packet cannot be decoded", supplier="libopus") from exc
        if not frames:
            return np.zeros(0, dtype=np.int16)
        decoded = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        return self._decimator.take(decoded.astype(np.int16, copy=False))
