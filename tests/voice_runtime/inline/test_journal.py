"""The journal: records as things happen, the context as it was played, nothing lost when the ledger fails."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.decision import _MINT, Cleared, PendingReceipt, Receipt
from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from tests.simulators.house import FakeSpool
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.clock import SystemClock
from voice_runtime.events import CallerSaidFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.ports import PlayedClause

pytestmark = pytest.mark.anyio

CALL = new_id("c")


def make(recorder: MemoryRecorder, spool: FakeSpool | None = None) -> tuple[Journal, LLMContext]:
    context = LLMContext()
    clock = SystemClock()
    return Journal(recorder, tenant="clinic", call=CALL, clock=clock, context=context, spool=spool), context


def said(text: str, t0_ns: int = 1_000_000) -> CallerSaidFrame:
    return CallerSaidFrame(
        text=text, confidence=1.4, started_s=1, ended_s=2, t0_ns=t0_ns, ended_ns=t0_ns + 200_000_000,
        recognised_ns=t0_ns + 300_000_000, engine="test",
    )  # fmt: skip


def cleared(text: str, turn: int = 1, phrase: str = "", receipt: PendingReceipt | None = None) -> Cleared:
    if receipt is None:
        receipt = Future()
        receipt.set_result(Receipt("o", 1, "clause.cleared", 5))
    return Cleared(
        mint=_MINT, call=CALL, turn=turn, id=new_id("k"), text=text, language="en-US", receipt=receipt,
        phrase=phrase,
    )  # fmt: skip


def played(text: str, at_ns: int = 0, full: bool = True) -> PlayedClause:
    return PlayedClause(800, 800 if full else 1600, text, not full, r.Evidence.CARRIER_MARK, at_ns, 1.0)


def words(context: LLMContext) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in context.get_messages()]  # type: ignore[misc, index]


def test_a_turn_is_numbered_and_on_record() -> None:
    recorder = MemoryRecorder()
    journal, _ = make(recorder)
    assert [journal.caller_said(said(t), "model") for t in ("one", "two")] == [1, 2]
    assert (journal.current_turn(), journal.caller_text()) == (2, "two")
    [(record, details), _] = recorder.of("caller.said")
    assert (record.turn, record.addressed, details.text, details.confidence) == (1, "model", "one", 1.0)


def test_the_context_holds_what_was_played_not_what_was_written() -> None:
    journal, context = make(MemoryRecorder())
    first, second, third = cleared("We open at nine."), cleared("Come any day."), cleared("Fine.", turn=2)
    for clause in (first, second, third):
        journal.cleared(clause, 0.1)
    journal.played(first, played("We open at nine."))
    journal.played(second, played("Come", full=False))
    context.add_message({"role": "user", "content": "and now"})
    journal.played(third, played("Fine."))
    assert words(context) == [
        ("assistant", "We open at nine. Come"),
        ("user", "and now"),
        ("assistant", "Fine."),
    ]


def test_a_clause_is_settled_once() -> None:
    recorder = MemoryRecorder()
    journal, context = make(recorder)
    clause = cleared("We open at nine.")
    assert journal.cleared(clause, 0.1)
    assert journal.is_open(clause.id)
    journal.never_played(clause)
    journal.played(clause, played("We open at nine."))
    assert not journal.is_open(clause.id)
    assert [(p.samples, p.interrupted) for p, _ in recorder.of("agent.played")] == [(0, True)]
    assert words(context) == []


def test_an_interruption_makes_what_was_cleared_before_it_stale() -> None:
    journal, _ = make(MemoryRecorder())
    before, after = cleared("before"), cleared("after")
    journal.cleared(before, 0.1)
    journal.interrupted()
    journal.cleared(after, 0.1)
    assert [c.id for c in journal.stale()] == [before.id]
    assert [c.id for c in journal.owed()] == [before.id, after.id]


def test_the_latency_of_a_turn_stands_once_with_its_first_audio() -> None:
    recorder = MemoryRecorder()
    journal, _ = make(recorder)
    t0 = 10_000_000_000
    turn = journal.caller_said(said("when", t0), "model")
    journal.first_token(turn, t0 + 450_000_000)
    clauses = [cleared("We open."), cleared("At nine.")]
    for clause in clauses:
        journal.cleared(clause, 0.25)
    for clause in clauses:
        journal.played(clause, played(clause.text, t0 + 600_000_000))
    first, second = [details.latency_ms for _, details in recorder.of("agent.played")]
    assert second is None
    assert (first.endpointing, first.recognition, first.asr_to_first_token, first.first_audio_out) == (
        200, 300, 450, 600,
    )  # fmt: skip
    assert first.verdict == 0.25


def governed() -> tuple[Journal, list[float]]:
    """A journal, and what it tells of clauses that were governed, s."""
    told: list[float] = []
    recorder, clock = MemoryRecorder(), SystemClock()
    journal = Journal(
        recorder, tenant="clinic", call=CALL, clock=clock, context=LLMContext(), on_governed=told.append
    )
    return journal, told


def test_every_clause_that_was_judged_tells_what_governing_it_took() -> None:
    journal, told = governed()
    receipt: PendingReceipt = Future()
    waiting = cleared("At nine.", receipt=receipt)
    journal.cleared(cleared("We open."), 250.0)
    journal.cleared(waiting, 500.0)
    journal.cleared(
        cleared("One moment.", phrase="moment"), None
    )  # bound before the call: nothing was judged
    assert len(told) == 1
    assert told[0] >= 0.25
    receipt.set_result(Receipt("o", 2, "clause.cleared", 6))
    assert len(told) == 2
    assert told[1] >= 0.5


def test_a_clause_whose_record_failed_was_not_governed_in_any_time() -> None:
    journal, told = governed()
    receipt: PendingReceipt = Future()
    journal.cleared(cleared("At nine.", receipt=receipt), 500.0)
    receipt.set_exception(LedgerError("full"))
    assert told == []


@pytest.mark.parametrize("fault", ["failing", "refusing"])
def test_what_the_ledger_does_not_take_goes_to_the_spool(fault: str) -> None:
    recorder, spool = MemoryRecorder(), FakeSpool()
    journal, _ = make(recorder, spool)
    setattr(recorder, fault, True)
    journal.caller_said(said("hello"), "model")
    future = journal.append(r.ControlFailed(tenant="clinic", call=CALL, control="voice", reason="broken"))
    assert spool.types() == ["caller.said", "control.failed"]
    assert isinstance(spool.entries[0][1], r.SaidDetails)
    assert journal.spooled(future)
    spool.failing = True
    lost = journal.append(r.ControlFailed(tenant="clinic", call=CALL, control="voice", reason="broken"))
    assert not journal.spooled(lost)


async def test_a_late_receipt_is_not_waited_for_and_not_cancelled() -> None:
    recorder = MemoryRecorder(delayed=True)
    journal, _ = make(recorder)
    future = journal.append(r.ControlFailed(tenant="clinic", call=CALL, control="voice", reason="broken"))
    with pytest.raises(LedgerError, match="no receipt within"):
        await journal.durable(future, 0.01)
    recorder.commit()
    assert (await journal.durable(future, 30)).type == "control.failed"


async def test_a_receipt_that_is_there_is_taken_however_late_the_loop_is() -> None:
    """A stalled process found the deadline passed before what had come long ago, and discarded the clause."""
    journal, _ = make(MemoryRecorder())
    future = journal.append(r.ControlFailed(tenant="clinic", call=CALL, control="voice", reason="broken"))
    assert (await journal.durable(future, 0.0)).type == "control.failed"
    journal, _ = make(MemoryRecorder(failing=True))
    future = journal.append(r.ControlFailed(tenant="clinic", call=CALL, control="voice", reason="broken"))
    with pytest.raises(LedgerError, match="disk full"):
        await journal.durable(future, 0.0)


async def test_words_leave_the_house_only_once_they_are_on_record() -> None:
    recorder = MemoryRecorder(delayed=True)
    journal, _ = make(recorder)
    await journal.caller_words_durable(0.01)  # nothing was said yet
    journal.caller_said(said("hello"), "model")
    waiting = asyncio.create_task(journal.caller_words_durable(30))
    await asyncio.sleep(0)
    assert not waiting.done()
    recorder.commit()
    await waiting


# --- the context in the order of the conversation -----------------------------------------------------


def test_words_settled_late_stand_ahead_of_what_the_caller_said_after_them() -> None:
    """Marks that came back after the caller's next words put the answer behind them."""
    journal, context = make(MemoryRecorder())
    first = cleared("At nine.", turn=journal.caller_said(said("when"), "model"))
    journal.goes_to_model(1)
    context.add_message({"role": "user", "content": "when"})
    journal.cleared(first, 0.1)
    journal.caller_said(said("and where"), "model")
    journal.goes_to_model(2)
    context.add_message({"role": "user", "content": "and where"})
    journal.played(first, played("At nine."))
    assert words(context) == [("user", "when"), ("assistant", "At nine."), ("user", "and where")]


