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

from loadtests.pauses.lines import TAIL_MS, Line
from loadtests.pauses.policies import Policy
from loadtests.pauses.utterances import KINDS, Kind
from loadtests.results import PausePolicy
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
    """Hold decisions against the labels."""
    late = GRACE_MS * _PER_MS
    before = [end for end in ends if end < line.end]
    after = [end for end in ends if end >= line.end]
    if not after and before and before[-1] >= line.end - late:
        after = [before.pop()]
    owners = [
        next((n for n, pause in enumerate(line.pauses) if pause.start <= end < pause.end + late), None)
        for end in before
    ]
    cut = tuple(n in owners for n, pause in enumerate(line.pauses) if pause.open)
    delay_ms = (after[0] - line.end) / _PER_MS if after else None
    return Verdict(line.utterance.kind, cut, owners.count(None), delay_ms)


def summarise(policy: str, verdicts: Sequence[Verdict]) -> PausePolicy:
    """Two numbers of a policy, and what they rest on; percentiles are nearest rank."""
    cut = [x for verdict in verdicts for x in verdict.cut]
    delays = sorted(TAIL_MS if v.delay_ms is None else v.delay_ms for v in verdicts)
    return PausePolicy(
        policy=policy,
        cut_off_percent=percent(cut),
        delay_p50_ms=_rank(delays, 50),
        delay_p95_ms=_rank(delays, 95),
        thinking_pauses=len(cut),
        ends=len(verdicts),
        never_ended=sum(v.delay_ms is None for v in verdicts),
    )


def by_kind(verdicts: Sequence[Verdict]) -> dict[Kind, list[Verdict]]:
    """The same verdicts, kind by kind, in the order of ``KINDS``."""
    return {kind: found for kind in KINDS if (found := [v for v in verdicts if v.kind == kind])}


def percent(found: Iterable[bool]) -> float:
    """How many of them are true, %; 0 of none."""
    marks = list(found)
    return round(100 * sum(marks) / max(1, len(marks)), 1)


def _rank(ordered: Sequence[float], percentile: int) -> float:
    return round(ordered[max(0, -(-len(ordered) * percentile // 100) - 1)], 1) if ordered else 0.0
