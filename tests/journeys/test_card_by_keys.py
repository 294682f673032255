"""A card that is keyed in, and one that is said: every byte of every sink is searched for both.

A real server, a real local model server and a real service; the caller speaks Twilio's protocol, or types in
a browser. The card is entered by keys, and read aloud meanwhile, as callers do; before that it is said and
typed to the agent, which is to stop it. Searched are the ledger with its sealed content opened, spools and
all other files of the house, the log at its most talkative, spans with their content, /metrics, and what
the model was sent. Only the service gets the figures, once for each call.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
import pytest

from controls.ledger import records as r
from controls.ledger.reader import Reader
from controls.ledger.verify import verify_directory
from tests.journeys.byte_scan import Needles, places
from tests.journeys.conftest import ROOT, Server
from tests.simulators.collector import Collector
from tests.simulators.model_server import ModelServer, Request, call, say, serving
from tests.simulators.tool_server import ToolServer
from voice_runtime.caller.script import HangUp, Press, Say, Script, TypeWords, Wait
from voice_runtime.caller.webrtc import WebRtcCaller

pytestmark = pytest.mark.anyio

CARD = "4539148803436467"
ALOUD = "four five three nine one four eight eight oh three four three six four six seven"
ASKS = "can i see doctor patel on tuesday"
AGENT, SERVICES = "agents/healthcare/agent.yaml", "configs/services.yaml"
TOOL = """
  take_deposit:
    does: Takes a deposit for an appointment.
    calls: appointments/deposit
    risk: medium
    capture: {argument: card, what: card}
"""
OPERATION = """
      deposit:
        does: Takes a deposit from a card.
        path: /tools/deposit
        timeout_s: 20
        idempotent: true
        arguments:
          type: object
          additionalProperties: false
          required: [day, card]
          properties:
            day: {type: string, maxLength: 20}
            card: {type: string, maxLength: 19}
"""


class Model(ModelServer):
    """Takes a deposit from whoever asks for doctor Patel, and says what came of it."""

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.method != "GET":
            newest = request.json["messages"][-1]
            self.plans = [say("All right.")]
            if newest["role"] == "tool":
                done = '"ok": true' in newest["content"]
                self.plans = [say("The deposit is taken." if done else "It is not taken.")]
            elif "patel" in str(newest["content"]).lower():
                self.plans = [call(("take_deposit", '{"day": "Tuesday"}'))]
        return await super().answer(request, writer)


@dataclass
class HouseUnderTest:
    server: Server
    model: Model
    service: ToolServer
    collector: Collector
    places: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def house(
    make_server: Callable[..., Server], capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[HouseUnderTest]:
    """``capfd`` first: the server writes to what is captured."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(serving(Model()))
        service = await stack.enter_async_context(serving(ToolServer()))
        collector = await stack.enter_async_context(serving(Collector()))
        # A service that repeats what it was sent: nothing of it may come through.
        grouped = " ".join(CARD[i : i + 4] for i in range(0, 16, 4))
        service.result = {"receipt": 17, "note": f"charged to {grouped}", "card": CARD, "number": int(CARD)}
        server = await asyncio.to_thread(
            make_server,
            start=False,
            model={
                "standin": False,
                "endpoints": [
                    {"name": "local", "base_url": f"{model.url}/v1", "model": "test", "outside": False}
                ],
            },
            services={"appointments": {"url": service.url, "key": {"generate": True}, "embedded": False}},
            telemetry={"otlp": {"endpoint": collector.url, "content": True}},
        )
        server.log = "debug"
        await asyncio.to_thread(_with_a_deposit, server)
        await server.up()
        yield HouseUnderTest(server, model, service, collector)


def _with_a_deposit(server: Server) -> None:
    agent = server.root / AGENT
    text = agent.read_text(encoding="utf-8")
    assert "\nrules:" in text
    agent.write_text(text.replace("\nrules:", f"{TOOL}\nrules:", 1), encoding="utf-8")
    services = server.root / SERVICES
    text = services.read_text(encoding="utf-8")
    assert "\n      book:" in text
    services.write_text(text.replace("\n      book:", f"{OPERATION}      book:", 1), encoding="utf-8")


def gather(house: HouseUnderTest) -> list[str]:
    """Take up every file of the house, and all that was sealed, opened. The types of all records."""
    data_dir = house.server.settings.data_dir
    assert verify_directory(data_dir / "ledger").ok
    house.places += [(n, data) for n, data in places(data_dir) if not n.startswith("rules/")]
    types = []
    with Reader.open(data_dir / "ledger") as reader:
        for info in reader.calls():
            for entry in reader.opened(info.call):
                types.append(entry.record.type)
                opened = entry.personal.model_dump_json() if entry.personal is not None else ""
                house.places.append((f"{entry.record.type}, opened", opened.encode()))
    return types


