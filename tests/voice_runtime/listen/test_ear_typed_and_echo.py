"""The ear's other inputs: words that were typed, and the agent's own voice coming back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipecat.frames.frames import InterruptionFrame

from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from tests.voice_runtime.listen.fakes import settle
from voice_runtime.events import CallerSaidFrame, ThinkingFrame, TypedWordsFrame
from voice_runtime.listen.patience import policy_of
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import EndOfTurn, Floor, Pause, Resume, TurnPolicy
from voice_runtime.ports import Recognition
from voice_runtime.settings import Turn

pytestmark = pytest.mark.anyio


class FakeEcho:
    """Implements ``ports.EchoComparison``: what it takes for echo is in the test's hand."""

    def __init__(self) -> None:
        self.suppresses = False
        self.all_echo: Callable[[int, int], bool] = lambda first, last: False
        self.asked: list[tuple[int, int]] = []
        self.clears: list[int] = []

    def hear(self, chunk: bytes, at_ns: int, speech: bool) -> bool:
        return speech and not self.suppresses

    def explains(self, first_ms: int, last_ms: int) -> bool:
        self.asked.append((first_ms, last_ms))
        return self.all_echo(first_ms, last_ms)

    def cleared(self, at_ns: int) -> None:
        self.clears.append(at_ns)


# -- typed words ---------------------------------------------------------------------------------------


async def test_typed_words_are_a_turn() -> None:
    async with staged() as stage:
        await stage.line((QUIET, 500))
        await stage.head.send(TypedWordsFrame("when are you open"))
        await settle()
        [said] = stage.said
        assert (said.text, said.engine, said.confidence) == ("when are you open", "typed", 1.0)
        assert said.t0_ns == said.ended_ns == said.recognised_ns == stage.clock.now_ns
        assert (said.started_s, said.during_agent, said.urgent) == (0.5, False, False)
        assert not stage.recogniser.utterances


@pytest.mark.parametrize("busy", ["speaking", "thinking"])
async def test_typed_words_interrupt_who_speaks_or_thinks(busy: str) -> None:
    echo = FakeEcho()
    async with staged(echo=echo) as stage:
        if busy == "speaking":
            await stage.agent(True)
        else:
            await stage.tail.send(ThinkingFrame(active=True, turn=1))
            await settle()
        await stage.head.send(TypedWordsFrame("stop"))
        await settle()
        assert [type(f) for f in stage.ours] == [InterruptionFrame, CallerSaidFrame]
        assert stage.said[0].urgent
        assert echo.clears == [stage.clock.now_ns]


async def test_typed_words_wait_for_speech_that_does_not_yield() -> None:
    async with staged() as stage:
        await stage.agent(True, yields=False)
        await stage.head.send(TypedWordsFrame("when are you open"))
        await settle()
        assert stage.names() == ["CallerSaid"]


async def test_what_was_being_said_is_dropped_for_what_was_typed() -> None:
    async with staged() as stage:
        stage.recogniser.hears = Recognition("half a sentence", 0.9)
        await stage.line((LOUD, 800))
        await stage.head.send(TypedWordsFrame("at ten"))
        await settle()
        await stage.line((QUIET, 2000))
        assert [f.text for f in stage.said] == ["at ten"]
        assert stage.failed == []
        assert stage.recogniser.utterances[0].cancelled


async def test_typing_breaks_the_silence() -> None:
    async with staged() as stage:
        await stage.line((QUIET, 7900))
        await stage.head.send(TypedWordsFrame("wait"))
        await settle()
        await stage.line((QUIET, 7900))
        assert "CallerSilent" not in stage.names()


# -- echo ----------------------------------------------------------------------------------------------


async def test_what_is_known_as_echo_is_no_speech() -> None:
    echo = FakeEcho()
    echo.suppresses = True
    async with staged(echo=echo) as stage:
        await stage.agent(True)
        await stage.line((LOUD, 2000), (QUIET, 1000))
        assert stage.ours == []
        assert not stage.recogniser.utterances


