"""When an echo agent's answers really left it, and so when each had to sound at the caller: pure.

Counting says which of the caller's samples an answer follows; on a busy machine it leaves later than
that. So the agent writes down where each answer's first audible sample lies and when each packet left it, on
the machine's monotonic clock, which is the caller's, too. From this follows the playout sample at which
a caller whose own clock and buffer are faultless is played that sample: what it reads
beside that is its own error, what the agent was late by is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtests.results import Transport
from voice_runtime.caller.ticker import TICK_NS
from voice_runtime.caller.webrtc_wire import BUFFER_TICKS
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ


@dataclass(frozen=True, slots=True)
class Onset:
    """An answer: its first sample, and its first audible one, in samples of the caller's media."""

    begins: int
    audible: int


@dataclass(frozen=True, slots=True)
class Due:
    """When an answer had to be at the caller.

    Attributes:
        sample: of the playout, at which its first audible sample has to sound.
        handed_over_ms: when it would have sounded had its packet been played as the agent handed it over, ms
            since the caller's sample 0: no tick of the caller's is in it.
    """

    sample: int
    handed_over_ms: float


@dataclass(slots=True)
class Account:
    """One call's.

    Attributes:
        onsets: of its answers, in order.
        left_ns: monotonic time at which a packet left, by its number: the agent's count of
            packets, from 0. Over Twilio's protocol only answers leave, over WebRTC silence, too.
    """

    onsets: list[Onset] = field(default_factory=list)
    left_ns: dict[int, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, list[list[int]]]:
        """What ``from_json`` takes."""
        return {
            "onsets": [[onset.begins, onset.audible] for onset in self.onsets],
            "left_ns": [[packet, at_ns] for packet, at_ns in self.left_ns.items()],
        }

    @classmethod
    def from_json(cls, said: dict[str, list[list[int]]]) -> Account:
        """As the agent told it."""
        return cls(
            [Onset(begins, first) for begins, first in said["onsets"]],
            {int(packet): at_ns for packet, at_ns in said["left_ns"]},
        )

    def due(self, answered_ns: int, transport: Transport) -> list[Due]:
        """When the answers' first audible samples had to sound, one an onset.

        An answer whose packets did not leave before the call's end is not among them.

        Args:
            answered_ns: monotonic time of the caller's sample 0.
        """
        played = self._buffered if transport == "webrtc" else self._queued
        found = ((onset, played(onset, answered_ns)) for onset in self.onsets)
        return [
            Due(sample, self._handed_over_ms(onset, answered_ns))
            for onset, sample in found
            if sample is not None
        ]

    def _handed_over_ms(self, onset: Onset, answered_ns: int) -> float:
        packet, offset = divmod(onset.audible, CHUNK_SAMPLES)
        return (self.left_ns[packet] - answered_ns) / 1e6 + offset * 1000 / RATE_HZ

    def _queued(self, onset: Onset, answered_ns: int) -> int | None:
        """Twilio: what is received is played in order, each packet in the first tick that is free."""
        tick = -1
        for packet in range(onset.begins // CHUNK_SAMPLES, onset.audible // CHUNK_SAMPLES + 1):
            if packet not in self.left_ns:
                return None
            tick = max(tick + 1, _next_tick(self.left_ns[packet], answered_ns))
        return tick * CHUNK_SAMPLES + onset.audible % CHUNK_SAMPLES

    def _buffered(self, onset: Onset, answered_ns: int) -> int | None:
        """WebRTC: a fixed buffer behind the packet that was quickest until then; later than it is lost."""
        packet, offset = divmod(onset.audible, CHUNK_SAMPLES)
        quickest_ns = min(
            (at_ns - n * TICK_NS for n, at_ns in self.left_ns.items() if n <= packet), default=answered_ns
        )
        while packet in self.left_ns:
            tick = _next_tick(quickest_ns + packet * TICK_NS, answered_ns) + BUFFER_TICKS
            if _next_tick(self.left_ns[packet], answered_ns) <= tick:
                return tick * CHUNK_SAMPLES + offset
            packet, offset = packet + 1, 0
        return None


def _next_tick(at_ns: int, answered_ns: int) -> int:
    """The first tick that begins after ``at_ns``."""
    return (at_ns - answered_ns) // TICK_NS + 1
