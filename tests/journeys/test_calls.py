"""Whole calls over real sockets: the carrier's protocol in, the record out, nothing mocked between.

One server serves the calls of this file; each test looks at its own call's trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from controls.evidence.shape import Trace
from controls.ledger import records as r
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import Server
from voice_runtime.caller.script import HangUp, Interrupt, MakeSound, Press, Say, Silence, Wait

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


def complete(server: Server, trace: Trace) -> None:
    """The call's record has no gap, every cleared clause was settled, and all of it verifies."""
    assert not trace.ledger.gaps
    assert trace.call.ended_at is not None
    mine = [x for x in server.records() if getattr(x, "call", None) == trace.call.id]
    cleared = {x.clause for x in mine if isinstance(x, r.ClauseCleared)}
    played = [x.clause for x in mine if isinstance(x, r.AgentPlayed)]
    assert cleared <= set(played)
    assert len(played) == len(set(played))
    assert verify_directory(server.ledger).ok


async def test_a_question_is_answered_after_the_disclosure(server: Server) -> None:
    result = await server.call(Wait(), Say(text="when are you open"), HangUp())
    assert not result.error
    trace = await server.ended()
    assert trace.disclosure is not None
    assert trace.disclosure.played_in_full
    said, played = trace.turns[1].said, trace.turns[1].played
    assert said is not None
    assert said.text == "when are you open"
    assert played is not None
    assert "eight to five" in (played.played_text or "")
    assert trace.turns[1].latency_ms.first_audio_out is not None
    assert result.turns[0].first_audio_out_ms is not None
    await asyncio.to_thread(complete, server, trace)


async def test_key_0_reaches_the_way_to_a_person_during_the_disclosure(server: Server) -> None:
    await server.call(Silence(seconds=1.0), Press(keys="0", quiet_ms=1500), HangUp())
    trace = await server.ended()
    assert trace.handoff is not None
    assert trace.handoff.requested_by == "caller_key"
    assert trace.disclosure is not None
    assert not trace.disclosure.played_in_full
    await asyncio.to_thread(complete, server, trace)


async def test_a_cough_leaves_no_hole(server: Server) -> None:
    """A cough while the agent speaks neither cuts it nor leaves five seconds of silence."""
    result = await server.call(
        Wait(),
        Say(text="when are you open", wait=False),
        Silence(seconds=2.0),
        MakeSound(kind="cough"),
        Wait(),
        Say(text="where are you"),
        HangUp(),
    )
    trace = await server.ended()
    texts = [t.said.text for t in trace.turns if t.said is not None]
    assert texts == ["when are you open", "where are you"]
    first = trace.turns[1].played
    assert first is not None
    assert not first.interrupted
    assert not result.turns[-1].timed_out
    await asyncio.to_thread(complete, server, trace)


async def test_an_interruption_keeps_what_was_played(server: Server) -> None:
    result = await server.call(
        Wait(),
        Say(text="when are you open", wait=False),
        Interrupt(text="where are you", after_ms=1200),
        HangUp(),
    )
    trace = await server.ended()
    cut = trace.turns[1].played
    assert cut is not None
    assert cut.interrupted
    assert cut.played_text
    assert len(cut.played_text) < len(cut.text or "")
    assert result.turns[1].barge_in_pause_ms is not None
    await asyncio.to_thread(complete, server, trace)


async def test_hanging_up_in_the_middle_of_an_answer_leaves_a_complete_record(server: Server) -> None:
    await server.call(
        Wait(), Say(text="when are you open", wait=False), Silence(seconds=1.5), HangUp(how="abrupt")
    )
    trace = await server.ended()
    assert trace.call.ended_by == "caller"
    await asyncio.to_thread(complete, server, trace)


async def test_silence_is_asked_about_and_then_ended(server: Server) -> None:
    result = await server.call(Wait(), Silence(seconds=45))
    trace = await server.ended()
    phrases = [p for t in trace.turns if t.played for p in t.played.phrases]
    assert "still-there" in phrases
    assert "goodbye" in phrases
    assert trace.call.end_reason == "silence"
    assert result.ended_by == "server"
    await asyncio.to_thread(complete, server, trace)


def test_no_personal_word_stands_in_the_leaves_or_the_servers_files(server: Server) -> None:
    """What was said is on disk only sealed: no file of the ledger holds a caller's word or number."""
    files = [p for p in server.ledger.rglob("*") if p.is_file() and p.name != "lock"]
    assert files
    content = b"".join(p.read_bytes() for p in files)
    for secret in (b"when are you open", b"+12025550143", b"2025550143", b"eight to five"):
        assert secret not in content


async def test_health_readiness_and_metrics_hold_no_identifier(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["ready"]
        metrics = (await client.get("/metrics")).text
    assert 'sayso_turns_total{to="model"}' in metrics
    assert "sayso_first_audio_out_seconds_bucket" in metrics
    for trace in await asyncio.to_thread(server.traces):
        assert trace.call.id not in metrics
