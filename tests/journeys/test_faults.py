"""Calls during which something breaks: the caller hears something, and the record is complete."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from controls.ledger import records as r
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import ROOT, Server
from tests.simulators.model_server import DIE, STALL, ModelServer, Plan, pieces, raw, refuse, serving
from tests.simulators.tool_server import ToolServer
from voice_runtime.caller.script import HangUp, Say, Silence, Wait

pytestmark = pytest.mark.anyio


async def test_a_cap_of_one_takes_one_and_tells_the_next(make_server: Callable[..., Server]) -> None:
    server = await (await asyncio.to_thread(make_server, start=False, admission={"calls": 1})).up()
    first = asyncio.create_task(server.call(Wait(), Silence(seconds=8), HangUp()))
    await server.until(r.DisclosurePlayed)
    second = await server.call(Wait(), HangUp())
    assert second.ended_by == "refused"
    assert any("busy" in verb.text for verb in second.afterwards)
    assert not (await first).error
    assert [x.reason for x in await asyncio.to_thread(server.records) if isinstance(x, r.CallRefused)] == [
        "capacity"
    ]
    await server.until(r.CallClosed)
    third = await server.call(Wait(), HangUp())
    assert third.ended_by != "refused"
    await server.down()


async def test_a_server_that_is_short_of_headroom_tells_the_next_and_serves_those_it_has(
    make_server: Callable[..., Server],
) -> None:
    """With a limit that any event loop exceeds: what it measures shuts the door while somebody is there.

    Who is there has no silence of our making while the next is told, unless the loop itself stood still for
    longer than the audio that lay ahead: then the machine did that.
    """
    admission = {"calls": 4, "headroom": {"loop_lag_ms": 0.0001}}
    server = await (await asyncio.to_thread(make_server, start=False, admission=admission)).up()
    async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
        first = asyncio.create_task(
            server.call(Wait(), Silence(seconds=3), Say(text="when are you open"), HangUp())
        )
        await server.until(r.DisclosurePlayed)
        async with asyncio.timeout(60):
            while (state := (await client.get("/readyz")).json())["headroom"]["open"]:
                await asyncio.sleep(0.05)
        assert state["ready"], "full is not out of order"
        assert state["headroom"]["over"] == ["loop_lag_ms"]
        second = await server.call(Wait(), HangUp())
        assert second.ended_by == "refused"
        assert any("busy" in verb.text for verb in second.afterwards)
        result = await first
        assert not result.error
        assert result.turns[0].first_audio_out_ms is not None
        metrics = (await client.get("/metrics")).text
    assert 'sayso_calls_refused_total{reason="overload"} 1.0' in metrics
    assert "\nsayso_admission_open 0.0\n" in metrics
    no_later = re.search(r'^sayso_loop_lag_seconds_bucket\{le="0\.1"\} (\S+)$', metrics, re.MULTILINE)
    ticks = re.search(r"^sayso_loop_lag_seconds_count (\S+)$", metrics, re.MULTILINE)
    assert no_later is not None
    assert ticks is not None
    if no_later[1] == ticks[1]:
        assert "sayso_underruns_total{" not in metrics, "who was on the line paid for it"
    trace = await server.ended()
    answer = trace.turns[1].played
    assert answer is not None
    assert not answer.interrupted
    assert "eight to five" in (answer.played_text or "")
    await server.until(r.CallClosed)
    third = await server.call(Wait(), HangUp())  # without calls it takes one, whatever it measures
    assert third.ended_by == "caller"
    refused = [x.reason for x in await asyncio.to_thread(server.records) if isinstance(x, r.CallRefused)]
    assert refused == ["overload"]
    await server.down()


async def test_kill_9_in_mid_call_is_closed_as_recovered_at_the_next_start(
    make_server: Callable[..., Server],
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    call = asyncio.create_task(server.call(Wait(), Say(text="when are you open"), Silence(seconds=20)))
    await server.until(r.ClauseCleared)
    await server.down(signal.SIGKILL)
    await call
    await server.up()
    assert server.ready["recovered"] == 1
    trace = await server.ended()
    assert trace.call.recovered
    assert trace.call.end_reason == "crashed"
    assert not trace.ledger.gaps
    assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
    again = await server.call(Wait(), Say(text="when are you open"), HangUp())
    assert not again.error
    await server.down()


@pytest.mark.parametrize(
    "plan",
    [[STALL], refuse(500), [*pieces("We are"), DIE], [raw("data: {broken\n\n")]],
    ids=["stalls", "refuses", "dies in mid-stream", "broken chunks"],
)
async def test_a_model_that_fails_gets_the_fallback_and_a_promised_callback(
    make_server: Callable[..., Server], plan: Plan
) -> None:
    async with serving(ModelServer(plans=[plan])) as model:
        endpoint = {"name": "local", "base_url": f"{model.url}/v1", "model": "chaos", "outside": False}
        server = await asyncio.to_thread(
            make_server,
            start=False,
            model={
                "standin": False,
                "endpoints": [endpoint],
                "first_token_s": 0.5,
                "total_s": 3,
                "retries": 0,
            },
        )
        await server.up()
        result = await server.call(
            Wait(),
            Say(text="when are you open", quiet_ms=2500),
            Say(text="yes", quiet_ms=2500),
            Say(text="yes"),
            HangUp(),
        )
        assert result.turns[0].first_audio_out_ms is not None
        trace = await server.ended()
        played = [p for t in trace.turns if t.played for p in t.played.phrases]
        assert "fallback" in played
        assert trace.handoff is not None
        assert trace.handoff.requested_by == "failure"
        assert trace.handoff.callback is not None
        await server.down()


async def test_a_tool_that_was_under_way_at_kill_9_is_asked_about_and_not_repeated(
    make_server: Callable[..., Server],
) -> None:
    async with serving(ToolServer(mood="stalls")) as tools:
        server = await asyncio.to_thread(
            make_server, start=False, services={"appointments": {"url": tools.url, "key": {"generate": True}}}
        )
        await server.up()
        call = asyncio.create_task(
            server.call(Wait(), Say(text="can i see doctor patel on tuesday"), Silence(seconds=20))
        )
        async with asyncio.timeout(60):
            while not tools.uses:
                await asyncio.sleep(0.02)
        await server.down(signal.SIGKILL)
        await call
        tools.mood = "well"
        await server.up()
        [unknown] = [x for x in await asyncio.to_thread(server.records) if isinstance(x, r.ToolUnknown)]
        assert (unknown.reason, unknown.reconciled) == ("crash", "done")
        assert len(tools.uses) == 1
        assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
        await server.down()


async def test_a_disk_that_fills_up_in_mid_call_is_said_and_spooled(
    make_server: Callable[..., Server],
) -> None:
    """Writes beyond a file size fail as on a full disk, in the real server, while a call runs."""
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    call = asyncio.create_task(
        server.call(Wait(), Say(text="when are you open", quiet_ms=3000, timeout_s=20), HangUp())
    )
    await server.until(r.DisclosurePlayed)
    assert server.process is not None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (16 * 1024, resource.RLIM_INFINITY))
    result = await call
    assert result.turns[0].first_audio_out_ms is not None, "the caller heard nothing"
    resource.prlimit(
        server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    assert await server.down() == 0
    await server.up()
    recovered = [x for x in await asyncio.to_thread(server.records) if x.recovered]
    assert recovered
    report = await asyncio.to_thread(verify_directory, server.ledger)
    assert report.ok, [check for check in report.checks if not check.ok]
    await server.down()


async def test_a_second_server_on_the_same_data_refuses_and_the_first_one_goes_on(
    make_server: Callable[..., Server],
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    call = asyncio.create_task(server.call(Wait(), Say(text="when are you open"), HangUp()))
    await server.until(r.DisclosurePlayed)
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voice_runtime.cli.app", "serve", "--json", "--port", "0",
        "--config", str(server.profile_file), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await second.communicate()
    said = (out + err).decode()
    assert second.returncode not in (0, None)
    assert "being written by another process" in said
    assert "data_dir of its own" in said
    assert not (await call).error
    await server.until(r.CallClosed)
    assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
    assert await server.down() == 0


async def test_a_signal_drains_running_calls_and_turns_new_ones_away(
    make_server: Callable[..., Server],
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False, server={"drain_s": 2})).up()
    call = asyncio.create_task(server.call(Wait(), Silence(seconds=30), HangUp()))
    await server.until(r.DisclosurePlayed)
    process = server.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    result = await call
    assert result.ended_by == "server"
    assert await asyncio.to_thread(process.wait, 90) == 0
    closed = [x for x in await asyncio.to_thread(server.records) if isinstance(x, r.CallClosed)]
    assert [x.reason for x in closed] == ["drained"]
