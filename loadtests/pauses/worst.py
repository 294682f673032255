"""What our policy cut off, and what it mistook: for whoever writes its rules, worst first."""

from __future__ import annotations

from collections.abc import Iterator

from loadtests.pauses.measure import Judged
from loadtests.pauses.overlaps import Overlap
from loadtests.pauses.score import Cut, Verdict
from loadtests.pauses.utterances import INTERRUPTIONS

#: Whose: rules are written for this one.
_POLICY = "ours"


def worst(judged: Judged) -> list[str]:
    """A line for each open pause that was cut, for each backchannel and each interruption mistaken.

    Cut pauses stand with the soonest first: the less silence ended a turn, the worse.
    """
    lines = [*_pauses(judged.turns.get(_POLICY, [])), *_overlaps(judged.overlaps.get(_POLICY, []))]
    return lines or ["  nothing"]


def _pauses(verdicts: list[Verdict]) -> Iterator[str]:
    cuts = [(cut, verdict) for verdict in verdicts for cut in verdict.cuts]
    for cut, verdict in sorted(cuts, key=lambda pair: pair[0].after_ms):
        yield f"  {verdict.kind}, {verdict.id} ({verdict.voice}): {_words(cut)}"


def _words(cut: Cut) -> str:
    return f"'{cut.said} …' cut {cut.after_ms:.0f} ms into a pause of {cut.pause_ms:.0f} ms: {cut.why}"


def _overlaps(overlaps: list[Overlap]) -> Iterator[str]:
    for overlap in sorted(overlaps, key=lambda one: (one.kind, one.id, one.voice)):
        of = f"  {overlap.kind}, {overlap.id} ({overlap.voice})"
        if overlap.kind in INTERRUPTIONS and overlap.commit_ms is None:
            silent = "spoke on" if overlap.silent_ms is None else f"paused for {overlap.paused_ms:.0f} ms"
            yield f"{of}: missed, the agent {silent}"
        elif overlap.kind not in INTERRUPTIONS and overlap.commit_ms is not None:
            yield f"{of}: taken for an interruption after {overlap.commit_ms:.0f} ms"
