"""Our turn policy on a labelled line: detector, turn machine and turn model as the ear has them.

The words are not recognised: the true ones stand in for a recogniser that makes no
mistakes and is ``text_ms`` late. A partial has the words that were over by then, the
final text also one that was half over: its last sound may be too soft to be speech. What the turn
model and the detector cost in processor time is not counted: their answers are there
at once. The agent neither speaks nor thinks (``Floor.IDLE``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal

from controls.errors import ProviderError
from controls.intents import Intent, current, intent
from loadtests.pauses.lines import Rendered
from loadtests.pauses.overlaps import FloorEvent
from loadtests.pauses.policies import Listener
from loadtests.pauses.settings import TEXT_MS, Patience
from voice_runtime.events import RATE_HZ
from voice_runtime.listen.patience import policy_of
from voice_runtime.listen.smart_turn import SmartTurn, TurnModel
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_audio import TurnAudio, Understood
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
)
from voice_runtime.listen.vad import Vad
from voice_runtime.ports import Hints, Utterance
from voice_runtime.settings import Turn

#: A language without word lists: the machine is never sure of its words.
_NO_LISTS = "und"
_LANGUAGE = "en-US"
_URGENT = (Intent.EMERGENCY, Intent.PERSON, Intent.OPT_OUT, Intent.STOP)
_PER_MS = RATE_HZ // 1000


@lru_cache(maxsize=4)
def speech_of(line: Rendered) -> tuple[bool, ...]:
    """Which chunks of a line our detector takes for speech."""
    vad = Vad()
    return tuple(vad.hear(chunk) for chunk in line.chunks())


class Ours:
    """``voice_runtime``'s turn policy with a profile's default waits.

    Args:
        text_ms: how late the words are.
        patience: of the agent.
        words: False leaves all judgement to the turn model and the waits, as in a language without lists.
        language: of the words.
        speech: which chunks of a line are speech.
    """

    def __init__(
        self,
        turn_model: TurnModel,
        *,
        text_ms: int = TEXT_MS,
        patience: Patience = "normal",
        words: bool = True,
        language: str = _LANGUAGE,
        speech: Callable[[Rendered], Sequence[bool]] = speech_of,
    ) -> None:
        self.name = "ours" if words else "ours, no text"
        self._model = turn_model
        self._language = language if words else _NO_LISTS
        self._speech = speech
        self._text_ms = text_ms
        self._turn = Turn()
        self._policy = policy_of(self._turn, patience)
        current()  # intents are read now, by the thread that makes this, and not in the midst of a line

    def listen(self, line: Rendered) -> Listener:
        return self._ear(line)

    async def over_agent(self, line: Rendered) -> list[FloorEvent]:
        """What becomes of an agent that speaks while a caller makes these sounds, in order."""
        ear = self._ear(line, Floor.SPEAKING)
        try:
            for pcm in line.chunks():
                await ear.chunk(pcm)
        finally:
            await ear.close()
        return ear.floor_events

    def _ear(self, line: Rendered, floor: Floor = Floor.IDLE) -> _Ear:
        machine = TurnMachine(self._policy, self._language, _urgent, only_silences=_only_silences)
        machine.floor(floor)  # before anything was said it asks for nothing
        speech = self._speech(line)
        return _Ear(line, speech, machine, self._model, self._text_ms, self._turn.preroll_ms)


@contextmanager
def both(text_ms: int, patience: Patience) -> Iterator[tuple[Ours, Ours]]:
    """Our policy with and without a recogniser's words, on one turn model: the product's own."""
    model = SmartTurn(threads=1)
    try:
        yield (
            Ours(model, text_ms=text_ms, patience=patience),
            Ours(model, text_ms=text_ms, patience=patience, words=False),
        )
    finally:
        model.close()


def _urgent(text: str) -> bool:
    """As ``voice_runtime.carrier`` decides it."""
    return intent(text, _LANGUAGE) in _URGENT


def _only_silences(text: str) -> bool:
    """Likewise."""
    return intent(text, _LANGUAGE) is Intent.STOP


class _NoRecogniser:
    """``ports.Recogniser`` that takes nobody: the words come from the line."""

    name = "true words"

    async def load(self, key: str, hints: Hints) -> None:
        """Nothing to prepare."""

    def open(self, key: str) -> Utterance:
        raise ProviderError("the words are known", supplier=self.name)


class _Ear:
    """What ``listen.ear.Ear`` does with the machine's outputs, in media time.

    Attributes:
        floor_events: what became of the agent's speech, in order.
    """

    def __init__(
        self,
        line: Rendered,
        speech: Sequence[bool],
        machine: TurnMachine,
        model: TurnModel,
        text_ms: int,
        preroll_ms: int,
    ) -> None:
        self._speech = iter(speech)
        self._words = line.words
        self._machine = machine
        self._model = model
        self._text_ms = text_ms
        self._audio = TurnAudio(_NoRecogniser(), "", preroll_ms, lambda: 0)
        self._preroll_ms = preroll_ms
        self._first = self._taken = 0  # words: from which on they are this turn's; how many older turns took
        self._partial = ""
        self._complete: float | None = None  # the turn model's newest judgement of the open turn
        self.floor_events: list[FloorEvent] = []
        self._due: tuple[int, int, str] | None = None  # at ms, of which pause, the words

    async def chunk(self, pcm: bytes) -> str:
        machine = self._machine
        self._audio.add(pcm)
        todo = machine.chunk(next(self._speech))
        if machine.open and (said := self._over(machine.now_ms - self._text_ms)) != self._partial:
            self._partial = said
            todo += machine.partial(said)
        why = ""
        while todo or (todo := self._final()):
            output = todo.pop(0)
            if isinstance(output, EndOfTurn) and output.said:
                why = self._why(output)
            todo += await self._do(output)
        return why

    async def close(self) -> None:
        """Forget the open turn."""
        self._audio.close()

    async def _do(self, output: Output) -> list[Output]:
        match output:
            case Started(at_ms):
                self._first, self._partial = self._since(at_ms - self._preroll_ms), ""
                self._complete = None
                self._audio.begin()
            case AskText(pause):
                now_ms = self._machine.now_ms
                self._due = (now_ms + self._text_ms, pause, self._final_words(now_ms))
            case AskSmartTurn(pause):
                self._complete = await self._model.complete(self._audio.pcm)
                return self._machine.turn_model(pause, self._complete)
            case GoOn():
                self._partial, self._complete = "", None
                self._audio.go_on()
            case Pause():
                self._note("pause")
            case Resume():
                self._note("resume")
            case Commit():
                self._note("commit")
                return self._machine.floor(Floor.IDLE)  # as when egress has been cut
            case EndOfTurn():
                self._audio.close()
        return []

    def _note(self, what: Literal["pause", "resume", "commit"]) -> None:
        self.floor_events.append(FloorEvent(self._machine.now_ms * _PER_MS, what))

    def _why(self, end: EndOfTurn) -> str:
        """Why it ended, what the turn model had said if it was asked, and the words it was judged by."""
        judged = "not asked" if self._complete is None else f"{self._complete:.2f}"
        return f"{end.why.value} (turn model {judged}), words '{end.text}'"

    def _final(self) -> list[Output]:
        """The final text once it is due; what came of it."""
        if self._due is None or self._due[0] > self._machine.now_ms:
            return []
        (_, pause, text), self._due = self._due, None
        if not self._machine.awaits(pause):
            return []
        self._audio.heard = Understood(text, 1.0)
        return self._machine.final(pause, text)

    def _since(self, at_ms: int) -> int:
        """Index of the first word that is over after ``at_ms`` and was in no turn yet."""
        earlier = sum(word.end <= at_ms * _PER_MS for word in self._words)
        return max(earlier, self._taken)

    def _over(self, until_ms: int) -> str:
        """The words of the open turn that were over by then."""
        until = until_ms * _PER_MS
        return " ".join(word.text for word in self._words[self._first :] if word.end <= until)

    def _final_words(self, now_ms: int) -> str:
        """The words of the open turn that were half over by now."""
        now = now_ms * _PER_MS
        self._taken = sum(word.start + word.end <= 2 * now for word in self._words)
        return " ".join(word.text for word in self._words[self._first : self._taken])
