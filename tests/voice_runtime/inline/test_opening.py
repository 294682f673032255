"""The disclosure on the line: in full or offered again, on record each time, then the greeting."""

from __future__ import annotations

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.ids import new_id
from controls.ledger.records import Evidence
from controls.opening import SENTENCE_PAUSE_MS
from tests.simulators.house import DESK, on_the_line
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.clock import SystemClock
from voice_runtime.events import SayFrame, SpokenFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.opening import Disclosure

pytestmark = pytest.mark.anyio


class Opened:
    """A disclosure with its surroundings in the test's hand."""

    def __init__(self, *, greeting: bool = True) -> None:
        self.recorder = MemoryRecorder()
        self.said: list[SayFrame] = []
        self.persons: list[tuple[str, str]] = []
        self.cuts = 0
        journal = Journal(
            self.recorder, tenant="clinic", call=new_id("c"), clock=SystemClock(), context=LLMContext()
        )
        self.disclosure = Disclosure(
            journal, self._say, self._cut, lambda by, why: self.persons.append((by, why)),
            language="en-US", greeting=greeting,
        )  # fmt: skip

    async def _say(self, frame: SayFrame) -> None:
        self.said.append(frame)

    async def _cut(self) -> None:
        self.cuts += 1

    async def played(self, ms: int, of_ms: int = 5000) -> None:
        """The newest phrase has been played as far as ``ms``."""
        frame = SpokenFrame(
            tag=self.said[-1].tag, clause="k", phrase=self.said[-1].phrase, turn=0, full=ms == of_ms,
            played_ms=ms, of_ms=of_ms, text="", started_s=0.5, evidence=Evidence.CARRIER_MARK,
        )  # fmt: skip
        await self.disclosure.spoken(frame)

    @property
    def phrases(self) -> list[str]:
        return [frame.phrase for frame in self.said]


async def test_played_in_full_it_is_followed_by_the_greeting() -> None:
    opened = Opened()
    await opened.disclosure.begin()
    assert opened.phrases == ["disclosure"]
    assert not opened.said[0].interruptible
    before = opened.disclosure.finished
    await opened.played(5000)
    assert (before, opened.disclosure.finished) == (False, True)
    assert opened.phrases == ["disclosure", "greeting"]
    assert opened.said[1].interruptible
    assert [frame.silence_ms for frame in opened.said] == [SENTENCE_PAUSE_MS, 0]
    [(record, _)] = opened.recorder.of("disclosure.played")
    assert (record.in_full, record.attempt, record.at_ms) == (True, 1, 500)
    assert record.evidence is Evidence.CARRIER_MARK


async def test_without_a_greeting_nothing_follows() -> None:
    opened = Opened(greeting=False)
    await opened.disclosure.begin()
    await opened.played(5000)
    assert opened.phrases == ["disclosure"]
    assert opened.said[0].silence_ms == 0


async def test_what_was_not_played_in_full_is_offered_again_and_at_last_a_person_is_fetched() -> None:
    opened = Opened()
    await opened.disclosure.begin()
    for _ in range(3):
        await opened.played(1200)
    assert opened.phrases == ["disclosure"] * 3
    assert [r.attempt for r, _ in opened.recorder.of("disclosure.played")] == [1, 2, 3]
    [(failed, _)] = opened.recorder.of("control.failed")
    assert (failed.control, failed.reason) == ("disclosure", "exhausted")
    assert opened.persons == [("failure", "the disclosure could not be played")]
    assert not opened.disclosure.finished


@pytest.mark.parametrize("wanted", ["emergency", "person", "key_0", "opt_out"])
async def test_what_acts_at_once_cuts_it_and_its_account_is_still_given(wanted: str) -> None:
    opened = Opened()
    await opened.disclosure.begin()
    await opened.disclosure.asked(wanted)  # type: ignore[arg-type]
    assert opened.cuts == 1
    assert opened.disclosure.over
    await opened.played(700)
    assert opened.phrases == ["disclosure"]
    [(record, _)] = opened.recorder.of("disclosure.played")
    assert (record.in_full, record.played_ms) == (False, 700)


async def test_after_it_asking_cuts_nothing() -> None:
    opened = Opened()
    await opened.disclosure.begin()
    await opened.played(5000)
    await opened.disclosure.asked("person")
    assert opened.cuts == 0


async def test_with_nobody_there_it_is_begun_again() -> None:
    opened = Opened()
    await opened.disclosure.begin()
    await opened.disclosure.asked("person")
    await opened.played(700)
    await opened.disclosure.back()
    assert opened.phrases == ["disclosure", "disclosure"]


async def test_beginning_twice_says_it_once() -> None:
    opened = Opened()
    await opened.disclosure.begin()
    await opened.disclosure.begin()
    assert opened.phrases == ["disclosure"]


async def test_a_disclosure_that_cannot_be_played_means_a_person() -> None:
    async with on_the_line() as line:
        line.recorder.delayed = line.recorder.failing = False
        line.voice.failing = True
        line.agent.phrases._speech.clear()  # as if nothing had been synthesised when the server started
        line.start()
        await line.settled()
        assert [r.in_full for r, _ in line.of("disclosure.played")] == [False] * 3
        assert line.control.transfers == [DESK]
