"""When is each packet of incoming audio due? An adaptive jitter buffer in RTP time, pure.

Time is counted in units of the RTP clock of Opus, 48 kHz whatever the bandwidth
(RFC 7587 section 4.1). A packet's *transit* is its arrival on our clock minus its
RTP timestamp: it includes the unknown offset between both clocks, so only
differences of transits mean anything. The *target* is the transit that nearly all
of the newest packets kept to (a quantile over a sliding window, as in Moon,
Kurose and Towsley, "Packet audio playout delay adjustment", 1998), never less than
the fastest packet's plus a floor. A packet is due once ``now - timestamp`` has
reached the target. Once per tick of 20 ms ``pull`` says what to do:

* the packet is there: PLAY it, each once and in order;
* it is missing and a later one is there: it is lost or too late. CONCEAL it, and
  where the delay exceeds the target, leave out as much of the gap as is surplus;
* nothing is there: WAIT (conceal, too) without moving on, so that a stall of the
  network costs delay, which is drained later, and not speech;
* the sender paused (discontinuous transmission, mute): sequence numbers go on
  where timestamps jump. PAUSE, and use it to come back to the target.

So a lost packet never raises the delay. ``surplus`` tells the player how much of
the audio itself may be shortened away (``playout.py``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from enum import Enum

#: RTP clock of Opus in Hz, and the length of one tick.
CLOCK_HZ = 48_000
TICK = CLOCK_HZ // 50
#: The longest Opus packet, 120 ms (RFC 6716 section 3.2.5).
_LONGEST = CLOCK_HZ * 120 // 1000
#: A jump of the sequence number is a restart beyond these (RFC 3550 A.1, MAX_DROPOUT and MAX_MISORDER).
_FORWARD, _BACKWARD = 3000, 100
#: Packets that may wait; at 20 ms each five seconds, far above the backlog that is ever played.
_MOST_PACKETS = 256
#: Transits that say enough by themselves; before, the spread known from before a restart counts too.
_ENOUGH = 50
#: Transits kept however old they are (discontinuous transmission sends one in 400 ms).
_FEWEST = 5


def units(ms: float) -> int:
    """Milliseconds as RTP units."""
    return round(ms * CLOCK_HZ / 1000)


@dataclass(frozen=True, slots=True)
class BufferSettings:
    """How the buffer trades delay for concealment. Times in ms.

    Attributes:
        floor_ms: least target above the fastest packet.
        most_ms: most target above the fastest packet; later packets are concealed.
        backlog_ms: most delay above the target; older audio beyond it is thrown away unplayed.
        window_ms: how long a packet's transit counts.
        quantile: share of the packets that are to arrive in time.
        restart_ms: without any packet for this long, the next one starts afresh.
    """

    floor_ms: float = 20.0
    most_ms: float = 200.0
    backlog_ms: float = 500.0
    window_ms: float = 2000.0
    quantile: float = 0.98
    restart_ms: float = 1000.0


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet of audio: header fields as they came (not unwrapped), length and arrival in units.

    ``length`` 0 is a packet that only carries padding: it takes its sequence number and nothing else.
    """

    ssrc: int
    sequence: int
    timestamp: int
    length: int
    payload: bytes
    arrived: int


class Due(Enum):
    """What to put out next."""

    PLAY = "play"
    CONCEAL = "conceal"  # for audio that is lost
    WAIT = "wait"  # for audio that may still come
    PAUSE = "pause"  # nothing was sent, or nothing has come yet


@dataclass(frozen=True, slots=True)
class Step:
    """``length`` units of output: of ``payload`` for PLAY, made up otherwise."""

    due: Due
    length: int
    payload: bytes = b""


