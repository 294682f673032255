"""What a carrier adds to a call: the ear that knows what was asked, and why a browser's track ran dry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.simulators.house import on_the_line
from tests.simulators.model_server import say
from tests.voice_runtime.listen.fakes import FakeRecogniser, FakeTurnModel
from voice_runtime.breaker import Breaker
from voice_runtime.carrier import Hearing, WebRtcCarrier, make_ear
from voice_runtime.clock import SystemClock
from voice_runtime.events import CHUNK_BYTES
from voice_runtime.ingress.webrtc_call import BrowserCall
from voice_runtime.ingress.webrtc_timeline import Timeline
from voice_runtime.listen.chain import Link, RecogniserChain
from voice_runtime.listen.echo import Echo
from voice_runtime.listen.expected import ANYTHING, ZIP, Expected, Wanted
from voice_runtime.settings import Turn
from voice_runtime.speak.underrun import TrackCause

pytestmark = pytest.mark.anyio


async def test_the_ear_knows_what_the_agent_asked() -> None:
    async with on_the_line(say("We do. What is your ZIP code?")) as line:
        chain = RecogniserChain([Link(FakeRecogniser(), 1.0, Breaker("fake"))], 3.0)
        hearing = Hearing(chain, FakeTurnModel(), Turn(), SystemClock())
        ear = make_ear(hearing, line.call, line.call.release, Echo(lambda active: None))
        assert ear._machine._expected() == ANYTHING
        await line.opened()
        await line.say("do you deliver")
        assert ear._machine._expected() == Expected(Wanted.NUMBER, ZIP)
        assert ear._machine._contest._asking() == ANYTHING, "it has been played"
        line.call.last_words = lambda: "We do. Shall I book it?"
        assert ear._machine._contest._asking() == Expected(Wanted.YES_NO)


@pytest.mark.parametrize(
    ("text", "reading", "counts"),
    [
        ("", "my husband can't breathe", True),
        ("can i see doctor patel", "my husband can't breathe", True),
        ("stop calling me", "my husband can't breathe", True),
        ("i have chest pain", "my husband can't breathe", False),  # it is one already
        ("", "let me talk to a person", True),
        ("yes", "let me talk to a person", False),  # a word that means something to the runtime is kept
        ("stop calling me", "let me talk to a person", False),
        ("", "stop calling me", False),
        ("", "can i see doctor patel", False),
    ],
)
async def test_another_reading_counts_for_an_emergency_and_for_a_person(
    text: str, reading: str, counts: bool
) -> None:
    async with on_the_line(say("We do.")) as line:
        chain = RecogniserChain([Link(FakeRecogniser(), 1.0, Breaker("fake"))], 3.0)
        hearing = Hearing(chain, FakeTurnModel(), Turn(), SystemClock())
        ear = make_ear(hearing, line.call, line.call.release, Echo(lambda active: None))
        assert ear._overrules(text, reading) is counts


class Browser:
    """A carrier for a browser whose track is sent by hand; what it tells the house of."""

    def __init__(self, call: Any) -> None:
        self.timeline = Timeline()
        self.told: list[TrackCause] = []
        incoming = SimpleNamespace(timeline=self.timeline, link=None, control=None)
        house = SimpleNamespace(on_track_underrun=self.told.append)
        quiet = SimpleNamespace(half_duplex=call.half_duplex, house=house)
        self.carrier = WebRtcCarrier(cast(BrowserCall, incoming), cast(Hearing, None), cast(Any, quiet))

    def runs_dry(self) -> None:
        """20 ms of speech, and three packets: two have nothing to hold."""
        self.timeline.write(bytes(CHUNK_BYTES))
        for _ in range(3):
            self.timeline.take()


async def test_a_track_that_ran_dry_tells_so_as_it_happens_and_why_as_egress_does() -> None:
    """Regression: it was counted when the call ended, without a cause, and never for admission."""
    async with on_the_line() as line:
        browser = Browser(line.call)
        assert browser.carrier.on_underrun is not None
        browser.runs_dry()
        assert browser.told == [], "nobody knows yet whether there is more to say"
        browser.carrier.on_underrun("synthesis")
        browser.runs_dry()
        assert browser.told == ["synthesis"]
        browser.runs_dry()
        assert browser.told == ["synthesis", "unknown"], "egress was in time by its own clock"
        assert browser.timeline.stats.underruns == 2


async def test_a_cause_is_of_the_samples_that_come_next_and_of_no_others() -> None:
    async with on_the_line() as line:
        browser = Browser(line.call)
        assert browser.carrier.on_underrun is not None
        browser.timeline.write(bytes(2 * CHUNK_BYTES))
        browser.carrier.on_underrun("loop")  # egress finds itself late, and the track had some left
        browser.runs_dry()
        for _ in range(2):
            browser.timeline.take()
        browser.runs_dry()
        assert browser.told == ["unknown"]
