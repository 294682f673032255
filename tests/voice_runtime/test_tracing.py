"""Spans of a call at a real OTLP/HTTP endpoint: their tree, their times, and no words unless wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.frames.frames import EagerEndOfTurnCancelFrame

from tests.simulators.collector import Collector, attributes
from tests.simulators.house import CALLER, booking, on_the_line
from tests.simulators.model_server import call, say, serving
from voice_runtime.clock import Clock
from voice_runtime.events import CallerPausedFrame
from voice_runtime.tracing import Tracing

pytestmark = pytest.mark.anyio
SECRET = "we open at nine"


class Traced:
    """Makes the exporter on the call's own clock, and keeps it to be closed."""

    def __init__(self, collector: Collector, content: bool) -> None:
        self._collector, self._content = collector, content
        self.made: Tracing | None = None

    def __call__(self, clock: Clock) -> Tracing:
        self.made = Tracing(
            self._collector.url, {"x-key": "k"}, content=self._content, environment="demo",
            now_unix_ns=lambda: round(clock.unix_s() * 1e9), now_monotonic_ns=clock.monotonic_ns,
        )  # fmt: skip
        return self.made

    async def sent(self) -> None:
        """Everything has been exported."""
        assert self.made is not None
        await asyncio.to_thread(self.made.close)


@asynccontextmanager
async def traced(*, content: bool = False) -> AsyncIterator[tuple[Traced, Collector]]:
    async with serving(Collector()) as collector:
        made = Traced(collector, content)
        try:
            yield made, collector
        finally:
            await made.sent()


async def a_call(tracing: Callable[[Clock], Tracing]) -> str:
    plans = [call(("book", '{"day": "Monday"}')), say("It is booked."), say(f"As always {SECRET}.")]
    async with on_the_line(*plans, tools=lambda base: (booking(base),), tracing=tracing) as line:
        await line.opened()
        await line.say("book monday please", "yes", "tell me when you are open")
        await line.hang_up()
        return line.call.id


async def test_a_call_is_a_tree_of_spans() -> None:
    async with traced() as (tracing, collector):
        called = await a_call(tracing)
        await tracing.sent()
        [root] = collector.named("call")
        assert attributes(root)["gen_ai.conversation.id"] == called
        assert attributes(root)["sayso.end_reason"] == "hung_up"
        assert collector.resources[0]["service.name"] == "sayso"
        assert collector.requests[0].headers["x-key"] == "k"
        turns = collector.named("turn")
        assert {t.parent_span_id for t in turns} == {root.span_id}
        assert [attributes(t)["sayso.turn"] for t in turns] == [0, 1, 2, 3]
        under = [sorted({s.name.partition(" ")[0] for s in collector.children(t)}) for t in turns]
        assert under[0] == ["play"]
        assert under[1] == ["chat", "play", "said", "verdict"]
        assert set(under[2]) >= {"chat", "execute_tool", "play", "said", "verdict"}
        [tool] = collector.named("execute_tool")
        assert attributes(tool)["gen_ai.tool.name"] == "book"
        chat = collector.named("chat")[-1]
        assert attributes(chat)["gen_ai.usage.output_tokens"] == 7
        assert attributes(chat)["gen_ai.provider.name"] == "server"
        for span in collector.spans:
            assert span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.trace_id == root.trace_id
        assert chat.end_time_unix_nano > chat.start_time_unix_nano, "thinking takes time"
        last = collector.children(turns[-1])
        order = [s.name.partition(" ")[0] for s in sorted(last, key=lambda s: s.start_time_unix_nano)]
        assert order.index("chat") < order.index("play")


async def test_spans_hold_no_words_names_or_numbers() -> None:
    async with traced() as (tracing, collector):
        await a_call(tracing)
        await tracing.sent()
        everything = b"".join(request.body for request in collector.requests)
        plain = " ".join(str(attributes(span)) for span in collector.spans)
        for word in (SECRET, "monday", "Monday", CALLER):
            assert word not in plain
            assert word.encode() not in everything


async def test_words_are_in_them_when_the_profile_says_so() -> None:
    async with traced(content=True) as (tracing, collector):
        await a_call(tracing)
        await tracing.sent()
        said = [attributes(s).get("sayso.text") for s in collector.named("said")]
        assert "tell me when you are open" in said
        assert any(SECRET in str(attributes(s)["sayso.text"]) for s in collector.named("play"))


@pytest.mark.filterwarnings("ignore")
async def test_a_collector_that_refuses_costs_the_call_nothing() -> None:
    async with traced() as (tracing, collector):
        collector.status = 400
        await a_call(tracing)
        await tracing.sent()
        assert collector.spans == []


async def test_a_broken_span_is_lost_and_the_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with traced() as (tracing, _):

        def broken(*_: Any) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(Tracing, "call", broken)
        await a_call(tracing)


async def test_an_answer_begun_early_is_a_span_of_its_own_time() -> None:
    """Withdrawn before there is a turn it hangs from the call; taken, it is the turn's."""
    async with traced() as (tracing, collector):
        async with on_the_line(say("At nine."), say("At ten."), tracing=tracing) as line:
            await line.opened()
            for text, takes in (("tell me when", False), ("tell me when you are open", True)):
                await line.carrier.send(
                    CallerPausedFrame(text=text, confidence=0.9, started_s=0, ended_s=1, engine="test")
                )
                await line.model.wait_for_request(2 if takes else 1)
                if not takes:
                    await line.carrier.send(EagerEndOfTurnCancelFrame())
                    await line.settled()
            await line.say("tell me when you are open")
            await line.hang_up()
        await tracing.sent()
        [root] = collector.named("call")
        assert [event.name for event in root.events] == ["turn.withdrawn"]
        turns = {attributes(t)["sayso.turn"]: t for t in collector.named("turn")}
        assert sorted(turns) == [0, 1]
        withdrawn, taken = collector.named("chat")
        assert withdrawn.parent_span_id == root.span_id
        assert taken.parent_span_id in (root.span_id, turns[1].span_id)
        for span in (withdrawn, taken):
            assert attributes(span)["sayso.provisional"] is True
            assert span.start_time_unix_nano < span.end_time_unix_nano
