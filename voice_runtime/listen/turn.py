"""Is it our turn? The turn policy as a state machine: no clock, no audio, no asyncio. Pure.

Time is media time, counted in 20 ms chunks. Inputs: one ``chunk`` after another
(speech or not), and as they come to be known ``partial`` and ``final`` text,
the turn model's judgement, the agent's floor, media that stopped. Each returns
what to do now, in order.

States and the inputs that matter in each::

    QUIET    -- speech for start_ms --> SPEAKING                         Started
    SPEAKING -- silence for (contested_)stop_ms --> PAUSED      AskText, maybe AskSmartTurn
    PAUSED   -- speech for start_ms --> SPEAKING     Withdrawn, GoOn (answers are void)
    PAUSED   -- its words may be all, and it does not end yet        Provisional
    PAUSED   -- words and waits say so --> QUIET     Withdrawn (other words), EndOfTurn
    PAUSED   -- "mhm" to an agent that speaks, and 500 ms of silence --> QUIET     EndOfTurn
    SPEAKING -- longest_ms, media stopped --> PAUSED, bound to end    AskText

How long PAUSED waits after the last speech. Words are the stronger evidence: a tone of
voice never ends a turn against them, it decides where they do not::

    COMPLETE                                   complete_wait_ms
    LIKELY    model not below open_below       complete_wait_ms
              model below it, or silent        unsure_wait_ms
    UNSURE    model above complete_above       unsure_wait_ms
              model below open_below           incomplete_wait_ms
              neither, or silent               half-way between these two
    MAY_GO_ON                                  half-way between these two
    OPEN                                       incomplete_wait_ms

The turn model costs more than all else in a turn together, so it is asked only where
words leave it open: at the pause by the words so far, otherwise when the text
comes, and without either after model_after_ms.

Meanwhile, when the agent speaks or thinks, the turn may take the floor from it: ``listen.turn_contest``.

Held by property tests: every ``Started`` has exactly one ``EndOfTurn``, after a
bounded time; every ``Pause`` has a ``Resume`` or ``Commit`` after a bounded time;
every ``Provisional`` has a ``Withdrawn``, or the ``EndOfTurn`` of its words, before the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from voice_runtime.events import CHUNK_MS, TurnEnd
from voice_runtime.listen.completeness import Whole, asks_for_time, backchannel, whole
from voice_runtime.listen.expected import ANYTHING, Expected
from voice_runtime.listen.turn_contest import BROKEN_OFF_MS, Contest, Spoken
from voice_runtime.listen.turn_values import (
    AskSmartTurn,
    AskText,
    EndOfTurn,
    Floor,
    GoOn,
    Output,
    Provisional,
    Started,
    TurnPolicy,
    Withdrawn,
)

#: Words that leave it to the turn model whether more comes.
_LEFT_OPEN = (Whole.LIKELY, Whole.UNSURE)


class _State(StrEnum):
    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSED = "paused"


@dataclass(slots=True)
class _Turn:
    """What is known of the open turn.

    Attributes:
        spoken: its speech, and the words while it was said.
        asked_model: the turn model was asked about this pause.
        bound_to_end: why it ends as soon as its text is known, whatever the waits say.
        proposed: the words put out as ``Provisional``, "" when none are.
        nobodys: its words are for nobody, also when the agent falls silent meanwhile.
    """

    spoken: Spoken = field(default_factory=Spoken)
    during_agent: bool = False
    asked_ms: int = 0
    text: str | None = None
    understood: bool = True
    whole: Whole = Whole.EMPTY
    urgent: bool = False
    asked_model: bool = False
    complete: float | None = None
    bound_to_end: TurnEnd | None = None
    proposed: str = ""
    nobodys: bool = False


class TurnMachine:
    """One call's turns.

    Attributes:
        now_ms: media time.
        last_speech_ms: end of the newest speech that counts, media time.
        pause: number of the newest pause; answers to older ones are void.
    """

    def __init__(
        self,
        policy: TurnPolicy,
        language: str,
        urgent: Callable[[str], bool],
        expected: Callable[[], Expected] = lambda: ANYTHING,
        only_silences: Callable[[str], bool] = lambda text: True,
        asking: Callable[[], Expected] = lambda: ANYTHING,
    ) -> None:
        """Make it.

        Args:
            language: of the word lists, such as ``en-US``.
            urgent: whether words may not wait (emergency, person, stop, opting out).
            expected: what the agent asked for, as far as it was played by now.
            only_silences: of urgent words, whether they only ask the agent to be silent ("hold on"): to one
                that is silent they may wait, as an emergency may not, whatever is said behind it.
            asking: what the agent asks with words whose last ones sound now; anything in the midst of them.
        """
        self.policy = policy
        self._language = language
        self._urgent = urgent
        self._expected = expected
        self._only_silences = only_silences
        self.now_ms = 0
        self.last_speech_ms = 0
        self._contest = Contest(policy, language, urgent, asking)
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
            case _State.QUIET if self._speech_run >= self._contest.start_ms:
                self._start()
            case _State.SPEAKING:
                self._turn.spoken.spoken_ms += CHUNK_MS if speech else 0
                self._contest_floor()
                self._maybe_pause()
            case _State.PAUSED if self._speech_run >= self._contest.start_ms and not self._turn.bound_to_end:
                self._go_on()
            case _State.PAUSED:
                self._contest_pause()
                self._maybe_end()
        return self._take()

    def partial(self, text: str) -> list[Output]:
        """Words so far, while the caller speaks. They may still change."""
        if self._state is _State.SPEAKING:
            self._turn.spoken.words(text)
            self._contest_floor()
        elif self._state is _State.PAUSED and self._turn.text is None:  # of what was said before the pause
            self._turn.spoken.words(text)
            self._out += self._contest.words(self._turn.spoken)
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
            turn.whole = self._judged(text) if understood else Whole.UNSURE
            turn.urgent = understood and bool(text) and self._urgent(text)
            self._contest_pause()
            self._maybe_end()
            if self.open and text and turn.whole in _LEFT_OPEN and not turn.nobodys:
                self._ask_model()
            self._maybe_propose()
        return self._take()

    def turn_model(self, pause: int, probability: float) -> list[Output]:
        """The answer to ``AskSmartTurn``: probability that the turn is complete."""
        if self._state is _State.PAUSED and pause == self.pause:
            self._turn.complete = probability
            self._maybe_end()
        return self._take()

    def floor(self, floor: Floor) -> list[Output]:
        """The agent's floor changed."""
        if floor is not self._contest.floor:
            self._out += self._contest.changed(floor)
            if self._state is _State.SPEAKING:
                self._contest_floor()
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
            self._turn.text, self._contest.cut, self._turn.spoken.spoken_ms = "", False, 0
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
            Spoken(started_ms=self.now_ms - self._speech_run, spoken_ms=self._speech_run),
            during_agent=self._contest.floor is Floor.UNYIELDING,
        )
        self._contest.begin()
        self._state = _State.SPEAKING
        self._out.append(Started(self._turn.spoken.started_ms))
        self._contest_floor()

    def _contest_floor(self) -> None:
        """While the caller speaks: the agent may have to fall silent, or to give way."""
        self._out += self._contest.speech(self._turn.spoken, self.now_ms, self.now_ms - self.last_speech_ms)

    def _contest_pause(self) -> None:
        """In a pause whose words are sure: they may take the floor, or the agent goes on."""
        turn = self._turn
        if turn.text and self._for_nobody():
            self._out += self._contest.resume()
        elif turn.text and turn.understood:
            self._out += self._contest.final(turn.text, self.now_ms - self.last_speech_ms)

    def _maybe_pause(self) -> None:
        if self._state is not _State.SPEAKING:
            return
        if self.now_ms - self._turn.spoken.started_ms >= self.policy.longest_ms:
            self._ask(TurnEnd.TOO_LONG)
        elif self.now_ms - self.last_speech_ms >= self._contest.stop_ms(self._turn.spoken.spoken_ms):
            self._ask(None)

    def _judged(self, text: str) -> Whole:
        return whole(text, self._language, self._expected())

    def _ask(self, bound_to_end: TurnEnd | None) -> None:
        self._state = _State.PAUSED
        self.pause += 1
        self._turn.asked_ms = self.now_ms
        self._turn.bound_to_end = bound_to_end
        self._turn.text = self._turn.complete = None
        self._turn.asked_model = self._turn.nobodys = False
        if bound_to_end is None:
            self._out += self._contest.over(self._turn.spoken)
        self._out.append(AskText(self.pause))
        if self._turn.spoken.partial and self._judged(self._turn.spoken.partial) in _LEFT_OPEN:
            self._ask_model()

    def _ask_model(self) -> None:
        """Ask the turn model about this pause, once, unless the turn ends anyway."""
        turn = self._turn
        if turn.bound_to_end is None and not turn.asked_model and turn.complete is None:
            turn.asked_model = True
            self._out.append(AskSmartTurn(self.pause))

    def _go_on(self) -> None:
        self._withdraw()
        self._state = _State.SPEAKING
        self.last_speech_ms = self.now_ms
        self._turn.spoken.spoken_ms += self._speech_run
        self._turn.spoken.no_words(self._turn.text or "")
        self._contest.caller_begins()
        self._out.append(GoOn())
        self._contest_floor()

    # -- words that may be all ------------------------------------------------------------------------

    def _maybe_propose(self) -> None:
        """Put out the words of this pause, where they may be the turn's and it does not end with them yet."""
        turn = self._turn
        if not self.policy.eager or self._state is not _State.PAUSED or turn.proposed or not turn.text:
            return
        if turn.urgent or turn.whole is Whole.OPEN or backchannel(turn.text, self._language):
            return
        broken_off = turn.complete is not None and turn.complete < self.policy.open_below
        if turn.understood and not broken_off and self._contest.floor is not Floor.UNYIELDING:
            turn.proposed = turn.text
            self._out.append(Provisional(turn.text))

    def _withdraw(self) -> None:
        if self._turn.proposed:
            self._turn.proposed = ""
            self._out.append(Withdrawn())

    # -- ending -----------------------------------------------------------------------------------

    def _maybe_end(self) -> None:
        """End the turn when words, waits and the turn model allow it."""
        turn = self._turn
        if turn.text is None:
            waited_ms = self.now_ms - turn.asked_ms
            if waited_ms >= self.policy.text_ms:
                self._end(turn.bound_to_end or TurnEnd.SILENCE)
            elif waited_ms >= self.policy.model_after_ms and not turn.spoken.partial:
                self._ask_model()
        elif turn.bound_to_end is not None or not turn.text:
            self._end(turn.bound_to_end or TurnEnd.SILENCE)
        elif turn.urgent and not self._only_waits():
            self._end(TurnEnd.QUESTION)
        elif self._for_nobody():
            # "That works" may go on with "for me": the agent speaks meanwhile, and both are judged as one.
            if not turn.understood or self.now_ms - self.last_speech_ms >= BROKEN_OFF_MS:
                self._end(TurnEnd.QUESTION)
        else:
            wait_ms, why = self._patience(turn)
            if self.now_ms - self.last_speech_ms >= wait_ms:
                self._end(why)

    def _patience(self, turn: _Turn) -> tuple[int, TurnEnd]:
        """How much silence ends the turn, and why it would."""
        policy = self.policy
        sounds_whole = turn.complete is not None and turn.complete >= policy.complete_above
        breaks_off = turn.complete is not None and turn.complete < policy.open_below
        match turn.whole:
            case Whole.COMPLETE:
                return policy.complete_wait_ms, TurnEnd.QUESTION
            case Whole.OPEN:
                return policy.incomplete_wait_ms, TurnEnd.SILENCE
            case Whole.MAY_GO_ON:
                return (policy.unsure_wait_ms + policy.incomplete_wait_ms) // 2, TurnEnd.SILENCE
            case Whole.LIKELY if turn.complete is not None and not breaks_off:
                return policy.complete_wait_ms, TurnEnd.TURN_MODEL
            case Whole.LIKELY:
                return policy.unsure_wait_ms, TurnEnd.SILENCE
            case _ if sounds_whole:
                return policy.unsure_wait_ms, TurnEnd.TURN_MODEL
            case _ if breaks_off:
                return policy.incomplete_wait_ms, TurnEnd.SILENCE
            case _:
                return (policy.unsure_wait_ms + policy.incomplete_wait_ms) // 2, TurnEnd.SILENCE

    def _only_waits(self) -> bool:
        """Whether it is "hold on" to an agent that is silent: there is nothing to stop, and more to come."""
        text = self._turn.text or ""
        return (
            self._contest.floor is Floor.IDLE
            and self._only_silences(text)
            and asks_for_time(text, self._language)
        )

    def _for_nobody(self) -> bool:
        """Whether the words are nothing but listening ; until the caller goes on, they stay so."""
        turn = self._turn
        turn.nobodys = turn.nobodys or self._contest.nobodys(
            turn.text or "", turn.spoken, understood=turn.understood
        )
        return turn.nobodys

    def _end(self, why: TurnEnd) -> None:
        turn = self._turn
        text = turn.text or ""
        said = bool(text) and not self._for_nobody()
        if not (said and text == turn.proposed):
            self._withdraw()
        if said:
            self._out += self._contest.commit()
        self._out += self._contest.resume()
        self._state = _State.QUIET
        self._speech_run = 0  # speech that goes on begins the next turn, counted from here
        self._out.append(
            EndOfTurn(
                why=why,
                text=text,
                said=said,
                started_ms=turn.spoken.started_ms,
                ended_ms=self.last_speech_ms,
                during_agent=turn.during_agent,
                urgent=turn.urgent,
                spoken_ms=turn.spoken.spoken_ms,
                cut=self._contest.cut,
                understood=turn.understood,
            )
        )

    def _take(self) -> list[Output]:
        out, self._out = self._out, []
        return out
