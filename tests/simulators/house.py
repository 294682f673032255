"""A whole call on fakes behind the ports: memory ledger, simulated servers, a humming voice, a typed caller.

What lies between (attention, model stage, gate, rules, guard, voice, egress,
journal) is the real thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controls.decision import Receipt
from controls.errors import LedgerError, ProviderError
from controls.ledger import records as r
from controls.opt_outs import OptOuts
from tests.controls.rules.packs import shipped
from tests.simulators.model_server import ModelServer, Plan, serving
from tests.simulators.recorder import MemoryRecorder
from tests.simulators.tone import ToneSynthesiser
from tests.simulators.tool_server import ToolServer
from voice_runtime.agent import DeskRoute, Release, Silence, Tool
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.call import Call
from voice_runtime.call_opening import open_call
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.house import Agent, Facts, House, Supplier
from voice_runtime.judging import Part, settled
from voice_runtime.people import People
from voice_runtime.settings import EagerTurns
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.stops import StopSwitch
from voice_runtime.think.counting import UseBook
from voice_runtime.think.endpoints import Deadlines, Endpoint, Endpoints
from voice_runtime.think.judges import Judges
from voice_runtime.think.services import Service, ServiceClient
from voice_runtime.tracing import Tracing
from voice_runtime.typed import TypedCarrier

KEY = b"a key for tests, 16+"
CALLER = "+12025550123"
DESK = "+12025550177"
#: Compiled once, before the first test runs.
RULES = shipped()
DIGEST = "sha256:" + "d" * 64
#: Longer than any test waits: no machine is so busy that a call ends by one of them.
AMPLE = Deadlines(first_token_s=60.0, give_up_s=60.0, between_s=60.0, total_s=120.0, retries=0)

PHRASES = {
    "disclosure": "Test desk. I am an AI assistant.",
    "greeting": "How can I help you?",
    "fallback": "Something went wrong.",
    "not-understood": "Say that again.",
    "emergency": "Hang up and call nine one one.",
    "still-there": "Are you still there?",
    "goodbye": "Goodbye.",
    "handoff": "Connecting you.",
    "no-one-free": "Nobody is free.",
    "nobody-reached": "Nobody can be reached. Stay with me.",
    "nobody": "Nobody can be reached. Call again.",
    "ask-callback": "May we call you back?",
    "callback-cancelled": "Nobody will call you.",
    "ask-number": "Which number?",
    "ask-emergency": "Is this an emergency?",
    "emergency-nobody": "This is the AI again. Nobody is here.",
    "callback-promised": "Somebody will call you.",
    "opted-out": "This call ends here.",
    "moment": "One moment.",
    "no-receipt": "There is no code now.",
    "waiting-for-approval": "A colleague has to confirm that.",
    "still-waiting-for-approval": "I'm still waiting.",
    "approval-called-off": "I no longer wait. Nothing was done.",
    "stopped": "I can't go on.",
    "not-recorded": "Nothing is recorded.",
    "ai-again": "This is the AI assistant again.",
    "ai-answer": "I am an AI assistant, not a person.",
    "ask-opt-out": "Shall nobody call you again?",
    "objection-noted": "That is noted.",
}
TEMPLATES = {
    "confirm-number": "I have {number}. Is that right?",
    "callback-by": "It will be {by}, by {desk}.",
    "receipt": "The code of this call. {code}.",
}


def release(**changes: Any) -> Release:
    """A small agent: the shipped rules, one desk that is always open, a call-back after it."""
    fields: dict[str, Any] = {
        "name": "test", "title": "Test desk", "digest": DIGEST, "tenant": "clinic",
        "operator_of_record": "Nobody", "language": "en-US", "voice": "warm", "patience": "normal",
        "prompt": "You answer the telephone.",
        "phrases": {k: {"en-US": v} for k, v in PHRASES.items()} | RULES.phrases,
        "templates": {k: {"en-US": v} for k, v in TEMPLATES.items()},
        "tools": (),
        "handoff": (
            DeskRoute("desk", "reception", DESK, always=True, title="reception"),
            DeskRoute("callback", "reception", title="reception"),
        ),
        "silence": Silence(8, 30), "longest_call_s": 600.0, "known_phrases": (), "known_words": (),
        "misheard_in_a_row": 2, "moment_after_s": 600.0, "rules": RULES,
    }  # fmt: skip
    return Release(**(fields | changes))


def booking(base: str, **changes: Any) -> Tool:
    """A tool that is read back before it is used."""
    fields: dict[str, Any] = {
        "name": "book", "does": "Books a day.", "risk": "medium", "service": "appointments",
        "operation": "book", "method": "POST", "url": f"{base}/tools/book", "timeout_s": 3.0,
        "parameters": {
            "type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"],
            "additionalProperties": False,
        },
        "read_back": ("day",), "read_back_say": {"en-US": "{day}. Shall I book it?"}, "per_call": 2,
    }  # fmt: skip
    return Tool(**(fields | changes))


@dataclass
class FakeControl:
    """Implements ``ports.CallControl``; ``failing`` may be changed mid-test."""

    failing: bool = False
    transfers: list[str] = field(default_factory=list)
    hung_up: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def transfer(self, to: str, *, announce: str = "") -> None:
        self.transfers.append(to)
        self.asked.set()
        if self.failing:
            raise ProviderError("refused", supplier="test")

    async def hang_up(self) -> None:
        self.hung_up += 1


class FakeSpool:
    """A fallback spool in memory. ``failing``: it takes nothing."""

    def __init__(self) -> None:
        self.failing = False
        self.entries: list[tuple[Any, Any]] = []

    def __call__(self, record: r.Record, personal: r.Personal | None) -> Receipt:
        if self.failing:
            raise LedgerError("the spool is full")
        self.entries.append((record, personal))
        return Receipt("o_MEMORY", -1, record.type, 1, spooled=True)

    def types(self) -> list[str]:
        return [record.type for record, _ in self.entries]


@dataclass
class OnTheLine:
    """A call under test, and everything around it in the test's hand."""

    call: Call
    agent: Agent
    carrier: TypedCarrier
    recorder: MemoryRecorder
    spool: FakeSpool
    model: ModelServer
    service: ToolServer
    voice: ToneSynthesiser
    control: FakeControl
    running: asyncio.Task[None] | None = None

    def start(self, **options: Any) -> None:
        """Answer the call."""
        self.running = asyncio.create_task(self.call.run(self.carrier, **options))
        carrier = self.carrier
        self.running.add_done_callback(lambda _: carrier.closed())

    async def opened(self) -> None:
        """The disclosure and the greeting have been played."""
        self.start()
        await self.settled()

    async def settled(self) -> None:
        async with asyncio.timeout(60):
            await self.carrier.settled()

    async def say(self, *texts: str) -> None:
        """Say these turns, each once the answer to the one before is over."""
        for text in texts:
            await self.carrier.say(text)
            await self.settled()

    async def press(self, keys: str) -> None:
        await self.carrier.press(keys)
        await self.settled()

    async def ended(self) -> None:
        """The call is over by itself."""
        assert self.running is not None
        async with asyncio.timeout(60):
            await self.running

    async def hang_up(self) -> None:
        """The caller hangs up; returns when the record is closed."""
        self.carrier.hang_up()
        await self.ended()

    # -- what is on record ------------------------------------------------------------------------

    def of(self, kind: str) -> list[tuple[Any, Any]]:
        return self.recorder.of(kind)

    def types(self) -> list[str]:
        return self.recorder.types()

    def played(self) -> list[str]:
        """Phrase ids and the words of clauses that sounded, in order; cut ones end in ``…``."""
        return [
            (words.phrase or words.played_text) + ("…" if record.interrupted else "")
            for record, words in self.of("agent.played")
            if record.samples
        ]

    def addressed(self) -> list[tuple[str, str]]:
        return [(said.text, record.addressed) for record, said in self.of("caller.said")]

    def closed(self) -> tuple[str, str]:
        """Who ended it and why; the record is complete."""
        assert settled(Part(self.recorder.records)) == []
        assert self.types()[-1] == "call.closed"
        [(record, _)] = self.of("call.closed")
        looks = sum(isinstance(x, r.AccessViewed) for x, _ in self.recorder.records)  # theirs who looked
        assert record.records == len(self.recorder.records) - looks - 1
        return record.ended_by, record.reason