def test_words_settled_while_the_next_ones_are_on_their_way_stay_behind_their_own_question() -> None:
    journal, context = make(MemoryRecorder())
    first = cleared("At nine.", turn=journal.caller_said(said("yes"), "model"))
    journal.goes_to_model(1)
    journal.caller_said(said("yes"), "model")
    journal.goes_to_model(2)  # neither stands in the context yet
    context.add_message({"role": "user", "content": "yes"})
    journal.cleared(first, 0.1)
    journal.played(first, played("At nine."))
    assert words(context) == [("user", "yes"), ("assistant", "At nine.")]


async def test_an_interruption_is_waited_for_until_egress_has_settled_it() -> None:
    journal, _ = make(MemoryRecorder())
    await journal.cut_settled()
    journal.cutting()
    journal.cutting()
    waiting = asyncio.create_task(journal.cut_settled(deadline_s=30))
    journal.cut()
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.cut()
    await waiting
    journal.cutting()
    await journal.cut_settled(deadline_s=0.01)  # one that never arrives costs no more than that
    await journal.cut_settled(deadline_s=0)  # nor is it waited for again
    journal.cutting()
    journal.nothing_cut()
    await journal.cut_settled(deadline_s=0)


# --- marks ---------------------------------------------------------------------------------------------


def test_a_clause_that_was_cleared_and_cut_leaves_its_marks_to_nobody() -> None:
    """The turn's latency was made of one clause's receipt and another one's first sample."""
    recorder = MemoryRecorder()
    journal, _ = make(recorder)
    t0 = 10_000_000_000
    journal.caller_said(said("when", t0), "model")
    cut, phrase = cleared("We open."), cleared("Sorry.", phrase="fallback")
    journal.cleared(cut, 0.25)
    journal.synthesised(cut.id, t0 + 500_000_000)
    journal.cleared(phrase, None)
    journal.never_played(cut)
    journal.played(phrase, played("Sorry.", SystemClock().monotonic_ns()))
    first, second = [details.latency_ms for _, details in recorder.of("agent.played")]
    assert first is None
    assert (second.verdict, second.durable, second.synthesis) == (None, None, None)
    assert second.egress is not None


