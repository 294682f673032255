"""Bare pipecat is called over both transports at once and answers, in one process: what we compare with."""

from __future__ import annotations

import asyncio

import pytest

from loadtests.baseline.system import BarePipecat
from loadtests.doors import make_caller
from loadtests.results import Transport
from loadtests.suppliers import tones
from loadtests.suppliers.answers import AnswerBook
from loadtests.suppliers.process import suppliers
from voice_runtime.caller import audible
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallResult, played_at_ms, sent_at_ms
from voice_runtime.caller.script import HangUp, Say, Script, Wait

pytestmark = pytest.mark.anyio

SAID = "can i see doctor patel on tuesday"
ANSWERS = {
    "let me talk to a person": "There is nobody free. We call you back.",
    SAID: "Tuesday looks good. Would ten in the morning suit you?",
}


async def call(system: BarePipecat, via: Transport, voice: RecordedFlite) -> tuple[CallResult, Playout]:
    caller = make_caller(system.doors[via], voice=voice)
    script = Script(steps=(Wait(quiet_ms=300), Say(text=SAID, quiet_ms=300), HangUp()), voice=voice.voice)
    result = await caller.run(script)
    assert caller.playout is not None, result.error
    return result, caller.playout


@pytest.mark.parametrize("name", ["defaults", "equal_silence"])
async def test_three_calls_at_once_are_greeted_and_answered(name: str) -> None:
    voice, book = RecordedFlite("rms"), AnswerBook(ANSWERS)
    sentences = [await voice.say(text) for text in ANSWERS]
    async with suppliers(sentences, ANSWERS) as address:
        system = BarePipecat(
            "defaults" if name == "defaults" else "equal_silence", suppliers=address, greeting="Good morning."
        )
        await system.start()
        try:
            transports: tuple[Transport, ...] = ("twilio", "twilio", "webrtc")
            calls = await asyncio.gather(*(call(system, via, voice) for via in transports))
            evidence = await system.evidence([result for result, _ in calls])
            assert await system.loop_lag_p99_ms() is not None
        finally:
            await system.stop()
    assert system.pid is None
    for result, playout in calls:
        assert result.ended_by == "caller", result.error
        assert result.opening_first_ms is not None, "it greets"
        (turn,) = result.turns
        assert turn.first_audio_out_ms is not None
        start = turn.last_sample
        assert tones.identify(audible.to_pcm(playout.timeline[start:])) == book.id_for(SAID) == 2
        tokens = [t.first_token_at_ms for t in evidence[result.call_sid].turns]
        told = [at for at in tokens if at is not None and at > start / 8]
        assert told, "the answer's first token is noted on the caller's clock"
        audible_at_ms = sent_at_ms(start) + turn.first_audio_out_ms
        assert told[0] < audible_at_ms < played_at_ms(playout.now)
