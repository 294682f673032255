"""A busy server over Twilio's protocol: call N+1 is told so, and those on the line are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from twilio.request_validator import RequestValidator

from tests.simulators.voice_server import CALLER, NUMBER, PUBLIC, TOKEN, VoiceServer, echo, voice_server
from voice_runtime import vitals as under_measurement
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import HangUp, Say, Script, Silence, Wait
from voice_runtime.headroom import Headroom, Reading
from voice_runtime.process_usage import ProcessUsage
from voice_runtime.settings import Headroom as Limits
from voice_runtime.telemetry import Telemetry
from voice_runtime.vitals import Vitals

pytestmark = pytest.mark.anyio

LIMITS = Limits(calm_s=5.0)


class Measuring:
    """The process's measurements, made by hand once a second of a virtual clock."""

    def __init__(self) -> None:
        self.headroom = Headroom(LIMITS)
        self.now_s = 1000.0

    def second(self, lag_ms: float) -> None:
        self.now_s += 1.0
        self.headroom.measured(
            Reading(
                since_s=self.now_s - 5, at_s=self.now_s, loop_lag_ms=lag_ms,
                loop_percent=20.0, cpu_percent=20.0,
            )
        )  # fmt: skip


async def webhook(seen: VoiceServer, call_sid: str) -> str:
    """What a caller is answered with: the tag of the first verb, and what is said first."""
    fields = {"CallSid": call_sid, "From": CALLER, "To": NUMBER, "AccountSid": "AC1"}
    path = "/telephony/twilio/voice"
    signed = RequestValidator(TOKEN).compute_signature(PUBLIC + path, fields)
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        reply = await client.post(seen.url + path, data=fields, headers={"X-Twilio-Signature": signed})
    root = fromstring(reply.text)
    return root[0].tag if root[0].tag == "Connect" else f"{root[0].tag}: {root[0].text}"


async def connected(seen: VoiceServer, calls: int) -> None:
    async with asyncio.timeout(60):
        while len(seen.calls) < calls:
            await asyncio.sleep(0.005)


async def test_a_busy_server_serves_those_it_has_and_tells_the_next_until_it_is_calm(
    needs_system: Callable[..., None],
) -> None:
    needs_system("flite")
    measuring = Measuring()
    script = Script(steps=(Say(text="are you there"), HangUp()))
    async with voice_server(echo(2000), headroom=measuring.headroom, now_s=lambda: measuring.now_s) as seen:
        measuring.second(2.0)
        first: asyncio.Task[CallResult] = asyncio.create_task(seen.caller().run(script))
        await connected(seen, 1)
        measuring.second(77.0)

        second = await seen.caller().run(Script(steps=(Wait(), HangUp())))
        assert second.ended_by == "refused"
        assert "All our lines are busy." in [verb.text for verb in second.afterwards]
        assert [refusal.reason for refusal in seen.refusals] == ["overload"]
        assert seen.coordinator.calls == 1, "no place was taken by who was turned away"

        result = await first  # neither cut nor degraded: it is answered and ends as it wished
        assert result.ended_by == "caller", result.error
        assert result.turns[0].first_audio_out_ms is not None
        assert not result.spoke_over

        async with asyncio.timeout(60):
            while measuring.headroom.calls:
                await asyncio.sleep(0.005)
        # A server without calls takes one; from then on what is measured decides.
        assert await webhook(seen, "CA" + "1" * 32) == "Connect"
        assert await webhook(seen, "CA" + "2" * 32) == "Say: All our lines are busy."
        for _ in range(5):
            measuring.second(30.0)
            assert await webhook(seen, "CA" + "3" * 32) == "Say: All our lines are busy."
        measuring.second(30.0)
        assert await webhook(seen, "CA" + "4" * 32) == "Connect"
        assert {refusal.reason for refusal in seen.refusals} == {"overload"}


async def test_a_burst_between_two_measurements_is_bounded_by_what_calls_cost() -> None:
    measuring = Measuring()
    async with voice_server(
        echo(), cap=100, headroom=measuring.headroom, now_s=lambda: measuring.now_s
    ) as seen:
        measuring.second(2.0)
        answers = await asyncio.gather(*(webhook(seen, f"CA{n:032d}") for n in range(40)))
        room = int((LIMITS.loop_percent - 20.0) / LIMITS.call_percent)
        assert answers.count("Connect") == seen.coordinator.calls == room
        assert answers.count("Say: All our lines are busy.") == 40 - room
        measuring.second(
            2.0
        )  # none of them has media yet: they are booked until they come or their time is over
        assert await webhook(seen, "CA" + "9" * 32) == "Say: All our lines are busy."


@asynccontextmanager
async def measured(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Headroom]:
    """This process, really measured, and the room it finds by that: ten times a second, to be done sooner.

    Only lateness is judged: how much CPU others take on this machine is no matter of the test.
    """
    monkeypatch.setattr(under_measurement, "TICK_S", 0.005)
    headroom = Headroom(Limits(loop_percent=100, cpu_percent=100, call_percent=0.01, calm_s=600))
    vitals = Vitals(Telemetry(), on_reading=headroom.measured, usage=_NoCpu(), thread_s=lambda: 0.0)
    await vitals.start()
    vitals.begin()
    try:
        yield headroom
    finally:
        await vitals.close()


class _NoCpu(ProcessUsage):
    def cpu_s(self) -> float:
        return 0.0


async def test_a_loop_that_really_stands_still_shuts_the_door_to_the_next_and_not_to_who_is_there(
    monkeypatch: pytest.MonkeyPatch, needs_system: Callable[..., None]
) -> None:
    """No figure is made up: the process stands still, its own timer finds that, and admission acts."""
    needs_system("flite")
    async with measured(monkeypatch) as headroom, voice_server(echo(2000), headroom=headroom) as seen:
        script = Script(steps=(Silence(seconds=3), Say(text="are you there"), HangUp()))
        first = asyncio.create_task(seen.caller().run(script))
        await connected(seen, 1)
        time.sleep(0.3)  # what no code of ours may do
        async with asyncio.timeout(60):
            while headroom.open:
                await asyncio.sleep(0.005)
        assert headroom.state()["over"] == ["loop_lag_ms"]
        second = await seen.caller().run(Script(steps=(Wait(), HangUp())))
        assert second.ended_by == "refused"
        assert second.afterwards[0].text == "All our lines are busy."
        assert [refusal.reason for refusal in seen.refusals] == ["overload"]
        result = await first
        assert result.ended_by == "caller", result.error
        assert result.turns[0].first_audio_out_ms is not None
        assert len(seen.calls) == 1
