"""libopus by its own C interface: 8 kHz both ways, a loss told to the decoder, and no frame objects between.

FFmpeg's wrapper, which PyAV offers, always decodes at 48 kHz; what is thrown away
afterwards costs four times what libopus takes to decode at 8 kHz in the first
place. The library is the one PyAV brings along and has loaded already, or the
system's.

A call takes 10 to 100 µs and keeps the interpreter's lock: to give it up and ask
for it again beside busy threads may take 5 ms, and the caller's packet waits.

Source: opus_encoder.h, opus_decoder.h and opus_defines.h of libopus 1.x
(https://opus-codec.org/docs/opus_api-1.5).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes.util import find_library
from functools import cache
from pathlib import Path

import av

from controls.errors import InternalError, OperatorError, ProviderError

SUPPLIER = "libopus"
APPLICATION_VOIP = 2048
SET_BITRATE, SET_COMPLEXITY, SET_INBAND_FEC, SET_PACKET_LOSS_PERC = 4002, 4010, 4012, 4014
#: The most that is asked of the encoder for one packet, bytes (opus_encode recommends 4000).
_MOST_PACKET = 4000
_STATE, _SAMPLES, _INT = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int
_SIGNATURES = {
    "opus_encoder_get_size": [_INT],
    "opus_encoder_init": [_STATE, _INT, _INT, _INT],
    "opus_encode": [_STATE, _STATE, _INT, _STATE, _INT],
    "opus_decoder_get_size": [_INT],
    "opus_decoder_init": [_STATE, _INT, _INT],
    "opus_decode": [_STATE, _STATE, _INT, _SAMPLES, _INT, _INT],
}


@cache
def library() -> ctypes.PyDLL:
    """The library, loaded once.

    Raises:
        OperatorError: there is none.
    """
    package = Path(av.__file__).parent
    bundled = [*package.parent.glob("av.libs/*opus*"), *package.glob(".dylibs/*opus*")]
    name = str(bundled[0]) if bundled else find_library("opus")
    if name is None:
        raise OperatorError("calls from browsers need libopus: install it (Debian: apt install libopus0)")
    try:
        loaded = ctypes.PyDLL(name)
        for function, arguments in _SIGNATURES.items():
            getattr(loaded, function).argtypes = arguments
    except (OSError, AttributeError) as error:
        raise OperatorError(
            f"calls from browsers need libopus, and {name} cannot be used: {error}"
        ) from error
    return loaded


class Encoder:
    """One stream's encoder, mono.

    Args:
        rate_hz: 8000, 12000, 16000, 24000 or 48000.
        application: ``APPLICATION_VOIP``.
        settings: request (``SET_…``) to value.

    Raises:
        InternalError: libopus refuses one of them.
    """

    def __init__(self, rate_hz: int, application: int, settings: Mapping[int, int]) -> None:
        opus = library()
        self._state = ctypes.create_string_buffer(opus.opus_encoder_get_size(1))
        _held(opus.opus_encoder_init(self._state, rate_hz, 1, application))
        for request, value in settings.items():
            _held(opus.opus_encoder_ctl(self._state, _INT(request), _INT(value)))
        self._packet = ctypes.create_string_buffer(_MOST_PACKET)
        self._encode = opus.opus_encode

    def encode(self, pcm: bytes) -> bytes:
        """One packet for one piece of s16le samples: 2.5, 5, 10, 20, 40 or 60 ms.

        Raises:
            InternalError: a piece of another length.
        """
        length = self._encode(self._state, pcm, len(pcm) // 2, self._packet, _MOST_PACKET)
        _held(length)
        return ctypes.string_at(self._packet, length)


class Decoder:
    """One stream's decoder, to mono.

    Args:
        rate_hz: of the samples; whatever the packets were made from.
        most: the longest packet, samples.
    """

    def __init__(self, rate_hz: int, most: int) -> None:
        opus = library()
        self._state = ctypes.create_string_buffer(opus.opus_decoder_get_size(1))
        _held(opus.opus_decoder_init(self._state, rate_hz, 1))
        self._most = most
        self._pcm = ctypes.create_string_buffer(2 * most)
        self._at = ctypes.addressof(self._pcm)
        self._decode = opus.opus_decode

    def decode(self, packet: bytes) -> bytes:
        """A packet's samples, s16le.

        Raises:
            ProviderError: the packet is damaged; nothing comes of it.
        """
        samples: int = self._decode(self._state, packet, len(packet), self._at, self._most, 0)
        if samples < 0:
            raise ProviderError("an Opus packet cannot be decoded", supplier=SUPPLIER)
        return ctypes.string_at(self._at, 2 * samples)

    def conceal(self, samples: int) -> bytes:
        """What may have been in a packet that is lost, s16le; ``samples``: a multiple of 2.5 ms.

        Raises:
            InternalError: no such multiple, or longer than the longest packet.
        """
        if samples > self._most:  # libopus would write past what it was given
            raise InternalError(f"{samples} samples to make up, of a packet of {self._most} at most")
        made_up: int = self._decode(self._state, None, 0, self._at, samples, 0)
        _held(made_up)
        return ctypes.string_at(self._at, 2 * made_up)


def _held(result: int) -> None:
    if result < 0:
        raise InternalError(f"libopus refused what it was asked ({result})")
