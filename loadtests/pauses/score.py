"""Cut-offs against delay: what a policy's decisions on labelled lines come to.

A decision is the end of the 20 ms chunk it came with. One before the turn's end
belongs to the pause it came in, or to the one that ended at most ``GRACE_MS``
before (a policy notices late that the caller goes on); any other one came in the
middle of speech. What is said after a wrong decision is the policy's next turn. The delay
runs from the caller's last sample to the first decision after it. Where there is
none, a decision at most ``GRACE_MS`` before it ended the turn (while a last soft
consonant died away: its delay is negative), else the turn was never ended within
``TAIL_MS`` and its delay counts as that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.pauses.lines import TAIL_MS, Line, Pause
from loadtests.pauses.policies import Policy
from loadtests.pauses.utterances import KINDS, Kind
from loadtests.results import PausePolicy
from loadtests.statistics import spread
from voice_runtime.events import CHUNK_MS, RATE_HZ

#: A decision this soon after the caller went on was made for the pause before, and one this
#: shortly before the end for the end.
GRACE_MS = 300
_PER_MS = RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy on one line.

    Attributes:
        cut: of each pause in which the turn was open, whether it was ended there.
        early: decisions in the middle of speech.
        delay_ms: from the caller's last sample, at least ``-GRACE_MS``; None: never ended.
    """

    kind: Kind
    cut: tuple[bool, ...]
    early: int
    delay_ms: float | None


async def decisions(policy: Policy, line: Line) -> list[int]:
    """When the policy ended a turn: samples of media that it had then."""
    listener = policy.listen(line)
    try:
        chunks = enumerate(line.chunks(), 1)
        return [number * CHUNK_MS * _PER_MS for number, pcm in chunks if await listener.chunk(pcm)]
    finally:
        await listener.close()


def judge(line: Line, ends: Sequence[int]) -> Verdict:
    """Hold decisions against the labels.

    Args:
        ends: when turns were ended, in ascending order, samples.
    """
    late = GRACE_MS * _PER_MS
    before = [end for end in ends if end < line.end]
    after = [end for end in ends if end >= line.end]
    if not after and before and before[-1] >= max(line.end - late, line.pieces[-1][0]):
        after = [before.pop()]
    owners = [_pause_of(line.pauses, end) for end in before]
    cut = tuple(n in owners for n, pause in enumerate(line.pauses) if pause.open)
    delay_ms = (after[0] - line.end) / _PER_MS if after else None
    return Verdict(line.utterance.kind, cut, owners.count(None), delay_ms)


def _pause_of(pauses: Sequence[Pause], end: int) -> int | None:
    """The pause a decision came in, else the one it came a little after; None: in the middle of speech."""
    begun = [n for n, pause in enumerate(pauses) if pause.start <= end]
    if not begun or end >= pauses[begun[-1]].end + GRACE_MS * _PER_MS:
        return None
    return begun[-1]


def summarise(policy: str, verdicts: Sequence[Verdict]) -> PausePolicy:
    """Two numbers of a policy, and what they rest on; percentiles are nearest rank.

    Raises:
        ValueError: no verdicts.
    """
    cut = [x for verdict in verdicts for x in verdict.cut]
    never_ended = sum(v.delay_ms is None for v in verdicts)
    delays = spread(delays_ms(verdicts), never_ended)
    return PausePolicy(
        policy=policy,
        cut_off_percent=percent(cut),
        delay_p50_ms=round(delays.p50, 1),
        delay_p95_ms=None if delays.p95 is None else round(delays.p95, 1),
        delay_max_ms=round(delays.max, 1),
        thinking_pauses=len(cut),
        ends=len(verdicts),
        never_ended=never_ended,
        mid_speech=sum(v.early for v in verdicts),
    )


def delays_ms(verdicts: Sequence[Verdict]) -> list[float]:
    """Of each turn; one that was never ended is censored: it stands at ``TAIL_MS``, and none is longer."""
    return [TAIL_MS if v.delay_ms is None else min(v.delay_ms, TAIL_MS) for v in verdicts]


def by_kind(verdicts: Sequence[Verdict]) -> dict[Kind, list[Verdict]]:
    """The same verdicts, kind by kind, in the order of ``KINDS``."""
    return {kind: found for kind in KINDS if (found := [v for v in verdicts if v.kind == kind])}


def percent(found: Iterable[bool]) -> float:
    """How many of them are true, %; 0 of none."""
    marks = list(found)
    return round(100 * sum(marks) / max(1, len(marks)), 1)
