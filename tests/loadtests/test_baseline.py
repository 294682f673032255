"""The baseline's own parts: the caller's media clock, notes of calls, turn strategies; without a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pydantic import ValidationError

from controls.errors import OperatorError
from loadtests.baseline import call as baseline_call
from loadtests.baseline.app import LoopLag
from loadtests.baseline.call import MediaClock, Model, NotedTurn, Recogniser, _strategies
from loadtests.baseline.settings import BaselineSettings
from loadtests.baseline.system import BarePipecat
from loadtests.systems import System
from voice_runtime.caller.results import CallResult

pytestmark = pytest.mark.anyio


def made(**options: Any) -> BarePipecat:
    return BarePipecat(
        **{"name": "defaults", "suppliers": "http://127.0.0.1:9/v1", "greeting": "Hello.", **options}
    )


# -- the clock -----------------------------------------------------------------------------------------


def test_the_clock_is_at_what_was_received_when_it_was_received() -> None:
    clock = MediaClock()
    assert clock.at(0) is None
    for n in range(1, 6):
        clock.received(20, n * 20_000_000)
    assert clock.at(100_000_000) == pytest.approx(100)
    assert clock.at(107_000_000) == pytest.approx(107)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=40))
def test_packets_that_waited_do_not_make_a_server_look_quicker(late_ms: list[float]) -> None:
    clock, now = MediaClock(), 0.0
    clock.received(20, 20_000_000)
    for n, late in enumerate(late_ms, 2):
        now = max(now, n * 20 + late)  # in order, however late
        clock.received(20, round(now * 1e6))
    assert clock.at(round(now * 1e6)) == pytest.approx(now, abs=0.01)


# -- what is noted -------------------------------------------------------------------------------------


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The monotonic clock, ns."""
    time = [0]
    monkeypatch.setattr(baseline_call.time, "monotonic_ns", lambda: time[0])
    return time


async def _ignored(*_: object) -> None:
    pass


async def test_the_first_word_of_each_answer_is_noted_on_the_callers_clock(
    now: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[Frame] = []

    async def push(_: FrameProcessor, frame: Frame, direction: FrameDirection) -> None:
        passed.append(frame)

    monkeypatch.setattr(FrameProcessor, "push_frame", push)
    monkeypatch.setattr(OpenAISTTService, "process_audio_frame", _ignored)
    clock, turns = MediaClock(), list[NotedTurn]()
    stt = Recogniser(clock, api_key="none", base_url="http://127.0.0.1:9/v1")
    llm = Model(clock, turns, api_key="none", base_url="http://127.0.0.1:9/v1")
    audio = InputAudioRawFrame(audio=bytes(320), sample_rate=8000, num_channels=1)
    for n in range(1, 51):  # a second of the caller's audio
        now[0] = n * 20_000_000
        await stt.process_audio_frame(audio, FrameDirection.DOWNSTREAM)

    async def answer(stopped_ms: int, token_ms: int) -> list[Frame]:
        now[0] = stopped_ms * 1_000_000
        frames: list[Frame] = [
            VADUserStoppedSpeakingFrame(stop_secs=0.2),
            LLMFullResponseStartFrame(),
            LLMTextFrame("We "),
            LLMTextFrame("open."),
        ]
        await llm.push_frame(frames[0])
        await llm.push_frame(frames[1])
        now[0] = token_ms * 1_000_000
        await llm.push_frame(frames[2])
        now[0] += 10_000_000
        await llm.push_frame(frames[3])
        return frames

    sent = await answer(1000, 1250) + await answer(3000, 3300)
    assert [(t.said_ended_ms, t.first_token_at_ms) for t in turns] == [
        (pytest.approx(800), pytest.approx(1250)),
        (pytest.approx(2800), pytest.approx(3300)),
    ]
    assert [frame for frame in passed if frame in sent] == sent, "everything goes on"
    await stt._client.close()
    await llm._client.close()
    assert isinstance(llm, OpenAILLMService)


def test_loop_lag_is_told_since_the_last_question() -> None:
    lag = LoopLag()
    assert lag.p99_ms() is None
    for ms in range(100):
        lag.late(ms)
    assert lag.p99_ms() == 98
    lag.late(-0.5)
    assert lag.p99_ms() == 0
    assert lag.p99_ms() is None


async def test_evidence_is_read_by_call_and_half_a_line_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "calls.jsonl"
    whole = json.dumps({"call": "CA1", "turns": [[8100.5, 8600.25], [None, 9000.0]]}) + "\n"
    late = json.dumps({"call": "CA2", "turns": []}) + "\n"
    notes.write_text(whole + late[:9], encoding="utf-8")
    system = made()
    monkeypatch.setattr(BarePipecat, "_notes", notes)

    async def sleep(_: float) -> None:
        notes.write_text(whole + late, encoding="utf-8")

    monkeypatch.setattr("loadtests.baseline.system.asyncio.sleep", sleep)
    system._folder = type("Folder", (), {"cleanup": lambda _: None})()  # type: ignore[assignment]  # as if started
    answered = [CallResult(sid, answered_ns=1) for sid in ("CA1", "CA2")]
    evidence = await system.evidence([*answered, CallResult("CA3")])
    assert set(evidence) == {"CA1", "CA2"}
    assert [(t.said_ended_ms, t.first_token_at_ms) for t in evidence["CA1"].turns] == [
        (8100.5, 8600.25),
        (None, 9000.0),
    ]
    assert evidence["CA1"].completeness is None
    await system.stop()


# -- what it is made of --------------------------------------------------------------------------------


async def test_it_is_a_system_that_is_not_up() -> None:
    system: System = made(cores=(1,), engines=("model: mock",))
    assert (system.name, system.profile, system.tier, system.pid) == ("defaults", "mock", "mock", None)
    assert system.engines[0].startswith("bare pipecat 1.14")
    assert "Smart Turn v3" in system.engines[0]
    assert system.engines[1:] == ("model: mock",)
    assert (system.server_cores, dict(system.doors)) == ((1,), {})
    assert await system.loop_lag_p99_ms() is None
    assert await system.evidence([]) == {}
    await system.stop()


def test_equal_silence_waits_for_what_our_rule_has_beyond_the_vads() -> None:
    def settings(**options: Any) -> BaselineSettings:
        return BaselineSettings(**{"name": "equal_silence", "suppliers": "x", "notes": Path("n"), **options})

    assert _strategies(settings(name="defaults")) is None, "as pipecat does by itself"
    for silence_ms, beyond_s in ((200, 0.0), (500, 0.3)):
        strategies = _strategies(settings(silence_ms=silence_ms))
        assert strategies is not None
        assert strategies.stop is not None
        (stop,) = strategies.stop
        assert isinstance(stop, SpeechTimeoutUserTurnStopStrategy)
        assert stop._user_speech_timeout == pytest.approx(beyond_s)
    assert "500 ms of silence" in made(name="equal_silence", silence_ms=500).engines[0]


def test_a_silence_shorter_than_the_vads_is_refused() -> None:
    with pytest.raises(OperatorError, match="200 ms"):
        made(name="equal_silence", silence_ms=199)
    with pytest.raises(ValidationError):
        BaselineSettings(name="equal_silence", suppliers="x", notes=Path("n"), silence_ms=100)
