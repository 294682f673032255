"""The holding phrase: once while a tool takes long, never when the answer comes first, never untrue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import InterruptionFrame, LLMTextFrame

from tests.simulators.model_server import call as tool_call
from tests.simulators.model_server import say
from tests.simulators.tool_server import ToolServer
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.test_chat import Line, on_line, server
from voice_runtime.events import SayFrame, ThinkingFrame
from voice_runtime.phrases import HOLDING, MOST_HOLDING_WORDS, holding_fault

pytestmark = pytest.mark.anyio

FIND = tool_call(("find", '{"day": "Monday"}'))
#: However slow this machine is, no tool takes so long; and one that takes any time at all is slow.
NEVER_S, AT_ONCE_S = 600.0, 0.0


def moments(line: Line) -> list[SayFrame]:
    return [f for f in line.tail.of(SayFrame) if isinstance(f, SayFrame) and f.phrase == HOLDING]


@asynccontextmanager
async def asked(line: Line, text: str) -> AsyncIterator[None]:
    """The caller says something; within, its answer is on its way, and is over behind it."""
    line.tail.frames.clear()
    asking = asyncio.create_task(line.ask(text))
    try:
        yield
    finally:
        await asking


async def said_a_moment(line: Line, times: int = 1) -> None:
    await line.tail.until(lambda _: len(moments(line)) == times)


async def test_a_tool_that_takes_long_is_bridged_once(call: Call, service: ToolServer) -> None:
    service.go.clear()
    async with on_line(call, server(FIND, say("Ten on Monday.")), slow_after_s=AT_ONCE_S) as line:
        async with asked(line, "monday"):
            await said_a_moment(line)
            assert not line.tail.of(LLMTextFrame)
            service.go.set()
        assert line.text() == "Ten on Monday."
        [moment] = moments(line)
        assert not moment.final, "the floor stays the agent's"
        assert not moment.answers, "the turn's latency is that of the answer"
        assert moment.turn == 1
        kinds = [type(f) for f in line.tail.frames]
        assert kinds.index(SayFrame) < kinds.index(LLMTextFrame)
        assert call.types() == ["tool.requested", "tool.executed"]


async def test_never_when_the_answer_comes_first(call: Call) -> None:
    async with on_line(call, server(FIND, say("Ten.")), slow_after_s=NEVER_S) as line:
        await line.ask("monday")
        assert line.phrases() == []


async def test_never_where_the_model_said_something_itself(call: Call, service: ToolServer) -> None:
    service.go.clear()
    look = tool_call(("find", '{"day": "Monday"}'), text="Let me look.")
    async with on_line(call, server(look, say("Ten.")), slow_after_s=AT_ONCE_S) as line:
        async with asked(line, "monday"):
            await service.wait_for_request()
            service.go.set()
        assert line.phrases() == []


async def test_never_twice_in_a_row_and_again_after_other_words(call: Call, service: ToolServer) -> None:
    both = tool_call(("find", '{"day": "Monday"}'), ("find", '{"day": "Tuesday"}'))
    service.go.clear()
    async with on_line(call, server(both, say("Ten."), FIND, say("Eleven.")), slow_after_s=AT_ONCE_S) as line:
        async with asked(line, "monday or tuesday"):
            await said_a_moment(line)
            service.go.set()
        assert len(moments(line)) == 1, "two tools, one silence"
        service.go.clear()
        async with asked(line, "and on monday"):
            await said_a_moment(line)
            service.go.set()
        assert line.text() == "Eleven."


async def test_an_interruption_ends_neither_the_tool_nor_begins_the_phrase_again(
    call: Call, service: ToolServer
) -> None:
    service.go.clear()
    async with on_line(call, server(FIND, say("Ten on Monday.")), slow_after_s=AT_ONCE_S) as line:
        call.said("monday")
        await line.send()
        await said_a_moment(line)
        await line.head.send(InterruptionFrame())
        await line.head.until(lambda _: len(line.head.of(ThinkingFrame)) == 2)
        assert call.types() == ["tool.requested"], "it goes on"
        async with asked(line, "are you there"):
            await line.head.until(lambda _: len(line.head.of(ThinkingFrame)) == 3)
            service.go.set()
        assert moments(line) == [], "nothing was said in between"
        assert line.text() == "Ten on Monday."
        assert call.types() == ["tool.requested", "tool.executed"]
        assert len(service.uses) == 1


async def test_what_was_confirmed_is_bridged_as_well(call: Call, service: ToolServer) -> None:
    book = tool_call(("book", '{"doctor": "Doctor Patel", "day": "Tuesday"}'))
    async with on_line(call, server(book, say("Booked.")), slow_after_s=AT_ONCE_S) as line:
        await line.ask("tuesday please")
        service.go.clear()
        line.runner.answer(True, 2)  # type: ignore[attr-defined]
        async with asked(line, "yes"):
            await said_a_moment(line)
            service.go.set()
        assert line.text() == "Booked."
        assert call.types() == ["tool.requested", "tool.executed"]


# --- what it may say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("One moment, please.", "en-US"),
        ("One moment, I am looking that up.", "en-US"),
        ("Please stay on the line for a moment.", "en-US"),
        ("Un momento, por favor.", "es-US"),
        ("No cuelgue, por favor.", "es-US"),
        ("Einen Augenblick, bitte.", "de-DE"),
    ],
)
def test_words_that_are_true_whatever_comes(text: str, language: str) -> None:
    assert holding_fault(text, language) == ""


@pytest.mark.parametrize(
    ("text", "language", "fault"),
    [
        ("One moment, I have booked it.", "en-US", "booked, have"),
        ("Good news: there’s a free place.", "en-US", "free, there's"),
        ("Yes, one moment.", "en-US", "yes"),
        ("One moment, DONE.", "en-US", "done"),
        ("Un momento, ya está reservado.", "es-US", "está, reservado"),
        ("One moment, I am looking at the 24th.", "en-US", "figure"),
        ("Do you still want that?", "en-US", "asks something"),
        (" ".join(["wait"] * (MOST_HOLDING_WORDS + 1)), "en-US", "longer than"),
        ("Ist Ihnen 10 Uhr recht", "de-DE", "figure"),
    ],
)
def test_words_that_could_be_untrue(text: str, language: str, fault: str) -> None:
    assert fault in holding_fault(text, language)


@given(st.text(max_size=80), st.sampled_from(["en-US", "es-US", "xx"]))
def test_any_words_are_judged(text: str, language: str) -> None:
    assert isinstance(holding_fault(text, language), str)


@given(
    st.sampled_from(["have", "booked", "confirmed", "is", "done"]), st.sampled_from(["", ",", ".", "!", "…"])
)
def test_a_claim_is_found_in_any_spelling(claim: str, mark: str) -> None:
    for spelled in (claim, claim.upper(), claim.title()):
        assert claim in holding_fault(f"One moment {spelled}{mark} please", "en-US")
