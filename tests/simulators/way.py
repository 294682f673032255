"""A way to a person on fakes, with every phrase in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pipecat.processors.aggregators.llm_context import LLMContext

from controls.gate import Gate
from controls.ids import new_id
from tests.controls.rules.packs import shipped
from tests.simulators.house import CALLER, DESK, DIGEST, FakeControl, FakeSpool, release
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.agent import DeskRoute
from voice_runtime.clock import SystemClock
from voice_runtime.events import SayFrame, SpokenFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.person import WayToAPerson

READ_BACK = "I have 2 0 2, 5 5 5, 0 1 2 3. Is that right?"
CALLBACK = DeskRoute("callback", "reception", title="reception")
OPEN = DeskRoute("desk", "reception", DESK, always=True)


class Way:
    """A way to a person; what it says is played at once unless ``silent``."""

    def __init__(self, *routes: DeskRoute, caller: str = CALLER, place: str = "") -> None:
        self.recorder, self.spool, self.control = MemoryRecorder(), FakeSpool(), FakeControl()
        self.said: list[str] = []
        self.cuts = 0
        self.silent = False
        self.finished: list[tuple[str, str]] = []
        self.nobody = 0
        self.consents: list[tuple[bool, str]] = []
        self.opted_out = False
        self.changed = asyncio.Event()
        call = new_id("c")
        journal = Journal(
            self.recorder, tenant="clinic", call=call, clock=SystemClock(), context=LLMContext(),
            spool=self.spool,
        )  # fmt: skip
        gate = Gate(
            recorder=self.recorder, tenant="clinic", call=call, rules=shipped(), language="en-US",
            spool=self.spool,
        )  # fmt: skip
        gate.bind(DIGEST, {}).result(0)
        self.way = WayToAPerson(
            journal, gate, release(handoff=routes), language="en-US", clock=SystemClock(), caller=caller,
            receipt_deadline_s=0.05, say=self._say, interrupt=self._interrupt, finish=self._finish,
            on_nobody=self._nobody, consent=self._consent, barred=lambda: self.opted_out,
            place=place,
        )  # fmt: skip
        self.way.control = self.control

    async def _say(self, frame: SayFrame) -> None:
        self.said.append(frame.phrase or frame.text)
        self.changed.set()
        if not self.silent:
            await self.way.spoken(SpokenFrame(frame.tag, "k", frame.phrase, 0, True, 100, 100, frame.text))

    async def _consent(self, given: bool, how: str) -> None:
        self.consents.append((given, how))
        self.changed.set()

    async def _interrupt(self) -> None:
        self.cuts += 1

    async def _finish(self, ended_by: str, reason: str) -> None:
        self.finished.append((ended_by, reason))
        self.changed.set()

    async def _nobody(self) -> None:
        self.nobody += 1
        self.changed.set()

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    def types(self) -> list[str]:
        return [t for t in self.recorder.types() if not t.startswith("release")]
