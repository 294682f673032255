"""A check that cannot fail proves nothing: the runtime is broken in each of these ways, and one says so.

Every break is one line of the runtime that does less than it should. Walks are walked with it until one of
the checks names the harm; without it the same walks find nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from controls.approvals import Approvals
from controls.decision import PendingReceipt, Receipt
from controls.gate import Gate
from controls.intents import Intent
from controls.ledger import records as r
from controls.read_back import Begins, Else, ReadBackQuestion, Sounded
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.walks.invariants import wrong
from tests.voice_runtime.walks.way import Focus, StoppedTools, Way
from tests.voice_runtime.walks.wire import MarkedVoice
from voice_runtime.call import Call
from voice_runtime.events import CallerSaidFrame
from voice_runtime.inline import attention
from voice_runtime.inline.capture import KeyCapture
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.person import WayToAPerson
from voice_runtime.speak.egress import Egress
from voice_runtime.think.keyed import Entered
from voice_runtime.think.services import ServiceClient
from voice_runtime.think.tools import ToolRunner

pytestmark = pytest.mark.anyio

#: No harm may need more walks than this to show.
MOST_WALKS = 60


@dataclass
class Lying(MemoryRecorder):
    """A ledger that says it has kept records of one type, and has not."""

    lies_about: type[r.Record] = r.Record

    def append(self, record: Any, personal: Any = None) -> PendingReceipt:
        if not isinstance(record, self.lies_about):
            return super().append(record, personal)
        future: PendingReceipt = Future()
        future.set_result(Receipt(self.origin, len(self.records), record.type, 1_000_000))
        return future


Break = Callable[[pytest.MonkeyPatch], object]


def a_gate_that_clears_nothing(patch: pytest.MonkeyPatch) -> None:
    """Other words leave it than it judged."""
    clause = Gate.clause

    def other(self: Gate, *args: Any, **options: Any) -> Any:
        outcome = clause(self, *args, **options)
        if outcome.cleared is not None:
            object.__setattr__(outcome.cleared, "text", outcome.cleared.text + " Trust me.")
        return outcome

    patch.setattr(Gate, "clause", other)


def egress_waits_for_nothing(patch: pytest.MonkeyPatch) -> None:
    async def admit(self: Egress, playing: Any) -> None:
        playing.admitted, playing.admitted_ns = True, 1

    patch.setattr(Egress, "_admit", admit)


def nobody_is_asked(patch: pytest.MonkeyPatch) -> None:
    """Approval is taken for granted."""
    tool = Gate.tool

    def unasked(self: Gate, *args: Any, **options: Any) -> Any:
        return tool(self, *args, **(options | {"ask": None}))

    patch.setattr(Gate, "tool", unasked)


def another_use_than_was_granted(patch: pytest.MonkeyPatch) -> None:
    exchange = Entered.exchange
    patch.setattr(Entered, "exchange", lambda self, a: exchange(self, a) | {"day": "Christmas"})


def any_answer_is_a_yes(patch: pytest.MonkeyPatch) -> None:
    answer = ToolRunner.answer

    def agreed(self: ToolRunner, yes: bool | None, turn: int) -> bool:
        return answer(self, True, turn)

    patch.setattr(ToolRunner, "answer", agreed)


def sent_twice(patch: pytest.MonkeyPatch) -> None:
    request = ServiceClient._request

    async def twice(self: ServiceClient, method: str, *args: Any) -> Any:
        if method == "POST":
            await request(self, method, *args)
        return await request(self, method, *args)

    patch.setattr(ServiceClient, "_request", twice)


def a_question_stays_open(patch: pytest.MonkeyPatch) -> None:
    """Whatever is said behind a read-back, a yes still books."""
    step = ReadBackQuestion.step

    def stale(self: ReadBackQuestion, event: Any) -> Any:
        other = isinstance(event, Else) or (isinstance(event, Begins | Sounded) and not event.ours)
        return (self, ()) if other else step(self, event)

    patch.setattr(ReadBackQuestion, "step", stale)


def two_closes(patch: pytest.MonkeyPatch) -> None:
    close = Call.close

    async def again(self: Call) -> None:
        await close(self)
        self.gate.hang_up(self._end())

    patch.setattr(Call, "close", again)


def cut_words_count_as_played(patch: pytest.MonkeyPatch) -> None:
    played = Journal.played

    def in_full(self: Journal, cleared: Any, result: Any) -> None:
        if result.of_samples:
            result = replace(result, samples=result.of_samples, text=cleared.text.strip(), interrupted=False)
        played(self, cleared, result)

    patch.setattr(Journal, "played", in_full)


def words_of_the_callers_are_lost(patch: pytest.MonkeyPatch) -> None:
    said = attention.Attention._said

    async def deaf(self: Any, frame: CallerSaidFrame) -> None:
        if self._journal.turn != 2:
            await said(self, frame)

    patch.setattr(attention.Attention, "_said", deaf)


def emergencies_are_small_talk(patch: pytest.MonkeyPatch) -> None:
    intent = attention.intent

    def calm(text: str, language: str) -> Intent | None:
        meant = intent(text, language)
        return None if meant is Intent.EMERGENCY else meant

    patch.setattr(attention, "intent", calm)


def who_opts_out_is_kept(patch: pytest.MonkeyPatch) -> None:
    intent = attention.intent

    def insistent(text: str, language: str) -> Intent | None:
        meant = intent(text, language)
        return None if meant is Intent.OPT_OUT else meant

    patch.setattr(attention, "intent", insistent)


def stopped_tools_go_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StoppedTools, "of_tool", lambda self, tool: False)


def a_stopped_agent_talks_on(patch: pytest.MonkeyPatch) -> None:
    def recorded(self: Call, scope: Any = "agent") -> None:
        stopped = r.CallStopped(tenant=self.facts.tenant, call=self.id, turn=self.journal.turn, scope=scope)
        self.journal.append(stopped)

    patch.setattr(Call, "stop", recorded)


def strangers_take_over(patch: pytest.MonkeyPatch) -> None:
    transfer = WayToAPerson._transfer

    async def elsewhere(self: WayToAPerson, route: Any) -> Any:
        return await transfer(self, replace(route, number="+19005550100"))

    patch.setattr(WayToAPerson, "_transfer", elsewhere)


def decisions_count_twice(patch: pytest.MonkeyPatch) -> None:
    decide = Approvals.decide

    def counted(self: Approvals, *args: Any) -> Any:
        _, receipt = decide(self, *args)
        return True, receipt

    patch.setattr(Approvals, "decide", counted)


def figures_are_kept(patch: pytest.MonkeyPatch) -> None:
    key = KeyCapture.key

    def noted(self: Any, pressed: str) -> None:
        self._seen = getattr(self, "_seen", "") + pressed
        self._journal._recorder._recorder.append(  # below the masks, which would find most of them
            r.EmergencyDetected(tenant=self._journal.tenant, call=self._journal.call, turn=0),
            r.EmergencyDetails(rule=self._seen, said=""),
        )
        key(self, pressed)

    patch.setattr(KeyCapture, "key", noted)


def sound_from_nowhere(patch: pytest.MonkeyPatch) -> None:
    """Sound that no voice has made."""
    patch.setattr(MarkedVoice, "read", lambda self, chunk: (None, 0))


#: What is broken: what a check must say, and what the walks have more of, so that it shows soon.
BREAKS: dict[Break, tuple[str, Focus]] = {
    a_gate_that_clears_nothing: ("and cleared", ""),
    egress_waits_for_nothing: ("and cleared", "ledger"),
    cut_words_count_as_played: ("samples on record", ""),
    sent_twice: ("times, 1 decided", "staff"),
    nobody_is_asked: ("without the grant", ""),
    another_use_than_was_granted: ("other arguments than were judged", "staff"),
    any_answer_is_a_yes: ("without the caller's yes", ""),
    a_question_stays_open: ("to a question asked last", "questions"),
    two_closes: ("call.closed", ""),
    words_of_the_callers_are_lost: ("not on record where they were said", ""),
    emergencies_are_small_talk: ("is an emergency and nobody saw it", "urgent"),
    who_opts_out_is_kept: ("opted out and nobody remembers", "urgent"),
    stopped_tools_go_on: ("was stopped", "stopped tools"),
    a_stopped_agent_talks_on: ("after the agent was stopped", "stops"),
    strangers_take_over: ("no desk's", ""),
    decisions_count_twice: ("count", "staff"),
    figures_are_kept: (" is left", "keys"),
    sound_from_nowhere: ("no voice made", ""),
}
#: Records of which the ledger says that it has kept them: as above.
LIES: dict[type[r.Record], tuple[str, Focus]] = {
    r.ClauseCleared: ("and cleared", ""),
    r.AgentPlayed: ("has no agent.played", ""),
    r.ToolRequested: ("0 decided", "staff"),
    r.ApprovalGranted: ("without the grant", "staff"),
    r.HandoffRequested: ("off the record", "urgent"),
    r.CallClosed: ("0 call.closed", ""),
    r.CaptureEnded: ("is not framed", "keys"),
    r.CallStopped: ("it is not on record", "stops"),
}


async def named(harm: str, focus: Focus, people: Path, ledger: Callable[[], MemoryRecorder]) -> bool:
    """Whether a check names the harm within so many walks."""
    for seed in range(MOST_WALKS):
        found = wrong(await Way(seed, ledger(), focus).walked(people))
        if any(harm in problem for problem in found):
            return True
    return False


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
async def test_each_harm_is_named(broken: Break, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken(monkeypatch)
    assert await named(*BREAKS[broken], tmp_path, MemoryRecorder)


@pytest.mark.parametrize("kind", LIES, ids=lambda kind: kind.type)
async def test_a_ledger_that_lies_is_named(kind: type[r.Record], tmp_path: Path) -> None:
    assert await named(*LIES[kind], tmp_path, lambda: Lying(lies_about=kind))
