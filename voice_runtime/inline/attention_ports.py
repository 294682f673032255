"""What attention needs of those it passes the caller's words to."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from controls.capture import Meant
from controls.consent import Scope
from voice_runtime.agent import Tool
from voice_runtime.events import CallerSaidFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.asked_aloud import AskedAloud
from voice_runtime.inline.urgency import Urgency


class Opening(Protocol):
    """The disclosure and its questions, and what was consented to (``inline.opening``)."""

    @property
    def finished(self) -> bool: ...

    @property
    def asking(self) -> bool: ...

    async def asked(
        self,
        wanted: Literal["emergency", "person", "key_0", "opt_out"],
        how: Literal["voice", "keypad"] = "voice",
    ) -> None: ...

    async def back(self) -> None: ...

    @property
    def question(self) -> AskedAloud: ...

    async def reply(self, frame: CallerSaidFrame, yes: bool | None) -> bool: ...

    async def key(self, yes: bool) -> None: ...

    async def answer(self, given: bool | None, how: Literal["voice", "keypad"]) -> None: ...

    def sounds(self, frame: SoundsFrame) -> None: ...

    async def objected(
        self, how: Literal["voice", "keypad"], scopes: tuple[Scope, ...] = ("record",)
    ) -> bool: ...

    async def ending(self) -> None: ...

    async def spoken(self, frame: SpokenFrame) -> None: ...


class Person(Protocol):
    """The way to a person (``inline.person``)."""

    @property
    def under_way(self) -> bool: ...

    @property
    def asking(self) -> bool: ...

    @property
    def urgency(self) -> Urgency: ...

    @property
    def script(self) -> str: ...

    @property
    def transferring(self) -> bool: ...

    async def abandon(self) -> None: ...

    async def wanted(self, by: str, reason: str, *, script: str = "", answers: bool = True) -> None: ...

    def script_at(self, rule: str, script: str) -> str: ...

    def reply(self, frame: CallerSaidFrame, *, refused: bool, on_record: bool = False) -> None: ...

    async def answer(self, text: str, yes: bool | None) -> None: ...

    async def key(self, key: str) -> None: ...

    async def says_first(self, phrase: str) -> bool: ...

    def sounds(self, frame: SoundsFrame) -> None: ...

    async def spoken(self, frame: SpokenFrame) -> None: ...


class Keys(Protocol):
    """Figures entered by keys (``inline.capture``)."""

    @property
    def paused(self) -> bool: ...

    def key(self, key: str) -> bool: ...

    def said(self, wanted: Meant) -> None: ...

    def silent(self) -> None: ...

    def spoken(self, frame: SpokenFrame) -> None: ...


class PendingReadBack(Protocol):
    """A tool use that waits for the caller's yes."""

    @property
    def use(self) -> str: ...

    @property
    def arguments(self) -> dict[str, Any]: ...

    @property
    def tool(self) -> Tool: ...

    @property
    def needed(self) -> str: ...


class ReadBacks(Protocol):
    """Questions asked before a tool's effect (``think.tools``)."""

    @property
    def pending(self) -> PendingReadBack | None: ...

    def answer(self, yes: bool | None, turn: int) -> bool:
        """Settle the pending question; the model, when it is run next, is told the outcome."""
        ...


class Receipt(Protocol):
    """The call's receipt (``inline.receipt``)."""

    def wanted(self, how: Literal["spoken", "shown"], turn: int) -> None: ...

    def repeats(self, before: int) -> bool: ...
