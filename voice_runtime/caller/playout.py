"""The caller's ear: a 20 ms playout clock that treats media, marks and clear as Twilio does.

Pure: it is told when a tick is due and knows no wall clock. Sample ``p`` of its
timeline sounds at ``start + p / 8000`` s, whatever arrived when.

Twilio (Media Streams, "mark", "clear"): audio is buffered and played in order;
a mark comes back when all audio before it has been played, at once if there is
none; ``clear`` empties the buffer and *all* pending marks come back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from voice_runtime.caller import audible
from voice_runtime.events import CHUNK_SAMPLES

#: Silence between pieces of audio up to this long is a gap, longer is a pause between utterances. Samples.
LONGEST_GAP = 8000
_SILENT_TICK = audible.ULAW_SILENCE * CHUNK_SAMPLES
_SILENT_WINDOWS = bytes(CHUNK_SAMPLES // audible.WINDOW_SAMPLES)
#: Marks, gaps and clears beyond so many are treated as ever, and no longer written down.
_MOST_NOTED = 100_000
_WINDOW_BYTES = 2 * audible.WINDOW_SAMPLES


def loud_windows(ulaw: bytes) -> bytes:
    """One byte for each 5 ms of µ-law, 1 where ``audible.windows`` is true: cheaper for 20 ms at a time."""
    if ulaw == _SILENT_TICK:
        return _SILENT_WINDOWS
    short = -len(ulaw) % audible.WINDOW_SAMPLES
    pcm = audible.to_pcm(ulaw + audible.ULAW_SILENCE * short if short else ulaw)
    loud, size = audible.loud, _WINDOW_BYTES
    return bytes([loud(pcm[at : at + size]) for at in range(0, len(pcm), size)])


class Gap(NamedTuple):
    """Nothing to play between two pieces of audio. Samples on the playout timeline."""

    start: int
    samples: int


class MarkBack(NamedTuple):
    """A mark that came back at sample ``at``; ``cleared`` when a clear sent it back unplayed."""

    name: str
    at: int
    cleared: bool


class Onset(NamedTuple):
    """A stretch of audible speech: first audible sample and the end of the last audible window."""

    first: int
    end: int


@dataclass(slots=True)
class _Piece:
    ulaw: bytes
    taken: int = 0


class Playout:
    """One call's playout. ``keep`` bounds the recorded timeline, samples (1 h by default)."""

    def __init__(self, *, keep: int = 3600 * 8000) -> None:
        self.marks: list[MarkBack] = []
        self.gaps: list[Gap] = []
        self.clears: list[int] = []
        #: Samples received, of them played, and of them thrown away by clears.
        self.received = self.played = self.discarded = 0
        #: Samples received and not yet played; marks placed and not yet returned.
        self.buffered = self.pending_marks = 0
        self._queue: deque[_Piece | str] = deque()
        self._ended: list[MarkBack] = []  # all before them sounds by the end of the current tick
        self._sounding = False
        self._timeline = bytearray()
        self._loud = bytearray()
        self._keep = keep
        self._now = 0
        self._dry_since: int | None = None
        self._last_loud: int | None = None

    # -- what arrives -----------------------------------------------------------------------------

    def audio(self, ulaw: bytes) -> None:
        """Buffer µ-law samples."""
        if ulaw:
            self._queue.append(_Piece(ulaw))
            self.received += len(ulaw)
            self.buffered += len(ulaw)

    def mark(self, name: str) -> list[str]:
        """Place a mark; returns it at once when nothing before it is still to be played."""
        self.pending_marks += 1
        if self._queue:
            self._queue.append(name)
        elif self._sounding:
            self._ended.append(MarkBack(name, self._now, False))
        else:
            return self._returned([MarkBack(name, self._now, False)])
        return []

    def clear(self) -> list[str]:
        """Drop what is buffered; returns every pending mark, in order. The 20 ms sounding now end."""
        back = self._ended + [
            MarkBack(item, self._now, True) for item in self._queue if isinstance(item, str)
        ]
        self.discarded += self.buffered
        self.buffered = 0
        self._queue.clear()
        self._ended = []
        if len(self.clears) < _MOST_NOTED:
            self.clears.append(self._now)
        self._dry_since = None
        return self._returned(back)

    def _returned(self, back: list[MarkBack]) -> list[str]:
        self.pending_marks -= len(back)
        self.marks += back[: _MOST_NOTED - len(self.marks)]
        return [mark.name for mark in back]

    # -- the clock --------------------------------------------------------------------------------

    def tick(self) -> list[str]:
        """Start the next 20 ms; returns the marks before which everything has now been played."""
        back, self._ended = self._ended, []
        out = self._take() if self._queue else b""
        self._sounding = bool(out)
        self.played += len(out)
        self.buffered -= len(out)
        if 0 < len(out) < CHUNK_SAMPLES:
            self._dry_since = self._now + len(out)
        self._record(out.ljust(CHUNK_SAMPLES, audible.ULAW_SILENCE) if out else _SILENT_TICK)
        return self._returned(back) if back else []

    def _take(self) -> bytes:
        """The next 20 ms of what is queued, or less; marks that come up end with them."""
        out = b""
        while self._queue and (len(out) < CHUNK_SAMPLES or isinstance(self._queue[0], str)):
            item = self._queue[0]
            if isinstance(item, str):
                self._queue.popleft()
                self._ended.append(MarkBack(item, self._now + len(out), False))
                continue
            if not out:
                self._wet()
            part = item.ulaw[item.taken : item.taken + CHUNK_SAMPLES - len(out)]
            out += part
            item.taken += len(part)
            if item.taken == len(item.ulaw):
                self._queue.popleft()
        return out

    def _wet(self) -> None:
        """Audio again: what was dry until now was a gap, unless it was long enough to be a pause."""
        if self._dry_since is not None:
            dry = self._now - self._dry_since
            if 0 < dry <= LONGEST_GAP and len(self.gaps) < _MOST_NOTED:
                self.gaps.append(Gap(self._dry_since, dry))
        self._dry_since = None

    def _record(self, ulaw: bytes) -> None:
        loud = loud_windows(ulaw)
        if 1 in loud:
            self._last_loud = self._now + (loud.rindex(b"\1") + 1) * audible.WINDOW_SAMPLES
        if self._now < self._keep:
            self._timeline += ulaw
            self._loud += loud
        self._now += CHUNK_SAMPLES
        if self._dry_since is None and not self._queue and self.played:
            self._dry_since = self._now

    # -- what was heard ---------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Samples played so far, silence included: where the next tick starts."""
        return self._now

    @property
    def queued(self) -> int:
        """Pieces of audio and marks that wait."""
        return len(self._queue)

    @property
    def timeline(self) -> bytes:
        """What sounded, as µ-law, from sample 0."""
        return bytes(self._timeline)

    @property
    def last_loud(self) -> int | None:
        """End of the newest audible window; None while nothing has sounded."""
        return self._last_loud

    def first_audible(self, since: int = 0) -> int | None:
        """First audible sample at or after ``since``; None when there is none yet."""
        window = max(0, since) // audible.WINDOW_SAMPLES
        while (window := self._loud.find(1, window)) >= 0:
            start = window * audible.WINDOW_SAMPLES
            pcm = audible.to_pcm(bytes(self._timeline[start : start + audible.WINDOW_SAMPLES]))
            edges = audible.bounds(pcm)
            if edges is not None and start + edges[1] >= since:
                return max(since, start + edges[0])
            window += 1
        return None

    def silent_from(self, since: int, *, for_samples: int) -> int | None:
        """Where the agent fell silent at or after ``since`` and stayed so for ``for_samples``.

        Returns ``since`` when it was silent already, None while it has not been
        silent for long enough.
        """
        size = audible.WINDOW_SAMPLES
        wanted = -(-for_samples // size)
        found = self._loud.find(bytes(wanted), max(0, since) // size)
        return None if found < 0 else max(since, found * size)

    def onsets(self, *, pause: int, since: int = 0, until: int | None = None) -> list[Onset]:
        """Stretches of speech between silences of at least ``pause`` samples."""
        found: list[Onset] = []
        position = since
        while (first := self.first_audible(position)) is not None and (until is None or first < until):
            end = self.silent_from(first, for_samples=pause)
            end = min(e for e in (end, self._last_loud, until) if e is not None)
            found.append(Onset(first, end))
            if end <= first:
                break
            position = end
        return found
