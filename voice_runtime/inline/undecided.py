"""A use that waits for a colleague, and what is said on the line meanwhile.

    what the runtime says                                  the use
    an answer of its own (what this is, an objection
      acknowledged, a receipt, "say that again")           waits on, and the caller is told so behind it
    a question, or words that are not to be interrupted    waits; what the answer leads to decides
    the way to a person                                    is called off
    the end of the call                                    waits; nobody is there for it once it is over
    its end because the caller opted out                   is called off: nothing brings them back

Words that go to the model, and a "stop", call it off. The caller is told by a fixed phrase, so that nobody
takes what was called off for something that a colleague refused: at once, or, where an emergency or a stopped
agent has the word, with the next words that go to the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from pipecat.frames.frames import Frame

from controls.approval import Withdrawn
from controls.intents import current
from voice_runtime.events import SayFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.read_backs import model_runs
from voice_runtime.phrases import CALLED_OFF

#: The phrase that begins the ordinary way to a person.
_TO_A_PERSON = "handoff"
#: Tag of the words that end a call because its caller wants that.
_BY_CALLER = "end:caller"


class Waits(Protocol):
    """What is needed of ``think.approving.Approving``."""

    @property
    def waiting(self) -> bool: ...

    def withdraw(self, reason: Withdrawn) -> bool: ...


class UndecidedUse:
    """One leg's."""

    def __init__(
        self,
        waits: Waits | None,
        journal: Journal,
        *,
        interrupt: Callable[[], Awaitable[None]],
        push: Callable[[Frame], Awaitable[None]],
    ) -> None:
        """Make it.

        Args:
            waits: the leg's uses that wait for people; None where nobody is asked.
            interrupt: cuts whatever the agent says or thinks.
            push: towards the voice.
        """
        self._waits, self._journal = waits, journal
        self._interrupt, self._push = interrupt, push
        self._cut = False  # the model, which waits for it, was interrupted
        self._untold = False

    @property
    def waiting(self) -> bool:
        """Whether a use does."""
        return self._waits is not None and self._waits.waiting

    def cut(self) -> None:
        """The agent was interrupted."""
        self._cut = self.waiting

    async def makes_way(self, frame: SayFrame) -> bool:
        """The runtime is about to say this; whether the model is to wait again behind it."""
        if not self.waiting:
            self._cut = False
            return False
        if not self._cut:  # the model waits, and what is to be said would wait behind it
            await self._interrupt()
        if frame.tag.startswith(("person", _BY_CALLER)):
            await self._call_off(tell=frame.phrase == _TO_A_PERSON)
            return False
        goes_on = frame.final and frame.interruptible and not frame.tag.startswith(("end:", "wish"))
        self._cut = not goes_on
        return goes_on

    def listened(self, text: str, language: str) -> bool:
        """Whether the caller, who waits, says no more than that they do: "okay", "mhm"."""
        return self.waiting and current().listening(text, language)

    async def goes_on(self) -> None:
        """What the caller wanted is done, and nothing is said to it: where the wait was cut, it goes on."""
        if self.waiting and self._cut:
            self._cut = False
            await self._push(model_runs())

    async def something_else(self, *, answered: bool = True) -> None:
        """The caller wants something else: words of theirs go to the model, or they said stop.

        Args:
            answered: something will be said to that.
        """
        if self.waiting and not self._cut:
            await self._interrupt()
        if self.waiting or self._untold:
            await self._call_off(tell=True, final=not answered)

    async def _call_off(self, *, tell: bool, final: bool = False) -> None:
        if self.waiting and self._waits is not None:
            self._waits.withdraw("interrupted")
        self._cut, self._untold = False, not tell
        if tell:
            await self._push(SayFrame(phrase=CALLED_OFF, turn=self._journal.turn, final=final, answers=False))
