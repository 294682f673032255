"""Every fault at every stage of a whole call: the caller gets an answer or the fixed phrase, on record.

The chains are the real ones, over real sockets; ``tests/simulators/chaos.py``
stands in front of each stage's primary. How long a caller waits is measured in
``tests/journeys/test_chaos.py``; here every deadline must end in something said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pipecat.frames.frames import InputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor

from tests.simulators.chaos import (
    BROKEN,
    FAULTS,
    HALF,
    STOPS_WITHIN,
    UNAVAILABLE,
    WELL,
    Chaos,
    Fault,
)
from tests.simulators.house import OnTheLine, on_the_line
from tests.simulators.model_server import ModelServer, RawServer, say, serving
from tests.simulators.recogniser import ScriptedRecogniser
from tests.simulators.speech_server import SpeechServer
from tests.voice_runtime.listen.fakes import FakeTurnModel, LoudIsSpeech
from voice_runtime.breaker import Breaker
from voice_runtime.call import Call
from voice_runtime.clock import SystemClock
from voice_runtime.events import CHUNK_BYTES, RATE_HZ
from voice_runtime.listen.chain import Link, RecogniserChain
from voice_runtime.listen.ear import Ear
from voice_runtime.listen.transcriptions import TranscriptionsRecogniser
from voice_runtime.ports import Hints
from voice_runtime.settings import Turn
from voice_runtime.speak.openai_speech import OpenAISpeech
from voice_runtime.speak.supplier_voice import VoiceNames
from voice_runtime.speak.voice import Engine
from voice_runtime.think.endpoints import Deadlines, Endpoint
from voice_runtime.typed import TypedCarrier

pytestmark = pytest.mark.anyio

Stage = Literal["recogniser", "model", "voice"]
STAGES: tuple[Stage, ...] = ("recogniser", "model", "voice")
#: Each engine's deadline, s: a busy machine's well-meaning server stays within it.
DEADLINE_S = 1.6
#: Many pieces, so that half of the answer holds some words; and each of them long enough for a clause.
PRIMARY = "Today we are open from eight to five, tomorrow as well, and so on."
BACKUP = "We are open all day."
LOUD, QUIET = b"\x10\x27" * (CHUNK_BYTES // 2), bytes(CHUNK_BYTES)


class SpokenCarrier(TypedCarrier):
    """A typed call whose caller speaks: what is said goes through a real ear and its chain."""

    def __init__(self, chain: RecogniserChain) -> None:
        super().__init__()
        self._chain = chain
        self._caller: Call | None = None
        self._lost = 0

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        self._caller = call

        def failed(reason: str) -> None:
            self._lost += 1
            call.ear_failed(reason)

        ear = Ear(
            self._chain, phrases_key="k", turn_model=FakeTurnModel(), turn=Turn(), patience="normal",
            urgent=lambda text: False, only_silences=lambda text: False, language="en-US",
            clock=SystemClock(), ask_after_s=60, end_after_s=90,
            on_failed=failed, vad=LoudIsSpeech, media_gap_s=60,
            on_failover=lambda reason: call.journal.control_failed("recogniser", reason),
        )  # fmt: skip
        return [*super().entry(call), ear]

    async def say(self, text: str) -> None:
        """Speak for 0.6 s, then be silent until the ear has made something of it, or nothing."""
        assert self._caller is not None
        before = (self._caller.journal.turn, self._lost)
        for _ in range(30):
            await self._chunk(LOUD)
        async with asyncio.timeout(60):
            while (self._caller.journal.turn, self._lost) == before:
                await self._chunk(QUIET)
                await asyncio.sleep(0.01)  # twice real time: the turn waits 4 s of media for its text

    async def _chunk(self, pcm: bytes) -> None:
        await self.send(InputAudioRawFrame(audio=pcm, sample_rate=RATE_HZ, num_channels=1))


@dataclass
class Chain:
    """A call one of whose stages has chaos before its primary, or before its only engine."""

    line: OnTheLine
    chaos: Chaos
    breaker: Breaker

    def failed(self) -> list[tuple[str, str]]:
        return [(record.control, record.reason) for record, _ in self.line.of("control.failed")]

    async def answer(self, text: str) -> list[str]:
        """What was played on saying ``text``."""
        before = len(self.line.played())
        await self.line.say(text)
        return self.line.played()[before:]


@asynccontextmanager
async def calling(stage: Stage, fault: Fault, *, alone: bool = False) -> AsyncIterator[Chain]:
    """A call with ``fault`` at ``stage``; ``alone``: that stage has no other engine."""
    async with AsyncExitStack() as stack:
        upstream: RawServer
        if stage == "model":
            upstream = ModelServer(plans=[say(*(f"{word} " for word in PRIMARY.split()))])
        else:
            upstream = SpeechServer(transcripts=[{"text": "when are you open"}])
        await stack.enter_async_context(serving(upstream))
        chaos = await stack.enter_async_context(serving(Chaos(upstream=upstream, fault=fault)))
        base, breaker = f"{chaos.url}/v1", Breaker("primary")
        options: dict[str, Any] = {}
        if stage == "recogniser":
            primary = TranscriptionsRecogniser(
                "primary", base_url=base, model="m", outside=False, deadline_s=DEADLINE_S
            )
            await primary.start()
            stack.push_async_callback(primary.close)
            links = [Link(primary, DEADLINE_S, breaker)]
            if not alone:
                backup = ScriptedRecogniser("backup", "when are you open")
                links.append(Link(backup, DEADLINE_S, Breaker("backup")))
            chain = RecogniserChain(links, 2 * DEADLINE_S)
            await chain.load("k", Hints("en-US"))
            options["carrier_of"] = lambda: SpokenCarrier(chain)
        elif stage == "voice":
            speech = OpenAISpeech(
                "primary", base_url=base, model="m", names=VoiceNames({"warm": "w"}), rate_hz=24_000,
                outside=False, deadline_s=DEADLINE_S,
            )  # fmt: skip
            await speech.start()
            stack.push_async_callback(speech.close)
            engine = Engine(speech, first_piece_s=DEADLINE_S, next_piece_s=DEADLINE_S, breaker=breaker)
            options["voices_of"] = lambda tone: [engine] if alone else [engine, tone]
        else:
            endpoint = Endpoint("primary", base, "m")
            options["endpoints_of"] = lambda server: (endpoint,) if alone else (endpoint, server)
        options["deadlines"] = Deadlines(DEADLINE_S, 3 * DEADLINE_S, DEADLINE_S, 10, retries=0)
        line = await stack.enter_async_context(on_the_line(say(BACKUP), **options))
        if stage == "model":
            [breaker] = [b for b in line.agent.endpoints.breakers if b.name == "primary"]
        yield Chain(line, chaos, breaker)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("stage", STAGES)
async def test_a_fault_ends_in_the_next_engine_or_the_fixed_phrase(stage: Stage, name: str) -> None:
    fault = FAULTS[name]
    async with calling(stage, fault) as chain:
        await chain.line.opened()
        answer = await chain.answer("when are you open")
        assert chain.chaos.met == [fault]
        assert chain.breaker.failures == 1
        assert {control for control, _ in chain.failed()} == {stage}
        if stage == "recogniser" or not fault.within:
            assert answer == [BACKUP]
            assert len(chain.failed()) == 1
        else:  # something of it was on its way to the caller: it is not said twice
            assert "fallback" in answer
            assert BACKUP not in answer
        if chain.line.control.transfers:  # a person has the caller now
            assert stage == "model"
            return
        chain.chaos.fault = WELL
        again = " ".join(await chain.answer("when are you open"))
        assert again == (PRIMARY if stage == "model" else BACKUP)
        assert chain.breaker.answers == 1
        await chain.line.hang_up()
        assert chain.line.closed() == ("caller", "hung_up")


@pytest.mark.parametrize("fault", [STOPS_WITHIN, HALF, UNAVAILABLE])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_stage_with_nothing_left_says_the_fixed_phrase(stage: Stage, fault: Fault) -> None:
    async with calling(stage, fault, alone=True) as chain:
        await chain.line.opened()
        assert "fallback" in await chain.answer("when are you open")
        assert {control for control, _ in chain.failed()} == {stage}
        if stage == "model":
            assert chain.line.control.transfers, "nothing answers, so the caller gets a person"
        else:
            await chain.line.hang_up()
            assert chain.line.closed() == ("caller", "hung_up")


@pytest.mark.parametrize("stage", STAGES)
async def test_latency_within_the_deadline_is_no_fault(stage: Stage) -> None:
    slow = Fault(before_s=0.1, between_s=0.1)
    async with calling(stage, slow) as chain:
        await chain.line.opened()
        answer = " ".join(await chain.answer("when are you open"))
        assert answer == (PRIMARY if stage == "model" else BACKUP)
        assert chain.failed() == []
        assert (chain.breaker.answers, chain.breaker.failures) == (1, 0)


@pytest.mark.parametrize("stage", STAGES)
async def test_who_failed_three_times_is_not_waited_for_a_fourth_time(stage: Stage) -> None:
    async with calling(stage, BROKEN) as chain:
        chain.breaker._now_s = lambda: 0.0  # however long this takes, it is not open for its 15 s
        await chain.line.opened()
        for _ in range(4):
            assert await chain.answer("when are you open") == [BACKUP]
        assert chain.chaos.met == [BROKEN] * 3
        assert len(chain.failed()) == 3
        assert chain.breaker.reading()["state"] == "open"
