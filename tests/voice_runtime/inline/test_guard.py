"""The guard: whole clauses, judged; nothing a model wrote passes as it came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.decision import Cleared
from controls.gate import Gate
from controls.gate_values import UnboundPhrase
from controls.ids import new_id
from tests.controls.rules.packs import shipped
from tests.simulators.house import DESK, DIGEST, PHRASES, on_the_line
from tests.simulators.model_server import say
from tests.simulators.pipeline import End, running
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.clock import SystemClock
from voice_runtime.events import AnswerBrokenFrame, AnswerEndFrame, ClauseFrame, SayFrame, ThinkingFrame
from voice_runtime.inline.guard import Guard
from voice_runtime.inline.journal import Journal
from voice_runtime.speak.spoken import Reader, Spoken

pytestmark = pytest.mark.anyio

RASH = "rule.health-boundaries.no-diagnosis"


@dataclass
class Guarded:
    head: End
    tail: End
    recorder: MemoryRecorder
    journal: Journal
    handoffs: list[str] = field(default_factory=list)
    failures: list[tuple[str, bool]] = field(default_factory=list)

    async def answer(self, *tokens: str, broken: bool = False) -> list[Frame]:
        """A whole answer of these tokens; what came out of the guard."""
        self.tail.frames.clear()
        await self.head.send(LLMFullResponseStartFrame())
        for token in tokens:
            await self.head.send(LLMTextFrame(token))
        if broken:
            await self.head.send(AnswerBrokenFrame())
        await self.head.send(LLMFullResponseEndFrame())
        await self.tail.until(lambda frames: any(isinstance(f, AnswerEndFrame) for f in frames))
        return list(self.tail.frames)

    async def say(self, frame: SayFrame) -> list[Frame]:
        """Something of the runtime's own; what came out by the time a marker behind it has."""
        self.tail.frames.clear()
        marker = AnswerEndFrame(turn=0)
        await self.head.send(frame)
        await self.head.send(marker)
        await self.tail.until(lambda frames: any(f is marker for f in frames))
        return [f for f in self.tail.frames if f is not marker]


def spoken(frames: list[Frame]) -> list[str]:
    """Phrase ids and words of the clauses among ``frames``."""
    return [f.cleared.phrase or f.cleared.text for f in frames if isinstance(f, ClauseFrame)]


def written(frames: list[Frame]) -> list[str]:
    """What captions show of the clauses among ``frames``."""
    return [f.written for f in frames if isinstance(f, ClauseFrame)]


@asynccontextmanager
async def guarded(lexicon: dict[str, str] | None = None) -> AsyncIterator[Guarded]:
    recorder, call = MemoryRecorder(), new_id("c")
    gate = Gate(recorder=recorder, tenant="clinic", call=call, rules=shipped(), language="en-US")
    gate.bind(DIGEST, {**{k: {"en-US": v} for k, v in PHRASES.items()}, **shipped().phrases}).result(0)
    journal = Journal(recorder, tenant="clinic", call=call, clock=SystemClock(), context=LLMContext())
    handoffs: list[str] = []
    failures: list[tuple[str, bool]] = []
    guard = Guard(
        gate, journal, language="en-US", on_handoff=handoffs.append,
        on_failed=lambda tag, said: failures.append((tag, said)), lexicon=lexicon,
        written={"goodbye": "Good-bye!"},
    )  # fmt: skip
    async with running(guard) as (head, tail):
        yield Guarded(head, tail, recorder, journal, handoffs, failures)


async def test_tokens_become_cleared_clauses() -> None:
    async with guarded() as line:
        frames = await line.answer("We open", " at nine. The", " door is blue", ".")
        assert spoken(frames) == ["We open at nine.", "The door is blue."]
        clauses = [f for f in frames if isinstance(f, ClauseFrame)]
        assert all(type(f.cleared) is Cleared for f in clauses)
        assert [f.first for f in clauses] == [True, False]
        assert [r.clause for r, _ in line.recorder.of("clause.cleared")] == [f.cleared.id for f in clauses]
        assert {c.id for c in line.journal.owed()} == {f.cleared.id for f in clauses}


