"""What our jitter buffer adds to the delay of incoming WebRTC audio, and aiortc's beside it, in virtual time.

``python -m loadtests.jitter`` sends simulated calls of Opus packets through network
conditions of a fixed seed, into both buffers, and prints one table. Nothing waits:
a call of a minute takes about a second. Delay is what the buffer adds, from a
packet's arrival to its samples' going out; ours goes out on a clock of 20 ms, aiortc's
as soon as its buffer lets go of the frame, before any clock of whoever reads it.
Decoding and resampling (1.5 ms) are not in it. ``--json FILE`` also writes the figures.

The last column is for conditions that end: how long after that the delay is, and
stays, within 20 ms of what it was before. Exits 1 when our p50 on a clean network is
above 60 ms or coming back takes more than 3 s.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from loadtests.statistics import percentile
from voice_runtime.ingress.jitter import TICK, Packet, units
from voice_runtime.ingress.playout import Playout

#: A call in s, when an impairment that ends does so, and calls per row.
_CALL_S, _FROM_S, _TO_S = 60, 20, 25
_CALLS = 5
_WITHIN_MS = 20.0
_MOST_P50_MS, _MOST_BACK_S = 60.0, 3.0

#: Given the packet's number: None when it is lost, or its delay beyond the path's least, in ms.
Network = Callable[[int, random.Random], float | None]


def _clean(n: int, rng: random.Random) -> float | None:
    return rng.uniform(0, 1)


def _random_loss(share: float) -> Network:
    return lambda n, rng: None if rng.random() < share else rng.uniform(0, 1)


class _Bursts:
    """Gilbert's model: losses in runs of four on average, ``share`` of all packets."""

    def __init__(self, share: float) -> None:
        self._enter, self._leave = share / (1 - share) / 4, 1 / 4
        self._losing = False

    def __call__(self, n: int, rng: random.Random) -> float | None:
        self._losing = rng.random() >= self._leave if self._losing else rng.random() < self._enter
        return None if self._losing else rng.uniform(0, 1)


def _jitter(n: int, rng: random.Random) -> float | None:
    """Uniform within 30 ms either way, each packet for itself: overtaking included."""
    return rng.uniform(0, 60)


class _InOrder:
    """The same, through a queue: nobody overtakes."""

    def __init__(self) -> None:
        self._behind = 0.0

    def __call__(self, n: int, rng: random.Random) -> float | None:
        self._behind = max(self._behind - 20, rng.uniform(0, 60))
        return self._behind


def _reordered(n: int, rng: random.Random) -> float | None:
    return 35.0 if rng.random() < 0.05 else rng.uniform(0, 1)


def _loss_and_jitter(n: int, rng: random.Random) -> float | None:
    return None if rng.random() < 0.03 else rng.uniform(0, 60)


def _during(start_s: float, end_s: float, network: Network) -> Network:
    return lambda n, rng: network(n, rng) if start_s <= n / 50 < end_s else _clean(n, rng)


def _stall(ms: int) -> Network:
    """Once, everything sent for ``ms`` arrives together."""
    first = _FROM_S * 50
    return lambda n, rng: max(0.0, ms - (n - first) * 20.0) if n >= first else _clean(n, rng)


def _one_lost(n: int, rng: random.Random) -> float | None:
    return None if n == _FROM_S * 50 else _clean(n, rng)


@dataclass(frozen=True, slots=True)
class Row:
    """One condition through one buffer. Delay in ms over all calls.

    ``back_s`` is the slowest call's; None: never.

    ``unplayed`` is the share of sent packets whose audio never came out, ``concealed`` that of the output
    which was made up for audio that was sent, ``dropped`` that of the audio which was
    taken out to bring the delay back to its target.
    """

    condition: str
    buffer: str
    p50_ms: float
    p95_ms: float
    max_ms: float
    unplayed_percent: float
    concealed_percent: float | None
    dropped_percent: float | None
    back_s: float | None
    ends: bool


_CONDITIONS: list[tuple[str, Callable[[], Network], float | None]] = [
    ("clean", lambda: _clean, None),
    ("one packet lost", lambda: _one_lost, _FROM_S),
    ("1 % lost", lambda: _random_loss(0.01), None),
    ("3 % lost", lambda: _random_loss(0.03), None),
    ("3 % lost in runs of 4", lambda: _Bursts(0.03), None),
    ("5 s of 3 % lost", lambda: _during(_FROM_S, _TO_S, _random_loss(0.03)), _TO_S),
    ("5 s of 3 % in runs of 4", lambda: _during(_FROM_S, _TO_S, _Bursts(0.03)), _TO_S),
    ("30 ms jitter, overtaking", lambda: _jitter, None),
    ("30 ms jitter, in order", _InOrder, None),
    ("5 s of 30 ms jitter", lambda: _during(_FROM_S, _TO_S, _jitter), _TO_S),
    ("3 % lost, 30 ms jitter", lambda: _loss_and_jitter, None),
    ("5 % reordered", lambda: _reordered, None),
    ("a stall of 300 ms", lambda: _stall(300), _FROM_S + 0.3),
]


