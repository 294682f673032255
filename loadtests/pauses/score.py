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

from loadtests.pauses.figures import Interval, LabelledSet, PauseFigures, PausePolicy
from loadtests.pauses.lines import TAIL_MS, Line, Pause
from loadtests.pauses.policies import Policy
from loadtests.pauses.utterances import KINDS, Kind
from loadtests.statistics import spread, wilson
from voice_runtime.events import CHUNK_MS, RATE_HZ

#: A decision this soon after the caller went on was made for the pause before, and one this
#: shortly before the end for the end.
GRACE_MS = 300
_PER_MS = RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Decision:
    """A turn was ended: the first sample the policy did not have yet, and why in its own words."""

    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """An open pause in which the turn was ended.

    Attributes:
        said: the words of the piece before it.
        pause_ms: how long it lasts; ``after_ms``: how far into it the turn was ended.
        why: in the policy's own words.
    """

    said: str
    pause_ms: float
    after_ms: float
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy on one line.

    Attributes:
        id: of the utterance: the same in every voice.
        cut: of each pause in which the turn was open, whether it was ended there.
        early: decisions in the middle of speech.
        delay_ms: from the caller's last sample, at least ``-GRACE_MS``; None: never ended.
        voice: who said it.
        cuts: of each pause of ``cut`` that is true, the first decision.
    """

    id: str
    kind: Kind
    cut: tuple[bool, ...]
    early: int
    delay_ms: float | None
    voice: str = ""
    cuts: tuple[Cut, ...] = ()


async def decisions(policy: Policy, line: Line) -> list[Decision]:
    """When the policy ended a turn, and why."""
    listener = policy.listen(line)
    try:
        chunks = enumerate(line.chunks(), 1)
        return [
            Decision(number * CHUNK_MS * _PER_MS, why)
            for number, pcm in chunks
            if (why := await listener.chunk(pcm))
        ]
    finally:
        await listener.close()


def judge(line: Line, ends: Sequence[Decision]) -> Verdict:
    """Hold decisions against the labels.

    Args:
        ends: in ascending order.
    """
    late = GRACE_MS * _PER_MS
    before = [end for end in ends if end.at < line.end]
    after = [end for end in ends if end.at >= line.end]
    if not after and before and before[-1].at >= max(line.end - late, line.pieces[-1][0]):
        after = [before.pop()]
    owners = [_pause_of(line.pauses, end.at) for end in before]
    first = dict(zip(reversed(owners), reversed(before), strict=True))
    opened = [n for n, pause in enumerate(line.pauses) if pause.open]
    return Verdict(
        id=line.utterance.id,
        kind=line.utterance.kind,
        cut=tuple(n in first for n in opened),
        early=owners.count(None),
        delay_ms=(after[0].at - line.end) / _PER_MS if after else None,
        voice=line.voice,
        cuts=tuple(_cut(line, n, first[n]) for n in opened if n in first),
    )


def _cut(line: Line, n: int, end: Decision) -> Cut:
    pause = line.pauses[n]
    said = line.utterance.pieces[n].text
    return Cut(said, (pause.end - pause.start) / _PER_MS, (end.at - pause.start) / _PER_MS, end.why)


def _pause_of(pauses: Sequence[Pause], end: int) -> int | None:
    """The pause a decision came in, else the one it came a little after; None: in the middle of speech."""
    begun = [n for n, pause in enumerate(pauses) if pause.start <= end]
    if not begun or end >= pauses[begun[-1]].end + GRACE_MS * _PER_MS:
        return None
    return begun[-1]


def summarise(policy: str, verdicts: Sequence[Verdict], labelled: LabelledSet = "file") -> PausePolicy:
    """What one policy did on one set, overall and kind by kind.

    Raises:
        ValueError: no verdicts.
    """
    return PausePolicy(
        policy=policy,
        labelled=labelled,
        overall=figures(verdicts),
        kinds={kind: figures(found) for kind, found in by_kind(verdicts).items()},
    )


def figures(verdicts: Sequence[Verdict]) -> PauseFigures:
    """Two numbers, and what they rest on; percentiles are nearest rank.

    Raises:
        ValueError: no verdicts.
    """
    cut = [x for verdict in verdicts for x in verdict.cut]
    different = sum({verdict.id: len(verdict.cut) for verdict in verdicts}.values())
    never_ended = sum(v.delay_ms is None for v in verdicts)
    delays = spread(delays_ms(verdicts), never_ended)
    return PauseFigures(
        cut_off_percent=percent(cut) if cut else None,
        cut_off_ci=interval(cut, different) if cut else None,
        delay_p50_ms=round(delays.p50, 1),
        delay_p95_ms=None if delays.p95 is None else round(delays.p95, 1),
        delay_max_ms=round(delays.max, 1),
        thinking_pauses=len(cut),
        labelled_pauses=different,
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


def interval(found: Sequence[bool], different: int) -> Interval:
    """Around ``percent``, %: as if each of the ``different`` ones had been tried once.

    Voices that say the same words are no independent trials. Were each counted as one, four voices would
    make the interval half as wide, and say nothing new of what other callers say.

    Raises:
        ValueError: none was tried.
    """
    low, high = wilson(sum(found) / max(1, len(found)), different)
    return round(100 * low, 1), round(100 * high, 1)
