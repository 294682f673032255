"""Whatever the carrier sends, as the ear takes it: 20 ms chunks of 8 kHz mono, 16-bit little-endian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import soxr
from pipecat.frames.frames import InputAudioRawFrame

from voice_runtime.events import CHUNK_BYTES, RATE_HZ


class LineSamples:
    """One line's samples; keeps what fills no chunk yet, and the resampler's state where one is needed."""

    def __init__(self) -> None:
        self._resampler: Any = None
        self._rest = b""

    def chunks(self, pcm: bytes) -> Sequence[bytes]:
        """Chunks that are full with these 8 kHz mono samples; half a sample at their end is dropped."""
        if len(pcm) % 2:
            pcm = pcm[:-1]
        if len(pcm) == CHUNK_BYTES and not self._rest:  # as carriers send it
            return (pcm,)
        pcm = self._rest + pcm
        full = len(pcm) - len(pcm) % CHUNK_BYTES
        self._rest = pcm[full:]
        return [pcm[at : at + CHUNK_BYTES] for at in range(0, full, CHUNK_BYTES)]

    def of(self, frame: InputAudioRawFrame) -> bytes:
        """8 kHz mono samples of a frame of any rate and number of channels."""
        if frame.sample_rate == RATE_HZ and frame.num_channels == 1:
            return frame.audio
        channels = max(1, frame.num_channels)
        usable = len(frame.audio) // (2 * channels) * 2 * channels
        samples = np.frombuffer(frame.audio[:usable], dtype="<i2").reshape(-1, channels).mean(axis=1)
        if frame.sample_rate == RATE_HZ:
            return bytes(samples.astype("<i2").tobytes())
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(
                frame.sample_rate, RATE_HZ, 1, dtype="float32", quality="LQ"
            )
        resampled = self._resampler.resample_chunk(samples.astype(np.float32))
        return bytes(np.clip(resampled, -32768, 32767).astype("<i2").tobytes())
