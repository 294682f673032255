"""Rules that ask a model, on whole calls: what is spoken waits for the answer, and no answer refuses.

The judge is a server on a real socket; gate, guard, tools, journal and egress are the real ones.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controls.decision import Verdict
from controls.ledger import records as r
from controls.rules.engine import Rules
from tests.controls.rules.packs import pack, rule
from tests.simulators.house import PHRASES, OnTheLine, booking, on_the_line
from tests.simulators.judge_server import DIE, NO, STALL, YES, judging
from tests.simulators.model_server import call, say
from voice_runtime.agent import Tool
from voice_runtime.think.judges import Judges

pytestmark = pytest.mark.anyio

RULE, PHRASE = "prices/no-price", "rule.prices.no-price"
PRICE = "It costs fifty dollars."
ORIGIN = "o_" + "7" * 16
OPENING = ["disclosure", "greeting"]


def _rules(mode: str = "before", within_ms: int = 2000, **changes: Any) -> Rules:
    asks = "Does the clause promise a price?"
    judge = {"asks": asks, "supplier": "local", "within_ms": within_ms, "mode": mode}
    fields: dict[str, Any] = {
        "if": {"phrases": ["dollars"], "judge": judge}, "catches": [PRICE], "lets_pass": ["We open at nine."],
    }  # fmt: skip
    if mode == "after":
        fields |= {"then": "allow", "say": {}}
    return Rules.compile([pack(rule("no-price", **(fields | changes)), name="prices")])


#: Compiled before there is an event loop.
BEFORE, AFTER, SHORT = _rules(), _rules("after", 10_000), _rules(within_ms=60)
_ONE = BEFORE.packs[0].rules[0].model_dump(mode="json", by_alias=True)
TWO = Rules.compile([pack(_ONE, _ONE | {"name": "no-currency"}, name="prices")])
HANDOFF = _rules(then="handoff", say={})
_USE: dict[str, Any] = {
    "when": "tool", "tools": ["find"],
    "catches": [{"tool": "find", "args": {"day": "fifty dollars"}}], "lets_pass": [{"tool": "book"}],
}  # fmt: skip
OF_TOOLS, AFTER_TOOLS = _rules(**_USE), _rules("after", 10_000, **_USE)
FIND = call(("find", '{"day": "fifty dollars"}'))


def line_with(judges: Judges | None, *plans: Any, rules: Rules = BEFORE, **changes: Any) -> Any:
    phrases = {k: {"en-US": v} for k, v in PHRASES.items()} | rules.phrases
    return on_the_line(*plans, judges=judges, rules=rules, phrases=phrases, **changes)


def find(base: str) -> tuple[Tool, ...]:
    return (booking(base, name="find", operation="find", risk="low", read_back=(), read_back_say={}),)


def asked(line: OnTheLine) -> list[tuple[str, str]]:
    """Each question's answer, and why there is none."""
    return [(record.answer, record.why) for record, _ in line.of("judge.answered")]


async def test_no_lets_the_clause_pass_and_the_answer_is_on_record() -> None:
    async with judging(NO) as (server, judges), line_with(judges, say(f"We open at nine. {PRICE}")) as line:
        await line.opened()
        await line.say("what is it")
        assert line.played() == [*OPENING, "We open at nine.", PRICE]
        assert server.asked == [{"clause": PRICE, "said_before": "We open at nine."}]
        [(sent, told)] = line.of("judge.asked")
        [(record, answer)] = line.of("judge.answered")
        cleared = line.of("clause.cleared")[-1][0]
        assert sent.of == record.of == cleared.clause
        assert (record.answer, record.why, record.mode, record.supplier) == (
            "no",
            "answered",
            "before",
            "local",
        )
        assert record.question == sent.question == BEFORE.packs[0].rules[0].if_.judge.digest  # type: ignore[union-attr]
        assert (answer.rule, answer.model, answer.text) == (RULE, "judge-1", NO)
        assert told.shown == {"clause": PRICE, "said_before": "We open at nine."}
        types = line.types()
        assert types.index("judge.answered") < types.index("clause.cleared", types.index("judge.asked"))


@pytest.mark.parametrize(
    ("said", "why"),
    [(YES, "answered"), (500, "failed"), (DIE, "failed"), ("No, because", "nonsense"), ("", "nonsense")],
)
async def test_yes_refuses_and_so_does_whatever_is_no_answer(said: str | int, why: str) -> None:
    async with judging(said) as (_, judges), line_with(judges, say(PRICE)) as line:
        await line.opened()
        await line.say("what is it")
        assert line.played() == [*OPENING, PHRASE]
        assert asked(line) == [("yes" if said == YES else "none", why)]
        [(refused, details)] = line.of("clause.refused")
        assert refused.verdict is Verdict.BLOCK
        assert details.verdicts[0].rule == RULE
        assert details.verdicts[0].reason.startswith("no answer") is (said != YES)


