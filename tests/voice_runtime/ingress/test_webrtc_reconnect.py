"""A browser whose network changes, breaks or vanishes: the call goes on, or ends in time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from pipecat.processors.frame_processor import FrameDirection

from tests.simulators.browser_door import (
    QUICK,
    STEADY,
    TONE,
    Agents,
    BrowserDoor,
    RawCaller,
    browser_door,
    eventually,
    raw_caller,
)
from voice_runtime.events import PauseSpeechFrame, ResumeSpeechFrame, ThinkingFrame, TypedWordsFrame
from voice_runtime.ingress.webrtc_sdp import check_offer

pytestmark = pytest.mark.anyio

READY = {"type": "ready", "echo_cancellation": "unknown", "microphone": True}


async def one_call_went_on(seen: BrowserDoor, agents: Agents, caller: RawCaller, call_id: str) -> None:
    """The same call takes words, speaks and tells, over what is the connection now."""
    assert [call.id for call in seen.calls] == [call_id] == [caller.call]
    [agent], words = agents.all, f"still here {time.monotonic_ns()}"
    caller.send({"type": "say", "text": words})
    await eventually(lambda: any(f.text == words for f in agent.of(TypedWordsFrame)))
    audio, packets = agent.audio, len(caller.packets)
    await agent.say(TONE)
    await eventually(lambda: any(len(payload) > 25 for _, payload in caller.packets[packets:]))
    await eventually(lambda: agent.audio > audio + 5)
    back: list[str] = []
    seen.calls[0].link.on_mark(lambda name, at_ns: back.append(name))
    await agent.mark("here")
    await eventually(lambda: "here" in [name for _, name in seen.calls[0].timeline._marks])
    packets = len(caller.packets)
    await eventually(lambda: len(caller.packets) > packets + 10)
    caller.send({"type": "playing", "rtp": caller.packets[-1][0]})
    await eventually(lambda: back == ["here"])
    assert seen.coordinator.calls == 1
    assert seen.over == []


async def test_renegotiation_keeps_the_call() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        first, credentials = caller.call, check_offer(caller.pc.remoteDescription.sdp).ufrag
        pc_id = caller.pc_id
        response = await caller.offer(pc_id=pc_id)
        assert response.status_code == 200
        assert (caller.pc_id, caller.call) == (pc_id, first)
        assert check_offer(caller.pc.remoteDescription.sdp).ufrag == credentials
        await eventually(lambda: agents.all)
        await one_call_went_on(seen, agents, caller, first)
        assert seen.calls[0].stats.reconnects == 0


async def test_an_ice_restart_moves_the_call_to_another_path() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        first = caller.call
        await eventually(lambda: agents.all and agents.all[0].audio)
        before = check_offer(caller.pc.remoteDescription.sdp)
        await caller.restart_ice()
        after = check_offer(caller.pc.remoteDescription.sdp)
        assert after.ufrag != before.ufrag
        assert after.password != before.password
        await one_call_went_on(seen, agents, caller, first)
        assert seen.calls[0].stats.reconnects == 0


async def test_a_new_connection_takes_the_place_of_a_broken_one() -> None:
    """The page closes what broke, and comes back with the call's id."""
    agents = Agents()
    async with browser_door(agents, patience=STEADY) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        await eventually(lambda: agents.all and agents.all[0].audio)
        first, pc_id, broken = caller.call, caller.pc_id, caller.pc
        await agents.all[0].push_frame(ThinkingFrame(True, 1), FrameDirection.UPSTREAM)
        await eventually(lambda: caller.of("state"))
        caller.stop_pinging()
        caller.opened.clear()
        caller.new_connection()
        response = await caller.offer(pc_id=pc_id, restart_pc=True)
        assert response.status_code == 200
        assert (caller.pc_id, caller.call) == (pc_id, first)
        await broken.close()
        await caller.until_open()
        await eventually(lambda: len(caller.of("opened")) == 2)
        await eventually(lambda: len(caller.of("state")) == 2)
        assert [m["agent"] for m in caller.of("state")] == ["thinking"] * 2  # told anew, of this connection
        await one_call_went_on(seen, agents, caller, first)
        assert seen.calls[0].stats.reconnects == 1


async def test_a_bad_restart_leaves_the_call_as_it_is() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        await eventually(lambda: agents.all and agents.all[0].audio)
        lines = caller.pc.localDescription.sdp.splitlines()
        broken = "\r\n".join(line for line in lines if not line.startswith("a=setup")) + "\r\n"
        for sdp in ("v=0\r\n", broken.replace("opus/48000/2", "opus/48000/2", 1)):
            for restart in (True, False):
                body = {"sdp": sdp, "type": "offer", "pc_id": caller.pc_id, "restart_pc": restart}
                response = await caller.post("/webrtc/offer", body)
                assert response.json() == {"error": "offer"}
        await one_call_went_on(seen, agents, caller, caller.call)


