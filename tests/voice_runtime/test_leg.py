"""One leg of a real call: what its pipeline is made with, and how far it speaks ahead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulators.house import on_the_line
from tests.simulators.model_server import say
from voice_runtime import leg as under_test
from voice_runtime.budget import ANNOUNCED_MS, LEAD_MS, MESSAGE_MS
from voice_runtime.carrier import TwilioCarrier, WebRtcCarrier
from voice_runtime.events import CHUNK_MS
from voice_runtime.speak import egress
from voice_runtime.speak.egress import Egress

pytestmark = pytest.mark.anyio


async def test_no_observer_is_on_the_hot_path() -> None:
    """pipecat's own (RTVI, turn tracking, idle time-out) would be told of every frame of every call."""
    async with on_the_line(say("We open at nine.")) as line:
        await line.opened()
        await line.say("when do you open")
        leg = line.call._leg
        assert leg is not None
        observer = leg.worker._observer
        assert observer._observers == []
        assert observer._proxies == {}, "set up, and nobody was added meanwhile"
        assert leg.worker.turn_tracking_observer is None
        assert leg.worker.turn_trace_observer is None


async def test_egress_speaks_further_ahead_while_a_collection_is_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What ``garbage`` raises reaches the egress of each call on the line, and goes back with it."""
    made: list[dict[str, Any]] = []

    class Noted(Egress):
        def __init__(self, *args: Any, **options: Any) -> None:
            made.append(options)
            super().__init__(*args, **options)

    monkeypatch.setattr(under_test, "Egress", Noted)
    async with on_the_line() as line:
        line.carrier.lead_ms = LEAD_MS
        await line.opened()
        [options] = made
        ahead = line.call.house.ahead
        assert options["lead_ms"]() == LEAD_MS
        ahead.ms = ANNOUNCED_MS
        assert options["lead_ms"]() == LEAD_MS + ANNOUNCED_MS
        ahead.ms = 0
        assert options["lead_ms"]() == LEAD_MS


def test_the_budget_is_what_carriers_and_egress_keep() -> None:
    assert TwilioCarrier.lead_ms == WebRtcCarrier.lead_ms == LEAD_MS
    assert egress._MOST_AT_ONCE * CHUNK_MS == MESSAGE_MS


async def test_the_carrier_and_the_house_are_told_why_speech_comes_late() -> None:
    told: list[tuple[str, str]] = []
    async with on_the_line() as line:
        line.carrier.on_underrun = lambda cause: told.append(("carrier", cause))
        await line.opened()
        leg = line.call._leg
        assert leg is not None
        leg._underrun("record")
        line.carrier.on_underrun = None
        leg._underrun("loop")
    assert told == [("carrier", "record")], "this house does not ask"
