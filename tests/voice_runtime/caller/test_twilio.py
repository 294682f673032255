"""Simulated calls end to end: a real server, real sockets, real time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.errors import OperatorError
from tests.simulators.twilio_rest import TwilioRestServer, twilio_rest
from tests.simulators.voice_server import (
    CALLER,
    NUMBER,
    PUBLIC,
    TOKEN,
    Echo,
    echo,
    run_pipeline,
    voice_server,
)
from voice_runtime.caller import audible
from voice_runtime.caller.results import CallerEvent, CallResult
from voice_runtime.caller.script import HangUp, Interrupt, MakeSound, Press, Say, Script, Silence, Wait
from voice_runtime.caller.speech import Flite
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.ingress.twilio import IncomingCall, TwilioRest

pytestmark = pytest.mark.anyio

BRIEFLY = Script(steps=(Silence(seconds=0.2), HangUp()))


class Babbler(FrameProcessor):
    """Talks without end, 1 s ahead; falls silent for good ``after`` packets of a caller's speech."""

    def __init__(self, call: IncomingCall, after: int = 3) -> None:
        super().__init__(name="babbler")
        self._call = call
        self._after = after
        self._loud = 0
        self._ahead = 50
        self._count = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
            return
        if self._loud >= self._after:
            return
        self._loud += bool(audible.windows(frame.audio).any())
        if self._loud == self._after:
            await self.push_frame(InterruptionFrame())
            return
        for _ in range(self._ahead + 1):
            await self._talk()
        self._ahead = 0

    async def _talk(self) -> None:
        pcm = b"\x00\x20\x00\xe0" * 80
        await self.push_frame(OutputAudioRawFrame(audio=pcm, sample_rate=8000, num_channels=1))
        self._count += 1
        if self._count % 5 == 0:
            mark = self._call.link.mark_message(f"m{self._count}")
            await self.push_frame(OutputTransportMessageFrame(message=mark))


