"""Words that nobody made out: asked again, then a person; in doubt of an emergency a person at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from voice_runtime.events import SayFrame
from voice_runtime.inline.journal import Journal


class Opening(Protocol):
    """The disclosure and its questions (``inline.opening``)."""

    @property
    def asking(self) -> bool: ...

    @property
    def supplier_may_hear(self) -> bool: ...


class Urgency(Protocol):
    """A caller's emergency (``inline.urgency``)."""

    @property
    def doubt(self) -> object | None: ...

    @property
    def asked(self) -> bool: ...


class Unheard:
    """One call's."""

    def __init__(
        self,
        journal: Journal,
        opening: Opening,
        urgency: Urgency,
        *,
        in_a_row: int,
        keying: Callable[[], bool],
        no_answer: Callable[[], None],
        say: Callable[[SayFrame], Awaitable[None]],
        says_first: Callable[[str], Awaitable[bool]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        fetch_a_person: Callable[[str, str], None],
    ) -> None:
        """Make it.

        Args:
            in_a_row: so many in a row fetch a person.
            keying: the caller's keys are waited for, not their words.
            no_answer: the opening's question had none, and is put once more.
            says_first: ahead of what the way to a person asks, which is put anew; False: nothing is.
            spawn: runs it beside the call.
        """
        self._journal, self._opening, self._urgency = journal, opening, urgency
        self._in_a_row, self._keying, self._no_answer = in_a_row, keying, no_answer
        self._say, self._says_first, self._spawn = say, says_first, spawn
        self._fetch_a_person = fetch_a_person

    def failed(self, reason: str) -> None:
        """The recogniser broke (``deadline``, ``crash``), or made nothing of what was said (``misheard``)."""
        if self._urgency.doubt is not None:
            self._in_doubt(reason)
            return
        asked = self._opening.asking
        if asked or not self._opening.supplier_may_hear:  # no answer; or none may listen yet
            self._no_answer()
            if reason == "misheard":
                return
        if self._keying():
            return
        if reason != "misheard":
            self._broke(reason)
        self._journal.misheard += 1
        if self._journal.misheard >= self._in_a_row:
            self._journal.misheard = 0
            self._fetch_a_person("failure", "not understood")
            return
        if not asked:  # else that question comes once more: nothing sounds behind it
            self._spawn(self._told("not-understood" if reason == "misheard" else "fallback"))

    async def _told(self, phrase: str) -> None:
        if not await self._says_first(phrase):
            # What was not understood is no turn: the newest one has had its answer.
            await self._say(SayFrame(phrase=phrase, turn=self._journal.turn, answers=False))

    def _in_doubt(self, reason: str) -> None:
        """As silence would: whoever may have an emergency, and is not understood, gets a person.

        A noise behind the script, ahead of the question, answers nothing; the question is about to come.
        """
        if reason != "misheard":
            self._broke(reason)
        if reason != "misheard" or self._urgency.asked:
            self._journal.misheard = 0
            self._fetch_a_person("failure", "not understood")

    def _broke(self, reason: str) -> None:
        self._journal.control_failed("recogniser", "deadline" if reason == "deadline" else "crash")
