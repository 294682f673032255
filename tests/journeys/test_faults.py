"""Calls during which something breaks: the caller hears something, and the record is complete."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable

import pytest

from controls.ledger import records as r
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import Server
from tests.simulators.model_server import DIE, STALL, ModelServer, Plan, pieces, raw, refuse, serving
from voice_runtime.caller.script import HangUp, Say, Silence, Wait

pytestmark = pytest.mark.anyio


async def test_a_cap_of_one_takes_one_and_tells_the_next(make_server: Callable[..., Server]) -> None:
    server = make_server(admission={"calls": 1})
    first = asyncio.create_task(server.call(Wait(), Silence(seconds=3), HangUp()))
    while not any(isinstance(x, r.DisclosurePlayed) for x in server.records()):
        await asyncio.sleep(0.1)
    second = await server.call(Wait(), HangUp())
    assert second.ended_by == "refused"
    assert any("busy" in verb.text for verb in second.afterwards)
    assert not (await first).error
    assert [x.reason for x in server.records() if isinstance(x, r.CallRefused)] == ["capacity"]
    third = await server.call(Wait(), HangUp())
    assert third.ended_by != "refused"
    server.stop()


async def test_kill_9_in_mid_call_is_closed_as_recovered_at_the_next_start(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    call = asyncio.create_task(server.call(Wait(), Say(text="when are you open"), Silence(seconds=20)))
    while not any(isinstance(x, r.ClauseCleared) for x in server.records()):
        await asyncio.sleep(0.05)
    server.stop(signal.SIGKILL)
    await call
    server.start()
    assert server.ready["recovered"] == 1
    trace = server.traces()[0]
    assert trace.call.recovered
    assert trace.call.end_reason == "crashed"
    assert not trace.ledger.gaps
    assert verify_directory(server.ledger).ok
    again = await server.call(Wait(), Say(text="when are you open"), HangUp())
    assert not again.error
    server.stop()


@pytest.mark.parametrize(
    "plan",
    [[STALL], refuse(429), refuse(500), [DIE], [*pieces("We are"), DIE], [raw("data: {broken\n\n")]],
    ids=["stalls", "429", "500", "dies", "dies in mid-stream", "broken chunks"],
)
async def test_a_model_that_fails_gets_the_fallback_and_a_promised_callback(
    make_server: Callable[..., Server], plan: Plan
) -> None:
    async with serving(ModelServer([plan])) as model:
        endpoint = {"name": "local", "base_url": f"{model.url}/v1", "model": "chaos", "outside": False}
        server = await asyncio.to_thread(
            make_server,
            model={
                "standin": False,
                "endpoints": [endpoint],
                "first_token_s": 0.5,
                "total_s": 3,
                "retries": 0,
            },
        )
        result = await server.call(
            Wait(), Say(text="when are you open", quiet_ms=2500), Say(text="yes"), HangUp()
        )
        assert result.turns[0].first_audio_out_ms is not None
        trace = server.traces()[0]
        played = [p for t in trace.turns if t.played for p in t.played.phrases]
        assert "fallback" in played
        assert trace.handoff is not None
        assert trace.handoff.requested_by == "failure"
        assert trace.handoff.callback is not None
        await asyncio.to_thread(server.stop)


async def test_a_disk_that_fills_up_in_mid_call_is_said_and_spooled(
    make_server: Callable[..., Server],
) -> None:
    """Writes beyond a file size fail as on a full disk, in the real server, while a call runs."""
    server = make_server()
    call = asyncio.create_task(
        server.call(Wait(), Say(text="when are you open", quiet_ms=3000, timeout_s=20), HangUp())
    )
    while not any(isinstance(x, r.DisclosurePlayed) for x in server.records()):
        await asyncio.sleep(0.05)
    assert server.process is not None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (64 * 1024, resource.RLIM_INFINITY))
    result = await call
    assert result.turns[0].first_audio_out_ms is not None, "the caller heard nothing"
    resource.prlimit(
        server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    assert server.stop() == 0
    server.start()
    recovered = [x for x in server.records() if x.recovered]
    assert recovered
    assert verify_directory(server.ledger).ok
    server.stop()


async def test_a_signal_drains_running_calls_and_turns_new_ones_away(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(server={"drain_s": 2})
    call = asyncio.create_task(server.call(Wait(), Silence(seconds=30), HangUp()))
    while not any(isinstance(x, r.DisclosurePlayed) for x in server.records()):
        await asyncio.sleep(0.05)
    process = server.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    result = await call
    assert result.ended_by == "server"
    assert await asyncio.to_thread(process.wait, 30) == 0
    closed = [x for x in server.records() if isinstance(x, r.CallClosed)]
    assert [x.reason for x in closed] == ["drained"]
