"""Uses that left and of which nobody knows whether they were done: asked for again, they are the same use.

A request whose answer never came may have had its effect. Whoever asks for the same once more, the model of
itself or the caller through it, must not get a second effect: the same name with the same arguments keeps
the idempotency key of the first request. That holds within a call; where the tool says for how many hours
(``doubt_lasts_h``), also for the same number in its later calls.

Arguments are the same whatever their capitals and spaces. What a caller enters by keys does not count among
them: it is kept nowhere, so nobody can tell whether it is the same, and such a use is not sent again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from loguru import logger

from controls.errors import SayError
from voice_runtime.agent import Tool

#: How long the store may take, s.
DEADLINE_S = 1.0
#: Requests with one key, the first among them. After that it is asked about, and not sent.
MOST_SENT = 2

T = TypeVar("T")
Lost = Literal["timeout", "crash", "broken_answer"]


class DoubtBook(Protocol):
    """What is needed of ``store.tool_uses.ToolUseBook``; blocks, and may be called from any thread."""

    def doubted(self, about: bytes) -> str | None: ...

    def doubt(self, about: bytes, use: str, lasts_h: int) -> None: ...

    def settle(self, use: str) -> None: ...


class NotKept(Exception):
    """The store does not say, or does not take, which uses are in doubt."""


@dataclass(slots=True)
class Doubt:
    """One of them.

    Attributes:
        use: the first, whose id is the key of every request for it.
        here: it was made in this call.
        sent: requests that left in this call.
        lost: how its answer was lost, as far as is known.
    """

    use: str
    tool: str
    here: bool = True
    sent: int = 0
    lost: Lost = "crash"

    def may_leave(self, tool: Tool) -> bool:
        """Whether one more request with its key has no second effect."""
        return tool.idempotent and tool.capture is None and self.sent < MOST_SENT


@dataclass
class Doubts:
    """One call's.

    Attributes:
        agent, caller: whose they are in the store; without a caller's number none is looked for there.
    """

    book: DoubtBook | None = None
    agent: str = ""
    caller: str = field(default="", repr=False)
    _known: dict[bytes, Doubt] = field(default_factory=dict, repr=False)

    async def of(self, tool: Tool, arguments: Mapping[str, Any]) -> Doubt | None:
        """The doubt that such a use would be the same as.

        Raises:
            NotKept: the store does not say in time.
        """
        about = self._about(tool, arguments)
        if (known := self._known.get(about)) is None and (book := self._lasting(tool)) is not None:
            use = await self._asked(lambda: book.doubted(about))
            if use is not None:
                known = self._known[about] = Doubt(use, tool.name, here=False)
        return known

    def knows(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        """Whether such a use is the same as one of this call that is in doubt."""
        return self._about(tool, arguments) in self._known

    def repeated(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """The use that such a use is the same as, once ``of`` has looked."""
        doubt = self._known.get(self._about(tool, arguments))
        return None if doubt is None else doubt.use

    async def leaves(self, use: str, tool: Tool, arguments: Mapping[str, Any]) -> Doubt:
        """A request for it is about to leave: until its outcome is known, it is in doubt.

        Raises:
            NotKept: the store does not take it in time; then nothing may leave.
        """
        about = self._about(tool, arguments)
        doubt = self._known.get(about) or Doubt(use, tool.name)
        if not doubt.sent and (book := self._lasting(tool)) is not None:
            await self._asked(lambda: book.doubt(about, doubt.use, tool.doubt_lasts_h))
        self._known[about] = doubt
        doubt.sent += 1
        return doubt

    async def settled(self, doubt: Doubt, tool: Tool) -> None:
        """It is known what came of it. Never raises: a doubt that stays in the store keeps its key."""
        self._known = {about: d for about, d in self._known.items() if d is not doubt}
        try:
            if (book := self._lasting(tool)) is not None:
                await self._asked(lambda: book.settle(doubt.use))
        except NotKept:
            logger.error("tool {}: that its outcome is known could not be kept", tool.name)

    def _lasting(self, tool: Tool) -> DoubtBook | None:
        """The store, where this tool's doubts outlast the call."""
        if not (tool.doubt_lasts_h and self.caller):
            return None
        if self.book is None:
            raise NotKept
        return self.book

    def _about(self, tool: Tool, arguments: Mapping[str, Any]) -> bytes:
        keyed = tool.capture.argument if tool.capture else None
        plain = {k: _plain(v) for k, v in arguments.items() if k != keyed}
        return json.dumps([self.agent, self.caller, tool.name, plain], sort_keys=True).encode()

    async def _asked(self, ask: Callable[[], T]) -> T:
        """In a thread: the store waits for the disk."""
        task = asyncio.create_task(asyncio.to_thread(ask))
        task.add_done_callback(_noticed)
        done, _ = await asyncio.wait({task}, timeout=DEADLINE_S)
        if not done or task.exception() is not None:
            raise NotKept
        return task.result()


def _noticed(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        place = str(error) if isinstance(error, SayError) else type(error).__name__
        logger.error("which uses of tools are in doubt could not be kept: {}", place)


def _plain(value: Any) -> Any:
    """As two people would call it the same: whatever its capitals and spaces."""
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
