"""What the way to a person says: phrases in their order, and waiting until each has sounded or was cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from voice_runtime.events import SayFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.asked_aloud import AskedAloud
from voice_runtime.inline.journal import Journal

#: A phrase that has not been reported as spoken by then is not waited for any longer, s.
LONGEST_S = 20.0


class Saying:
    """One call's phrases under one tag.

    Attributes:
        answers: what is said now answers the caller's newest words.
        question: the one that was put last.
        put: a question was put, and nothing else was said in its place.
    """

    def __init__(self, tag: str, journal: Journal, say: Callable[[SayFrame], Awaitable[None]]) -> None:
        self.answers, self.put = False, False
        self.question, self._asked = AskedAloud(journal), SayFrame()
        self._tag, self._journal, self._say = tag, journal, say
        self._waiting: dict[str, asyncio.Event] = {}
        self._interruptible = False  # what was said last: the caller may cut it, and what waits behind it
        self._count = 0

    async def speak(self, frame: SayFrame, *, hard: bool = True, asks: bool = False) -> None:
        """Have it spoken.

        Args:
            hard: the caller's ordinary speech does not cut it.
            asks: it is a question, from now on the one that is open.
        """
        self._count += 1
        frame.tag = f"{self._tag}:{self._count}"
        frame.turn, frame.answers = self._journal.turn, self.answers
        frame.interruptible = self._interruptible = not hard
        self._waiting[frame.tag] = asyncio.Event()
        if asks:
            self.question.put(frame.tag)
            self._asked, self.put = frame, True
        await self._say(frame)

    def withdraw(self) -> None:
        """The question that was put is none any more: nothing answers it."""
        self.question.drop()
        self._asked, self.put = SayFrame(), False

    def sounds(self, frame: SoundsFrame) -> None:
        """One of its phrases begins to sound."""
        self.question.sounds(frame)

    def spoken(self, frame: SpokenFrame, *, as_asked: bool = True) -> None:
        """One of its phrases has sounded, or was cut. ``as_asked``: in the words that were to be said."""
        self.question.spoken(frame, as_asked=as_asked and not self.replaced(frame))
        self.ended(frame.tag)

    def replaced(self, frame: SpokenFrame) -> bool:
        """Whether something else was said in place of the question, such as a rule's phrase."""
        return self.question.is_it(frame) and frame.phrase != self._asked.phrase

    async def phrases(self, *ids: str) -> None:
        """Have these fixed phrases spoken, one behind the other; "" is none."""
        for phrase in filter(None, ids):
            await self.speak(SayFrame(phrase=phrase))

    def waits_for(self, tag: str) -> bool:
        """Whether the end of this phrase is waited for."""
        return tag in self._waiting

    def ended(self, tag: str) -> None:
        """It has sounded, was cut, or will never sound."""
        if (event := self._waiting.pop(tag, None)) is not None:
            event.set()

    def let_go(self) -> None:
        """Nothing that was said so far is waited for."""
        for tag in tuple(self._waiting):
            self.ended(tag)

    @contextmanager
    def more_comes(self) -> Iterator[None]:
        """Within it, whoever waits for everything goes on waiting: what is cut now is not the last of it."""
        tag = f"{self._tag}:more"
        self._waiting[tag] = asyncio.Event()
        try:
            yield
        finally:
            self.ended(tag)

    async def may_follow(self) -> None:
        """Wait until something more may be said: at once, but behind what the caller may still interrupt."""
        if self._interruptible:
            await self.all_over()

    async def all_over(self) -> None:
        """Wait until everything we said has sounded or was cut, also what is said meanwhile."""
        while self._waiting:
            tag, event = next(iter(self._waiting.items()))
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_S):
                    await event.wait()
            self._waiting.pop(tag, None)
