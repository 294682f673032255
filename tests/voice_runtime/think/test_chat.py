"""The model on the line, in a real pipeline, against servers that refuse, stall, stutter and die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pytest
from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)

from controls.errors import LedgerError
from tests.simulators.model_server import (
    DIE,
    HALF,
    STALL,
    ModelServer,
    Plan,
    pieces,
    raw,
    refuse,
    say,
    serving,
)
from tests.simulators.pipeline import End, running
from tests.voice_runtime.think.conftest import Call
from voice_runtime.events import SayFrame, ThinkingFrame
from voice_runtime.think.chat import ChatModel
from voice_runtime.think.endpoints import Deadlines, Endpoint, Endpoints

pytestmark = pytest.mark.anyio

#: For what is not about deadlines: longer than the test waits, so nothing here ends by one.
AMPLE = Deadlines(first_token_s=120.0, give_up_s=240.0, between_s=120.0, total_s=300.0, retries=1)
#: For servers that stall; long enough for the next one's answer on a busy machine.
QUICK = Deadlines(first_token_s=1.5, give_up_s=60.0, between_s=1.5, total_s=120.0, retries=0)


@dataclass
class Line:
    """A call whose model is on a pipeline."""

    call: Call
    endpoints: Endpoints
    head: End
    tail: End
    exhausted: list[int] = field(default_factory=list)

    async def ask(self, text: str) -> list[Frame]:
        """The caller says something; what came downstream by the end of the answer."""
        self.tail.frames.clear()
        self.call.said(text)
        await self.send()
        await self.stopped()
        return [f for f in self.tail.frames if isinstance(f, LLMTextFrame | SayFrame)]

    async def send(self) -> None:
        await self.head.send(LLMContextFrame(context=self.call.context))

    async def stopped(self) -> None:
        """Until the answer is over and what follows it has arrived."""
        await self.tail.until(lambda frames: any(isinstance(f, LLMFullResponseEndFrame) for f in frames))
        await self.model_idle()

    async def model_idle(self) -> None:
        probe = SayFrame(phrase="probe")  # data keeps its order: it arrives after whatever came before
        await self.head.send(probe)
        await self.tail.until(lambda frames: any(f is probe for f in frames))
        self.tail.frames.remove(probe)

    def text(self) -> str:
        return "".join(f.text for f in self.tail.of(LLMTextFrame))  # type: ignore[attr-defined]

    def phrases(self) -> list[str]:
        return [f.phrase or f.text for f in self.tail.of(SayFrame)]  # type: ignore[attr-defined]

    def decided(self) -> list[tuple[Any, Any]]:
        return self.call.recorder.of("turn.decided")


@asynccontextmanager
async def on_line(
    call: Call,
    *servers: ModelServer,
    deadlines: Deadlines = AMPLE,
    outside: bool = False,
    slow_after_s: float = 120.0,
    outside_from: int | None = None,
    receipt_first: bool = True,
    **options: Any,
) -> AsyncIterator[Line]:
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(serving(server))
        endpoints = Endpoints(
            tuple(
                Endpoint(
                    f"server-{n}",
                    f"{s.url}/v1",
                    f"model-{n}",
                    receipt_first=receipt_first,
                    outside=outside or (outside_from is not None and n >= outside_from),
                )
                for n, s in enumerate(servers)
            ),
            deadlines,
        )
        stack.push_async_callback(endpoints.aclose)
        tools = call.runner(slow_after_s=slow_after_s)
        exhausted: list[int] = []
        model = ChatModel(
            endpoints, journal=call.journal, tools=tools, on_exhausted=exhausted.append, **options
        )
        head, tail = await stack.enter_async_context(running(model))
        line = Line(call, endpoints, head, tail, exhausted)
        line.runner = tools  # type: ignore[attr-defined]
        yield line
        await tools.aclose()


def server(*plans: Plan, **options: Any) -> ModelServer:
    return ModelServer(plans=list(plans), **options)


@pytest.fixture
def logs() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message} {exception}")
    yield lines
    logger.remove(sink)


async def test_an_answer_streams_through_and_is_on_record(call: Call) -> None:
    model = server(say("We open", " at nine."))
    async with on_line(call, model) as line:
        await line.ask("when do you open")
        kinds = [type(f) for f in line.tail.frames if "LLM" in type(f).__name__]
        # Tokens that come at a time are pushed at a time.
        assert [kind for kind, _ in groupby(kinds)] == [
            LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame,
        ]  # fmt: skip
        assert line.text() == "We open at nine."
        assert [(f.active, f.turn) for f in line.head.of(ThinkingFrame)] == [(True, 1), (False, 1)]  # type: ignore[attr-defined]
        ((record, personal),) = line.decided()
        assert (record.turn, record.supplier, record.outcome) == (1, "server-0", "answered")
        assert (record.tokens_in, record.tokens_out, record.attempts) == (11, 7, 1)
        assert (personal.model, personal.candidate) == ("model-0", "We open at nine.")
        marks = call.journal.marks(1)
        assert 0 < marks.asked < marks.first_token
        sent = model.requests[0].json
        assert sent["stream"] is True
        assert sent["messages"] == [{"role": "user", "content": "when do you open"}]
        assert line.exhausted == []


async def test_calls_share_one_connection(call: Call) -> None:
    async with on_line(call, server(say("One."), keep_alive=True)) as line:
        await line.ask("one")
        await line.ask("two")
        other = ChatModel(
            line.endpoints, journal=call.journal, tools=call.runner(), on_exhausted=line.exhausted.append
        )
        async with running(other) as (head, tail):
            await head.send(LLMContextFrame(context=call.context))
            await tail.until(lambda frames: any(isinstance(f, LLMFullResponseEndFrame) for f in frames))
        assert other._client is line.endpoints.client("server-0")


async def test_no_key_or_name_from_the_environment_is_sent(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-elsewhere")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-elsewhere")
    model = server(say("Hi."))
    async with on_line(call, model) as line:
        await line.ask("hi")
    assert "elsewhere" not in str(model.requests[0].headers)


@pytest.mark.parametrize(("status", "attempts"), [(401, 2), (400, 2), (404, 2), (429, 2), (500, 3), (503, 3)])
async def test_a_refusal_goes_to_the_next_endpoint(call: Call, status: int, attempts: int) -> None:
    """What may pass is asked for once more; a wrong key or a spent quota is not."""
    async with on_line(call, server(refuse(status)), server(say("Second."))) as line:
        await line.ask("hello")
        assert line.text() == "Second."
        record, personal = line.decided()[0]
        assert (record.supplier, record.attempts, personal.model) == ("server-1", attempts, "model-1")
        assert line.exhausted == []


BEFORE_A_WORD: dict[str, Plan] = {
    "stalls": [STALL],
    "stalls after the role": [("delta", {"role": "assistant", "content": ""}), STALL],
    "dies": [DIE],
    "dies after the role": [("delta", {"role": "assistant", "content": ""}), DIE],
    "ends early": [("delta", {"role": "assistant", "content": ""}), HALF],
    "sends no JSON": [raw("data: {nonsense\n\n"), ("done", None)],
    "sends a list": [raw("data: [1, 2]\n\n"), ("done", None)],
    "sends odd types": [raw('data: {"choices": [{"delta": {"content": 7}}]}\n\n'), ("done", None)],
    "sends odd choices": [raw('data: {"choices": "no"}\n\n'), ("done", None)],
    "sends an error": [raw('data: {"error": {"message": "overloaded"}}\n\n')],
    "sends a page": [raw("<html>gateway</html>"), ("done", None)],
    "says nothing": say(),
    "says blanks": say(" ", "\n"),
    "cuts a tool call": [("delta", {"tool_calls": [{"index": 0, "function": {"name": "find"}}]}), HALF],
    "filters": say(finish="content_filter"),
}


def deadlines_for(plan: Plan) -> Deadlines:
    """Short ones for a plan that ends by a deadline only."""
    return QUICK if STALL in plan else AMPLE


@pytest.mark.parametrize("fault", BEFORE_A_WORD)
async def test_before_its_first_word_a_broken_server_is_replaced(call: Call, fault: str) -> None:
    plan = BEFORE_A_WORD[fault]
    async with on_line(call, server(plan), server(say("Second.")), deadlines=deadlines_for(plan)) as line:
        await line.ask("hello")
        assert line.text() == "Second."
        assert not line.phrases()
        assert [r.outcome for r, _ in line.decided()] == ["answered"]
        assert not call.types(), "a tool call that was cut is not used"


@pytest.mark.parametrize("fault", BEFORE_A_WORD)
async def test_with_nothing_left_the_caller_hears_a_phrase(call: Call, fault: str) -> None:
    plan = BEFORE_A_WORD[fault]
    async with on_line(call, server(plan), deadlines=deadlines_for(plan)) as line:
        await line.ask("hello")
        assert line.phrases() == ["fallback"]
        kinds = [type(f) for f in line.tail.frames]
        assert kinds.index(LLMFullResponseEndFrame) < kinds.index(SayFrame)
        assert line.exhausted == [1]
        assert [r.outcome for r, _ in line.decided()] == ["failed"]
        assert [f.active for f in line.head.of(ThinkingFrame)] == [True, False]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "then", [STALL, DIE, HALF, raw("data: {nonsense\n\n"), raw('data: {"choices": 3}\n\n')]
)
async def test_an_answer_that_breaks_off_is_not_begun_again(call: Call, then: tuple[str, Any]) -> None:
    plan, second = [*pieces("You can come", " on Tue"), then], server(say("Second."))
    async with on_line(call, server(plan), second, deadlines=deadlines_for(plan)) as line:
        await line.ask("when")
        assert line.text() == "You can come on Tue"
        assert line.phrases() == ["fallback"]
        assert line.exhausted == [1]
        ((record, personal),) = line.decided()
        assert (record.outcome, personal.candidate) == ("failed", "You can come on Tue")
    assert not second.requests


async def test_missing_token_counts_hold_nothing_up(call: Call) -> None:
    plan = [*pieces("Nine."), ("finish", "stop"), STALL]
    async with on_line(call, server(plan)) as line:
        await line.ask("when")
        assert [r.outcome for r, _ in line.decided()] == ["answered"]
        assert not line.phrases()


async def test_an_endless_answer_is_ended(call: Call) -> None:
    async with on_line(call, server(say(*(["x" * 3000] * 10)))) as line:
        await line.ask("go on")
        assert line.phrases() == ["fallback"]
        assert len(line.text()) <= 20_000


async def test_nothing_listens(call: Call) -> None:
    async with on_line(call, server(say("Hi."))) as line:
        dead = Endpoints((Endpoint("dead", "http://127.0.0.1:1/v1", "m"),), AMPLE)
        exhausted: list[int] = []
        model = ChatModel(dead, journal=call.journal, tools=call.runner(), on_exhausted=exhausted.append)
        async with running(model) as (head, tail):
            await head.send(LLMContextFrame(context=call.context))
            await tail.until(lambda frames: any(isinstance(f, SayFrame) for f in frames))
        await dead.aclose()
        assert exhausted == [0]
        assert line.exhausted == []


async def test_an_interruption_withdraws_the_request(call: Call) -> None:
    model = server([*pieces("You can come", " on Tue"), STALL])
    async with on_line(call, model) as line:
        call.said("when")
        await line.send()
        await line.tail.until(lambda _: line.text() == "You can come on Tue")
        await line.head.send(InterruptionFrame())
        await line.head.until(lambda _: len(line.head.of(ThinkingFrame)) == 2)
        ((record, personal),) = line.decided()
        assert (record.outcome, personal.candidate) == ("withdrawn", "You can come on Tue")
        assert line.exhausted == []
        model.plans = [say("Yes?")]
        await line.ask("hello")
        assert line.text() == "Yes?"
        assert [r.outcome for r, _ in line.decided()] == ["withdrawn", "answered"]


async def test_failing_endpoints_come_last_and_show_in_health(call: Call) -> None:
    bad, good = server(refuse(401)), server(say("Good."))
    async with on_line(call, bad, good) as line:
        for breaker in line.endpoints.breakers:
            breaker._now_s = lambda: 0.0  # however long this takes, none is open for its 15 s
        assert line.endpoints.health()["ok"]
        for _ in range(5):
            await line.ask("hi")
        assert len(bad.requests) == 3, "after three failures in a row it is asked last"
        health = line.endpoints.health()
        assert health["ok"]
        assert health["engines"]["server-0"]["ok"] is False
        assert health["engines"]["server-0"]["last_failure"] == "refused with status 401"
        good.plans = [refuse(500)]
        await line.ask("hi")
        await line.ask("hi")
        assert not line.endpoints.health()["ok"]
        bad.plans = [say("Back.")]
        await line.ask("hi")
        assert line.text() == "Back.", "tripped endpoints are still tried"
        assert line.endpoints.health()["ok"] is True


async def test_logs_hold_no_words_of_the_caller_or_the_supplier(call: Call, logs: list[str]) -> None:
    async with on_line(call, server(refuse(500))) as line:
        await line.ask("my secret illness")
        assert line.phrases() == ["fallback"]
    written = "".join(logs)
    assert "server-0" in written
    assert "illness" not in written
    assert "SECRET-ECHO" not in written


async def test_an_outside_supplier_waits_for_the_receipt(call: Call) -> None:
    durable = asyncio.Event()
    model = server(say("Hi."))

    async def wait() -> None:
        await durable.wait()

    async with on_line(call, model, outside=True, wait_before_sending=wait) as line:
        call.said("hello")
        await line.send()
        await asyncio.sleep(0.1)
        assert not model.connections
        durable.set()
        await line.stopped()
        assert line.text() == "Hi."


async def test_without_a_receipt_an_outside_supplier_is_passed_over(call: Call) -> None:
    async def wait() -> None:
        raise LedgerError("disk full")

    model = server(say("Hi."))
    async with on_line(call, model, outside=True, wait_before_sending=wait) as line:
        await line.ask("hello")
        assert line.phrases() == ["fallback"]
    assert not model.connections
    async with on_line(call, server(say("Inside.")), wait_before_sending=wait) as line:
        await line.ask("hello")
        assert line.text() == "Inside."
