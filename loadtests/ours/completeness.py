"""Ledger completeness: every audible event has its record, every record its event. Pure.

One call's playout at the caller is held against the records of the same call. In order:

1. **Clearance.** Every ``clause.cleared`` is settled by exactly one ``agent.played``.
   Every ``agent.played`` rests on a ``clause.cleared`` before it, or on a phrase that
   ``release.bound`` clears, and where samples sounded the receipt was durable before
   the first of them left. Records are numbered without a gap, and the call is closed.
2. **Place.** Every stretch the caller heard lies inside what the records say was
   sounding then; every record with samples has sound in its place, and no two records
   claim the same time (a call has one outgoing stream).
3. **Amount** (telephone calls). What was played, counted in samples, is what the
   records add up to, each clause padded to whole packets. This one knows no time, so
   delay, load and pauses cannot blur it.

Tolerances, and why:

* The two sides count time from their own "answered"; the server's is later by what it
  takes to start a call. That lag is read off the call itself (the median of how much
  later than its record a stretch begins), so only its variation is left:
  ``PLACE_MS`` covers network jitter, playout ticks and the server's loop lag, and the
  caller's own worst tick comes on top. A caller that was unfit altogether
  (``UNFIT_MS``; such a run does not count anyway) is not asked where it heard something.
* Playout is a queue: what came late puts off what follows. Dry playout inside a clause
  (late media, or an interruption that was taken back: a cough, "mhm") puts off its end.
* An interrupted clause counts what marks had proven. At most ``UNPROVEN_MS`` more
  had been handed over: 180 ms between marks and 160 ms of lead. That may lie on both sides of a pause: the
  agent fell silent, went on for a moment, and was interrupted after all.
* Amount is exact but for one packet (20 ms) at either end of the call, and for that; and
  for one at each ``clear``: what sounds when the agent falls silent may sound again when it goes on.
  The silence that is sent behind each disclosure is on no record, for nobody says it (``SENTENCE_PAUSE_MS``).

So on the telephone a missing record of more than 20 ms shows in a call without
interruptions, and of more than 340 ms for each in one with them. In a browser silence is
sent as well, so there is place only: one shows that is longer than ``PLACE_MS``
and the pauses in the speech before it, or whose number is gone. Calls with a second
leg (back from a transfer) are judged by rule 1 alone.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from controls.evidence.trace import gaps as missing_numbers
from controls.evidence.turns import Opened, records_of
from controls.ledger import records as r
from controls.opening import SENTENCE_PAUSE_MS
from loadtests.results import Completeness
from voice_runtime.caller.results import CallResult
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

#: How far from its record, once clocks are aligned, speech may be, ms.
PLACE_MS = 250.0
#: What may have sounded of an interrupted clause beyond its record, ms.
UNPROVEN_MS = 340.0
#: A caller whose own ticks were this late at their 99th percentile cannot tell when it heard something, ms.
UNFIT_MS = 20.0
#: Less than this outside every record is an edge, no event (windows of 5 ms, ticks of 20 ms), ms.
EDGE_MS = 40.0
#: The server's clock of a call may begin so much later than the caller's, or (in a browser) earlier, ms.
_LATEST_MS, _EARLIEST_MS = 2000.0, -300.0
#: Silence between two records after which the next begins a stretch of its own, ms.
_APART_MS = 400.0
#: Dry playout longer than this is not in ``CallResult.gaps``; no voice pauses so long inside a clause, ms.
_LONG_SILENCE_MS = 1000.0
#: The least part of a clause that is audible: words have pauses, not more of them than of sound.
_LEAST_AUDIBLE = 0.25


@dataclass(frozen=True, slots=True)
class Sounded:
    """An ``agent.played`` of which something was handed over; ms of the server's clock of the call."""

    clause: str
    start: float
    ms: float
    padded: int
    interrupted: bool
    proven: bool

    @property
    def end(self) -> float:
        return self.start + self.ms


Interval = tuple[float, float]


