"""What labelled speech says of a turn policy, as ``results.json`` keeps it: set by set, and kind by kind."""

from __future__ import annotations

from typing import Literal

from loadtests.shapes import Shape, Spread

#: Whose labels: those that rules are written by (of ``listening``, rules for what is said over the agent),
#: those no rule is tuned to, a file of the operator's own.
LabelledSet = Literal["development", "held_out", "listening", "listening_second", "file"]
#: Low and high end of a 95 % interval, %.
Interval = tuple[float, float]


class PauseFigures(Shape):
    """Cut-offs (%) against delay (ms after the true end), of some labelled turns.

    Voices that say the same words with the same label are no independent trials. So an
    interval rests on the different pauses, not on how often each was said.

    Attributes:
        cut_off_percent: of the open pauses as said; null where no pause is open.
        cut_off_ci: its interval (``statistics.wilson``); null likewise.
        delay_p95_ms: null below ``MIN_P95`` ends; the maximum stands beside it.
        thinking_pauses: open pauses, each as often as it was said.
        labelled_pauses: how many of them are different.
        mid_speech: decisions while the caller spoke, at the voice's own gaps; not in the cut-offs.
    """

    cut_off_percent: float | None
    cut_off_ci: Interval | None
    delay_p50_ms: float
    delay_p95_ms: float | None
    delay_max_ms: float
    thinking_pauses: int
    labelled_pauses: int
    ends: int
    never_ended: int = 0
    mid_speech: int = 0


class PausePolicy(Shape):
    """One turn policy on one labelled set.

    Attributes:
        labelled: which set.
        kinds: the same kind by kind, in their order.
    """

    policy: str
    labelled: LabelledSet
    overall: PauseFigures
    kinds: dict[str, PauseFigures]


class OverlapFigures(Shape):
    """What became of the agent's speech when callers spoke over it.

    Every delay is from the first audible sample of the caller's speech to a decision of the
    policy: what a playout still plays after it is in none of them.

    Attributes:
        said: lines; ``labelled``: different ones.
        silenced: in which the agent fell silent at all.
        committed: that were taken for an interruption; ``committed_ci``: its interval, on the different ones.
        silent_ms: until the agent fell silent; one that never did stands at the cap. Null of what is none
            of an interruption.
        commit_ms: until it was an interruption; a missed one stands at the cap. Null likewise.
        audible_pause_ms: for how long the agent was silent for nothing, 0 where it was not; what was taken
            for an interruption stands at the cap. Null of an interruption.
    """

    said: int
    labelled: int
    silenced: int
    committed: int
    committed_ci: Interval
    silent_ms: Spread | None = None
    commit_ms: Spread | None = None
    audible_pause_ms: Spread | None = None

    @property
    def committed_percent(self) -> float:
        """How many were taken for an interruption, %."""
        return 100 * self.committed / self.said

    @property
    def missed(self) -> int:
        """How many were not."""
        return self.said - self.committed


class BargeIn(Shape):
    """One turn policy on what one labelled set says over the agent.

    Attributes:
        interruptions: which ought to take the floor; null where the set has none.
        listening: backchannels and sounds, which ought not; null likewise.
        kinds: the same kind by kind, in their order.
    """

    policy: str
    labelled: LabelledSet
    interruptions: OverlapFigures | None = None
    listening: OverlapFigures | None = None
    kinds: dict[str, OverlapFigures]
