"""Played, complete: whatever happens to a call, its record says what was said, cleared and played.

``tests/simulators/whole.py`` is the checker; here is what it is held against.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import Frame, InterruptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.ledger import records as r
from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import DIE, STALL, refuse, say
from tests.simulators.whole import Entry, problems
from tests.voice_runtime.test_call import MOMENTS, Moment
from voice_runtime.agent import Tool
from voice_runtime.call import Call
from voice_runtime.events import CallerSaidFrame, PauseSpeechFrame, ResumeSpeechFrame
from voice_runtime.ports import Speech
from voice_runtime.speak.voice import Engine
from voice_runtime.typed import TypedCarrier

pytestmark = pytest.mark.anyio

LONG = "We open at nine in the morning, every day but Sunday. Come when you like. Bring nothing at all."


def tools(base: str) -> tuple[Tool, ...]:
    return (booking(base),)


def on_record(line: OnTheLine) -> list[Entry]:
    """The call's records, as the log holds them once the spool has been taken up."""
    late = [(x.model_copy(update={"recovered": True}), p) for x, p in line.spool.entries]
    return [*line.recorder.records, *late]


def conversation(line: OnTheLine) -> list[tuple[str, str]]:
    """What the model was told last: roles and words, without the prompt."""
    messages = line.model.requests[-1].json["messages"]
    return [(m["role"], m["content"]) for m in messages if m["role"] != "system"]


# --- interruptions ---------------------------------------------------------------------------------

Barge = tuple[int, str]


async def _converse(barges: list[Barge]) -> None:
    said = []
    async with on_the_line(*[say(LONG) for _ in range(2 * len(barges))]) as line:
        await line.opened()
        for number, (after_ms, how) in enumerate(barges):
            said.append(f"when do you open {number}")
            line.carrier.freeze(after_ms)
            await line.carrier.say(said[-1])
            if await line.carrier.frozen():
                said += await _barge_in(line, how, f"never mind {number}", said[-1])
        await line.hang_up()
        assert not problems(line.recorder.records, said)


async def _barge_in(line: OnTheLine, how: str, words: str, question: str) -> list[str]:
    """Interrupt what is being said, and look at what the model is told of it. Returns what was said."""
    if how in ("cut", "resumed"):
        await line.carrier.send(PauseSpeechFrame(at_s=0.0))
        await line.carrier.send(InterruptionFrame() if how == "cut" else ResumeSpeechFrame())
        if how == "resumed":
            line.carrier._let_go()
        await line.settled()
        return []
    if how == "stop":
        await line.say("stop")
        return ["stop"]
    await line.say(words)
    before = line.call.journal.turn - 1
    played = [p.played_text for x, p in line.of("agent.played") if x.turn == before]
    answer = " ".join(text for text in played if text)
    told = conversation(line)
    assert told[-1] == ("user", words)
    assert told[-2] == (("assistant", answer) if answer else ("user", question))
    return [words]


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6000), st.sampled_from(["words", "stop", "cut", "resumed"])),
        min_size=1,
        max_size=4,
    )
)
def test_wherever_the_agent_is_cut_record_and_context_hold_what_was_played(barges: list[Barge]) -> None:
    asyncio.run(_converse(barges))


async def test_typed_words_come_behind_the_words_they_cut() -> None:
    """The model was shown the caller's new words first, and what had been played before them after it."""
    async with on_the_line(say(LONG), say("Yes.")) as line:
        await line.opened()
        line.carrier.freeze(1400)
        await line.carrier.say("when do you open")
        assert await line.carrier.frozen()
        await line.say("and on monday")
        [cut] = [p.played_text for x, p in line.of("agent.played") if x.interrupted and x.samples]
        assert conversation(line)[-3:] == [
            ("user", "when do you open"),
            ("assistant", cut),
            ("user", "and on monday"),
        ]


# --- everything else that happens to calls ----------------------------------------------------------


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: m.__name__.strip("_"))
async def test_hanging_up_in_the_middle_of_anything(moment: Moment) -> None:
    async with on_the_line(say("Yes."), tools=tools) as line:
        await moment(line)
        await line.hang_up()
        assert not problems(on_record(line))


async def _a_model_that_fails(line: OnTheLine) -> None:
    line.model.plans = [refuse(500)]
    await line.opened()
    await line.say("when do you open")


async def _an_answer_that_breaks_off(line: OnTheLine) -> None:
    line.model.plans = [[*say("We open at nine. And")[:-3], DIE]]
    await line.opened()
    await line.say("when do you open")


async def _a_voice_that_fails(line: OnTheLine) -> None:
    line.model.plans = [say("We open at nine.")]
    await line.opened()
    line.voice.failing = True
    await line.say("when do you open")


async def _a_recogniser_that_fails(line: OnTheLine) -> None:
    await line.opened()
    line.call.ear_failed("crash")
    await line.settled()


async def _a_clause_that_is_refused(line: OnTheLine) -> None:
    line.model.plans = [say("It is probably just eczema. Do not worry.")]
    await line.opened()
    await line.say("is my rash serious")


async def _a_turn_that_is_withdrawn(line: OnTheLine) -> None:
    line.model.plans = [[STALL], say("At nine.")]
    await line.opened()
    await line.carrier.say("when do you open")
    await line.model.wait_for_request()
    await line.carrier.send(InterruptionFrame())
    await line.say("on monday i mean")


async def _a_ledger_that_fails(line: OnTheLine) -> None:
    line.model.plans = [say("We open at nine.")]
    await line.opened()
    line.recorder.failing = True
    await line.say("when do you open")


async def _a_ledger_that_fails_for_a_while(line: OnTheLine) -> None:
    await _a_ledger_that_fails(line)
    line.recorder.failing = False
    await line.say("are you there")


