"""Is it our turn? The turn policy as a state machine: no clock, no audio, no asyncio. Pure.

Time is media time, counted in 20 ms chunks. Inputs: one ``chunk`` after another
(speech or not), and as they come to be known ``partial`` and ``final`` text,
the turn model's judgement, the agent's floor, media that stopped. Each returns
what to do now, in order.

States and the inputs that matter in each::

    QUIET    -- speech for start_ms --> SPEAKING                         Started
    SPEAKING -- silence for stop_ms --> PAUSED           AskText, AskSmartTurn
    PAUSED   -- speech for start_ms --> SPEAKING                     GoOn (answers are void)
    PAUSED   -- words and waits say so --> QUIET                     EndOfTurn
    SPEAKING -- longest_ms, media stopped --> PAUSED, bound to end    AskText

How long PAUSED waits after the last speech: ``complete_wait_ms`` when the words
are a complete question or answer, or the turn model says so;
``incomplete_wait_ms`` when they break off; ``unsure_wait_ms`` otherwise.

Meanwhile, when the agent speaks or thinks, the floor is contested until the
turn is committed (``Commit``) or turns out to be nothing (``Resume``):

- the agent speaks: ``Pause`` after pause_ms of speech;
- words that are no backchannel, or commit_ms of speech: ``Commit``;
- a backchannel, or sounds without words: ``Resume``, and nothing was said;
- uninterruptible speech: none of these; the turn ends as always, ``during_agent``.

Held by property tests: every ``Started`` has exactly one ``EndOfTurn``, after a
bounded time; every ``Pause`` has a ``Resume`` or ``Commit`` after a bounded time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from voice_runtime.events import CHUNK_MS, TurnEnd
from voice_runtime.listen.completeness import Whole, backchannel, whole
from voice_runtime.listen.turn_values import (
    AskSmartTurn,
    AskText,
    Commit,
    EndOfTurn,
    Floor,
    GoOn,
    Output,
    Pause,
    Resume,
    Started,
    TurnPolicy,
)

#: The agent is not kept silent for longer than this while the caller makes sounds now and then.
_LONGEST_PAUSE_MS = 2400


class _State(StrEnum):
    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSED = "paused"


@dataclass(slots=True)
class _Turn:
    """What is known of the open turn.

    Attributes:
        agreed: words that the two newest partials begin with alike: a first guess is no evidence.
        bound_to_end: why it ends as soon as its text is known, whatever the waits say.
        paused_agent_ms: since when the agent is silent for it, or None.
        committed: it has the floor.
        cut: it interrupted the agent.
    """

    started_ms: int = 0
    spoken_ms: int = 0
    during_agent: bool = False
    partial: str = ""
    agreed: str = ""
    asked_ms: int = 0
    text: str | None = None
    understood: bool = True
    whole: Whole = Whole.EMPTY
    urgent: bool = False
    complete: float | None = None
    bound_to_end: TurnEnd | None = None
    paused_agent_ms: int | None = None
    committed: bool = False
    cut: bool = False


class TurnMachine:
    """One call's turns.

    Attributes:
        now_ms: media time.
        last_speech_ms: end of the newest speech that counts, media time.
        pause: number of the newest pause; answers to older ones are void.
    """

    def __init__(self, policy: TurnPolicy, language: str, urgent: Callable[[str], bool]) -> None:
        """Make it.

        Args:
            language: of the word lists, such as ``en-US``.
            urgent: whether words may not wait (emergency, person, stop, opting out).
        """
        self.policy = policy
        self._language = language
        self._urgent = urgent
        self.now_ms = 0
        self.last_speech_ms = 0
        self._floor = Floor.IDLE
        self._state = _State.QUIET
        self._speech_run = 0
        self._out: list[Output] = []
        self._turn = _Turn()
        self.pause = 0

    # -- inputs -----------------------------------------------------------------------------------

    def chunk(self, speech: bool) -> list[Output]:
        """20 ms of the caller's line."""
        self.now_ms += CHUNK_MS
        self._speech_run = self._speech_run + CHUNK_MS if speech else 0
        if speech and self._state is not _State.PAUSED:  # in a pause, a blip postpones nothing
            self.last_speech_ms = self.now_ms
        match self._state:
            case _State.QUIET if self._speech_run >= self.policy.start_ms:
                self._start()
            case _State.SPEAKING:
                self._turn.spoken_ms += CHUNK_MS if speech else 0
                self._contest()
                self._maybe_pause()
            case _State.PAUSED if self._speech_run >= self.policy.start_ms and not self._turn.bound_to_end:
                self._go_on()
            case _State.PAUSED:
                self._maybe_end()
        return self._take()

    def partial(self, text: str) -> list[Output]:
        """Words so far, while the caller speaks. They may still change."""
        if self._state is _State.SPEAKING:
            # Two partials that agree on a word are evidence; a first guess is none.
            self._turn.agreed = _common_beginning(self._turn.partial, text)
            self._turn.partial = text
            self._contest()
        return self._take()

    def final(self, pause: int, text: str, *, understood: bool = True) -> list[Output]:
        """The answer to ``AskText``: "" when nothing was recognised, or recognition failed.

        Args:
            understood: False when the words are too unsure to act on; there was speech all the same.
        """
        turn = self._turn
        if self.awaits(pause):
            turn.text = text
            turn.understood = understood
            turn.whole = whole(text, self._language) if understood else Whole.UNSURE
            turn.urgent = understood and bool(text) and self._urgent(text)
            if understood and text and not self._nothing_but_listening():
                self._commit()
            self._maybe_end()
        return self._take()

    def turn_model(self, pause: int, probability: float) -> list[Output]:
        """The answer to ``AskSmartTurn``: probability that the turn is complete."""
        if self._state is _State.PAUSED and pause == self.pause:
            self._turn.complete = probability
            self._maybe_end()
        return self._take()

    def floor(self, floor: Floor) -> list[Output]:
        """The agent's floor changed."""
        before, self._floor = self._floor, floor
        if floor is not before:
            if floor is not Floor.THINKING or before is Floor.IDLE:
                self._turn.committed = False  # what is left of an answer already cut needs no second cut
            if not self._contested:
                self._resume()
            elif self._state is _State.SPEAKING:
                self._contest()
        return self._take()

    def media_stopped(self) -> list[Output]:
        """No more chunks come for now: close an open turn with what was heard."""
        if self._state is _State.SPEAKING:
            self._ask(TurnEnd.MEDIA)
        elif self._state is _State.PAUSED:
            self._turn.bound_to_end = self._turn.bound_to_end or TurnEnd.MEDIA
            self._maybe_end()
        return self._take()

    def drop(self) -> list[Output]:
        """Forget the open turn: it was nobody's, or the caller's words came another way."""
        if self.open:
            self._turn.text, self._turn.cut, self._turn.spoken_ms = "", False, 0
            self._end(TurnEnd.SILENCE)
        return self._take()

    @property
    def open(self) -> bool:
        """Whether a turn has started and not ended."""
        return self._state is not _State.QUIET

    def awaits(self, pause: int) -> bool:
        """Whether the final text of this pause is still of use."""
        return self._state is _State.PAUSED and pause == self.pause and self._turn.text is None

    # -- starting, pausing, going on --------------------------------------------------------------

    def _start(self) -> None:
        self._turn = _Turn(
            started_ms=self.now_ms - self._speech_run,
            spoken_ms=self._speech_run,
            during_agent=self._floor is Floor.UNYIELDING,
        )
        self._state = _State.SPEAKING
        self._out.append(Started(self._turn.started_ms))
        self._contest()

    def _maybe_pause(self) -> None:
        if self._state is not _State.SPEAKING:
            return
        if self.now_ms - self._turn.started_ms >= self.policy.longest_ms:
            self._ask(TurnEnd.TOO_LONG)
        elif self.now_ms - self.last_speech_ms >= self.policy.stop_ms:
            self._ask(None)

    def _ask(self, bound_to_end: TurnEnd | None) -> None:
        self._state = _State.PAUSED
        self.pause += 1
        self._turn.asked_ms = self.now_ms
        self._turn.bound_to_end = bound_to_end
        self._turn.text = self._turn.complete = None
        self._out.append(AskText(self.pause))
        settled = whole(self._turn.partial, self._language) in (Whole.COMPLETE, Whole.OPEN)
        if bound_to_end is None and not settled:
            self._out.append(AskSmartTurn(self.pause))

    def _go_on(self) -> None:
        self._state = _State.SPEAKING
        self.last_speech_ms = self.now_ms
        self._turn.spoken_ms += self._speech_run
        self._turn.partial = self._turn.agreed = ""
        self._out.append(GoOn())
        self._contest()

    # -- the floor --------------------------------------------------------------------------------

    @property
    def _contested(self) -> bool:
        return self._floor in (Floor.SPEAKING, Floor.THINKING) and not self._turn.committed

    def _contest(self) -> None:
        """While the caller speaks and the agent has the floor."""
        if not self._contested:
            return
        turn, policy = self._turn, self.policy
        speaking_now = self.now_ms - self.last_speech_ms < policy.stop_ms
        if (
            self._floor is Floor.SPEAKING
            and turn.paused_agent_ms is None
            and turn.spoken_ms >= policy.pause_ms
            and speaking_now
        ):
            turn.paused_agent_ms = self.now_ms
            self._out.append(Pause(self.now_ms))
        if self._takes_the_floor(turn):
            self._commit()

    def _takes_the_floor(self, turn: _Turn) -> bool:
        """Whether this is more than listening: long speech, words, or an urgent word."""
        listening = backchannel(turn.partial, self._language)
        if turn.spoken_ms >= (self.policy.backchannel_ms if listening else self.policy.commit_ms):
            return True
        if turn.paused_agent_ms is not None and self.now_ms - turn.paused_agent_ms >= _LONGEST_PAUSE_MS:
            return True
        several = len(turn.agreed.split()) > 1 and not backchannel(turn.agreed, self._language)
        return several or (bool(turn.agreed) and self._urgent(turn.agreed))

    def _commit(self) -> None:
        if self._contested:
            self._turn.committed = self._turn.cut = True
            self._turn.paused_agent_ms = None
            self._out.append(Commit())

    def _resume(self) -> None:
        if self._turn.paused_agent_ms is not None:
            self._turn.paused_agent_ms = None
            self._out.append(Resume())

    # -- ending -----------------------------------------------------------------------------------

    def _maybe_end(self) -> None:
        """End the turn when words, waits and the turn model allow it."""
        turn = self._turn
        if turn.text is None:
            if self.now_ms - turn.asked_ms >= self.policy.text_ms:
                self._end(turn.bound_to_end or TurnEnd.SILENCE)
        elif turn.bound_to_end is not None or not turn.text:
            self._end(turn.bound_to_end or TurnEnd.SILENCE)
        elif turn.urgent or self._nothing_but_listening():
            self._end(TurnEnd.QUESTION)
        else:
            wait_ms, why = self._patience(turn)
            if self.now_ms - self.last_speech_ms >= wait_ms:
                self._end(why)

    def _patience(self, turn: _Turn) -> tuple[int, TurnEnd]:
        """How much silence ends the turn, and why it would."""
        policy = self.policy
        if turn.whole is Whole.COMPLETE:
            return policy.complete_wait_ms, TurnEnd.QUESTION
        if turn.whole is Whole.OPEN:
            return policy.incomplete_wait_ms, TurnEnd.SILENCE
        if turn.complete is None:
            return policy.unsure_wait_ms, TurnEnd.SILENCE
        if turn.complete >= policy.complete_above:
            return policy.complete_wait_ms, TurnEnd.TURN_MODEL
        broken_off = turn.complete < policy.open_below
        return policy.incomplete_wait_ms if broken_off else policy.unsure_wait_ms, TurnEnd.SILENCE

    def _nothing_but_listening(self) -> bool:
        """Sounds while the agent has the floor that are for nobody: "mhm", or no words one can trust."""
        turn = self._turn
        listening = backchannel(turn.text or "", self._language)
        if self._floor is Floor.UNYIELDING:
            return listening
        if not self._contested or turn.spoken_ms >= self.policy.backchannel_ms:
            return False
        return listening or not turn.understood

    def _end(self, why: TurnEnd) -> None:
        turn = self._turn
        text = turn.text or ""
        said = bool(text) and not self._nothing_but_listening()
        if said:
            self._commit()
        self._resume()
        self._state = _State.QUIET
        self._speech_run = 0  # speech that goes on begins the next turn, counted from here
        self._out.append(
            EndOfTurn(
                why=why,
                text=text,
                said=said,
                started_ms=turn.started_ms,
                ended_ms=self.last_speech_ms,
                during_agent=turn.during_agent,
                urgent=turn.urgent,
                spoken_ms=turn.spoken_ms,
                cut=turn.cut,
                understood=turn.understood,
            )
        )

    def _take(self) -> list[Output]:
        out, self._out = self._out, []
        return out


def _common_beginning(one: str, other: str) -> str:
    """The words two texts begin with alike."""
    same = []
    for a, b in zip(one.split(), other.split(), strict=False):
        if a != b:
            break
        same.append(a)
    return " ".join(same)
