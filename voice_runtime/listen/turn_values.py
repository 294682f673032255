"""What the turn policy takes and gives: the agent's floor, patience, and what to do. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voice_runtime.events import TurnEnd


class Floor(StrEnum):
    """What the agent does."""

    IDLE = "idle"
    THINKING = "thinking"
    SPEAKING = "speaking"
    UNYIELDING = "unyielding"  # speaks, and may not be interrupted


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """How patient the ear is. All in ms of media time, but ``complete_above`` (a probability).

    Attributes:
        start_ms: speech that begins a turn; over the agent ``pause_ms``, if that is less.
        stop_ms: silence after which speech counts as paused.
        contested_stop_ms: the same for a short sound while the agent speaks, so that it goes on soon after a
            "mhm". Longer than the closure of a consonant (up to 100 ms or so), which is no pause.
        complete_wait_ms, unsure_wait_ms, incomplete_wait_ms: see the module; from the last speech.
        longest_ms: a caller who never stops is answered after this.
        pause_ms: speech after which the agent falls silent.
        words_ms: speech that takes the floor with words that are no backchannel, be they a first guess.
        commit_ms: how long speech lasts, from its first sound on, that takes it while no words are known: a
            recogniser says nothing of a long word ("absolutely") before it is over.
        backchannel_ms: the same while the words are a backchannel, or may become one.
        text_ms: longest wait for the final text once asked.
        model_after_ms: a pause without words so far is put to the turn model when its text takes longer.
        complete_above: the turn model's probability that counts as complete where words do not tell.
        open_below: its probability that counts as breaking off.
        eager: tell the words of a pause that may be the end (``Provisional``), for others to begin on.
    """

    start_ms: int = 80
    stop_ms: int = 200
    contested_stop_ms: int = 120
    complete_wait_ms: int = 200
    unsure_wait_ms: int = 600
    incomplete_wait_ms: int = 2400
    longest_ms: int = 30_000
    pause_ms: int = 60
    words_ms: int = 240
    commit_ms: int = 620
    backchannel_ms: int = 2000
    text_ms: int = 4000
    model_after_ms: int = 240
    complete_above: float = 0.5
    open_below: float = 0.1
    eager: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A turn began: its first speech is ``at_ms``."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Fall silent."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Resume:
    """It was nothing: speak on."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The caller has the floor: cut what the agent says or thinks."""


@dataclass(frozen=True, slots=True)
class AskText:
    """The caller paused: finish recognising; answer with ``final(pause, …)``."""

    pause: int


@dataclass(frozen=True, slots=True)
class AskSmartTurn:
    """Ask the turn model; answer with ``turn_model(pause, …)``, or not at all."""

    pause: int


@dataclass(frozen=True, slots=True)
class GoOn:
    """The caller goes on: what was asked for is void, recognise the whole turn anew."""


@dataclass(frozen=True, slots=True)
class Provisional:
    """These may be all the words of the turn: begin on them, and do nothing that cannot be taken back.

    An ``EndOfTurn`` that was ``said`` in the same words confirms it; otherwise ``Withdrawn`` comes first.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The newest ``Provisional`` is void: the caller goes on, or the turn ends otherwise."""


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The turn is over.

    Attributes:
        said: words for somebody; False for noise, a backchannel, or nothing recognised.
        started_ms, ended_ms: first and last speech, media time.
        during_agent: it began while the agent spoke uninterruptibly.
        urgent: the words may not wait.
        spoken_ms: how much of it was speech.
        cut: it interrupted the agent.
        understood: the words are sure enough to act on.
    """

    why: TurnEnd
    text: str
    said: bool
    started_ms: int
    ended_ms: int
    during_agent: bool
    urgent: bool
    spoken_ms: int = 0
    cut: bool = False
    understood: bool = True


Output = (
    Started | Pause | Resume | Commit | AskText | AskSmartTurn | GoOn | Provisional | Withdrawn | EndOfTurn
)