async def test_a_block_ends_the_answer_and_its_safe_phrase_speaks() -> None:
    async with guarded() as line:
        frames = await line.answer("Good morning. It is probably just eczema. ", "Rub it with butter.")
        assert spoken(frames) == ["Good morning.", RASH]
        [(refused, details)] = line.recorder.of("clause.refused")
        assert (refused.verdict, details.instead) == ("block", RASH)
        assert details.text == "It is probably just eczema."
        assert line.handoffs == []
        assert spoken(await line.answer("We open at nine.")) == [
            "We open at nine."
        ]  # the next answer counts anew


async def test_no_word_of_a_model_passes_as_it_came() -> None:
    async with guarded() as line:
        frames = await line.answer("We open at nine. It is probably just eczema.")
        for raw in (TextFrame("It is eczema."), TTSSpeakFrame("It is eczema."), LLMTextFrame("eczema.")):
            await line.head.send(raw)
        frames += await line.answer("Fine.")
        assert not [f for f in frames if isinstance(f, TextFrame | TTSSpeakFrame)]
        assert not [text for text in spoken(frames) if "eczema" in text]


async def test_a_phrase_split_over_tokens_and_clauses_is_found() -> None:
    async with guarded() as line:
        frames = await line.answer(*"It is probably just eczema.")
        assert spoken(frames) == [RASH]


async def test_half_a_sentence_of_an_answer_that_broke_off_is_not_spoken() -> None:
    async with guarded() as line:
        frames = await line.answer("We open at nine. You should take them", broken=True)
        assert spoken(frames) == ["We open at nine."]


async def test_an_interruption_forgets_what_was_gathered() -> None:
    async with guarded() as line:
        await line.head.send(LLMFullResponseStartFrame())
        await line.head.send(LLMTextFrame("We open at"))
        await line.head.send(InterruptionFrame())
        await line.tail.until(lambda frames: any(isinstance(f, InterruptionFrame) for f in frames))
        assert line.journal.generation == 1
        assert spoken(await line.answer("At nine.")) == ["At nine."]
        assert [d.text for _, d in line.recorder.of("clause.cleared")] == ["At nine."]


async def test_what_the_runtime_composes_is_judged_as_well() -> None:
    async with guarded() as line:
        assert spoken(await line.say(SayFrame(text="I have 2 0 2. Is that right?"))) == [
            "I have two zero two. Is that right?"
        ]
        assert spoken(await line.say(SayFrame(text="It is probably just eczema."))) == [RASH]


async def test_a_clause_is_cleared_synthesised_and_recorded_as_spoken() -> None:
    async with guarded({"Okafor": "oh-KAY-for"}) as line:
        frames = await line.answer("**Dr. Okafor** is free at 10:30 ", "a.m. It's room 4B", ".")
        assert spoken(frames) == ["Doctor oh-kay-for is free at ten thirty AM It's room four B."]
        assert written(frames) == ["Dr. Okafor is free at 10:30 a.m. It's room 4B."]
        [(_, details)] = line.recorder.of("clause.cleared")
        assert details.text == spoken(frames)[0]


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("Your copay is $50.", "rule.payment.no-price-promise"),
        ("Your copay is fifty dollars.", "rule.payment.no-price-promise"),
        ("I'm 100% sure.", "rule.truthful-ai.no-promise-of-outcome"),
        ("I'm one hundred percent sure.", "rule.truthful-ai.no-promise-of-outcome"),
        ("It is ec<b></b>zema.", RASH),
        ("It is *ec*_zema_.", RASH),
        ("It is ec\u00adzema.", RASH),
        ("Take some Motrin.", "rule.health-boundaries.no-treatment-advice"),  # respelled below
        ("Your card is 4111-1111-1111-1111.", "rule.personal-data.no-card-read-back"),
    ],
)
async def test_no_spelling_passes_a_rule_by(said: str, rule: str) -> None:
    async with guarded({"Motrin": "mow-trin"}) as line:
        assert spoken(await line.answer(said)) == [rule]
        assert written(line.tail.frames) == [""]