async def test_an_interruption_that_turns_out_to_be_echo_is_taken_back() -> None:
    echo = FakeEcho()
    echo.all_echo = lambda first, last: True
    async with staged(echo=echo) as stage:
        await stage.agent(True)
        stage.recogniser.hears = Recognition("monday to thursday from eight", 0.9)
        await stage.line((LOUD, 1500), (QUIET, 1500))
        names = stage.names()
        assert "Interruption" not in names
        assert "CallerSaid" not in names
        assert names.count("PauseSpeech") == names.count("ResumeSpeech") >= 1
        assert stage.failed == []


async def test_echo_of_an_agent_that_went_on_already_lifts_no_pause() -> None:
    """A second "resume" would also lift the pause of a lost line."""
    echo = FakeEcho()
    echo.all_echo = lambda first, last: True
    async with staged(echo=echo) as stage:
        await stage.agent(True)
        stage.recogniser.hears = Recognition("monday", 0.9)
        await stage.line((LOUD, 300), (QUIET, 600))
        assert [n for n in stage.names() if n.endswith("Speech")] == ["PauseSpeech", "ResumeSpeech"]


async def test_echo_heard_while_the_agent_thinks_lifts_no_pause() -> None:
    echo = FakeEcho()
    echo.all_echo = lambda first, last: True
    async with staged(echo=echo) as stage:
        await stage.tail.send(ThinkingFrame(active=True, turn=1))
        await stage.say("monday to thursday from eight")
        assert set(stage.names()) == {"CallerStarted"}


async def test_a_turn_that_was_nothing_but_echo_is_nobodys() -> None:
    echo = FakeEcho()
    echo.all_echo = lambda first, last: True
    async with staged(echo=echo) as stage:
        await stage.say("how can i help you")
        assert stage.said == []
        assert stage.failed == []
        [asked] = echo.asked
        assert asked == (0, 600)


async def test_words_that_were_echo_after_all_are_nobodys_though_they_cut_the_agent() -> None:
    echo = FakeEcho()
    async with staged(echo=echo) as stage:
        await stage.agent(True)
        stage.recogniser.hears = Recognition("monday to thursday from eight", 0.9)
        await stage.line((LOUD, 1500))
        assert stage.names().count("Interruption") == 1
        echo.all_echo = lambda first, last: True
        await stage.line((QUIET, 1500))
        assert stage.said == []
        assert stage.failed == ["misheard"], "the agent must not stay silent"


async def test_a_caller_over_the_echo_interrupts() -> None:
    echo = FakeEcho()
    async with staged(echo=echo) as stage:
        await stage.agent(True)
        await stage.say("let me talk to somebody else now", ms=1500)
        names = stage.names()
        assert names.count("Interruption") == 1
        assert "CallerSaid" in names
        assert len(echo.clears) == 2, "paused, and cut"
        await stage.agent(False)
        assert len(echo.clears) == 3, "whoever cut it: what did not sound cannot come back"


def test_a_dropped_turn_ends_once_and_gives_the_floor_back() -> None:
    machine = TurnMachine(TurnPolicy(), "en-US", lambda text: False)
    machine.floor(Floor.SPEAKING)
    out = [output for _ in range(20) for output in machine.chunk(True)]
    assert any(isinstance(output, Pause) for output in out)
    dropped = machine.drop()
    assert [type(output) for output in dropped] == [Resume, EndOfTurn]
    assert isinstance(dropped[-1], EndOfTurn)
    assert not dropped[-1].said
    assert not machine.open
    assert machine.drop() == []


def test_a_turn_waits_for_its_text_as_long_as_recognition_may_take() -> None:
    """Past 4 s the turn was closed as misheard, whatever ``recogniser.deadline_s`` said."""
    assert policy_of(Turn(), "normal").text_ms == TurnPolicy().text_ms
    assert policy_of(Turn(), "normal", recognition_s=3.0).text_ms == TurnPolicy().text_ms
    assert policy_of(Turn(), "normal", recognition_s=6.0).text_ms == 6500
