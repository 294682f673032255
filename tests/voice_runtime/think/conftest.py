"""One call's gate, journal and tools around simulated servers; rules and records are the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.gate import Gate
from controls.ids import new_id
from controls.rules.engine import Rules
from controls.rules.pack_files import parse_pack
from tests.simulators.model_server import serving
from tests.simulators.recorder import MemoryRecorder
from tests.simulators.tool_server import ToolServer
from voice_runtime.agent import Tool
from voice_runtime.clock import SystemClock
from voice_runtime.events import CallerSaidFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.think.services import Service, ServiceClient
from voice_runtime.think.tools import ToolRunner

KEY = b"a key for tests, 16+"

_PACK = """
format: 1
pack: test
title: For tests
owner: compliance
reviewed: 2026-11-02
languages: [en-US]
rules:
  - name: no-friday
    when: tool
    tools: [book]
    if: {cel: 'has(args.day) && args.day == "Friday"'}
    then: block
    risk: 60
    annex_a: [A.9.4]
    because: Fridays are closed, says the test.
    say: {en-US: "Fridays are closed."}
    catches: [{tool: book, args: {day: Friday}}]
    lets_pass: [{tool: book, args: {day: Monday}}]
"""


def tool(name: str, base: str, **changes: Any) -> Tool:
    """A tool of the simulated service; ``book`` is read back."""
    asked: dict[str, object] = {"doctor": {"type": "string"}, "day": {"type": "string"}}
    fields: dict[str, Any] = {
        "name": name,
        "does": f"Does {name}.",
        "risk": "low",
        "service": "appointments",
        "operation": name,
        "method": "POST",
        "url": f"{base}/tools/{name}",
        "timeout_s": 30.0,
        "parameters": {
            "type": "object", "properties": asked, "required": ["day"], "additionalProperties": False
        },
    }  # fmt: skip
    if name == "book":
        fields |= {
            "risk": "medium",
            "read_back": ("doctor", "day"),
            "read_back_say": {"en-US": "{doctor}, {day}. Shall I book it?"},
            "per_call": 2,
        }
    return Tool(**(fields | changes))


@dataclass
class Call:
    """One call, as far as thinking is concerned."""

    server: ToolServer
    client: ServiceClient
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    context: LLMContext = field(default_factory=LLMContext)
    handoffs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        call = new_id("c")
        self.journal = Journal(
            self.recorder, tenant="clinic", call=call, clock=SystemClock(), context=self.context
        )
        rules = Rules.compile([parse_pack(_PACK, "test.yaml")])
        self.gate = Gate(recorder=self.recorder, tenant="clinic", call=call, rules=rules, language="en-US")

    def runner(self, *tools: Tool, slow_after_s: float = 120.0, **options: Any) -> ToolRunner:
        return ToolRunner(
            tools or (tool("find", self.server.url), tool("book", self.server.url)),
            gate=self.gate, journal=self.journal, services=self.client, language="en-US",
            on_handoff=self.handoffs.append, slow_after_s=slow_after_s, **options,
        )  # fmt: skip

    def said(self, text: str) -> int:
        """The caller says something: on record, and in the model's context."""
        frame = CallerSaidFrame(
            text=text,
            confidence=0.9,
            started_s=0,
            ended_s=1,
            t0_ns=1,
            ended_ns=2,
            recognised_ns=3,
            engine="test",
        )
        turn = self.journal.caller_said(frame, "model")
        self.context.add_message({"role": "user", "content": text})
        return turn

    def types(self) -> list[str]:
        return [t for t in self.recorder.types() if t.startswith("tool.")]


@pytest.fixture
async def service() -> AsyncIterator[ToolServer]:
    async with serving(ToolServer()) as server:
        yield server


@pytest.fixture
async def services(service: ToolServer) -> AsyncIterator[ServiceClient]:
    client = ServiceClient({"appointments": Service("appointments", KEY)})
    yield client
    await client.aclose()


@pytest.fixture
def call(service: ToolServer, services: ServiceClient) -> Call:
    return Call(service, services)


@pytest.fixture
def make_tool() -> Callable[..., Tool]:
    return tool
