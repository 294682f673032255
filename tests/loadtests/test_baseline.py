"""The baseline's own parts: the caller's media clock, notes of calls, turn strategies; without a call."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy, TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pydantic import ValidationError

from controls.errors import ConfigurationError, OperatorError
from loadtests.baseline import call as baseline_call
from loadtests.baseline.app import create_app
from loadtests.baseline.call import MediaClock, Model, NotedTurn, Recogniser, _strategies
from loadtests.baseline.settings import BaselineSettings
from loadtests.baseline.silence import shortest_wait_ms
from loadtests.baseline.system import BarePipecat
from loadtests.lateness import LoopLag
from loadtests.ours.profiles import Recipe, cpu_offline, mock
from loadtests.ours.system import furnish
from loadtests.systems import System
from voice_runtime.agent_file import AgentFile
from voice_runtime.caller.results import CallResult
from voice_runtime.events import CHUNK_MS
from voice_runtime.listen.patience import policy_of
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import EndOfTurn, TurnPolicy
from voice_runtime.settings import load_profile
from voice_runtime.yaml_file import load_model

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


async def test_it_tells_how_late_its_event_loop_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lags: list[LoopLag] = []

    def probe(every_ms: int, *, each: bool) -> LoopLag:
        lags.append(LoopLag(every_ms, each=each, now_ns=lambda: now[0]))
        return lags[0]

    now = [0]
    monkeypatch.setattr("loadtests.baseline.app.LoopLag", probe)
    app = create_app(BaselineSettings(name="defaults", suppliers="x", notes=tmp_path / "notes"))
    (lag,) = lags
    lag.begin()
    now[0] = 57_000_000
    lag.woken()  # a timer of 50 ms
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://baseline", verify=False) as client:
        assert (await client.get("/loop-lag")).json() == {"p99_ms": pytest.approx(7, abs=0.11)}
        assert (await client.get("/loop-lag")).json() == {"p99_ms": None}, "since the last question"


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
    assert system.engines[1].startswith("recogniser, model and voice: outside its process")
    assert system.engines[2:] == ("model: mock",)
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
    line = made(name="equal_silence", silence_ms=500).engines[0]
    assert "fixed silence of 500 ms, which is our shortest wait (ours waits longer" in line


def test_a_silence_shorter_than_the_vads_is_refused() -> None:
    with pytest.raises(OperatorError, match="200 ms"):
        made(name="equal_silence", silence_ms=199)
    with pytest.raises(ValidationError):
        BaselineSettings(name="equal_silence", suppliers="x", notes=Path("n"), silence_ms=100)


# -- how long it waits ---------------------------------------------------------------------------------

SLOWER = {"vad_stop_ms": 240}
STEADIER = {
    "patience": {
        name: {"complete_wait_ms": 320, "unsure_wait_ms": 500, "incomplete_wait_ms": 900}
        for name in ("quick", "normal", "unhurried")
    }
}


def served_policy(recipe: Recipe, agent: str, folder: Path) -> TurnPolicy:
    """What our server's ear goes by: of the very files that a house is made with."""
    path = furnish(folder, recipe, agent, calls=1)
    called = load_model(AgentFile, folder / "agents" / agent / "agent.yaml", folder)
    return policy_of(load_profile(path).turn, called.conversation.patience)


def silence_before_the_end(policy: TurnPolicy) -> int:
    """After a complete question whose text is known at once, ms."""
    machine = TurnMachine(policy, "en-US", lambda text: False)
    for _ in range(600 // CHUNK_MS):
        machine.chunk(speech=True)
    machine.partial("when are you open")
    waited, asked = 0, False
    while waited < 2000:
        waited += CHUNK_MS
        out = machine.chunk(speech=False)
        if out and not asked:
            asked, out = True, machine.final(1, "when are you open")
        if any(isinstance(one, EndOfTurn) for one in out):
            break
    return waited


@pytest.mark.parametrize("agent", ["healthcare", "salon"])
@pytest.mark.parametrize("turn", [{}, SLOWER, STEADIER, SLOWER | STEADIER])
def test_equal_silence_is_the_shortest_wait_of_the_server_it_is_compared_with(
    agent: str, turn: dict[str, Any], tmp_path: Path
) -> None:
    plain = mock("http://127.0.0.1:9/v1")
    recipe = replace(plain, changes={**plain.changes, "turn": turn})
    told = shortest_wait_ms(recipe, agent)
    assert told == silence_before_the_end(served_policy(recipe, agent, tmp_path))
    assert told == max(turn.get("vad_stop_ms", 200), 320 if "patience" in turn else 200)
    made(name="equal_silence", silence_ms=told)


def test_every_recipe_of_ours_waits_as_its_profile_says() -> None:
    assert shortest_wait_ms(cpu_offline(), "healthcare") == shortest_wait_ms(mock("x"), "healthcare")


def test_an_agent_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        shortest_wait_ms(cpu_offline(), "nobody")


def test_its_defaults_are_those_of_the_installed_pipecat() -> None:
    """What ``baseline.call`` says of them: a new pipecat that means something else fails here."""
    vad = VADParams()
    assert (vad.confidence, vad.start_secs, vad.stop_secs, vad.min_volume) == (0.7, 0.2, 0.2, 0.6)
    smart = SmartTurnParams()
    assert (smart.stop_secs, smart.pre_speech_ms, smart.max_duration_secs) == (3, 500, 8)
    aggregator = LLMUserAggregatorParams()
    assert aggregator.user_turn_strategies is None, "then UserTurnStrategies() is taken"
    assert aggregator.user_turn_stop_timeout == 5.0
    strategies = UserTurnStrategies()
    assert strategies.start is not None
    assert strategies.stop is not None
    assert [type(one) for one in strategies.start] == [
        VADUserTurnStartStrategy,
        TranscriptionUserTurnStartStrategy,
    ]
    (stop,) = strategies.stop
    assert isinstance(stop, TurnAnalyzerUserTurnStopStrategy)
    assert isinstance(stop._turn_analyzer, LocalSmartTurnAnalyzerV3)
    assert issubclass(OpenAISTTService, SegmentedSTTService), (
        "its transcripts are final: no p99 is waited for"
    )