def completeness(result: CallResult, opened: Sequence[Opened]) -> Completeness:
    """Judge one call.

    Args:
        result: what its caller has.
        opened: its records with their personal content, of the log that holds it, in leaf order.
    """
    missing, silent, unsettled = _clearance(opened)
    sounded = _sounded(opened)
    heard = [(onset.first * 1000 / RATE_HZ, onset.end * 1000 / RATE_HZ) for onset in result.heard]
    telephone, one_leg = _telephone(opened), _legs(opened) <= 1
    if one_leg and result.late_p99_ms <= UNFIT_MS:
        clears = [clear * 1000 / RATE_HZ for clear in result.clears]
        pauses = _pauses(result, heard, telephone=telephone)
        covers = _covers(sounded, _lag(sounded, heard), pauses, clears, exact=telephone)
        place = PLACE_MS + result.late_worst_ms
        covers = [(start - place, stop + place) for start, stop in covers]
        missing += _unexplained(heard, covers)
        silent += _unheard(sounded, covers, heard) + _overlapping(sounded)
    if one_leg and telephone:
        silent_ms = SENTENCE_PAUSE_MS * len(records_of(opened, r.DisclosurePlayed))
        more, less = _amount(result.played_samples, sounded, len(result.clears), silent_ms)
        missing += more
        silent += less
    return Completeness(
        heard=len(heard),
        recorded=sum(s.ms > 0 for s in sounded),
        missing=tuple(missing),
        silent=tuple(dict.fromkeys(silent)),
        unsettled=tuple(unsettled),
    )


# -- clearance ---------------------------------------------------------------------------------------


def _clearance(opened: Sequence[Opened]) -> tuple[list[str], list[str], list[str]]:
    """What the records alone tell: missing, silent, unsettled."""
    cleared = [record.clause for record, _ in records_of(opened, r.ClauseCleared)]
    settled = Counter(record.clause for record, _ in records_of(opened, r.AgentPlayed))
    unsettled = [f"{clause}: cleared, not settled" for clause in cleared if not settled[clause]]
    silent = [f"{clause}: settled {n} times" for clause, n in settled.items() if n > 1]
    missing = []
    before: set[str] = set()
    bound: set[str] = set()
    for _, record, personal in opened:
        match record:
            case r.ClauseCleared():
                before.add(record.clause)
            case r.ReleaseBound():
                bound.update(fixed.phrase for fixed in record.fixed)
            case r.AgentPlayed() if isinstance(personal, r.PlayedDetails):
                rests = personal.phrase in bound if record.fixed else record.clause in before
                if not rests:
                    missing.append(f"{record.clause}: played, not cleared")
                elif personal.first_sample_at_ns and not (
                    0 < personal.receipt_at_ns <= personal.first_sample_at_ns
                ):
                    missing.append(f"{record.clause}: played before its record was durable")
            case _:
                pass
    gone, twice = missing_numbers(record for _, record, _ in opened)
    missing += [f"record {n}: missing" for n in gone]
    silent += [f"record {n}: twice" for n in twice]
    closed = [record for record, _ in records_of(opened, r.CallClosed)]
    if not closed:
        unsettled.append("call: not closed on record" if opened else "call: not on record at all")
    missing += [
        f"call: closed after {record.records} records, {record.n} are there"
        for record in closed
        if record.records != record.n
    ]
    return missing, silent, unsettled


