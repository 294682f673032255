"""How evenly the agent's audio arrives, before the caller's playout evens it out.

Each piece of audio is held against the pace of its stretch: the earliest any of
its pieces has come so far, media time allowed for. What is left is how late it is
(RFC 5481, clause 4.2, packet delay variation, with a running minimum, so that an agent who
sends some audio ahead and then keeps pace is not called uneven). A stretch ends
when the playout has been dry for 200 ms, or is cleared.
"""

from __future__ import annotations

from collections import Counter

from voice_runtime.events import RATE_HZ

#: A playout that has been dry for so long begins a new stretch, ns.
_DRY_NS = 200_000_000
_NS_PER_SAMPLE = 1_000_000_000 // RATE_HZ
#: Finer than any caller's clock, and a bounded number of entries. ms.
_STEP_MS = 0.1
_LATEST_MS = 10_000.0
_RTP_PER_MS, _RTP_HALF = 48, 1 << 31


class Arrivals:
    """The arrivals of one call. Pure: told the time."""

    def __init__(self) -> None:
        self._late: Counter[int] = Counter()
        self._media_ns = 0
        self._first_rtp: int | None = None
        self._earliest_ns: int | None = None
        self._dry_at_ns = 0

    def note(self, at_ns: int, samples: int, *, rtp: int | None = None) -> None:
        """Audio arrived.

        Args:
            at_ns: when, of any monotonic clock.
            samples: so many, of 8 kHz.
            rtp: its RTP timestamp (48 kHz, 32 bits), where it has one: so a lost packet makes
                none behind it late, and one that was overtaken is held against its own place.
        """
        if samples <= 0:
            return
        if self._earliest_ns is None or at_ns >= self._dry_at_ns + _DRY_NS:
            self._media_ns, self._earliest_ns, self._dry_at_ns = 0, at_ns, at_ns
            self._first_rtp = rtp
        media_ns = self._media_ns
        if rtp is not None and self._first_rtp is not None:
            ahead = (rtp - self._first_rtp + _RTP_HALF) % (2 * _RTP_HALF) - _RTP_HALF
            media_ns = ahead * 1_000_000 // _RTP_PER_MS
        begun_ns = at_ns - media_ns  # when the stretch would have begun, had this piece kept pace
        self._earliest_ns = min(self._earliest_ns, begun_ns)
        late_ms = min(_LATEST_MS, (begun_ns - self._earliest_ns) / 1e6)
        self._late[round(late_ms / _STEP_MS)] += 1
        length_ns = samples * _NS_PER_SAMPLE
        self._media_ns += length_ns
        self._dry_at_ns = max(self._dry_at_ns, at_ns) + length_ns

    def cleared(self) -> None:
        """What was buffered is thrown away: what comes next is a new stretch."""
        self._earliest_ns = None

    @property
    def jitter_ms(self) -> float | None:
        """95th percentile (nearest rank) of how late pieces came, ms; None when none came."""
        count = sum(self._late.values())
        wanted = -(-count * 95 // 100)
        for late in sorted(self._late):
            wanted -= self._late[late]
            if wanted <= 0:
                return round(late * _STEP_MS, 1)
        return None
