"""The question a tool's effect waits for, on the line: enacts ``controls.read_back``.

One place knows what the caller was asked last: it is told of all that sounds, of all that the runtime is
about to say, and of every wish and key of the caller's. Whose yes it is, is decided nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pipecat.frames.frames import Frame, LLMRunFrame

from controls import read_back as q
from controls.intents import yes_or_no
from controls.ledger.records import Addressed
from voice_runtime.events import CallerSaidFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.attention_ports import ReadBacks
from voice_runtime.inline.journal import Journal
from voice_runtime.speak.spoken import Reader
from voice_runtime.think.chat import READ_BACK_TAG


def model_runs() -> Frame:
    """Have the model go on without further words of the caller's: it has something to tell them."""
    run = LLMRunFrame()
    run.interruptible = False
    return run


class OpenReadBack:
    """One leg's."""

    def __init__(
        self,
        read_backs: ReadBacks,
        journal: Journal,
        reader: Reader,
        *,
        language: str,
        last_words: Callable[[], str],
        push: Callable[[Frame], Awaitable[None]],
    ) -> None:
        """Make it.

        Args:
            reader: says how a question sounds, so that what was played can be held against it.
            last_words: the agent's words of which the last ones sound now.
            push: towards the model.
        """
        self._read_backs, self._journal, self._reader = read_backs, journal, reader
        self._language, self._last_words, self._push = language, last_words, push
        self._question = q.ReadBackQuestion()
        self._played, self._began_s = "", 0.0  # of the question, as it sounded, and when

    @property
    def asking(self) -> bool:
        """Whether the caller's next words or keys may answer it."""
        return self._read_backs.pending is not None

    async def reply(self, frame: CallerSaidFrame) -> None:
        """Put what the caller said to it on record, and settle it; the model is to be run on these words."""
        self._follow()
        yes = yes_or_no(frame.text, self._language, self._played)
        addressed: Addressed = "model" if yes is None else "question"
        turn = self._journal.caller_said(frame, addressed)
        early = self._journal.seconds(frame.t0_ns) < self._began_s
        self._step(q.Reply(yes, early), turn)

    async def key(self, key: str) -> None:
        """They pressed it: 1 is a yes, 2 a no."""
        yes = {"1": True, "2": False}.get(key)
        pressed = q.Key(yes, ending=self._sounded(self._last_words()))
        if self._step(pressed, self._journal.turn) and yes is not None:
            await self._push(model_runs())

    def something_else(self) -> None:
        """The runtime says something else, or the caller wants something else."""
        self._step(q.Else(), self._journal.turn)

    def sounds(self, frame: SoundsFrame) -> None:
        """Anything begins to sound."""
        self._step(q.Begins(frame.tag == READ_BACK_TAG), self._journal.turn)

    def spoken(self, frame: SpokenFrame) -> None:
        """Anything has been played, or cut."""
        ours = frame.tag == READ_BACK_TAG
        if not frame.played_ms and not ours:
            return
        self._step(q.Sounded(ours, ours and self._sounded(frame.text)), self._journal.turn)
        if ours and self._question.use:
            self._played, self._began_s = frame.text, frame.started_s

    def _sounded(self, played: str) -> bool:
        pending = self._read_backs.pending
        return pending is not None and bool(played) and self._reader.sounded(pending.needed, played)

    def _follow(self) -> None:
        """Whoever asks and is told lives elsewhere: what waits there now is what this is about."""
        pending = self._read_backs.pending
        if (use := pending.use if pending is not None else "") != self._question.use:
            self._question, self._played = q.ReadBackQuestion(), ""
            self._began_s = 0.0
            if use:
                self._question, _ = self._question.step(q.Asked(use))

    def _step(self, event: q.Event, turn: int) -> bool:
        """Take an event; whether the question was settled by it."""
        self._follow()
        self._question, outputs = self._question.step(event)
        for output in outputs:
            match output:
                case q.Settle(_, yes):
                    self._read_backs.answer(yes, turn)
                case q.Drop():
                    self._read_backs.answer(None, turn)
        return bool(outputs)
