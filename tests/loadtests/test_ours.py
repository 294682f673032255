"""Our side of a load test, for real: servers of ours are called, and their records judged.

Each server takes seconds to come up, so there is one for each profile that has an
own way of coming about, and the offline one serves most tests.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from controls.errors import OperatorError
from controls.evidence.turns import Opened
from controls.ledger import records as r
from controls.ledger.reader import Reader
from loadtests.cores import available_cores
from loadtests.ours.completeness import completeness
from loadtests.ours.evidence_join import records_in
from loadtests.ours.profiles import Recipe, cpu_offline, mock
from loadtests.ours.system import Ours
from loadtests.resources import Sampler
from loadtests.soak import TellsTasks
from loadtests.suppliers.mocks import Delays
from loadtests.suppliers.process import suppliers
from loadtests.systems import Evidence, System, TwilioDoor, WebRtcDoor
from tests.loadtests.acted_calls import renumbered, without
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import HangUp, Interrupt, Say, Script, Step, Wait
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.caller.webrtc import WebRtcCaller

pytestmark = pytest.mark.anyio

HOURS, DOCTOR = "what are your opening hours", "can i see doctor patel on tuesday"
ANSWERS = {
    HOURS: "We are open from eight to five on weekdays. Is there anything else that I can do?",
    DOCTOR: "Doctor Patel is free on Tuesday at ten. Shall I put you down for that time?",
}
VOICE = RecordedFlite("rms")
#: Suppliers that take next to no time: fixed phrases are synthesised at every start.
QUICK = Delays(asr_ms=20, first_token_ms=20, token_ms=1, speech_ms=5, speech_speed=500)
#: Asks, interrupts the answer, hears the next one out.
INTERRUPTS = (Wait(), Say(text=HOURS, wait=False), Interrupt(text=DOCTOR, after_ms=700), HangUp())
ASKS = (Wait(), Say(text=DOCTOR), HangUp())


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def call(system: System, steps: Sequence[Step], transport: str = "twilio") -> CallResult:
    door = system.doors["twilio" if transport == "twilio" else "webrtc"]
    caller: TwilioCaller | WebRtcCaller
    if isinstance(door, TwilioDoor):
        caller = TwilioCaller(
            door.base_url, door.auth_token, door.from_number, door.to_number, voice=VOICE, longest_s=60
        )
    else:
        assert isinstance(door, WebRtcDoor)
        caller = WebRtcCaller(door.base_url, door.agent, voice=VOICE, longest_s=60)
    result = await caller.run(Script(steps=tuple(steps)))
    assert result.error == ""
    return result


def house(recipe: Recipe, **options: Any) -> Ours:
    return Ours(recipe, agent="healthcare", calls=2, **options)


@pytest.fixture(scope="module")
async def offline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ours]:
    kept = tmp_path_factory.mktemp("kept")
    system = house(cpu_offline(), server_cores=available_cores()[-1:], keep=kept)
    await system.start()
    yield system
    await system.stop()
    await system.stop()
    assert [p.name for p in kept.iterdir()]
    assert (system.pid, system.doors) == (None, {})


@pytest.fixture(scope="module")
async def interrupted(offline: Ours) -> tuple[CallResult, Evidence]:
    """A call in which an answer was cut, and what is on record of it."""
    result = await call(offline, INTERRUPTS)
    return result, (await offline.evidence([result]))[result.call_sid]


def _opened(system: Ours, result: CallResult) -> list[Opened]:
    with Reader.open(system.ledger) as reader:
        for info in reader.calls():
            opened = records_in(reader, info)
            if any(isinstance(p, r.CallDetails) and p.carrier_call == result.call_sid for _, _, p in opened):
                return opened
    raise AssertionError("the call is not on record")


# -- the process ---------------------------------------------------------------------------------------


async def test_the_server_and_all_it_started_stay_on_their_cores(offline: Ours):
    root = psutil.Process(offline.pid)
    tree = [root, *root.children(recursive=True)]
    assert len(tree) > 2  # decoders, the voice
    assert {tuple(sorted(os.sched_getaffinity(p.pid))) for p in tree} == {offline.server_cores}


async def test_starting_again_changes_nothing(offline: Ours):
    pid = offline.pid
    await offline.start()
    assert offline.pid == pid


async def test_a_server_that_does_not_come_up_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("loadtests.ours.system.HOUSES", tmp_path)
    broken = house(replace(cpu_offline(), changes={"voice": {"engines": [], "voices": {}}}))
    with pytest.raises(OperatorError, match="voice"):
        await broken.start()
    assert list(tmp_path.iterdir()) == []
    assert broken.pid is None
    await broken.stop()


async def test_a_house_that_is_not_running_has_no_records():
    system = house(cpu_offline())
    assert await system.evidence([CallResult("CA", answered_ns=1)]) == {}
    assert await system.loop_lag_p99_ms() is None
    with pytest.raises(OperatorError):
        _ = system.ledger


# -- a call and its records ----------------------------------------------------------------------------


async def test_an_interrupted_call_is_whole(interrupted: tuple[CallResult, Evidence]):
    result, evidence = interrupted
    assert evidence.completeness is not None
    assert evidence.completeness.whole, evidence.completeness
    assert evidence.completeness.recorded >= 4  # disclosure, greeting, what was cut, the answer
    assert result.clears  # it was cut


async def test_turns_stand_on_the_callers_own_samples(interrupted: tuple[CallResult, Evidence]):
    result, evidence = interrupted
    assert len(evidence.turns) == 2
    for mine, theirs in zip(result.turns, evidence.turns, strict=True):
        assert theirs.said_ended_ms is not None
        assert theirs.first_token_at_ms is not None
        assert abs(theirs.said_ended_ms - mine.last_sample / 8) < 250
        assert theirs.first_token_at_ms > mine.last_sample / 8
        assert theirs.governance_ms is not None
        assert theirs.governance_ms > 0
        assert theirs.stages is not None
        assert theirs.stages["first_audio_out"] is not None
    assert "Tuesday" in evidence.turns[1].played


async def test_altered_copies_of_its_records_are_not_whole(
    offline: Ours, interrupted: tuple[CallResult, Evidence]
):
    """Each numbered as an honest log would be, so that only the sound tells."""
    result, _ = interrupted
    opened = _opened(offline, result)
    assert completeness(result, opened).whole
    sounded = [x for _, x, _ in opened if isinstance(x, r.AgentPlayed) and x.samples]
    for played in sounded:
        gone = without(opened, played.clause, r.AgentPlayed, r.ClauseCleared)
        assert completeness(result, gone).missing, f"{played.clause} is missing and nobody saw"
        if not played.fixed:
            unsettled = completeness(result, without(opened, played.clause, r.AgentPlayed)).unsettled
            assert unsettled == (f"{played.clause}: cleared, not settled",)
    last = sounded[-1].clause
    records = [(x, p) for _, x, p in opened]
    invented = [
        (x.model_copy(update={"clause": "k_0000000000000009"}), p)
        for x, p in records
        if getattr(x, "clause", None) == last
    ]
    assert completeness(result, renumbered([*records[:-1], *invented, records[-1]])).silent


async def test_it_tells_how_many_tasks_its_event_loop_has(offline: Ours):
    assert isinstance(offline, TellsTasks)
    tasks = await offline.tasks()
    assert tasks is not None
    assert tasks > 0
    assert await house(cpu_offline()).tasks() is None, "it does not run"


async def test_a_call_in_a_browser_is_whole_and_what_it_costs_is_weighed(offline: Ours):
    await offline.loop_lag_p99_ms()
    with Sampler(offline.pid, server_cores=offline.server_cores) as sampler:
        result = await call(offline, ASKS, "webrtc")
    lag = await offline.loop_lag_p99_ms()
    evidence = (await offline.evidence([result]))[result.call_sid]
    assert evidence.completeness is not None
    assert evidence.completeness.whole, evidence.completeness
    assert len(evidence.turns) == 1
    found = sampler.resources(result.sent_samples / 8000, 1, loop_lag_p99_ms=lag)
    assert found.cpu_ms_per_call_s is not None
    assert found.cpu_ms_per_call_s > 0
    assert found.idle_mb is not None
    assert found.idle_mb > 50
    assert found.processes is not None
    assert found.processes > 2
    assert found.loop_lag_p99_ms is not None


async def test_a_call_without_any_record_is_not_whole(offline: Ours):
    stranger = CallResult("CA" + "0" * 32, answered_ns=1)
    found = await offline.evidence([stranger, CallResult("CA" + "1" * 32)])
    assert list(found) == [stranger.call_sid]
    assert found[stranger.call_sid].completeness is not None
    assert not found[stranger.call_sid].completeness.whole


# -- mock suppliers, and no controls -------------------------------------------------------------------


@pytest.mark.parametrize("controls", [True, False])
async def test_mock_suppliers_are_understood_with_controls_and_without(controls: bool, tmp_path: Path):
    spoken = [await VOICE.say(text) for text in ANSWERS]
    async with suppliers(spoken, ANSWERS, QUICK) as address:
        system = house(mock(address), controls=controls, keep=tmp_path)
        try:
            await system.start()
            result = await call(system, INTERRUPTS)
            evidence = (await system.evidence([result]))[result.call_sid]
        finally:
            await system.stop()
    assert len(evidence.turns) == 2
    assert evidence.turns[1].played == ANSWERS[DOCTOR]
    assert all(turn.first_token_at_ms is not None for turn in evidence.turns)
    (ledger,) = tmp_path.iterdir()
    with Reader.open(ledger) as reader:
        on_record = reader.calls()
    if controls:
        assert evidence.completeness is not None
        assert evidence.completeness.whole, evidence.completeness
        assert len(on_record) == 1
    else:
        assert evidence.completeness is None
        assert on_record == []
