"""The GPL process: loads libespeak-ng and answers one request after the other on its pipes.

Run as ``python -m voice_runtime.speak.espeak_worker PARENT_PID``. Only here is
espeak-ng loaded; the server talks to it through pipes and imports from this
module nothing but the wire format, which is ours. See THIRD_PARTY.md.

Wire format, both ways: a message is ``!IBI`` (length of the payload in bytes,
kind, request number) and its payload. Requests are JSON. Answers to a request
are pieces of speech in order, then DONE or FAILED; a piece is ``!H`` (count of
words), that many ``!III`` (start and end in characters, sample), and 8 kHz
s16le samples. The worker ends when its input does, and with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

HEAD = struct.Struct("!IBI")
COUNT = struct.Struct("!H")
WORD = struct.Struct("!III")
MAX_PAYLOAD = 1 << 20

REQUEST, HELLO, PIECE, DONE, FAILED = range(1, 6)

RATE_HZ = 8000
#: Samples per piece: half a second.
PIECE_SAMPLES = RATE_HZ // 2
#: Silence kept before the first and after the last audible sample, in samples (20 and 60 ms).
LEAD_SAMPLES = RATE_HZ * 20 // 1000
TAIL_SAMPLES = RATE_HZ * 60 // 1000
#: Anything below is silence (-50 dBFS).
_AUDIBLE = 100
#: A clause that sounds longer is refused: it is not speech but somebody's payload.
LONGEST_S = 120

# speak_lib.h of espeak-ng 1.52
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_RATE, _PITCH = 1, 3
_EVENT_END, _EVENT_WORD = 0, 1

#: BCP 47 primary subtags that espeak-ng knows under another name.
_ALIASES = {"zh": "cmn", "no": "nb", "iw": "he", "in": "id"}


class Refused(Exception):
    """A request that cannot be spoken; the message is one word for the wire."""


@dataclass(frozen=True)
class Spoken:
    """8 kHz s16le samples and (start, end, sample) per word, characters of the given text."""

    pcm: bytes
    words: list[tuple[int, int, int]]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, counted from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The library, initialised once. Not re-entrant: one clause at a time."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            OSError: the library or its data is missing or does not load.
        """
        import espeakng_loader

        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = os.fsencode(espeakng_loader.get_data_path())
        self.rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
        if self.rate_hz <= 0:
            raise OSError("espeak-ng did not initialise")
        self._callback = _Callback(self._gather)  # kept: the library calls it later
        self._lib.espeak_SetSynthCallback(self._callback)
        self._pcm = bytearray()
        self._events: list[tuple[int, int]] = []
        self._too_long = False

    def _gather(self, wav: Any, count: int, events: Any) -> int:
        """Take samples and word events from the library; 1 stops it."""
        i = 0
        while events[i].type != _EVENT_END:
            if events[i].type == _EVENT_WORD:
                self._events.append((events[i].text_position - 1, events[i].sample))
            i += 1
        if wav and count > 0:
            self._pcm += ctypes.string_at(wav, count * 2)
        self._too_long = len(self._pcm) > LONGEST_S * self.rate_hz * 2
        return int(self._too_long)

    def speak(self, text: str, language: str, variant: str, rate_wpm: int, pitch: int) -> Spoken:
        """Speak ``text`` as text: no markup is interpreted (neither SSML nor phoneme input).

        Raises:
            Refused: no voice for the language, nothing audible, or too long.
        """
        self._choose(language, variant)
        self._lib.espeak_SetParameter(_RATE, rate_wpm, 0)
        self._lib.espeak_SetParameter(_PITCH, pitch, 0)
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(1))  # the same words, the same samples
        self._pcm.clear()
        self._events.clear()
        self._too_long = False
        data = text.encode("utf-8", "replace")
        failed = self._lib.espeak_Synth(
            data, ctypes.c_size_t(len(data) + 1), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if self._too_long:
            raise Refused("too_long")
        if failed:
            raise Refused("engine")
        return _finished(bytes(self._pcm), self.rate_hz, words_of(text, self._events))

    def _choose(self, language: str, variant: str) -> None:
        suffix = f"+{variant}" if variant else ""
        for name in voice_names(language):
            if self._lib.espeak_SetVoiceByName((name + suffix).encode("ascii", "replace")) == 0:
                return
        raise Refused("language")


def voice_names(language: str) -> list[str]:
    """Names espeak-ng may know a BCP 47 tag by, best first."""
    tag = language.lower()
    primary, _, region = tag.partition("-")
    names = [tag]
    if primary == "es" and region not in ("", "es"):
        names.append("es-419")
    return [*names, _ALIASES.get(primary, primary)]


def words_of(text: str, events: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Map word events to blank-separated words of the text.

    espeak-ng reports several events inside a figure ("123456" has seven), with
    positions that step back and forth; the word as a whole starts with its first.

    Args:
        events: (character from 0, sample), in the order they sound.

    Returns:
        (start, end, sample) for each word that has an event, in text order.
    """
    words: list[tuple[int, int, int]] = []
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    at = -1
    for character, sample in events:
        here = next((i for i in range(at + 1, len(spans)) if character < spans[i][1]), None)
        if here is None or character < spans[here][0]:
            continue
        at = here
        words.append((*spans[at], sample))
    return words


def _finished(pcm: bytes, rate_hz: int, words: list[tuple[int, int, int]]) -> Spoken:
    """Resample the whole clause at once and cut the silence around it."""
    import numpy as np
    import soxr

    source = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    if not source.size:
        raise Refused("silent")
    samples = np.clip(np.rint(soxr.resample(source, rate_hz, RATE_HZ)), -32768, 32767).astype("<i2")
    audible = np.flatnonzero(np.abs(samples.astype(np.int32)) > _AUDIBLE)
    if not audible.size:
        raise Refused("silent")
    start = max(0, int(audible[0]) - LEAD_SAMPLES)
    stop = min(len(samples), int(audible[-1]) + 1 + TAIL_SAMPLES)
    last = stop - start - 1
    moved = [(a, b, min(max(0, s * RATE_HZ // rate_hz - start), last)) for a, b, s in words]
    return Spoken(samples[start:stop].tobytes(), moved)


def pieces(spoken: Spoken) -> Iterator[bytes]:
    """Cut speech into payloads of PIECE, each with the words that start in it."""
    for first in range(0, len(spoken.pcm) // 2, PIECE_SAMPLES):
        words = [w for w in spoken.words if first <= w[2] < first + PIECE_SAMPLES]
        table = b"".join(WORD.pack(*w) for w in words)
        yield COUNT.pack(len(words)) + table + spoken.pcm[first * 2 : (first + PIECE_SAMPLES) * 2]


def message(kind: int, number: int, payload: bytes = b"") -> bytes:
    """One message as bytes."""
    return HEAD.pack(len(payload), kind, number) + payload


def _serve(engine: Espeak, source: IO[bytes], sink: IO[bytes]) -> None:
    while len(head := source.read(HEAD.size)) == HEAD.size:
        length, kind, number = HEAD.unpack(head)
        if length > MAX_PAYLOAD or kind != REQUEST:
            return
        request = json.loads(source.read(length))
        try:
            for piece in pieces(engine.speak(**request)):
                sink.write(message(PIECE, number, piece))
            sink.write(message(DONE, number))
        except Refused as refusal:
            sink.write(message(FAILED, number, str(refusal).encode("ascii")))
        sink.flush()


def _die_with(parent: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what callers are told
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it closes our input
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)  # it died before we asked to be told


def main() -> None:
    """Take over standard output for the protocol, say hello, serve until the input ends."""
    _die_with(int(sys.argv[1]))
    sink = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # whatever a library prints must not reach the protocol
    try:
        engine = Espeak()
        engine.speak("ready", "en-US", "", 165, 50)  # loads what the first clause would wait for
    except (ImportError, OSError, Refused) as error:
        sink.write(message(FAILED, 0, type(error).__name__.encode("ascii")))
        sink.flush()
        return
    sink.write(message(HELLO, 0))
    sink.flush()
    _serve(engine, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
