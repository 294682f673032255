"""Speech over the agent: how soon an interruption takes the floor, and what mere listening costs.

The agent speaks from the first chunk on. A policy makes it fall silent (``pause``), has it go on
(``resume``), or gives the caller the floor for good (``commit``). Delays run from the caller's first
audible sample to the end of the 20 ms chunk a decision came with. An interruption that is
never decided stands at ``BARGE_IN_CAP_MS``, and so does the silence of an agent that was
cut for a cough: what did not end well is counted, and longer than anything that did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from loadtests.censoring import BARGE_IN_CAP_MS
from loadtests.pauses.figures import BargeIn, LabelledSet, OverlapFigures
from loadtests.pauses.lines import Rendered
from loadtests.pauses.score import interval
from loadtests.pauses.utterances import INTERRUPTIONS, LISTENING, Interjection, InterjectionKind
from loadtests.shapes import Spread
from loadtests.statistics import spread
from voice_runtime.events import RATE_HZ

_PER_MS = RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class FloorEvent:
    """A decision about the agent's speech, and the first sample the policy did not have yet."""

    at: int
    what: Literal["pause", "resume", "commit"]


class Interruptible(Protocol):
    """A policy that decides about an agent that speaks, for any number of lines one after another."""

    name: str

    async def over_agent(self, line: Rendered) -> list[FloorEvent]:
        """What becomes of its speech, in order. Words may be used as a recogniser's text would."""
        ...


@dataclass(frozen=True, slots=True)
class Overlap:
    """One policy on one line.

    Attributes:
        id: of the interjection: the same in every voice.
        silent_ms: from the caller's first sample until the agent fell silent; None: it spoke on.
        commit_ms: until it was taken for an interruption; None: it was not.
        paused_ms: for how long the agent was silent before that, or before it went on.
        voice: who said it.
    """

    id: str
    kind: InterjectionKind
    silent_ms: float | None
    commit_ms: float | None
    paused_ms: float
    voice: str = ""


def judge_overlap(
    interjection: Interjection, line: Rendered, events: Sequence[FloorEvent], voice: str = ""
) -> Overlap:
    """What a policy's decisions come to.

    Args:
        events: in ascending order. Those after a ``commit`` say nothing: the agent is cut.
    """
    silent: int | None = None
    commit: int | None = None
    since: int | None = None
    paused = 0
    for event in events:
        if event.what != "resume" and silent is None:
            silent = event.at
        if event.what == "pause":
            since = event.at
        elif since is not None:
            paused, since = paused + event.at - since, None
        if event.what == "commit":
            commit = event.at
            break
    if since is not None:  # neither resumed nor decided: silent to the end of the line
        paused += len(line.ulaw) - since

    def after(at: int | None) -> float | None:
        return None if at is None else (at - line.start) / _PER_MS

    return Overlap(interjection.id, interjection.kind, after(silent), after(commit), paused / _PER_MS, voice)


def summarise_overlaps(policy: str, overlaps: Sequence[Overlap], labelled: LabelledSet) -> BargeIn:
    """What one policy did on one set, interruptions and mere listening apart, and kind by kind."""
    interrupting = [o for o in overlaps if o.kind in INTERRUPTIONS]
    listening = [o for o in overlaps if o.kind in LISTENING]
    kinds = {kind: [o for o in overlaps if o.kind == kind] for kind in (*INTERRUPTIONS, *LISTENING)}
    return BargeIn(
        policy=policy,
        labelled=labelled,
        interruptions=figures_of(interrupting) if interrupting else None,
        listening=figures_of(listening) if listening else None,
        kinds={kind: figures_of(found) for kind, found in kinds.items() if found},
    )


def figures_of(overlaps: Sequence[Overlap]) -> OverlapFigures:
    """Of overlaps that all ought to take the floor, or all ought not.

    Raises:
        ValueError: none, or some of both.
    """
    interrupting = {overlap.kind in INTERRUPTIONS for overlap in overlaps}
    if len(interrupting) != 1:
        raise ValueError("interruptions and mere listening have no figures in common")
    committed = [overlap.commit_ms is not None for overlap in overlaps]
    different = len({overlap.id for overlap in overlaps})
    silent, commit, pause = None, None, None
    if interrupting.pop():
        silent = _capped([o.silent_ms for o in overlaps])
        commit = _capped([o.commit_ms for o in overlaps])
    else:
        pause = _capped([None if o.commit_ms is not None else o.paused_ms for o in overlaps])
    return OverlapFigures(
        said=len(overlaps),
        labelled=different,
        silenced=sum(overlap.silent_ms is not None for overlap in overlaps),
        committed=sum(committed),
        committed_ci=interval(committed, different),
        silent_ms=silent,
        commit_ms=commit,
        audible_pause_ms=pause,
    )


def _capped(values: Sequence[float | None]) -> Spread:
    """Percentiles, rounded; what never came stands at the cap, and none is longer."""
    capped = [BARGE_IN_CAP_MS if value is None else min(value, BARGE_IN_CAP_MS) for value in values]
    return spread([round(value, 1) for value in capped], sum(value is None for value in values))