async def _a_ledger_that_is_closed_for_a_while(line: OnTheLine) -> None:
    line.model.plans = [say("We open at nine.")]
    await line.opened()
    line.recorder.refusing = True
    await line.say("when do you open")
    line.recorder.refusing = False


async def _a_receipt_past_its_deadline(line: OnTheLine) -> None:
    line.model.plans = [say("We open at nine.")]
    await line.opened()
    line.recorder.delayed = True
    await line.say("when do you open")
    line.recorder.delayed = False
    line.recorder.commit()


async def _an_emergency_while_the_agent_speaks(line: OnTheLine) -> None:
    line.model.plans = [say(LONG)]
    await line.opened()
    line.carrier.freeze(400)
    await line.carrier.say("when do you open")
    assert await line.carrier.frozen()
    await line.say("i have chest pain")


async def _key_zero_while_the_agent_speaks(line: OnTheLine) -> None:
    line.model.plans = [say(LONG)]
    await line.opened()
    line.carrier.freeze(400)
    await line.carrier.say("when do you open")
    assert await line.carrier.frozen()
    await line.press("0")


async def _words_over_the_disclosure(line: OnTheLine) -> None:
    line.model.plans = [say("At nine.")]
    line.carrier.freeze(300)
    line.start()
    assert await line.carrier.frozen()
    await line.carrier.say("when do you open")
    await line.say("on monday")


async def _words_while_being_connected(line: OnTheLine) -> None:
    await line.opened()
    line.carrier.freeze(100)
    await line.carrier.say("let me talk to a person")
    assert await line.carrier.frozen()
    await line.say("when do you open")


async def _silence(line: OnTheLine) -> None:
    await line.opened()
    await line.carrier.stay_silent(40)


async def _a_server_that_stops(line: OnTheLine) -> None:
    await line.opened()
    line.call.drain()
    await line.ended()


Situation = Callable[[OnTheLine], Awaitable[None]]
SITUATIONS: list[Situation] = [
    _a_model_that_fails, _an_answer_that_breaks_off, _a_voice_that_fails, _a_recogniser_that_fails,
    _a_clause_that_is_refused, _a_turn_that_is_withdrawn, _a_ledger_that_fails,
    _a_ledger_that_fails_for_a_while, _a_ledger_that_is_closed_for_a_while, _a_receipt_past_its_deadline,
    _an_emergency_while_the_agent_speaks, _key_zero_while_the_agent_speaks, _words_over_the_disclosure,
    _words_while_being_connected, _silence, _a_server_that_stops,
]  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.__name__.strip("_"))
async def test_the_record_is_complete_after(situation: Situation) -> None:
    async with on_the_line(deadline_s=0.1) as line:
        await situation(line)
        said = [p.text for x, p in on_record(line) if isinstance(x, r.CallerSaid)]
        if line.carrier.over:
            await line.ended()
        else:
            await line.hang_up()
        if line.call.person.transferring:
            await line.call.transferred()
        assert not problems(on_record(line), said)


class _Ear(FrameProcessor):
    """An ear that has recognised the caller's last words only when told that they are gone."""

    def __init__(self, words: str) -> None:
        super().__init__(name="ear")
        self._words = words

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    async def last_words(self, patience_s: float) -> None:
        now = time.monotonic_ns()
        await self.push_frame(CallerSaidFrame(self._words, 0.9, 1.0, 2.0, now, now, now, "test"))


class _Listening(TypedCarrier):
    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        return [*super().entry(call), _Ear("and on monday")]


async def test_words_recognised_as_the_caller_hung_up_are_on_record() -> None:
    """Who hung up right behind a sentence had said nothing."""
    async with on_the_line(say(LONG), carrier_of=_Listening) as line:
        await line.opened()
        line.carrier.freeze(400)
        await line.carrier.say("when do you open")
        assert await line.carrier.frozen()
        await line.hang_up()
        assert not problems(on_record(line), ["when do you open", "and on monday"])


class _Halting:
    """Implements ``ports.Synthesiser``: one piece of a clause, and the rest when the test says so."""

    name = "halting"

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        yield Speech(b"\x10\x00" * 1600)
        self.began.set()
        await self.goes_on.wait()
        yield Speech(b"\x10\x00" * 1600)


@pytest.mark.parametrize("how", ["interrupted", "hung up", "went on"])
async def test_a_clause_cut_while_it_is_synthesised_was_said_to_have_been_played_in_full(how: str) -> None:
    """All that existed of it had been played; the rest never came to exist."""
    voice = _Halting()
    engine = Engine(voice, first_piece_s=60.0, next_piece_s=60.0)
    async with on_the_line(say(LONG), say("Yes."), voices_of=lambda tone: (engine,)) as line:
        await line.opened()
        await line.carrier.say("when do you open")
        async with asyncio.timeout(30):
            await voice.began.wait()
        if how == "interrupted":
            await line.carrier.send(InterruptionFrame())
            await line.settled()
        elif how == "went on":
            voice.goes_on.set()
            await line.settled()
        await line.hang_up()
        assert not problems(line.recorder.records, ["when do you open"])
        first = next(x for x, _ in line.of("agent.played") if x.turn == 1)
        assert first.interrupted is (how != "went on")
        assert first.samples <= first.of_samples


async def test_a_transfer_that_comes_back_leaves_one_whole_record_over_two_legs() -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say("let me talk to a person")
        await line.hang_up()
        again = line.carrier = TypedCarrier()
        again.clock = line.call.house.clock  # type: ignore[assignment]  # it is the first carrier's
        line.start(came_back="busy")
        await line.settled()
        await line.say("no", "when do you open")
        await line.hang_up()
        assert not problems(on_record(line), ["let me talk to a person", "no", "when do you open"])
