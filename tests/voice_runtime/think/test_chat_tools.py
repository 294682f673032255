"""The model and its tools on the line: results, read-backs, interruptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pipecat.frames.frames import (
    FunctionCallFromLLM,
    InterruptionFrame,
    LLMFullResponseEndFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from tests.simulators.model_server import call as tool_call
from tests.simulators.model_server import (
    say,
)
from tests.simulators.tool_server import ToolServer
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.test_chat import on_line, server
from voice_runtime.agent import Tool
from voice_runtime.events import SayFrame, ThinkingFrame
from voice_runtime.think.chat import ChatModel, tool_schemas
from voice_runtime.think.tool_values import NOTE

pytestmark = pytest.mark.anyio


def roles(request: Any) -> list[str]:
    return [m["role"] for m in request.json["messages"]]


async def test_a_tools_result_goes_back_to_the_model_in_one_answer(call: Call) -> None:
    model = server(tool_call(("find", '{"day": "Monday"}'), text="Let me look"), say("Ten."))
    async with on_line(call, model) as line:
        await line.ask("monday")
        assert line.text() == "Let me look\nTen."
        assert len(line.tail.of(LLMFullResponseEndFrame)) == 1
        assert [r.outcome for r, _ in line.decided()] == ["tools", "answered"]
        assert line.decided()[0][1].tools[0].model_dump() == {"name": "find", "arguments": {"day": "Monday"}}
        assert call.types() == ["tool.requested", "tool.executed"]
        assert roles(model.requests[1]) == ["user", "assistant", "tool"]
        asked, told = model.requests[1].json["messages"][1:]
        assert asked["tool_calls"][0]["id"] == told["tool_call_id"]
        assert json.loads(told["content"]) == {"ok": True, "note": NOTE, "data": {"row": 17}}


async def test_tools_asked_for_together_run_one_after_another(call: Call) -> None:
    both = tool_call(("find", '{"day": "Monday"}'), ("find", '{"day": "Tuesday"}'))
    model = server(both, say("Both."))
    async with on_line(call, model) as line:
        await line.ask("monday or tuesday")
        assert [r.json["day"] for r in call.server.uses] == ["Monday", "Tuesday"]
        assert call.types() == ["tool.requested", "tool.executed"] * 2
        assert roles(model.requests[1]) == ["user", "assistant", "tool", "assistant", "tool"]


@pytest.mark.parametrize("arguments", ["{", "[]", "null", '{"day": 5}', '{"day": "x", "y": 1}', "NaN"])
async def test_nonsense_arguments_are_told_to_the_model(call: Call, arguments: str) -> None:
    model = server(tool_call(("find", arguments)), say("Sorry, which day?"))
    async with on_line(call, model) as line:
        await line.ask("book it")
        assert line.text() == "Sorry, which day?"
        assert call.types() == ["tool.refused"]
        told = json.loads(model.requests[1].json["messages"][-1]["content"])
        assert told["reason"] == "bad_arguments"


async def test_asking_for_tools_without_end_is_ended(call: Call) -> None:
    model = server(tool_call(("find", '{"day": "Monday"}')))
    async with on_line(call, model) as line:
        await line.ask("monday")
        assert line.phrases() == ["fallback"]
        assert line.exhausted == [1]
    assert len(model.requests) == 4


BOOK = tool_call(("book", '{"doctor": "Doctor Patel", "day": "Tuesday"}'), text="Good.")


async def test_a_read_back_is_asked_after_the_answer_and_done_after_yes(call: Call) -> None:
    model = server(BOOK, say("Booked."))
    async with on_line(call, model) as line:
        await line.ask("tuesday please")
        assert line.phrases() == ["Doctor Patel, Tuesday. Shall I book it?"]
        kinds = [type(f) for f in line.tail.frames]
        assert kinds.index(LLMFullResponseEndFrame) < kinds.index(SayFrame)
        assert not call.server.connections
        assert len(model.requests) == 1
        line.runner.answer(True, 2)  # type: ignore[attr-defined]
        await line.ask("yes")
        assert line.text() == "Booked."
        assert len(call.server.uses) == 1
        assert roles(model.requests[1]) == ["user", "user", "assistant", "tool"]


async def test_another_question_drops_the_read_back_and_is_answered(call: Call) -> None:
    model = server(BOOK, say("At nine."))
    async with on_line(call, model) as line:
        await line.ask("tuesday please")
        line.runner.answer(None, 2)  # type: ignore[attr-defined]
        await line.ask("when do you open")
        assert roles(model.requests[1]) == ["user", "assistant", "tool", "user"]
        assert not call.server.connections
        assert call.types() == ["tool.refused"]


async def test_what_is_asked_for_beside_a_read_back_is_on_record_as_not_done(call: Call) -> None:
    book = '{"doctor": "Doctor Patel", "day": "Tuesday"}'
    model = server(tool_call(("book", book), ("find", '{"day": "Monday"}')))
    async with on_line(call, model) as line:
        await line.ask("tuesday please")
        assert call.types() == ["tool.refused"]
        assert not call.server.connections


async def test_interrupting_a_tool_does_not_lose_its_outcome(call: Call, service: ToolServer) -> None:
    service.mood = "stalls"
    model = server(tool_call(("find", '{"day": "Monday"}')), say("Ten on Monday."))
    async with on_line(call, model) as line:
        call.said("monday")
        await line.send()
        await service.wait_for_request()
        await line.head.send(InterruptionFrame())
        await line.head.until(lambda _: len(line.head.of(ThinkingFrame)) == 2)
        service.closing.set()
        await line.ask("hello are you there")
        assert line.text() == "Ten on Monday."
        assert roles(model.requests[1]) == ["user", "assistant", "tool", "user"]
        assert len(service.uses) == 1


async def test_pipecats_own_tool_runner_is_shut(call: Call) -> None:
    async with on_line(call, server(say("Hi."))) as line:
        model = ChatModel(
            line.endpoints, journal=call.journal, tools=call.runner(), on_exhausted=line.exhausted.append
        )
        wanted = FunctionCallFromLLM(
            function_name="find", tool_call_id="x", arguments={}, context=LLMContext()
        )
        with pytest.raises(PermissionError):
            await model.run_function_calls([wanted])


async def test_the_model_is_told_of_the_tools(call: Call, make_tool: Callable[..., Tool]) -> None:
    call.context.set_tools(tool_schemas([make_tool("find", "http://x")]))
    model = server(say("Hi."))
    async with on_line(call, model) as line:
        await line.ask("hello")
    (told,) = model.requests[0].json["tools"]
    assert told["function"]["name"] == "find"
    assert told["function"]["parameters"]["required"] == ["day"]
