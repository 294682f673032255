"""One call's uses of tools against the limits of a day: taken before the gate, given back when not done.

What cannot be counted is not done: a store that fails, or is late, refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Literal, Protocol, TypeVar

from loguru import logger

from controls.errors import SayError
from controls.tool_limits import AmountLimit, NoAmount, Over, amount_of, over
from voice_runtime.agent import Tool
from voice_runtime.think.doubts import DoubtBook

#: How long the store may take, s.
DEADLINE_S = 1.0

T = TypeVar("T")
Why = Over | Literal["bad_arguments", "not_counted"]


class UseBook(DoubtBook, Protocol):
    """What is needed of ``store.tool_uses.ToolUseBook``; blocks, and may be called from any thread."""

    def room(
        self, agent: str, tool: str, amount: int, per_day: int | None, limit: AmountLimit | None
    ) -> tuple[Over, str] | None: ...

    def take(
        self, use: str, agent: str, tool: str, amount: int, per_day: int | None, limit: AmountLimit | None
    ) -> tuple[Over, str] | None: ...

    def give_back(self, use: str) -> None: ...


class Counting:
    """One call's. What is given back late is given back all the same: ``aclose`` waits for that."""

    def __init__(self, book: UseBook | None, agent: str, deadline_s: float = DEADLINE_S) -> None:
        """Count in ``book``; without one, tools with a limit per day are refused."""
        self._book, self._agent, self._deadline_s = book, agent, deadline_s
        self._later: set[asyncio.Task[Any]] = set()

    async def room(self, tool: Tool, arguments: Mapping[str, Any]) -> tuple[Why, str] | None:
        """Why a use would be refused now, and in words; None when it would not. Never raises."""
        return await self._asked(tool, arguments, None)

    async def take(self, use: str, tool: Tool, arguments: Mapping[str, Any]) -> tuple[Why, str] | None:
        """Count a use; else why it is not to be made. Never raises."""
        return await self._asked(tool, arguments, use)

    async def give_back(self, use: str, tool: Tool) -> None:
        """It was certainly not done. Never raises: what cannot be given back stays counted."""
        if _of_a_day(tool) and self._book is not None:
            task = self._kept(asyncio.to_thread(self._book.give_back, use))
            await asyncio.wait({task}, timeout=self._deadline_s)

    async def aclose(self, deadline_s: float) -> None:
        """Wait for what is still being given back."""
        if self._later:
            await asyncio.wait(set(self._later), timeout=deadline_s)

    async def _asked(
        self, tool: Tool, arguments: Mapping[str, Any], use: str | None
    ) -> tuple[Why, str] | None:
        try:
            amount = amount_of(tool.amount, arguments)
        except NoAmount as error:
            return "bad_arguments", f"{error}: not a number of nought or more"
        if (broken := over(None, _of_one_use(tool), amount)) is not None:
            return broken
        if not _of_a_day(tool):
            return None
        book = self._book
        if book is None:
            return "not_counted", NOT_COUNTED
        limits = (amount, tool.per_day, tool.amount)
        if use is None:
            work = asyncio.to_thread(book.room, self._agent, tool.name, *limits)
        else:
            work = asyncio.to_thread(book.take, use, self._agent, tool.name, *limits)
        task = self._kept(work)
        done, _ = await asyncio.wait({task}, timeout=self._deadline_s)
        if not done:
            logger.error("tool {}: its uses were not counted in time", tool.name)
            if use is not None:
                self._kept(self._give_back_late(task, use, tool))
            return "not_counted", NOT_COUNTED
        if task.exception() is not None:
            return "not_counted", NOT_COUNTED
        return task.result()

    async def _give_back_late(self, taking: asyncio.Task[Any], use: str, tool: Tool) -> None:
        await asyncio.wait({taking})
        await self.give_back(use, tool)

    def _kept(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._later.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            place = str(error) if isinstance(error, SayError) else type(error).__name__
            logger.error("uses of tools could not be counted: {}", place)


NOT_COUNTED = "how often it was used today cannot be told; do not try again, offer a person"


def _of_a_day(tool: Tool) -> bool:
    return tool.per_day is not None or (tool.amount is not None and tool.amount.per_day is not None)


def _of_one_use(tool: Tool) -> AmountLimit | None:
    return tool.amount if tool.amount is not None and tool.amount.at_most is not None else None