async def test_an_echo_of_known_delay_is_measured_within_60_ms(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    delay_ms = 1200
    async with voice_server(echo(delay_ms)) as seen:
        script = Script(steps=(Say(text="yes please", quiet_ms=1000), HangUp()))  # no gap ends it
        result = await seen.caller().run(script)
    [turn] = result.turns
    assert not turn.timed_out
    assert turn.first_audio_out_ms is not None
    spoken_ms = (turn.last_sample - turn.first_sample) / 8
    error_ms = turn.first_audio_out_ms + spoken_ms - delay_ms
    # 20 ms of packetisation, up to 20 ms to the next playout tick; the rest is the loop and a busy machine
    assert 15 <= error_ms <= 60 + result.late_worst_ms
    assert turn.answer_ends_ms is not None
    # a busy machine may stretch the echo by gaps, and shorten it by no more than it was late itself
    longer_ms = turn.answer_ends_ms - (turn.first_audio_out_ms + spoken_ms)
    assert -30 - result.late_worst_ms <= longer_ms <= 500 + result.late_worst_ms
    assert result.ended_by == "caller"
    assert result.bad_messages == 0
    assert turn.t0_ns == pytest.approx(result.answered_ns + (turn.last_sample - 159) * 125_000, abs=2)


async def test_an_interrupted_agent_falls_silent_and_its_marks_come_back_cleared(
    needs_system: Callable[..., None],
) -> None:
    needs_system("flite")

    async def babble(call: IncomingCall) -> None:
        await run_pipeline(call, Babbler(call))

    events: list[CallerEvent] = []

    async def note(event: CallerEvent) -> None:
        events.append(event)

    async with voice_server(babble) as seen:
        words = Interrupt(text="stop it please", after_ms=400, wait=False)
        script = Script(steps=(words, Silence(seconds=0.5), HangUp()))
        result = await seen.caller(on_event=note).run(script)
    [turn] = result.turns
    assert turn.interrupts
    assert turn.barge_in_pause_ms is not None
    assert 40 <= turn.barge_in_pause_ms <= 200 + result.late_worst_ms
    assert len(result.clears) == 1
    assert any(mark.cleared for mark in result.marks)
    assert result.opening_first_ms is not None
    kinds = [event.kind for event in events]
    assert kinds[:3] == ["ringing", "answered", "agent_started"]
    assert "said_started" in kinds
    assert kinds.index("said_started") < kinds.index("agent_stopped") if "agent_stopped" in kinds else True
    assert kinds[-1] == "ended"


async def test_keys_reach_the_agent_and_an_abrupt_end_is_survived() -> None:
    agents: list[Echo] = []

    async def keyed(call: IncomingCall) -> None:
        agents.append(Echo(call, 100))
        await run_pipeline(call, agents[-1])

    async with voice_server(keyed, cap=1) as seen:
        script = Script(
            steps=(
                Press(keys="0*#", gap_ms=40, wait=False),
                MakeSound(kind="cough", seconds=0.1),
                Silence(seconds=0.3),
                HangUp(how="abrupt"),
            )
        )
        result = await seen.caller().run(script)
        async with asyncio.timeout(30):
            while seen.coordinator.calls:
                await asyncio.sleep(0.005)
    assert agents[0].keys == ["0", "*", "#"]
    assert result.turns[0].keys == "0*#"
    assert result.ended_by == "caller"
    assert result.afterwards == []
    assert result.sent_samples >= 160 * 15


async def test_a_caller_paces_on_an_absolute_clock() -> None:
    async with voice_server(echo(0)) as seen:
        result = await seen.caller().run(Script(steps=(Silence(seconds=1.0), HangUp())))
        stats = seen.calls[0].stats
    assert 8000 <= result.sent_samples <= 8000 + 480 + 8 * result.late_worst_ms
    assert stats.media == result.sent_samples // 160
    assert (stats.gaps, stats.late, stats.malformed) == (0, 0, 0)


async def test_an_agent_that_never_answers_is_given_up() -> None:
    async def mute(call: IncomingCall) -> None:
        await run_pipeline(call)

    async with voice_server(mute) as seen:
        script = Script(steps=(Wait(timeout_s=0.2), Press(keys="1", timeout_s=0.2), HangUp()))
        result = await seen.caller().run(script)
    assert result.turns[0].timed_out
    assert result.turns[0].first_audio_out_ms is None
    assert result.opening_first_ms is None


async def test_the_next_caller_is_told_that_all_places_are_taken() -> None:
    async with voice_server(echo(0), cap=1) as seen:
        first = asyncio.create_task(seen.caller().run(Script(steps=(Silence(seconds=0.6), HangUp()))))
        async with asyncio.timeout(30):
            while not seen.calls:
                await asyncio.sleep(0.005)
        second = await seen.caller().run(BRIEFLY)
        assert second.ended_by == "refused"
        assert [v.name for v in second.afterwards] == ["Say", "Dial", "Say", "Hangup"]
        assert second.afterwards[0].text == "All our lines are busy."
        assert (await first).ended_by == "caller"
        async with asyncio.timeout(30):
            while seen.coordinator.calls:
                await asyncio.sleep(0.005)
        assert (await seen.caller().run(BRIEFLY)).ended_by == "caller"


async def test_when_the_agent_dies_the_carrier_reaches_a_person() -> None:
    async def dies(call: IncomingCall) -> None:
        raise RuntimeError("bug")

    for rest in (None, TwilioRest(httpx.AsyncClient(verify=False), "AC1", "x")):
        async with voice_server(dies, rest=rest) as seen:
            result = await seen.caller().run(Script(steps=(Silence(seconds=5), HangUp())))
        assert result.ended_by == "server"
        assert result.close_code == 1011
        assert [v.name for v in result.afterwards] == ["Say", "Dial", "Say", "Hangup"]
        assert result.afterwards[1].target == "+12025550177"


async def test_when_the_agent_ends_the_call_without_rest_nobody_is_dialled() -> None:
    async def polite(call: IncomingCall) -> None:
        await call.control.hang_up()

    async with voice_server(polite) as seen:
        result = await seen.caller().run(Script(steps=(Silence(seconds=5), HangUp())))
    assert result.ended_by == "server"
    assert [v.name for v in result.afterwards] == ["Hangup"]


def obeying(account: TwilioRestServer, caller: TwilioCaller) -> Callable[..., Any]:
    """Make the simulated call do what the account's REST interface is told."""

    async def on_update(sid: str, fields: dict[str, str]) -> None:
        assert sid == caller.call_sid
        await caller.update(twiml=fields.get("Twiml", ""))

    return on_update


async def by_rest(act: Callable[[IncomingCall], Any], **more: Any) -> tuple[CallResult, Any]:
    """One call whose agent acts through REST; returns the result and what the server saw."""

    async def agent(call: IncomingCall) -> None:
        pipeline = asyncio.create_task(run_pipeline(call))
        account.in_progress(call.call_sid)
        await act(call)
        await pipeline

    async with twilio_rest() as account, httpx.AsyncClient(trust_env=False, verify=False) as client:
        rest = TwilioRest(client, account.account_sid, account.auth_token, rest_url=account.url)
        async with voice_server(agent, rest=rest) as seen:
            caller = seen.caller(**more)
            account.on_update = obeying(account, caller)
            return await caller.run(Script(steps=(Silence(seconds=5), HangUp()))), seen


async def test_when_the_agent_ends_the_call_by_rest_nobody_is_dialled() -> None:
    result, seen = await by_rest(lambda call: call.control.hang_up())
    assert (result.ended_by, result.afterwards) == ("carrier", [])
    assert seen.calls[0].stopped_by_carrier


@pytest.mark.parametrize("outcome", ["completed", "busy", "no-answer"])
async def test_a_transfer_by_rest_dials_and_its_outcome_comes_back(outcome: str) -> None:
    result, seen = await by_rest(
        lambda call: call.control.transfer("+12025550188", announce="One moment."),
        dial_outcome=lambda to: outcome,
    )
    assert result.ended_by == "carrier"
    assert [v.name for v in result.afterwards[:2]] == ["Say", "Dial"]
    assert result.afterwards[1].target == "+12025550188"
    assert result.afterwards[-1].name == "Hangup"
    [dialled] = seen.dialled
    assert (dialled.call, dialled.status) == (seen.calls[0].id, outcome)


async def test_a_server_that_is_not_there_is_a_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = await TwilioCaller(gone, TOKEN, CALLER, NUMBER, connect_timeout_s=2).run(BRIEFLY)
    assert result.ended_by == "failed"
    assert "not reached" in result.error


async def test_a_server_that_accepts_and_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        deaf = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = await TwilioCaller(deaf, TOKEN, CALLER, NUMBER, connect_timeout_s=0.2).run(BRIEFLY)
    assert result.ended_by == "failed"


async def test_a_wrong_signature_is_a_result() -> None:
    async with voice_server(echo(0)) as seen:
        caller = TwilioCaller(PUBLIC, "wrong", CALLER, NUMBER, connect_to=seen.url)
        result = await caller.run(BRIEFLY)
    assert result.ended_by == "failed"
    assert "403" in result.error
    assert CALLER not in result.error


async def test_a_slow_or_broken_display_delays_no_audio() -> None:
    """It is not done with the first event before the whole call is over, and then it breaks."""
    async with voice_server(echo(0)) as seen:

        async def broken(event: CallerEvent) -> None:
            if event.kind == "ringing":
                while not seen.calls or seen.coordinator.calls:
                    await asyncio.sleep(0.005)
            raise RuntimeError("bug")

        async with asyncio.timeout(60):
            result = await seen.caller(on_event=broken).run(Script(steps=(Silence(seconds=0.4), HangUp())))
    assert result.ended_by == "caller"
    assert result.events_lost >= 3


async def test_a_cancelled_call_leaves_nothing_running() -> None:
    async with voice_server(echo(0), cap=1) as seen:
        call = asyncio.create_task(seen.caller().run(Script(steps=(Silence(seconds=30), HangUp()))))
        async with asyncio.timeout(30):
            while not seen.calls:
                await asyncio.sleep(0.005)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        async with asyncio.timeout(30):
            while seen.coordinator.calls:
                await asyncio.sleep(0.005)


async def test_a_call_longer_than_allowed_is_ended() -> None:
    async with voice_server(echo(0)) as seen:
        result = await seen.caller(longest_s=0.3).run(Script(steps=(Silence(seconds=30), HangUp())))
    assert (result.ended_by, result.error) == ("caller", "the call took too long")


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(OperatorError):
        TwilioCaller("voice.example", TOKEN, CALLER, NUMBER)


async def test_sentences_of_a_shared_voice_are_made_once(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    voice = Flite("kal")
    spoken = await voice.say("hello")
    async with voice_server(echo(0)) as seen:
        script = Script(steps=(Say(text="hello", wait=False), HangUp()))
        first, second = await asyncio.gather(
            seen.caller(voice=voice).run(script), seen.caller(voice=voice).run(script)
        )
    assert first.turns[0].text == second.turns[0].text == "hello"
    assert await voice.say("hello") is spoken
