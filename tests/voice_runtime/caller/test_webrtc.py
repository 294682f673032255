"""Simulated browser calls end to end: a real door, real sockets, real Opus, real time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from pipecat.frames.frames import Frame, InputAudioRawFrame, InputDTMFFrame
from pipecat.processors.frame_processor import FrameDirection

from controls.errors import OperatorError
from tests.simulators.browser_door import (
    QUICK,
    TONE,
    Agent,
    BrowserDoor,
    browser_door,
    eventually,
    run_agent,
)
from tests.simulators.voice_server import echo, voice_server
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallerEvent, CallResult
from voice_runtime.caller.script import HangUp, MakeSound, Press, Say, Script, Silence, TypeWords, Wait
from voice_runtime.caller.webrtc import WebRtcCaller
from voice_runtime.events import AudioReadyFrame, TypedWordsFrame
from voice_runtime.ingress.webrtc import BrowserCall

pytestmark = pytest.mark.anyio

SENTENCE = "can i see doctor patel on tuesday"
#: 0.3 s of audio, then quiet: what the agent says to everything.
WORDS = 15
BRIEFLY = Script(steps=(Silence(seconds=0.3), HangUp()))


class Answering(Agent):
    """Greets when the browser is ready; answers 100 ms after speech, and typed words and keys at once."""

    def __init__(self, call: BrowserCall) -> None:
        super().__init__(call)
        self.said = 0
        self._quiet = -1

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if audible.windows(frame.audio).any():
                self._quiet = 0
            elif self._quiet >= 0:
                self._quiet += 1
            if self._quiet == 5:
                self._quiet = -1
                await self.answer("after speech")
        elif isinstance(frame, AudioReadyFrame):
            await self.answer("greeting")
        elif isinstance(frame, TypedWordsFrame):
            await self.answer(frame.text)
        elif isinstance(frame, InputDTMFFrame):
            await self.answer(f"key {frame.button.value}")

    async def answer(self, text: str) -> None:
        self.said += 1
        caption = self.call.link.caption("agent", text, id=f"k{self.said}", state="begin")
        await self.show(caption or {})
        await self.say(WORDS * TONE)  # at once: no packet may be due between two pieces of it
        await self.mark(f"m{self.said}")


class Answers:
    """Runs an ``Answering`` agent for each call, and keeps what was reported as played."""

    def __init__(self) -> None:
        self.all: list[Answering] = []
        self.marks: list[str] = []

    async def __call__(self, call: BrowserCall) -> None:
        agent = Answering(call)
        self.all.append(agent)
        call.link.on_mark(lambda name, at_ns: self.marks.append(name))
        await run_agent(call, agent)


def quick(*steps: Any) -> Script:
    return Script(steps=(Wait(quiet_ms=300), *steps, HangUp()), voice="rms")


async def called(seen: BrowserDoor, script: Script, **more: Any) -> tuple[CallResult, list[CallerEvent]]:
    events: list[CallerEvent] = []

    async def note(event: CallerEvent) -> None:
        events.append(event)

    options = {"longest_s": 30.0, **more}
    caller = WebRtcCaller(seen.url, "healthcare", on_event=note, voice=RecordedFlite("rms"), **options)
    result = await caller.run(script)
    return result, events


async def test_a_spoken_conversation_is_measured_from_the_waveform() -> None:
    agents = Answers()
    async with browser_door(agents) as seen:
        result, events = await called(seen, quick(Say(text=SENTENCE, quiet_ms=300)))
        await eventually(lambda: seen.coordinator.calls == 0)
    assert (result.ended_by, result.error, result.reason) == ("caller", "", "ended")
    assert result.call_sid == seen.calls[0].id
    assert result.webhook_ms > 0
    [turn] = result.turns
    assert (turn.text, turn.typed, turn.timed_out) == (SENTENCE, False, False)
    assert turn.first_audio_out_ms is not None
    assert turn.first_audio_out_ms > 100  # of quiet the agent waits for; the rest is buffers
    assert turn.answer_ends_ms is not None
    assert turn.answer_ends_ms - turn.first_audio_out_ms == pytest.approx(
        WORDS * 20, abs=80 + result.late_worst_ms
    )
    assert result.opening_first_ms is not None
    kinds = [event.kind for event in events]
    assert kinds[:2] == ["ringing", "answered"]
    assert kinds[-1] == "ended"
    assert kinds.count("agent_started") == 2 or result.late_worst_ms > 100  # in pieces where all stalled
    assert [caption.text for caption in result.captions] == ["greeting", "after speech"]
    assert [e.data["text"] for e in events if e.kind == "caption"] == ["greeting", "after speech"]
    assert agents.marks[0] == "m1"  # what it reported as played
    assert (result.bad_messages, result.events_lost) == (0, 0)
    ready = agents.all[0].of(AudioReadyFrame)
    assert (len(ready), ready[0].microphone) == (1, True)


async def test_typed_words_and_keys_need_no_microphone() -> None:
    agents = Answers()
    async with browser_door(agents) as seen:
        script = quick(TypeWords(text="when are you open", quiet_ms=300), Press(keys="0", quiet_ms=300))
        result, events = await called(seen, script)
    assert result.ended_by == "caller"
    assert [c.text for c in result.captions] == ["greeting", "when are you open", "key 0"]
    first, second = result.turns
    assert (first.typed, first.text, second.keys) == (True, "when are you open", "0")
    for turn in result.turns:
        assert turn.first_audio_out_ms is not None
        assert turn.barge_in_pause_ms is None
    assert [e.kind for e in events if e.kind in ("typed", "key")] == ["typed", "key"]
    assert agents.all[0].of(AudioReadyFrame)[0].microphone is False
    assert seen.calls[0].peer.receiver.stats.received == 0


async def test_a_language_is_asked_for() -> None:
    async with browser_door(Answers()) as seen:
        await called(seen, BRIEFLY, language="es-US")
        assert [opened.language for opened in seen.opened] == ["es-US"]


async def test_an_agent_that_says_nothing_is_waited_for_and_told() -> None:
    async def mute(call: BrowserCall) -> None:
        await run_agent(call, Agent(call))

    async with browser_door(mute) as seen:
        script = Script(steps=(MakeSound(seconds=0.1), Wait(timeout_s=0.3)))
        result, events = await called(seen, script)
    assert "no_answer" in [event.kind for event in events]
    assert result.ended_by == "caller"


async def test_the_server_hangs_up_and_says_why() -> None:
    async def over(call: BrowserCall) -> None:
        await asyncio.sleep(0.1)
        await call.close("person")

    async with browser_door(over) as seen:
        result, events = await called(seen, Script(steps=(Silence(seconds=20),)))
    assert (result.ended_by, result.reason) == ("server", "person")
    assert events[-1].data == {"by": "server", "reason": "person"}


async def test_an_abrupt_end_tells_nobody() -> None:
    async with browser_door(Answers(), patience=QUICK) as seen:
        result, _ = await called(seen, Script(steps=(Silence(seconds=0.2), HangUp(how="abrupt"))))
        assert result.ended_by == "caller"
        assert seen.over == []
        await eventually(lambda: seen.over)


@pytest.mark.parametrize(
    ("agent", "more", "why"),
    [("nobody", {}, "unknown_agent"), ("healthcare", {"origin": "https://evil.example"}, "origin")],
)
async def test_a_refusal_is_a_result(agent: str, more: dict[str, Any], why: str) -> None:
    async with browser_door(Answers()) as seen:
        result = await WebRtcCaller(seen.url, agent, **more).run(BRIEFLY)
    assert result.ended_by == "refused"
    assert why in result.error


async def test_a_full_house_is_a_result() -> None:
    async with browser_door(Answers(), cap=0) as seen:
        result, events = await called(seen, BRIEFLY)
    assert result.ended_by == "refused"
    assert "capacity" in result.error
    assert events[1].kind == "refused"


async def test_a_server_that_is_not_there_is_a_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = await WebRtcCaller(gone, "healthcare", connect_timeout_s=2).run(BRIEFLY)
    assert result.ended_by == "failed"
    assert "not reached" in result.error


async def test_a_cancelled_call_leaves_nothing_running() -> None:
    async with browser_door(Answers()) as seen:
        call = asyncio.create_task(
            WebRtcCaller(seen.url, "healthcare").run(Script(steps=(Silence(seconds=30),)))
        )
        await eventually(lambda: seen.calls)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        await eventually(lambda: seen.coordinator.calls == 0)


async def test_a_call_longer_than_allowed_is_ended() -> None:
    async with browser_door(Answers()) as seen:
        result, _ = await called(seen, Script(steps=(Silence(seconds=30),)), longest_s=0.5)
    assert (result.ended_by, result.error) == ("caller", "the call took too long")


async def test_a_telephone_takes_no_typed_words() -> None:
    async with voice_server(echo(0)) as seen:
        with pytest.raises(OperatorError, match="webrtc"):
            await seen.caller().run(Script.typing("hello"))


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(OperatorError):
        WebRtcCaller("voice.example", "healthcare")


def test_scripts_may_type() -> None:
    from voice_runtime.caller.script import StepEntry

    assert StepEntry.model_validate({"type": "hello"}).step() == TypeWords(text="hello")
    script = Script.typing("a", "b")
    assert (script.typed, script.audible, script.sentences) == (True, False, ())
    assert Script.saying("a").audible