@dataclass(slots=True)
class Counts:
    """Packets, and output in units. ``lost`` were not there in time to be played, ``late`` among them."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    concealed: int = 0
    paused: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Queued:
    sequence: int
    timestamp: int
    length: int
    payload: bytes
    arrived: int


class Transits:
    """The newest packets' transits, and the target they ask for."""

    def __init__(self, settings: BufferSettings) -> None:
        self._floor = units(settings.floor_ms)
        self._most = units(settings.most_ms)
        self._window = units(settings.window_ms)
        self._quantile = settings.quantile
        self._aged: deque[tuple[int, int]] = deque()
        self._sorted: list[int] = []
        self._known = 0
        self.target = 0

    @property
    def spread(self) -> int:
        """The target above the fastest transit; 0 when none counts."""
        return self.target - self._sorted[0] if self._sorted else 0

    @property
    def newest(self) -> int | None:
        """The newest transit; None when none counts."""
        return self._aged[-1][1] if self._aged else None

    def add(self, transit: int, arrived: int) -> None:
        """Count a packet that arrived at ``arrived``."""
        self._aged.append((arrived, transit))
        insort(self._sorted, transit)
        while len(self._aged) > _FEWEST and self._aged[0][0] < arrived - self._window:
            _, old = self._aged.popleft()
            del self._sorted[bisect_left(self._sorted, old)]
        count = len(self._sorted)
        fastest = self._sorted[0]
        spread = self._sorted[min(count - 1, int(count * self._quantile))] - fastest
        if count < _ENOUGH:
            spread = max(spread, self._known)
        self.target = fastest + min(max(spread, self._floor), self._most)

    def clear(self) -> None:
        """Forget the transits (another clock, or another path); the spread stays as a first guess."""
        if self._sorted:
            self._known = self.spread
        self._aged.clear()
        self._sorted.clear()