def test_what_the_runtime_says_of_itself_is_no_answer() -> None:
    recorder = MemoryRecorder()
    journal, _ = make(recorder)
    t0 = SystemClock().monotonic_ns()
    journal.caller_said(said("stop", t0), "stop")
    asked, answer = cleared("Are you there?", phrase="still-there"), cleared("Yes.")
    journal.cleared(asked, None, answers=False)
    journal.cleared(answer, 0.1)
    journal.played(asked, played("Are you there?", t0 + 1))
    journal.played(answer, played("Yes.", SystemClock().monotonic_ns()))
    first, second = [details.latency_ms for _, details in recorder.of("agent.played")]
    assert first is None
    assert second is not None


def test_the_newest_words_played_are_those_of_one_answer() -> None:
    journal, _ = make(MemoryRecorder())
    assert journal.newly_played() == ""
    hours, question, cut = cleared("We open at nine."), cleared("Which day suits you?"), cleared("Or the")
    for clause in (hours, question, cut):
        journal.cleared(clause, 0.1)
    journal.played(hours, played("We open at nine."))
    journal.played(question, played("Which day suits you?"))
    assert journal.newly_played() == "We open at nine. Which day suits you?"
    journal.caller_said(said("friday"), "model")
    assert journal.newly_played() == "We open at nine. Which day suits you?", "until the agent speaks again"
    journal.never_played(cut)
    assert journal.newly_played() == "We open at nine. Which day suits you?", "what never sounded is no word"
    later = cleared("Shall I book it?", turn=1)
    journal.cleared(later, 0.1)
    journal.played(later, played("Shall I", full=False))
    assert journal.newly_played() == "Shall I"