def windows(size: int) -> list[str]:
    return [CARD[i : i + size] for i in range(len(CARD) - size + 1)]


#: The card as a whole and by eight figures, in any spelling.
NEEDLES = Needles([], [CARD, *windows(8)])
#: And ten figures in a row amid whatever others: fewer are found in a digest by chance.
IN_A_ROW = [part.encode() for part in windows(10)]
#: Eight figures one by one, with whatever a list or a table puts between them.
ONE_BY_ONE = re.compile(
    b"|".join(rb"[^0-9A-Za-z]{0,8}".join(d.encode() for d in part) for part in windows(8))
)


def of_the_card(data: bytes) -> set[str]:
    if ONE_BY_ONE.search(data):
        return {"one by one"}
    return NEEDLES.found_in(data) | {part.decode() for part in IN_A_ROW if part in data}


@pytest.mark.timeout(300)
async def test_no_byte_of_a_card_is_left_anywhere(
    house: HouseUnderTest, capfd: pytest.CaptureFixture[str]
) -> None:
    server = house.server
    by_telephone = server.call(
        Wait(quiet_ms=300),
        Say(text=f"my card is {ALOUD}", quiet_ms=500),
        Say(text=ASKS, quiet_ms=500),
        Say(text=ALOUD, wait=False),
        Press(keys=CARD + "#", quiet_ms=500),
        HangUp(),
    )
    in_browser = WebRtcCaller(server.address, "healthcare").run(
        Script(
            steps=(
                Wait(quiet_ms=300),
                TypeWords(text=f"my card number is {CARD}", quiet_ms=500),
                TypeWords(text=ASKS, quiet_ms=500),
                TypeWords(text=f"it is {CARD[:8]} {CARD[8:]}", wait=False),
                Press(keys=CARD + "#", quiet_ms=500),
                HangUp(),
            )
        )
    )
    results = await asyncio.gather(by_telephone, in_browser)
    assert not any(result.error for result in results)
    async with httpx.AsyncClient() as client:
        for path in ("/metrics", "/readyz"):
            house.places.append((path, (await client.get(server.address + path)).content))
    traces = await asyncio.to_thread(server.traces)
    spoken = [
        " ".join(t.played.played_text or "" for t in trace.turns if t.played is not None) for trace in traces
    ]
    assert await server.down() == 0
    types = await asyncio.to_thread(gather, house)
    captured = capfd.readouterr()
    house.places += [("stderr", captured.err.encode()), ("stdout", captured.out.encode())]
    house.places += [(f"model {i}", request.body) for i, request in enumerate(house.model.requests)]
    house.places += [(f"span {span.name}", span.SerializeToString()) for span in house.collector.spans]

    # It was a day on which there was something to find.
    assert [json.loads(use.body)["card"] for use in house.service.uses] == [CARD, CARD]
    assert types.count("capture.started") == types.count("capture.ended") == 2
    assert all("key them in on your phone" in words for words in spoken), "said aloud: redirected to the keys"
    for words in spoken:
        assert "then press pound" in words
        assert "deposit is taken" in words
    assert any(name.startswith("span") for name, _ in house.places)
    assert "WARNING" in captured.err, "the server's log is among what is searched"

    assert await asyncio.to_thread(search, house) == {}


def search(house: HouseUnderTest) -> dict[str, set[str]]:
    return {name: hits for name, data in house.places if (hits := of_the_card(data))}


# --- the search itself can find -------------------------------------------------------------------


@pytest.mark.parametrize("planted", [
    CARD, CARD[:8], CARD[:12], f"17{CARD[3:14]}22",
    "4539 1488 0343 6467", "4539-1488-0343-6467", "4 5 3 9 1 4 8 8", ALOUD,
    ALOUD.title(),
    json.dumps({"keys": list(CARD)}), base64.b64encode(f"keyed in: {CARD[:12]}".encode()).decode(),
])  # fmt: skip
def test_planted_figures_are_found(planted: str) -> None:
    assert of_the_card(f"x {planted} y".encode())


def test_nothing_of_the_configuration_is_taken_for_it() -> None:
    for folder in ("agents", "configs/phrases"):
        for path in (ROOT / folder).rglob("*.yaml"):
            assert not of_the_card(path.read_bytes())
    assert not of_the_card(repr(r.CaptureStarted.model_fields).encode())
