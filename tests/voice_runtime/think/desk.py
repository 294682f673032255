"""A desk where a runner's uses wait for people, and what the caller is told meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.voice_runtime.think.conftest import Call
from voice_runtime.agent import Tool
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.clock import SystemClock
from voice_runtime.people import People
from voice_runtime.think.approving import Approving
from voice_runtime.think.tools import ToolResult, ToolRunner

MONDAY = {"day": "Monday"}


class Desk:
    """A runner whose uses wait, the desk they wait on, and what the caller was told."""

    def __init__(self, call: Call, folder: Path, tools: tuple[Tool, ...], **options: Any) -> None:
        self.call = call
        self.desk = ApprovalDesk(call.recorder, People(folder), **options.pop("desk", {}))
        approving = Approving(
            call.gate.approvals, self.desk, SystemClock(), tenant="clinic", agent="test",
            receipt_deadline_s=options.pop("receipt_deadline_s", 5.0), repeat_s=options.pop("repeat_s", 60.0),
        )  # fmt: skip
        self.runner: ToolRunner = call.runner(*tools, approving=approving, **options)
        self.runner.say = self._say
        self.said: list[str] = []
        self.said_again = asyncio.Event()

    async def _say(self, phrase: str, turn: int) -> None:
        self.said.append(phrase)
        if len(self.said) >= 4:
            self.said_again.set()

    def use(self, **arguments: str) -> asyncio.Task[ToolResult]:
        return asyncio.create_task(self.runner.use("find", arguments or dict(MONDAY), 1))

    async def waits(self, count: int = 1) -> list[dict[str, Any]]:
        """What the desk lists, once so many wait."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.ask("list"))["waiting"]
                if len(found) == count:
                    return list(found)
                await asyncio.sleep(0)

    async def ask(self, what: str, **fields: Any) -> dict[str, Any]:
        return await self.desk.questions[f"approvals.{what}"](fields)

    async def look(self, use: str, who: str = "Anna Berg", **more: Any) -> dict[str, Any]:
        """Have it shown, which is on record before."""
        return await self.ask("show", use=use, who=who, purpose="to decide", **more)

    async def decide(self, word: str, who: str = "Anna Berg", **more: Any) -> dict[str, Any]:
        [waiting] = await self.waits()
        await self.look(waiting["use"], who)
        return await self.ask("decide", use=waiting["use"], who=who, word=word, **more)

    def types(self) -> list[str]:
        return [t for t in self.call.recorder.types() if t.startswith(("tool.", "approval."))]
