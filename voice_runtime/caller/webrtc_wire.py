"""A browser's side of the wire, as the simulated caller speaks it: Opus, the playout of packets, messages.

Written from the documented protocol and not from ``ingress``, so that an error
there is not repeated here. The playout is a plain one: packets play at the time
their RTP timestamp says, a fixed 40 ms after the first came; what comes later than
its time is lost. When every packet has come earlier than that for half a second (the
first one was held up), the spare time is given back at once, as a browser's buffer
drains. Nothing is stretched, concealed or hidden from the figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from controls.errors import ProviderError
from voice_runtime.caller import audible
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES, RATE_HZ

SUPPLIER = "voice server"
LABEL = "sayso"
#: RTP clock of Opus (RFC 7587, 4.1), and one packet of 20 ms in it.
RTP_HZ = 48_000
PACKET = RTP_HZ * 20 // 1000
_SAMPLE = Fraction(1, RATE_HZ)
_SILENT = audible.ULAW_SILENCE * CHUNK_SAMPLES
#: The codec has settled after so many equal packets of silence (0.5 s).
_SETTLED_PACKETS = 25
#: Sums of six 16-bit samples are whole numbers that 32-bit floats hold exactly.
_SIX = np.ones(6, dtype=np.float32)
#: How much later than its arrival the first packet is played, ticks of 20 ms.
BUFFER_TICKS = 2
#: Nothing but late packets for so long mean that the path has become longer, ticks (0.5 s); a
#: burst after a stall does not.
_LONGEST_LATE = 25
#: Nothing but early packets for so many mean that the first was late (0.5 s).
_EARLY_PACKETS = 25
#: A page reports what plays every so many ticks (200 ms).
_REPORT_TICKS = 200 // CHUNK_MS
_WRAP = 1 << 32
_MOST_MESSAGE = 64 * 1024
_FROM_SERVER = {
    "opened": ("call", "language"),
    "caption": ("who", "id", "text", "state"),
    "state": ("agent",),
    "pong": (),
    "closed": ("reason",),
}


class Encoder:
    """20 ms of µ-law to one Opus packet.

    Callers are silent most of the time. Digital silence becomes the same packet again and again once the
    codec has settled; from then on it is not asked, and goes on where it was when there is a sound again.
    """

    def __init__(self) -> None:
        self._codec = _codec("w", RATE_HZ)
        self._codec.bit_rate = 32_000
        self._codec.time_base = _SAMPLE
        self._codec.options = {"application": "voip"}
        self._at = 0
        self._silent = b""  # the newest packet of silence
        self._same = 0  # how many such packets in a row were equal

    def encode(self, ulaw: bytes) -> bytes:
        """Encode ``CHUNK_SAMPLES`` samples."""
        if ulaw != _SILENT:
            self._same = 0
            return self._encoded(ulaw)
        if self._same < _SETTLED_PACKETS:
            packet = self._encoded(ulaw)
            self._same = self._same + 1 if packet == self._silent else 0
            self._silent = packet
        return self._silent

    def _encoded(self, ulaw: bytes) -> bytes:
        frame = av.AudioFrame(format="s16", layout="mono", samples=CHUNK_SAMPLES)
        frame.sample_rate, frame.pts = RATE_HZ, self._at
        frame.time_base = _SAMPLE
        frame.planes[0].update(audible.to_pcm(ulaw))
        self._at += CHUNK_SAMPLES
        return b"".join(map(bytes, self._codec.encode(frame)))


class Decoder:
    """One Opus packet of 20 ms to µ-law at 8 kHz. A packet of silence, repeated, is not decoded anew."""

    def __init__(self) -> None:
        self._codec = _codec("r", RTP_HZ)
        self._payload = b""  # the newest, and how many like it in a row came out silent
        self._same = 0

    def decode(self, payload: bytes) -> bytes:
        """Decode; "" when it cannot be. 48 kHz come down to 8 as means of six samples."""
        if payload != self._payload:
            self._payload, self._same = payload, 0
        elif self._same >= _SETTLED_PACKETS:
            return _SILENT
        ulaw = self._decoded(payload)
        self._same = self._same + 1 if ulaw == _SILENT else 0
        return ulaw

    def _decoded(self, payload: bytes) -> bytes:
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return b""
        pcm = b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)
        if not pcm or len(pcm) % 12:
            return b""
        sums = np.frombuffer(pcm, dtype="<i2").reshape(-1, 6).astype(np.float32) @ _SIX
        return audible.to_ulaw((sums / 6).astype("<i2").tobytes())


def _codec(mode: str, rate_hz: int) -> AudioCodecContext:
    codec = av.CodecContext.create("libopus", mode)  # type: ignore[call-overload]  # a plain str for its literals
    assert isinstance(codec, AudioCodecContext)
    codec.sample_rate, codec.layout, codec.format = rate_hz, "mono", "s16"
    return codec


class PacketPlayout:
    """Which packet plays in which tick. Pure: told of packets and ticks, knows no clock."""

    def __init__(self) -> None:
        self.lost = 0
        #: RTP timestamp of the newest packet that began to play; None before the first.
        self.playing: int | None = None
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._tick = 0
        self._base: tuple[int, int] | None = None  # an RTP timestamp, and the tick in which it plays
        self._late_since: int | None = None
        self._leads: list[int] = []  # of the newest packets: ticks from arrival to playing
        self._played = False

    def put(self, rtp: int, payload: bytes) -> None:
        """A packet came."""
        if self._base is None:
            self._base = (rtp, self._tick + BUFFER_TICKS)
        slot = self._slot(rtp)
        if slot < self._tick:
            self._leads.clear()
            if self._late_since is None:
                self._late_since = self._tick
            if self._tick - self._late_since < _LONGEST_LATE:
                return
            self._base = (rtp, self._tick + BUFFER_TICKS)
            slot = self._tick + BUFFER_TICKS
        self._late_since = None
        self._waiting[slot] = (rtp, payload)
        self._leads.append(slot - self._tick)
        if len(self._leads) == _EARLY_PACKETS:
            self._drain(min(self._leads) - BUFFER_TICKS)
            self._leads.clear()

    def _drain(self, spare: int) -> None:
        """Play everything so many ticks earlier; what would then have been played already is dropped."""
        if spare <= 0:
            return
        assert self._base is not None
        self._base = (self._base[0], self._base[1] - spare)
        earlier = {slot - spare: packet for slot, packet in self._waiting.items()}
        self._waiting = {slot: packet for slot, packet in earlier.items() if slot >= self._tick}

    def tick(self) -> bytes | None:
        """The packet that plays in the next 20 ms; None when there is none (lost, late or not begun)."""
        found = self._waiting.pop(self._tick, None)
        self._tick += 1
        if found is None:
            self.lost += self._played
            return None
        self._played = True
        self.playing, payload = found
        return payload

    def _slot(self, rtp: int) -> int:
        assert self._base is not None
        since = (rtp - self._base[0]) % _WRAP
        since -= _WRAP if since >= _WRAP // 2 else 0
        return self._base[1] + since // PACKET


class Reports:
    """When a page reports what plays: every 200 ms, until a report is at or past the end it was told.

    Pure. What plays is an RTP timestamp, modulo 2**32.
    """

    def __init__(self) -> None:
        self._until: int | None = None
        self._newest: int | None = None
        self._ticks = 0

    def until(self, end: object) -> None:
        """The newest ``state`` names this end; anything but a number is none: report on."""
        self._until = end if isinstance(end, int) else None

    def due(self, playing: int | None) -> bool:
        """Whether to report ``playing`` now; to be asked once in each tick of 20 ms."""
        regular = self._ticks % _REPORT_TICKS == 0
        self._ticks += 1
        if playing is None or playing == self._newest or self._at_end(self._newest):
            return False
        if not regular and not self._at_end(playing):
            return False
        self._newest = playing
        return True

    def _at_end(self, rtp: int | None) -> bool:
        return rtp is not None and self._until is not None and (rtp - self._until) % _WRAP < _WRAP // 2


def parse_message(data: str | bytes) -> Mapping[str, Any] | None:
    """What the server says, or None when a page would not take it."""
    if not isinstance(data, str) or len(data) > _MOST_MESSAGE:
        return None
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    fields = _FROM_SERVER.get(message["type"])
    if fields is None or not all(isinstance(message.get(name), str) for name in fields):
        return None
    return message


def checked(answer: Any, *fields: str) -> dict[str, str]:
    """The text fields of a JSON answer.

    Raises:
        ProviderError: it has not all of them.
    """
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), str) for name in fields):
        raise ProviderError("the answer is not as documented", supplier=SUPPLIER, transient=False)
    return {name: answer[name] for name in fields}
