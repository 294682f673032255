"""A call whose agent was stopped by a person: told so politely, then put through to somebody, or ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from voice_runtime.phrases import STOPPED


class Opening(Protocol):
    """The disclosure, which a person on the way cuts short (``inline.opening``)."""

    async def asked(self, wanted: Literal["emergency", "person", "key_0", "opt_out"]) -> None: ...


class Person(Protocol):
    """The way to a person (``inline.person``)."""

    @property
    def under_way(self) -> bool: ...

    async def wanted(self, by: str, reason: str, *, script: str = "", answers: bool = True) -> None: ...

    async def says_first(self, phrase: str) -> bool: ...


class StoppedCall:
    """One call's. ``active`` once it is stopped; the agent answers nothing more."""

    def __init__(self, opening: Opening, person: Person, interrupt: Callable[[], Awaitable[None]]) -> None:
        self.active = False
        self._opening, self._person, self._interrupt = opening, person, interrupt

    async def run(self) -> None:
        """Fall silent, say so and fetch a person.

        Whoever is on the way to one already stays on it, and who is asked something there is told before
        that is asked once more: else they would go on as if nothing had happened.
        """
        if self._person.under_way:
            await self._person.says_first(STOPPED)
            return
        await self._opening.asked("person")
        await self._interrupt()
        await self._person.wanted("failure", "stopped by a person", script=STOPPED, answers=False)

    def ending(self, ended_by: str, reason: str) -> tuple[str, str]:
        """Who ended the call, and why: a call that nobody else took was ended by whoever stopped it."""
        return ("operator", "stopped") if self.active and reason == "failed" else (ended_by, reason)