async def test_a_dead_connection_is_not_mended_but_replaced() -> None:
    agents = Agents()
    async with browser_door(agents, patience=STEADY) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        await eventually(lambda: agents.all and agents.all[0].audio)
        broken = caller.pc
        body = {"sdp": broken.localDescription.sdp, "type": "offer", "pc_id": caller.pc_id}
        await seen.calls[0].peer.pc.close()
        refused = await caller.post("/webrtc/offer", body)
        assert refused.json() == {"error": "offer"}
        caller.opened.clear()
        caller.new_connection()
        assert (await caller.offer(pc_id=caller.pc_id, restart_pc=True)).status_code == 200
        await broken.close()
        await caller.until_open()
        await one_call_went_on(seen, agents, caller, caller.call)


async def test_nobody_elses_call_can_be_taken_over() -> None:
    async with browser_door(Agents()) as seen, raw_caller(seen.url):
        stranger = RawCaller(seen.url)
        response = await stranger.offer(pc_id="A" * 32, restart_pc=True)
        assert (response.status_code, response.json()) == (404, {"error": "unknown_call"})
        await stranger.close()


async def test_the_agent_pauses_while_the_line_is_lost_and_goes_on_when_it_is_back() -> None:
    agents = Agents()
    patience = replace(STEADY, lost_s=QUICK.lost_s)
    async with (
        browser_door(agents, patience=patience) as seen,
        raw_caller(seen.url, microphone=False) as caller,
    ):
        caller.send(READY)
        await eventually(lambda: agents.all)
        caller.stop_pinging()
        await eventually(lambda: agents.all[0].of(PauseSpeechFrame))
        await caller.until_open()  # as it is; pings again
        await eventually(lambda: agents.all[0].of(ResumeSpeechFrame))
        assert seen.over == []


async def test_a_page_that_died_is_hung_up_on_while_its_microphone_still_sends() -> None:
    agents = Agents()
    patience = replace(QUICK, restart_s=600.0)  # not the longer wait for a restart
    async with browser_door(agents, patience=patience) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        await eventually(lambda: agents.all and seen.calls[0].peer.receiver.stats.received)
        caller.stop_pinging()
        await eventually(lambda: seen.over)
        await eventually(lambda: caller.of("closed"))


async def test_a_caller_who_vanishes_is_waited_for_and_then_hung_up_on() -> None:
    agents = Agents()
    # Pings that come late on a busy machine must not be taken for a page that died.
    patience = replace(QUICK, silent_s=60.0)
    async with browser_door(agents, patience=patience) as seen, raw_caller(seen.url) as caller:
        caller.send(READY)
        await eventually(lambda: agents.all and agents.all[0].audio)
        since, pongs = time.monotonic(), len(caller.of("pong"))
        caller.send({"type": "ping"})
        await eventually(lambda: len(caller.of("pong")) > pongs)  # the last sign of life is newer than since
        caller.vanish()
        await eventually(lambda: seen.over)
        assert time.monotonic() - since >= QUICK.restart_s
        assert agents.all[0].of(PauseSpeechFrame)
        await eventually(lambda: seen.coordinator.calls == 0)


@pytest.mark.parametrize("how", ["closed", "bye-and-closed"])
async def test_however_the_page_goes_the_place_comes_back(how: str) -> None:
    agents = Agents()
    async with browser_door(agents) as seen:
        async with raw_caller(seen.url) as caller:
            caller.send(READY)
            await eventually(lambda: agents.all)
            if how == "bye-and-closed":
                caller.send({"type": "bye"})
        await eventually(lambda: seen.over and seen.coordinator.calls == 0)
        await eventually(lambda: not seen.door.calls)


async def test_a_call_that_ends_while_it_is_being_restarted_leaves_nothing() -> None:
    async with browser_door(Agents()) as seen, raw_caller(seen.url) as caller:
        await eventually(lambda: seen.calls)
        pc_id, broken = caller.pc_id, caller.pc
        caller.stop_pinging()
        caller.new_connection()
        restart = asyncio.create_task(caller.offer(pc_id=pc_id, restart_pc=True))
        await seen.calls[0].close("ended")
        await asyncio.gather(restart, return_exceptions=True)
        await broken.close()
        await eventually(lambda: not seen.door.calls and seen.coordinator.calls == 0)
