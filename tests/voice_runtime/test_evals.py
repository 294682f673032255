"""Judging from the record: what counts as said, asked, booked and handed over. And the typed carrier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask, Verdict
from controls.ids import new_id
from controls.ledger import records as r
from tests.simulators.house import booking, on_the_line
from tests.simulators.model_server import call, say
from voice_runtime.agent import Silence, Tool
from voice_runtime.eval_file import EvalFile, Expected, Outcome, Step, ToolExpected
from voice_runtime.evals import run_eval
from voice_runtime.judging import Entry, Part, judge, judge_outcome, settled
from voice_runtime.phrases import WAITING
from voice_runtime.typed import TypedClock

CALL: dict[str, Any] = {"tenant": "clinic", "call": new_id("c")}


def played(text: str, phrase: str | None = None, *, cut: str | None = None, clause: str = "") -> Entry:
    heard = text if cut is None else cut
    record = r.AgentPlayed(
        **CALL, turn=1, clause=clause or new_id("k"), fixed=phrase is not None, samples=100 if heard else 0,
        of_samples=100, rate_hz=8000, interrupted=cut is not None, evidence=r.Evidence.CLIENT_REPORT,
    )  # fmt: skip
    return record, r.PlayedDetails(phrase=phrase, text=text, played_text=heard)


def judged(rule: str, verdict: Verdict) -> Entry:
    found = (r.Found(rule=rule, verdict=verdict, annex_a=(), risk=1, reason=""),)
    details = r.ClauseDetails(text="", verdicts=found)
    common: dict[str, Any] = {**CALL, "turn": 1, "clause": new_id("k"), "risk": 1}
    if verdict.gravity > Verdict.REWRITE.gravity:
        return r.ClauseRefused(**common, verdict=verdict), details
    return r.ClauseCleared(**common, verdict=verdict), details


def tool(kind: type[r.ToolRecord], **fields: Any) -> Entry:
    record = kind(**CALL, turn=1, use=new_id("u"), **fields)
    return record, r.ToolDetails(name="book", arguments={"day": "Monday", "time": "half past two"})


def decided(**arguments: str) -> Entry:
    uses = (r.ToolUse(name="book", arguments=arguments),)
    return (
        r.TurnDecided(**CALL, turn=1, supplier="test", outcome="tools"),
        r.DecidedDetails(model="m", candidate="", tools=uses),
    )


EXECUTED = {"ok": True, "status": 200, "duration_ms": 1}


@pytest.mark.parametrize(
    ("expected", "entries"),
    [
        (Expected(says=("we open AT nine!",)), [played("Yes. We open"), played("at nine.")]),
        (Expected(never_says=("eczema",)), [played("It is eczema.", cut="It is")]),
        (Expected(never_says=("book",)), [played("It is booked.")]),
        (Expected(phrase="goodbye"), [played("Goodbye.", "goodbye")]),
        (Expected(verdict="block"), [judged("a/b", Verdict.ALLOW), judged("c/d", Verdict.BLOCK)]),
        (Expected(rule="c/d"), [judged("c/d", Verdict.BLOCK)]),
        (Expected(tool=ToolExpected(name="book")), [tool(r.ToolExecuted, **EXECUTED)]),
        (
            Expected(tool=ToolExpected(name="book", arguments={"day": "monday"})),
            [tool(r.ToolExecuted, **EXECUTED)],
        ),
        (
            Expected(tool=ToolExpected(name="book", outcome="refused")),
            [tool(r.ToolRefused, reason="caller_said_no")],
        ),
        (
            Expected(tool=ToolExpected(name="book", outcome="unknown")),
            [tool(r.ToolUnknown, reason="timeout")],
        ),
        (
            Expected(tool=ToolExpected(name="book", outcome="asked", arguments={"day": "Monday"})),
            [decided(day="Monday", time="half past two"), played("Monday at half past two. Shall I?")],
        ),
        (Expected(handoff="none"), []),
    ],
)  # fmt: skip
def test_what_holds(expected: Expected, entries: list[Entry]) -> None:
    assert judge(expected, Part(entries)) == []


@pytest.mark.parametrize(
    ("expected", "entries", "sentence"),
    [
        (Expected(says=("at nine",)), [played("We are open at nine.", cut="We")], 'says: expected'),
        (Expected(says=("book it",)), [played("bookit")], "says: "),
        (Expected(never_says=("at nine",)), [played("at"), played("nine")], 'never_says: "at nine" was'),
        (Expected(phrase="goodbye"), [played("Goodbye.", "goodbye", cut="")], "(it was cut)"),
        (Expected(phrase="goodbye"), [played("Goodbye.")], "found no fixed phrase"),
        (Expected(verdict="allow"), [], "found no clause judged"),
        (Expected(verdict="allow"), [judged("c/d", Verdict.BLOCK)], "expected allow, found block"),
        (Expected(rule="a/b"), [judged("c/d", Verdict.BLOCK)], "expected a/b, found c/d"),
        (
            Expected(tool=ToolExpected(name="book")),
            [tool(r.ToolExecuted, ok=False, status=409, duration_ms=1)],
            "found tool.executed book",
        ),
        (
            Expected(tool=ToolExpected(name="book", arguments={"day": "Friday"})),
            [tool(r.ToolExecuted, **EXECUTED)],
            "not {'day': 'Friday'}",
        ),
        (Expected(tool=ToolExpected(name="book", outcome="asked")), [], "it did not"),
        (
            Expected(tool=ToolExpected(name="book", outcome="asked")),
            [decided(day="Monday"), played("Shall I?")],
            "was not read back: day",
        ),
        (
            Expected(tool=ToolExpected(name="book", outcome="asked")),
            [decided(day="Monday"), played("Monday?"), tool(r.ToolExecuted, **EXECUTED)],
            "to wait for a yes, found tool.executed",
        ),
        (Expected(handoff="callback"), [], "expected callback, found none"),
        (Expected(addressed="model"), [], "found nothing said"),
        (Expected(emergency="a/b"), [], "found none"),
        (Expected(rows=0), [], ""),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_named(expected: Expected, entries: list[Entry], sentence: str) -> None:
    part = Part(entries, rows=1)
    [found] = judge(expected, part)
    assert sentence in found


def test_the_whole_call() -> None:
    closed = r.CallClosed(**CALL, ended_by="agent", reason="callback", duration_s=1, records=0)
    whole = Part([played("Yes."), (closed, None)], rows=1)
    assert judge_outcome(Outcome(rows=1, ended_by="agent", records=("agent.played",)), whole) == []
    wrong = Outcome(ended_by="caller", records=("tool.executed",), never_records=("agent.played",))
    assert [f.split(":")[0] for f in judge_outcome(wrong, whole)] == [
        "rows", "ended_by", "records", "never_records",
    ]  # fmt: skip


def test_a_record_that_is_not_complete_is_found() -> None:
    cleared = r.ClauseCleared(**CALL, turn=1, clause=new_id("k"), verdict=Verdict.ALLOW, risk=0)
    twice = new_id("k")
    part = Part([(cleared, None), played("a", clause=twice), played("a", clause=twice)])
    assert settled(part) == [
        "the call was not closed exactly once",
        "1 cleared clause(s) have no agent.played",
        "a clause has more than one agent.played",
    ]


# --- typing ---------------------------------------------------------------------------------------


def test_time_jumps_by_what_was_played() -> None:
    clock = TypedClock()
    before_ns, before_s = clock.monotonic_ns(), clock.unix_s()
    clock.advance(60)
    clock.advance(-5)
    assert clock.monotonic_ns() - before_ns >= 60_000_000_000
    assert clock.unix_s() - before_s >= 60


@pytest.mark.anyio
async def test_the_clock_of_a_typed_call_runs_with_its_speech() -> None:
    async with on_the_line(say("We open at nine.")) as line:
        await line.opened()
        await line.say("when do you open")
        ends = [d.started_s + rec.samples / rec.rate_hz for rec, d in line.of("agent.played")]
        starts = [d.started_s for _, d in line.of("agent.played")]
        assert all(start >= end for start, end in zip(starts[1:], ends, strict=False))
        assert line.of("caller.said")[0][1].started_s >= ends[1]


@pytest.mark.anyio
async def test_one_long_silence_is_asked_about_and_ended() -> None:
    async with on_the_line(silence=Silence(8, 30)) as line:
        await line.opened()
        await line.carrier.stay_silent(60)
        await line.ended()
        assert line.played()[2:] == ["still-there", "goodbye"]


@pytest.mark.anyio
async def test_an_eval_on_another_house_and_agent() -> None:
    async with on_the_line(say("We open at nine.")) as line:
        case = EvalFile(
            format=1, title="Hours", about=("hours",), opening=Expected(phrase="disclosure"),
            steps=(Step(caller="when", expect=Expected(says=("at nine",), verdict="allow")),),
            outcome=Outcome(ended_by="caller"),
        )  # fmt: skip
        result = await run_eval("hours", case, line.agent, line.call.house)
        assert result.ok, result.failures
        assert (result.name, result.release) == ("hours", line.agent.release.digest)


def _asking(base: str) -> tuple[Tool, ...]:
    changes: dict[str, Any] = {"name": "find", "operation": "find", "risk": "low", "timeout_s": 30.0}
    ask = Ask("compliance", 120, "refuse")
    return (booking(base, read_back=(), read_back_say={}, approval=ask, **changes),)


@pytest.mark.parametrize(
    ("word", "outcome", "kind"),
    [("granted", "executed", "approval.granted"), ("refused", "refused", "approval.refused")],
)
@pytest.mark.anyio
async def test_a_colleague_decides_in_a_conversation(
    tmp_path: Path, word: str, outcome: str, kind: str
) -> None:
    plans = (call(("find", '{"day": "Monday"}')), say("Ten is free."))
    async with on_the_line(*plans, tools=_asking, people=tmp_path) as line:
        found: Any = ToolExpected(name="find", outcome=outcome)
        decides = Step(colleague=word, expect=Expected(says=("ten is free",), tool=found))
        case = EvalFile(
            format=1, title="Asked", about=("approval",),
            steps=(
                Step(caller="monday", expect=Expected(phrase=WAITING, never_says=("ten is free",))),
                decides,
                Step(hangs_up=True),
            ),
            outcome=Outcome(records=("approval.requested", kind)),
        )  # fmt: skip
        result = await run_eval("asked", case, line.agent, line.call.house)
        assert result.ok, result.failures
        assert [x.what for x, _ in line.of("access.viewed")] == ["approvals"], "shown first"


@pytest.mark.anyio
async def test_a_colleague_who_is_not_asked_decides_nothing(tmp_path: Path) -> None:
    async with on_the_line(say("We open at nine."), people=tmp_path) as line:
        case = EvalFile(
            format=1, title="Asked", about=("approval",),
            steps=(Step(caller="when"), Step(colleague="granted"), Step(hangs_up=True)),
            outcome=Outcome(),
        )  # fmt: skip
        result = await run_eval("asked", case, line.agent, line.call.house)
        assert result.failures[0] == "step 2 (colleague: granted): nothing waits for a colleague"