class _Speech:
    """A decoder that needs no codec: the payload says which 20 ms of a made-up talker it is."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        t = np.arange(_CALL_S * 8000) / 8000
        pitch = 110 + 20 * np.sin(2 * np.pi * 0.7 * t)
        phase = 2 * np.pi * np.cumsum(pitch) / 8000
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        talking = (t % 2.0) < 1.6  # 1.6 s of speech, 0.4 s of pause
        self._samples = (1500 * voice * talking + rng.normal(0, 15, len(t))).astype(np.int16)
        self._newest = np.zeros(160, dtype=np.int16)

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        n = int.from_bytes(payload, "big")
        self._newest = self._samples[n * 160 : (n + 1) * 160]
        return self._newest

    def conceal(self) -> NDArray[np.int16]:
        return self._newest


def _arrivals(network: Network, seed: int) -> Iterator[tuple[int, int]]:
    """(arrival in RTP units, packet's number), in order of arrival; the path takes 40 ms at least."""
    rng = random.Random(seed)
    found = []
    for n in range(_CALL_S * 50):
        behind = network(n, rng)
        if behind is not None:
            found.append((n * TICK + units(40 + behind), n))
    return iter(sorted(found))


@dataclass
class _Result:
    delays: list[tuple[float, float]]  # (s of the call, ms)
    unplayed: float
    concealed: float | None = None
    dropped: float | None = None


def _ours(network: Network, seed: int) -> _Result:
    playout = Playout(_Speech(seed))
    arrivals = _arrivals(network, seed)
    phase = random.Random(seed + 1000).randrange(TICK)
    pending = next(arrivals, None)
    delays = []
    received = 0
    for tick in range(_CALL_S * 50 + 25):
        now = tick * TICK + phase
        while pending is not None and pending[0] <= now:
            at, n = pending
            received += 1
            packet = Packet(1, n % (1 << 16), n * TICK, TICK, n.to_bytes(4, "big"), at)
            playout.put(packet)
            pending = next(arrivals, None)
        playout.pull(now)
        if received and tick < _CALL_S * 50:
            delays.append((now / 48_000, playout.delay_ms))
    stats = playout.stats
    total_ms = _CALL_S * 1000
    return _Result(
        delays, stats.lost / (_CALL_S * 50), stats.concealed_ms / total_ms, stats.dropped_ms / total_ms
    )


def _theirs(network: Network, seed: int) -> _Result:
    buffer = JitterBuffer(capacity=16, prefetch=4)  # as RTCRtpReceiver makes it for audio
    arrived: dict[int, int] = {}
    delays = []
    for at, n in _arrivals(network, seed):
        arrived[n * TICK] = at
        packet = RtpPacket(payload_type=96, sequence_number=n % (1 << 16), timestamp=n * TICK, ssrc=1)
        setattr(packet, "_data", b"\x00")  # noqa: B010 - what aiortc's depayloading sets, undeclared
        _, frame = buffer.add(packet)
        if frame is not None:
            delays.append((at / 48_000, (at - arrived[frame.timestamp]) / 48))
    return _Result(delays, 1 - len(delays) / (_CALL_S * 50))


def _back_s(delays: list[tuple[float, float]], start_s: float, end_s: float) -> float | None:
    """How many s after ``end_s`` the delay is, and stays, within 20 ms of what it was before ``start_s``."""
    before = statistics.median(d for at, d in delays if at < start_s)
    away = [at for at, d in delays if at >= end_s and d > before + _WITHIN_MS]
    if away and away[-1] > _CALL_S - 2:
        return None
    return max(0.0, away[-1] - end_s) if away else 0.0


def _percent(shares: list[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return round(100 * statistics.fmean(known), 2) if known else None


def measure(calls: int = _CALLS) -> list[Row]:
    """Every condition through both buffers."""
    rows = []
    for name, network, end_s in _CONDITIONS:
        for buffer, through in (("ours", _ours), ("aiortc", _theirs)):
            results = [through(network(), seed) for seed in range(calls)]
            delays = [d for r in results for _, d in r.delays]
            back = [_back_s(r.delays, _FROM_S, end_s) for r in results] if end_s else []
            rows.append(
                Row(
                    name,
                    buffer,
                    round(percentile(delays, 50), 1),
                    round(percentile(delays, 95), 1),
                    round(max(delays), 1),
                    round(100 * statistics.fmean(r.unplayed for r in results), 2),
                    _percent([r.concealed for r in results]),
                    _percent([r.dropped for r in results]),
                    None if not back or None in back else round(max(b for b in back if b is not None), 2),
                    end_s is not None,
                )
            )
    return rows


_HEADING = (
    f"{'condition':26} {'buffer':7} {'p50':>7} {'p95':>7} {'max':>7} {'unplayed':>9} {'concealed':>9}"
    f" {'dropped':>9} {'back':>8}"
)


def _line(row: Row) -> str:
    back = ("never" if row.back_s is None else f"{row.back_s:.1f} s") if row.ends else ""
    concealed = "" if row.concealed_percent is None else f"{row.concealed_percent:.2f} %"
    dropped = "" if row.dropped_percent is None else f"{row.dropped_percent:.2f} %"
    return (
        f"{row.condition:26} {row.buffer:7} {row.p50_ms:7.1f} {row.p95_ms:7.1f} {row.max_ms:7.1f}"
        f" {row.unplayed_percent:7.2f} % {concealed:>9} {dropped:>9} {back:>8}"
    )


def holds(rows: list[Row]) -> bool:
    """Our p50 when clean, and our way back after every condition that ended."""
    ours = [row for row in rows if row.buffer == "ours"]
    clean = all(row.p50_ms <= _MOST_P50_MS for row in ours if row.condition == "clean")
    return clean and all(row.back_s is not None and row.back_s <= _MOST_BACK_S for row in ours if row.ends)


def main() -> int:
    """Print the table; 1 when the targets are missed."""
    parser = argparse.ArgumentParser(description="What our jitter buffer adds, and aiortc's beside it.")
    parser.add_argument("--calls", type=int, default=_CALLS, help="simulated calls of a minute per row")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    rows = measure(options.calls)
    print(_HEADING)
    print("\n".join(_line(row) for row in rows))
    print(f"delay in ms; {options.calls} calls of {_CALL_S} s per row, seeds 0 to {options.calls - 1}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0 if holds(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