def _sounded(opened: Sequence[Opened]) -> list[Sounded]:
    """Records of which something left, in the order it left."""
    found = []
    for record, personal in records_of(opened, r.AgentPlayed):
        if personal is None or not (record.samples or personal.first_sample_at_ns):
            continue
        found.append(
            Sounded(
                record.clause,
                personal.started_s * 1000,
                record.samples * 1000 / record.rate_hz,
                -(-record.samples // CHUNK_SAMPLES) * CHUNK_SAMPLES,
                record.interrupted,
                record.evidence is not r.Evidence.SENT_ONLY,
            )
        )
    return sorted(found, key=lambda s: s.start)


def _legs(opened: Sequence[Opened]) -> int:
    return len(records_of(opened, r.MediaOpened))


def _telephone(opened: Sequence[Opened]) -> bool:
    return any(record.transport == "twilio" for record, _ in records_of(opened, r.MediaOpened))


# -- place -------------------------------------------------------------------------------------------


def _lag(sounded: Sequence[Sounded], heard: Sequence[Interval]) -> float:
    """How much later than its record speech begins at the caller: the call's median, ms."""
    lags = []
    ends = float("-inf")
    for record in sounded:
        if record.ms > 0 and record.start - ends >= _APART_MS:
            earliest = record.start + _EARLIEST_MS
            begins = next((first for first, _ in heard if first >= earliest), None)
            if begins is not None and begins - record.start <= _LATEST_MS:
                lags.append(begins - record.start)
        ends = max(ends, record.end)
    return statistics.median(lags) if lags else 0.0


def _covers(
    sounded: Sequence[Sounded],
    lag: float,
    pauses: Sequence[Interval],
    clears: Sequence[float],
    *,
    exact: bool,
) -> list[Interval]:
    """When each record says that something sounded, on the caller's clock; without tolerance.

    As a queue plays: none begins before the one ahead of it is over, and a pause puts off an end. A clause
    that was paused, went on and was interrupted before the next mark has a record that ends before its
    pause: it is its own where a ``clear`` threw away what followed, before the next clause began.

    Args:
        exact: playout that ran dry is known to have; else a pause may be one between two sentences of a
            clause, which puts nothing off, and the clause behind it sounds anywhere from its own start on.
    """
    found = []
    over = float("-inf")
    for n, record in enumerate(sounded):
        start = max(record.start + lag, over)
        end = start + record.ms
        following = sounded[n + 1].start + lag if n + 1 < len(sounded) else float("inf")
        for at, until in pauses:
            went_on = record.interrupted and any(until < clear <= following + EDGE_MS for clear in clears)
            if start <= at < end + (UNPROVEN_MS if went_on else EDGE_MS):
                end += until - at
        over = start if record.interrupted else end  # what an interruption left in the queue is gone
        start = start if exact else record.start + lag
        found.append((start, end + (UNPROVEN_MS if record.interrupted else 0.0)))
    return found


def _pauses(result: CallResult, heard: Sequence[Interval], *, telephone: bool) -> list[Interval]:
    """Silences in which a clause may have been paused, by time.

    On the telephone nothing is sent then: playout is dry, which a pause in speech is not.
    In a browser silence is sent, and the one cannot be told from the other.
    """
    silences = [(before, after) for (_, before), (after, _) in pairwise(heard)]
    if not telephone:
        return silences
    dry = [(g.start * 1000 / RATE_HZ, (g.start + g.samples) * 1000 / RATE_HZ) for g in result.gaps]
    long = [x for x in silences if x[1] - x[0] >= _LONG_SILENCE_MS]
    return sorted([*dry, *(x for x in long if not any(_overlap(x, gap) for gap in dry))])


def _unexplained(heard: Sequence[Interval], covers: Sequence[Interval]) -> list[str]:
    """Stretches, or parts of them, that no record tells of."""
    found = []
    for first, end in heard:
        rest = [(first, end)]
        for cover in covers:
            rest = [piece for one in rest for piece in _without(one, cover)]
        found += [f"{a:.0f} to {b:.0f} ms: heard, no record" for a, b in rest if b - a > EDGE_MS]
    return found


def _without(one: Interval, other: Interval) -> list[Interval]:
    """What is left of ``one``."""
    before = (one[0], min(one[1], other[0]))
    after = (max(one[0], other[1]), one[1])
    return [piece for piece in (before, after) if piece[0] < piece[1]]


def _unheard(sounded: Sequence[Sounded], covers: Sequence[Interval], heard: Sequence[Interval]) -> list[str]:
    """Records in whose place there was silence."""
    found = []
    for record, cover in zip(sounded, covers, strict=True):
        # What an interruption left of a word may be softer than its first sound.
        least = 0.0 if record.interrupted and record.ms <= UNPROVEN_MS else _LEAST_AUDIBLE * record.ms
        audible = sum(_overlap(cover, stretch) for stretch in heard)
        if audible < least:
            found.append(f"{record.clause}: {record.ms:.0f} ms on record, {audible:.0f} ms heard")
    return found


def _overlap(a: Interval, b: Interval) -> float:
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def _overlapping(sounded: Sequence[Sounded]) -> list[str]:
    """Records that claim time which an earlier one has."""
    found = []
    ends, whose = float("-inf"), ""
    for record in sounded:
        if record.ms > 0 and ends - record.start > EDGE_MS:
            found.append(f"{record.clause}: on record while {whose} sounded")
        if record.end > ends:
            ends, whose = record.end, record.clause
    return found


# -- amount ------------------------------------------------------------------------------------------


def _amount(
    played_samples: int, sounded: Sequence[Sounded], clears: int, silent_ms: float
) -> tuple[list[str], list[str]]:
    """Samples played at the caller against those on record: more than recorded, less than recorded.

    Args:
        silent_ms: silence that was sent on purpose, at the most.
    """
    over = (played_samples - sum(s.padded for s in sounded)) * 1000 / RATE_HZ
    packet = CHUNK_SAMPLES * 1000 / RATE_HZ
    may_exceed = silent_ms + packet * (1 + clears) + sum(UNPROVEN_MS for s in sounded if s.interrupted)
    may_lack = packet + sum(s.ms for s in sounded if not s.proven)
    if over > may_exceed:
        return [f"{over:.0f} ms played beyond every record"], []
    if -over > may_lack:
        return [], [f"{-over:.0f} ms on record beyond what was played"]
    return [], []
