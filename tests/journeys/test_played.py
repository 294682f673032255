"""Played, complete, over real sockets: what was said, cleared and played is on record, whatever happens."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from controls.ledger import records as r
from controls.ledger.reader import Opened, Reader
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import Server
from tests.simulators.whole import problems
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Interrupt, Press, Say, Script, Silence, TypeWords, Wait
from voice_runtime.caller.webrtc import WebRtcCaller

pytestmark = pytest.mark.anyio

QUESTION, OTHER = "when are you open", "where are you"


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


async def newest(server: Server) -> list[Opened]:
    """The records of the newest call, once it is closed."""
    trace = await server.ended()

    def read() -> list[Opened]:
        with Reader.open(server.ledger) as reader:
            return reader.opened(trace.call.id)

    return await asyncio.to_thread(read)


def complete(opened: list[Opened], *said: str) -> None:
    assert problems([(o.record, o.personal) for o in opened], said) == []


@pytest.mark.parametrize("after_ms", [40, 1900])
async def test_an_interruption_anywhere_in_an_answer(server: Server, after_ms: int) -> None:
    await server.call(
        Wait(), Say(text=QUESTION, wait=False), Interrupt(text=OTHER, after_ms=after_ms), HangUp()
    )
    complete(await newest(server), QUESTION, OTHER)


async def test_words_over_the_disclosure_and_key_0_over_the_answer(server: Server) -> None:
    await server.call(
        Silence(seconds=1.0), Say(text=QUESTION, wait=False), Wait(), Press(keys="0", quiet_ms=1500), HangUp()
    )
    complete(await newest(server), QUESTION)


async def test_hanging_up_while_the_agent_speaks(server: Server) -> None:
    await server.call(Wait(), Say(text=QUESTION, wait=False), Silence(seconds=1.2), HangUp(how="abrupt"))
    complete(await newest(server), QUESTION)


async def test_a_person_asked_for_over_the_answer(server: Server) -> None:
    asked = "let me talk to a person"
    await server.call(Wait(), Say(text=QUESTION, wait=False), Interrupt(text=asked, after_ms=600), HangUp())
    complete(await newest(server), QUESTION, asked)


async def test_typed_words_over_the_answer_in_a_browser(server: Server) -> None:
    """What counts as played there is what the page reports."""
    caller = WebRtcCaller(server.address, "healthcare", voice=RecordedFlite("rms"))
    steps = (
        Wait(),
        TypeWords(text=QUESTION, wait=False),
        Silence(seconds=1.5),
        TypeWords(text=OTHER),
        HangUp(),
    )
    result = await caller.run(Script(steps=steps))
    assert not result.error
    opened = await newest(server)
    complete(opened, QUESTION, OTHER)
    played = [o.record for o in opened if isinstance(o.record, r.AgentPlayed)]
    assert {x.evidence for x in played if x.samples} == {r.Evidence.CLIENT_REPORT}
    assert any(x.interrupted for x in played)


async def test_a_server_killed_in_mid_answer_claims_nothing_it_does_not_know(
    make_server: Callable[..., Server],
) -> None:
    server = await asyncio.to_thread(make_server)
    calling = asyncio.create_task(server.call(Wait(), Say(text=QUESTION, wait=False), Silence(seconds=8)))
    await server.until(r.ClauseCleared)
    await server.down(signal.SIGKILL)
    await calling
    await server.up()
    opened = await newest(server)
    complete(opened, QUESTION)
    assert any(isinstance(o.record, r.CallRecovered) for o in opened)
    recovered = [o for o in opened if isinstance(o.record, r.AgentPlayed) and o.record.recovered]
    assert recovered
    assert all(not o.record.samples and not o.personal.played_text for o in recovered)
    await server.down()
    assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