def unwrap(value: int, near: int, bits: int) -> int:
    """Return the number closest to ``near`` that has ``value`` as its low ``bits``."""
    size = 1 << bits
    return near + (value - near + size // 2) % size - size // 2


class JitterBuffer:
    """One stream's packets, by time. ``put`` them as they come, ``pull`` in ticks of one clock."""

    def __init__(self, settings: BufferSettings | None = None) -> None:
        self._settings = settings or BufferSettings()
        self._backlog = units(self._settings.backlog_ms)
        self._restart_after = units(self._settings.restart_ms)
        self._transits = Transits(self._settings)
        self._packets: dict[int, _Queued] = {}
        self._ssrc: int | None = None
        self._expected: int | None = None  # after a jump: the sequence number that would confirm it
        self._highest = 0
        self._seen = 0  # bit n: sequence number ``_highest - n`` has come
        self._newest_timestamp = 0
        self._passed: int | None = None  # the newest sequence number that was played or dropped
        self._position: int | None = None  # timestamp of the next unit to put out; None: not playing
        self._starting = False
        self._waited = 0
        self.counts = Counts()
        #: From the arrival of the packet played last to its playing, in units.
        self.delay = 0

    @property
    def target(self) -> int:
        """The delay aimed at: how long the fastest packet waits, in units; 0 before the first packet."""
        return self._transits.spread

    def __len__(self) -> int:
        return len(self._packets)

    # --- packets come -----------------------------------------------------------------------------

    def put(self, packet: Packet, *, timed: bool = True) -> None:
        """Take a packet. Any order, duplicates and strays included.

        Args:
            timed: its time of arrival is to be relied on. Of one that our own process was late to
                read it is not, and says nothing of the network.
        """
        counts = self.counts
        counts.received += 1
        if packet.ssrc != self._ssrc:
            self._restart(packet)
        sequence = unwrap(packet.sequence, self._highest, 16)
        if not -_BACKWARD <= sequence - self._highest < _FORWARD:
            # One stray does not restart a stream, two that follow one another do (RFC 3550 A.1).
            if packet.sequence != self._expected:
                self._expected = (packet.sequence + 1) % (1 << 16)
                return
            self._restart(packet)
            sequence = packet.sequence
        timestamp = unwrap(packet.timestamp, self._newest_timestamp, 32)
        transit = packet.arrived - timestamp
        if self._position is None and not self._packets:
            self._transits.clear()  # after a pause of unknown length
        newest = self._transits.newest
        timed = timed or newest is None
        if (
            timed
            and newest is not None
            and abs(transit - newest) > self._restart_after
            and sequence > self._highest
        ):
            self._restart(packet)
            sequence, timestamp = packet.sequence, packet.timestamp
            transit = packet.arrived - timestamp
        if not self._first_time(sequence):
            counts.duplicates += 1
            return
        if sequence == self._highest:
            self._newest_timestamp = timestamp
        if timed:
            self._transits.add(transit, packet.arrived)
        if self._passed is not None and sequence <= self._passed:
            counts.late += 1
            return
        if self._position is not None and packet.length and timestamp + packet.length <= self._position:
            counts.late += 1
            return
        self._packets[sequence] = _Queued(sequence, timestamp, packet.length, packet.payload, packet.arrived)
        if len(self._packets) > _MOST_PACKETS:
            self._drop(self._packets[min(self._packets)])

    def _restart(self, packet: Packet) -> None:
        """Begin anew with ``packet``: another stream, or the same after a jump."""
        if self._ssrc is not None:
            self.counts.restarts += 1
        self.counts.dropped += sum(p.length for p in self._packets.values())
        self._packets.clear()
        self._stop()
        self._transits.clear()
        self._ssrc, self._expected = packet.ssrc, None
        self._highest, self._seen, self._passed = packet.sequence, 0, None
        self._newest_timestamp = packet.timestamp

    def _first_time(self, sequence: int) -> bool:
        ahead = sequence - self._highest
        if ahead > 0:
            self._seen = ((self._seen << ahead) | 1) & ((1 << (_BACKWARD + 1)) - 1)
            self._highest = sequence
            return True
        bit = 1 << -ahead
        if self._seen & bit:
            return False
        self._seen |= bit
        return True

    # --- output is due ----------------------------------------------------------------------------

    def surplus(self, now: int) -> int:
        """Delay above the target in units; negative below it. 0 while not playing."""
        if self._position is None or self._starting:
            return 0
        return now - self._position - self._transits.target

    def pull(self, now: int) -> Step:
        """What to put out at the tick ``now`` (units of our clock, never running backwards).

        Call it until the tick's 960 units are full: packets may be shorter or longer.
        """
        if not self._packets:
            return self._nothing()
        head = self._packets[min(self._packets)]
        if self._position is None:
            self._position, self._starting = head.timestamp, True
        while len(self._packets) > 1 and self.surplus(now) >= self._backlog + TICK:
            self._drop(head)
            head = self._packets[min(self._packets)]
        gap = head.timestamp - self._position
        missing = self._skipped(head)
        if gap > missing * _LONGEST:  # more than any lost packets could fill: the sender paused
            self._position, self._starting = head.timestamp, True
            self.counts.paused += self._waited
            self._waited = 0
        elif gap > 0 and (step := self._missing(now, gap)) is not None:
            return step
        if self._starting:
            if now - self._position < self._transits.target:
                self.counts.paused += TICK
                return Step(Due.PAUSE, TICK)
            self._starting = False
        return self._play(head, now)

    def _nothing(self) -> Step:
        if self._position is None:
            self.counts.paused += TICK
            return Step(Due.PAUSE, TICK)
        self._waited += TICK
        if self._waited >= self._restart_after:
            self._stop()
        return Step(Due.WAIT, TICK)

    def _missing(self, now: int, gap: int) -> Step | None:
        """Fill a gap whose audio is lost; None once its end is reached."""
        assert self._position is not None
        left_out = min(gap, max(0, self.surplus(now)) // TICK * TICK)
        self._position += left_out
        gap -= left_out
        if not gap:
            return None
        length = min(gap, TICK)
        if self.surplus(now) < 0:
            # Not at the target yet: what is missing may only be late, and waiting raises the delay.
            self._waited += length
            return Step(Due.WAIT, length)
        self._position += length
        self.counts.concealed += length
        return Step(Due.CONCEAL, length)

    def _play(self, head: _Queued, now: int) -> Step:
        del self._packets[head.sequence]
        assert self._position is not None
        self.counts.lost += self._skipped(head)
        self.counts.concealed += self._waited
        self._waited = 0
        self._passed = head.sequence
        self._position = max(self._position, head.timestamp + head.length)
        if head.length:
            self.delay = max(0, now - head.arrived)  # a tick made up for lies before what it plays came
        return Step(Due.PLAY, head.length, head.payload)

    def _drop(self, head: _Queued) -> None:
        """Throw the oldest packet away unplayed."""
        del self._packets[head.sequence]
        self.counts.dropped += head.length
        self.counts.lost += self._skipped(head)
        self._passed = head.sequence
        if self._position is not None:
            self._position = max(self._position, head.timestamp + head.length)

    def _skipped(self, head: _Queued) -> int:
        """Packets that should have come before ``head``."""
        return 0 if self._passed is None else head.sequence - self._passed - 1

    def _stop(self) -> None:
        """Play nothing until the next packet."""
        self._position, self._starting = None, False
        self.counts.paused += self._waited
        self._waited = 0