async def test_what_a_rule_rewrote_is_shown_as_it_is_spoken() -> None:
    async with guarded() as line:
        frames = await line.answer("I promise the doctor will call at 10:30.")
        assert spoken(frames) == ["I expect the doctor will call at ten thirty."]
        assert written(frames) == [""]


async def test_a_clause_that_cannot_be_read_is_spoken_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Reader, text: str) -> Spoken:
        raise ZeroDivisionError

    monkeypatch.setattr(Reader, "read", broken)
    async with guarded() as line:
        assert spoken(await line.answer("At 10:30. It is probably just eczema.")) == ["At 10:30.", RASH]


async def test_markup_alone_is_no_clause() -> None:
    async with guarded() as line:
        assert spoken(await line.answer("<br>\nAt ten.")) == ["At ten."]


async def test_a_fixed_phrase_is_shown_as_written() -> None:
    async with guarded() as line:
        assert written(await line.say(SayFrame(phrase="goodbye"))) == ["Good-bye!"]
        assert written(await line.say(SayFrame(phrase="fallback"))) == [""]


async def test_fixed_phrases_keep_tag_turn_and_hardness() -> None:
    async with guarded() as line:
        asked = SayFrame(phrase="goodbye", turn=3, tag="end:agent:silence", silence_ms=240)
        asked.interruptible = False
        [clause] = await line.say(asked)
        assert isinstance(clause, ClauseFrame)
        assert (clause.cleared.phrase, clause.cleared.turn, clause.tag) == ("goodbye", 3, "end:agent:silence")
        assert (clause.interruptible, clause.silence_ms) == (False, 240)
        assert line.recorder.of("clause.cleared") == []  # release.bound cleared it


async def test_a_phrase_that_is_not_bound_does_not_pass() -> None:
    recorder, call = MemoryRecorder(), new_id("c")
    gate = Gate(recorder=recorder, tenant="clinic", call=call, rules=shipped(), language="en-US")
    gate.bind(DIGEST, {}).result(0)
    with pytest.raises(UnboundPhrase):
        gate.phrase("greeting", 0)


async def test_a_ledger_that_takes_nothing_clears_nothing() -> None:
    async with guarded() as line:
        line.recorder.refusing = True
        assert spoken(await line.answer("We open at nine. And at ten.")) == ["fallback"]
        assert line.failures == [("", True)], "and a person"


async def test_what_goes_up_passes() -> None:
    async with guarded() as line:
        await line.tail.send(ThinkingFrame(active=True, turn=1))
        await line.head.until(lambda frames: any(isinstance(f, ThinkingFrame) for f in frames))


async def test_a_verdict_of_handoff_speaks_and_fetches_a_person() -> None:
    async with on_the_line(say("You will regret this. Good bye.")) as line:
        await line.opened()
        await line.say("hello")
        assert line.played()[2:] == ["rule.abuse.no-threats", "handoff"]
        [(refused, _)] = line.of("clause.refused")
        assert refused.verdict == "handoff"
        [(requested, details)] = line.of("handoff.requested")
        assert (requested.requested_by, details.reason) == ("rule", "abuse/no-threats")
        assert line.control.transfers == [DESK]


async def test_an_emergencys_script_that_is_not_bound_is_the_general_one_and_no_apology() -> None:
    """Found with another release's pack: the caller must be told to call, not that something went wrong."""
    async with guarded() as line:
        assert spoken(await line.say(SayFrame(phrase="rule.emergency-eu.danger-to-life"))) == ["emergency"]
        [(failed, _)] = line.recorder.of("control.failed")
        assert failed.reason == "unbound_phrase"  # it tells against the controls all the same
        assert line.failures == []
