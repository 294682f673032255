"""Where each sample of the agent's speech lies on the RTP timeline, and what of it has been played.

Pure: no clock, no socket. The pipeline writes 8 kHz samples and marks between
them; every 20 ms one packet is taken, of speech or, when there is none, of
silence, so RTP never stops. Three counts:

* *position*: samples the pipeline handed over since the call began, also those
  that an interruption threw away later. It never runs backwards.
* *tick*: packets taken; packet ``n`` has the media timestamp ``n * 960`` (48 kHz).
* *rtp*: what is on the wire and in the caller's reports: media timestamp plus
  the sender's random origin, modulo 2**32 (RFC 3550, 5.1).

Opus delays: what is fed with media timestamp ``t`` sounds ``LOOKAHEAD`` later
(libopus, OPUS_GET_LOOKAHEAD), and a report of timestamp ``t`` says only that the
audio before ``t`` has been played (W3C webrtc, ``rtpTimestamp``). A sample counts
as played when a report covers it by both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voice_runtime.events import CHUNK_BYTES, CHUNK_SAMPLES

#: Opus' RTP clock, whatever the sampling rate (RFC 7587, 4.1).
RTP_HZ = 48_000
PACKET = RTP_HZ * 20 // 1000
#: RTP timestamps per 8 kHz sample.
PER_SAMPLE = PACKET // CHUNK_SAMPLES
#: What libopus holds back at 8 to 48 kHz, "voip" (6.5 ms), in RTP timestamps.
LOOKAHEAD = 312
#: Silence between two pieces of speech up to this long may be ours to answer for, ticks (1 s).
_LONGEST_UNDERRUN = 50
#: Packets and marks whose playing nobody has reported; the oldest are forgotten beyond it (80 s).
_MOST_PENDING = 4096
#: More unsent speech than this is no pacing egress's, bytes (5 s): the rest is dropped and counted.
MOST_UNSENT = 250 * CHUNK_BYTES

_WRAP = 1 << 32


@dataclass(slots=True)
class SpeechStats:
    """What became of the speech. ``underruns``: gaps in mid-speech of our making, ``underrun_ms`` long."""

    packets: int = 0
    speech_packets: int = 0
    underruns: int = 0
    underrun_ms: int = 0
    skipped_ms: int = 0
    cleared_samples: int = 0
    overflowed_samples: int = 0


@dataclass(frozen=True, slots=True)
class _Sent:
    """A packet with speech: ``samples`` of it from ``position`` on."""

    tick: int
    position: int
    samples: int

    @property
    def end(self) -> int:
        return self.position + self.samples


class Timeline:
    """One call's outgoing speech, over as many peer connections as it takes."""

    def __init__(self) -> None:
        self.stats = SpeechStats()
        #: Told of each underrun as it is found: its end, when the samples come that were late.
        self.on_underrun: Callable[[], None] | None = None
        #: Packets taken so far: the next one's media timestamp is ``tick * PACKET``.
        self.tick = 0
        self._unsent = bytearray()
        self._position = 0
        self._sent: deque[_Sent] = deque()
        self._marks: deque[tuple[int, str]] = deque()
        self._played = 0
        self._reported = 0
        self._last_mark = -1
        self._dry_since: int | None = None

    # -- what the pipeline does -------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Samples handed over since the call began."""
        return self._position

    @property
    def unsent(self) -> int:
        """Samples handed over that are in no packet yet."""
        return len(self._unsent) // 2

    def write(self, pcm: bytes) -> None:
        """Take 8 kHz s16le samples."""
        if self._dry_since is not None:
            gap = self.tick - self._dry_since
            # dry where no mark stands: egress had more to say and it came too late
            if gap and gap <= _LONGEST_UNDERRUN and self._last_mark != self._position:
                self.stats.underruns += 1
                self.stats.underrun_ms += gap * 20
                if self.on_underrun is not None:
                    self.on_underrun()
            self._dry_since = None
        room = MOST_UNSENT - len(self._unsent)
        self.stats.overflowed_samples += max(0, len(pcm) - room) // 2
        self._unsent += pcm[: max(0, room)]
        self._position += min(len(pcm), max(0, room)) // 2

    def place(self, name: str) -> None:
        """Place a mark behind everything written so far."""
        self._last_mark = self._position
        behind = self._position  # the last sample before it that is not thrown away
        if not self._unsent:
            behind = self._sent[-1].end if self._sent else self._played
        self._marks.append((behind, name))
        if len(self._marks) > _MOST_PENDING:
            self._marks.popleft()

    def clear(self) -> None:
        """Throw away what is in no packet yet, with its marks: it will never be played."""
        dropped = self.unsent
        self.stats.cleared_samples += dropped
        first_dropped = self._position - dropped
        while self._marks and self._marks[-1][0] > first_dropped:
            self._marks.pop()
        self._unsent.clear()
        self._dry_since = None

    # -- what the sender does ---------------------------------------------------------------------

    def take(self) -> bytes:
        """The next packet's 20 ms (``CHUNK_BYTES``), silence where there is no speech."""
        chunk = bytes(self._unsent[:CHUNK_BYTES])
        if chunk:
            at = self._position - len(self._unsent) // 2
            del self._unsent[:CHUNK_BYTES]
            self._sent.append(_Sent(self.tick, at, len(chunk) // 2))
            if len(self._sent) > _MOST_PENDING:
                self._sent.popleft()
            self.stats.speech_packets += 1
            if not self._unsent:
                self._dry_since = self.tick + 1
        self.tick += 1
        self.stats.packets += 1
        return chunk + bytes(CHUNK_BYTES - len(chunk))

    def skip(self, ticks: int) -> None:
        """The sender was stalled for so long: the timeline goes on without packets for it."""
        self.tick += ticks
        self.stats.skipped_ms += ticks * 20

    # -- what the caller's device reports ---------------------------------------------------------

    @property
    def played(self) -> int:
        """Position before which everything that was sent has been played, as far as reports go."""
        return self._played

    def end(self, origin: int) -> int | None:
        """The first RTP timestamp whose report proves everything handed over so far; it is a new report.

        Args:
            origin: of the sender the report will be about.

        Returns:
            None while samples are in no packet yet: which one will take them is not known.
        """
        if self._unsent:
            return None
        media = self._reported + 1
        if self._sent:
            media = (self._sent[-1].tick + 1) * PACKET + LOOKAHEAD
        return (media + origin) % _WRAP

    def report(self, rtp: int, origin: int) -> list[str] | None:
        """Take a report that the packet with timestamp ``rtp`` began to play.

        Args:
            rtp: as on the wire, modulo 2**32.
            origin: of the sender the report is about.

        Returns:
            The marks that everything before has now been played of, in order; None when the
            report cannot be true (a packet that was never sent, or one older than already
            reported).
        """
        newest = (self.tick - 1) * PACKET
        behind = (newest + origin - rtp) % _WRAP
        media = newest - behind
        if self.tick == 0 or behind >= _WRAP // 2 or media < self._reported:
            return None
        self._reported = media
        surely = media - LOOKAHEAD
        while self._sent:
            packet = self._sent[0]
            samples = min((surely - packet.tick * PACKET) // PER_SAMPLE, packet.samples)
            if samples <= 0:
                break
            self._played = max(self._played, packet.position + samples)
            if samples < packet.samples:
                break
            self._sent.popleft()
        back = []
        while self._marks and self._marks[0][0] <= self._played:
            back.append(self._marks.popleft()[1])
        return back