@asynccontextmanager
async def on_the_line(
    *plans: Plan,
    tools: Callable[[str], tuple[Tool, ...]] = lambda base: (),
    caller: str = CALLER,
    deadline_s: float = 30.0,
    language: str = "",
    tracing: Callable[[Clock], Tracing] | None = None,
    endpoints_of: Callable[[Endpoint], Sequence[Endpoint]] = lambda server: (server,),
    deadlines: Deadlines = AMPLE,
    eager: EagerTurns = "inside",
    voices_of: Callable[[Engine], Sequence[Engine]] = lambda tone: (tone,),
    carrier_of: Callable[[], TypedCarrier] = TypedCarrier,
    people: Path | None = None,
    stops: StopSwitch | None = None,
    jurisdiction: str = "",
    suppliers: tuple[Supplier, ...] = (),
    opt_outs: OptOuts | None = None,
    tool_uses: UseBook | None = None,
    judges: Judges | None = None,
    voice: ToneSynthesiser | None = None,
    recorder: MemoryRecorder | None = None,
    **changes: Any,
) -> AsyncIterator[OnTheLine]:
    """Open a call (``start`` answers it); at the end it is hung up if it still runs.

    Args:
        plans: the model's answers, one for each request.
        tools: the agent's, given the simulated service's address.
        deadline_s: of a receipt.
        language: of the call; the release's first when "".
        endpoints_of: the model's chain, given the simulated server.
        deadlines: of that chain.
        eager: where answers may be begun before the turn is over.
        voices_of: the voice's chain, given the humming one.
        jurisdiction: of the line.
        suppliers: who serves the agent's calls.
        opt_outs: remembers who opted out.
        tool_uses: counts uses of tools over all calls.
        judges: whom the release's rules may ask.
        voice: hums in place of the usual one.
        recorder: the ledger in place of the usual one.
        carrier_of: makes the two ends of the pipeline.
        people: where staff are kept who decide on uses of tools; without it nobody does.
        stops: what is stopped; without it nothing is.
        changes: fields of the release.
    """
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(serving(ModelServer(plans=list(plans))))
        service = await stack.enter_async_context(serving(ToolServer()))
        server = Endpoint("server", f"{model.url}/v1", "model")
        endpoints = Endpoints(tuple(endpoints_of(server)), deadlines)
        stack.push_async_callback(endpoints.aclose)
        services = ServiceClient({"appointments": Service("appointments", KEY)})
        stack.push_async_callback(services.aclose)
        made = release(**({"tools": tools(service.url)} | changes))
        voice, phrases = voice or ToneSynthesiser(), PhraseCache()
        await phrases.fill(made.phrases, voice, voice=made.voice)
        assert made.rules is not None
        agent = Agent(
            made, made.rules, endpoints, list(voices_of(Engine(voice))), phrases, suppliers, judges=judges
        )
        recorder = recorder or MemoryRecorder()
        spool, carrier, control = FakeSpool(), carrier_of(), FakeControl()
        carrier.control = control
        house = House(
            recorder,
            carrier.clock,
            services,
            r.Environment.DEMO,
            spool=spool,
            receipt_deadline_s=deadline_s,
            tracing=tracing(carrier.clock) if tracing else None,
            eager=eager,
            approvals=None if people is None else ApprovalDesk(recorder, People(people)),
            stops=stops,
            opt_outs=opt_outs,
            tool_uses=tool_uses,
        )
        facts = Facts(
            "clinic", "test", "local", "webrtc", caller=caller, language=language, jurisdiction=jurisdiction
        )
        call = await open_call(agent, house, facts)
        line = OnTheLine(call, agent, carrier, recorder, spool, model, service, voice, control)
        try:
            yield line
        finally:
            if line.running is not None:
                if not line.carrier.over:
                    line.carrier.hang_up()
                await line.running
                await line.call.close()  # a transfer's outcome that the test did not report


async def refused_call(recorder: MemoryRecorder, spool: FakeSpool | None = None) -> None:
    """Open a call on a ledger that takes nothing.

    Raises:
        LedgerError: always, or the test fails.
    """
    made = release()
    assert made.rules is not None
    endpoints = Endpoints((Endpoint("server", "http://127.0.0.1:9/v1", "model"),), AMPLE)
    services = ServiceClient({})
    try:
        agent = Agent(made, made.rules, endpoints, [], PhraseCache())
        house = House(
            recorder, SystemClock(), services, r.Environment.DEMO, spool=spool, first_records_s=0.05
        )
        await open_call(agent, house, Facts("clinic", "test", "local", "webrtc"))
    finally:
        await endpoints.aclose()
        await services.aclose()