async def test_all_questions_on_a_clause_are_asked_at_once() -> None:
    async with judging(NO) as (server, judges), line_with(judges, say(PRICE), rules=TWO) as line:
        server.together = 2
        await line.opened()
        await line.say("what is it")
        assert line.played() == [*OPENING, PRICE]
        assert asked(line) == [("no", "answered")] * 2
        assert {details.rule for _, details in line.of("judge.asked")} == {RULE, "prices/no-currency"}


async def test_one_yes_of_several_refuses() -> None:
    async with judging(NO, YES) as (_, judges), line_with(judges, say(PRICE), rules=TWO) as line:
        await line.opened()
        await line.say("what is it")
        assert line.played()[-1] in (PHRASE, "rule.prices.no-currency")
        assert len(line.of("clause.refused")) == 1
        assert sorted(asked(line)) == [("no", "answered"), ("yes", "answered")]


async def test_a_judge_that_is_late_is_not_waited_for() -> None:
    async with judging(STALL) as (_, judges), line_with(judges, say(PRICE), rules=SHORT) as line:
        await line.opened()
        await line.say("what is it")
        assert line.played() == [*OPENING, PHRASE]
        assert asked(line) == [("none", "deadline")]
        [(record, _)] = line.of("judge.answered")
        assert record.ms >= 50


async def test_a_supplier_the_profile_does_not_know_is_not_asked() -> None:
    for name in ("", "other"):
        async with (
            judging(NO, name=name or "local") as (server, judges),
            line_with(judges if name else None, say(PRICE)) as line,
        ):
            await line.opened()
            await line.say("what is it")
            assert line.played() == [*OPENING, PHRASE]
            assert asked(line) == [("none", "not_asked")]
            assert not line.of("judge.asked")
            assert server.requests == []


async def test_an_outside_judge_is_sent_nothing_the_caller_took_back() -> None:
    async with (
        judging(NO, outside=True, region="us") as (server, judges),
        line_with(judges, say(PRICE), say(PRICE)) as line,
    ):
        await line.opened()
        await line.say("what is it")
        assert asked(line) == [("no", "answered")]
        line.call.opening.allows = lambda scope: scope != "supplier"
        await line.say("and now")
        assert asked(line) == [("no", "answered"), ("none", "not_asked")]
        assert line.played()[-1] == PHRASE
        assert len(server.asked) == 1


async def test_an_outside_judge_waits_for_the_record_of_the_question() -> None:
    async with (
        judging(NO, outside=True, region="us") as (server, judges),
        line_with(judges, say(PRICE)) as line,
    ):
        await line.opened()
        line.recorder.delayed = True
        await line.carrier.say("what is it")
        async with asyncio.timeout(60):
            while not _asks(line):
                line.recorder.commit()
                await asyncio.sleep(0.001)
        assert server.requests == []
        line.recorder.delayed = False
        line.recorder.commit()
        await line.settled()
        assert line.played()[-1] == PRICE
        assert len(server.asked) == 1


def _asks(line: OnTheLine) -> bool:
    return any(isinstance(record, r.JudgeAsked) for record, _, _ in line.recorder.waiting)


async def test_a_caller_who_speaks_meanwhile_ends_the_wait() -> None:
    async with judging(STALL, NO) as (server, judges), line_with(judges, say(PRICE), say("Fine.")) as line:
        await line.opened()
        await line.carrier.say("what is it")
        await server.wait_for_request()
        await line.carrier.say("stop")
        await line.settled()
        assert line.played() == OPENING
        assert asked(line) == [("none", "withdrawn")]
        assert not line.of("clause.refused")
        assert not line.of("clause.cleared")
        await line.say("are you open")
        assert line.played()[-1] == "Fine."


async def test_who_hangs_up_meanwhile_leaves_a_whole_record() -> None:
    async with judging(STALL) as (server, judges), line_with(judges, say(PRICE)) as line:
        await line.opened()
        await line.carrier.say("what is it")
        await server.wait_for_request()
        await line.hang_up()
        assert asked(line) == [("none", "withdrawn")]
        assert line.closed() == ("caller", "hung_up")


async def test_a_rule_that_hands_off_fetches_a_person_without_an_answer() -> None:
    async with judging(500) as (_, judges), line_with(judges, say(PRICE), rules=HANDOFF) as line:
        await line.opened()
        await line.carrier.say("what is it")
        async with asyncio.timeout(60):
            await line.control.asked.wait()
        [(requested, details)] = line.of("handoff.requested")
        assert (requested.requested_by, details.reason) == ("rule", RULE)


# --- afterwards ---------------------------------------------------------------------------------------


async def test_what_is_asked_afterwards_delays_nothing() -> None:
    async with judging(STALL) as (server, judges), line_with(judges, say(PRICE), rules=AFTER) as line:
        await line.opened()
        await line.say("what is it")
        await server.wait_for_request()
        assert line.played() == [*OPENING, PRICE]
        assert asked(line) == []
        server.closing.set()


async def test_a_yes_afterwards_is_a_miss_linked_to_the_clause() -> None:
    async with judging(YES) as (_, judges), line_with(judges, say(PRICE), rules=AFTER) as line:
        line.recorder.origin = ORIGIN
        await line.opened()
        await line.say("what is it")
        await line.hang_up()
        assert line.played() == [*OPENING, PRICE]
        [(missed, details)] = line.of("control.missed")
        leaf = next(
            i for i, (record, _) in enumerate(line.recorder.records) if record.type == "clause.cleared"
        )
        assert (missed.leaf, missed.control, missed.annex_a) == (leaf, "guard", ("A.9.4",))
        assert (missed.call, missed.origin) == (line.call.id, ORIGIN)
        assert (details.who, details.why) == (f"judge of {RULE}", "Does the clause promise a price?")
        [(record, _)] = line.of("judge.answered")
        assert (record.answer, record.mode) == ("yes", "after")
        assert not line.of("clause.refused")  # it prevented nothing, and nothing says that it did
        [(closed, _)] = line.of("call.closed")
        assert closed.records == len(line.recorder.records) - 2  # without itself, and what is about the call


@pytest.mark.parametrize("said", [NO, 500, "nonsense"])
async def test_no_yes_is_no_miss(said: str | int) -> None:
    async with judging(said) as (_, judges), line_with(judges, say(PRICE), rules=AFTER) as line:
        await line.opened()
        await line.say("what is it")
        await line.hang_up()
        assert line.played() == [*OPENING, PRICE]
        assert not line.of("control.missed")
        assert len(asked(line)) == 1


# --- tools --------------------------------------------------------------------------------------------


async def test_a_tools_use_waits_for_its_judge() -> None:
    for said, outcome in (
        (NO, ["tool.requested", "tool.executed"]),
        (YES, ["tool.refused"]),
        (500, ["tool.refused"]),
    ):
        async with (
            judging(said) as (server, judges),
            line_with(judges, FIND, say("Fine."), rules=OF_TOOLS, tools=find) as line,
        ):
            await line.opened()
            await line.say("have you got it")
            assert [t for t in line.types() if t.startswith("tool.")] == outcome
            assert server.asked == [{"tool": "find", "arguments": {"day": "fifty dollars"}}]
            assert bool(line.service.connections) is (said == NO)
            [(record, _)] = line.of("judge.answered")
            assert record.of == line.of(outcome[0])[0][0].use


async def test_a_use_that_waits_is_refused_when_the_caller_speaks() -> None:
    async with (
        judging(STALL) as (server, judges),
        line_with(judges, FIND, say("Fine."), rules=OF_TOOLS, tools=find) as line,
    ):
        await line.opened()
        await line.carrier.say("have you got it")
        await server.wait_for_request()
        await line.carrier.say("stop")
        await line.settled()
        assert asked(line) == [("none", "withdrawn")]
        assert [t for t in line.types() if t.startswith("tool.")] == ["tool.refused"]
        assert not line.service.connections


async def test_a_use_judged_afterwards_is_a_miss_of_its_request() -> None:
    async with (
        judging(YES) as (_, judges),
        line_with(judges, FIND, say("Fine."), rules=AFTER_TOOLS, tools=find) as line,
    ):
        line.recorder.origin = ORIGIN
        await line.opened()
        await line.say("have you got it")
        await line.hang_up()
        [(missed, _)] = line.of("control.missed")
        assert line.recorder.records[missed.leaf][0].type == "tool.requested"
        assert len(line.of("tool.executed")) == 1


async def test_what_a_judge_is_shown_is_masked_as_for_the_model() -> None:
    async with judging(NO) as (server, judges), line_with(judges, say(PRICE)) as line:
        line.call.writer.for_model = lambda value, turn, whose: (
            {"clause": "[masked]"} if isinstance(value, dict) else value
        )
        await line.opened()
        await line.say("what is it")
        assert server.asked == [{"clause": "[masked]"}]
