"""The caller's receipt: one code, on record before the caller has it, and never without that record."""

from __future__ import annotations

import pytest

from controls.ledger import records as r
from controls.receipt_code import normalise
from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from tests.simulators.whole import problems
from voice_runtime.agent import Tool
from voice_runtime.events import ReceiptAskedFrame
from voice_runtime.inline.receipt import read_out
from voice_runtime.speak.spoken import Reader

pytestmark = pytest.mark.anyio


def codes(line: OnTheLine) -> list[tuple[str, str]]:
    """How each receipt was given, and its code."""
    return [(record.how, details.code) for record, details in line.of("receipt.issued")]


def spoken(code: str) -> str:
    """What is heard of it."""
    return Reader("en-US").read(f"The code of this call. {read_out(code)}.").text


async def ask_at_the_screen(line: OnTheLine) -> None:
    await line.carrier.send(ReceiptAskedFrame())
    await line.settled()


async def test_a_code_is_on_record_before_it_is_spoken_and_the_model_is_not_asked() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("can i have a receipt for this call")
        [(how, code)] = codes(line)
        assert how == "spoken"
        assert normalise(code) == code
        assert line.played()[-1] == spoken(code)
        assert line.addressed() == [("can i have a receipt for this call", "receipt")]
        assert not line.model.requests
        types = line.types()
        assert types.index("receipt.issued") < types.index("clause.cleared")
        await line.hang_up()
        assert not problems(line.recorder.records)


async def test_asking_again_gives_the_same_code_and_no_second_record() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("can i have a receipt", "again please", "give me a code for this call")
        [(_, code)] = codes(line)
        assert line.played()[-3:] == [spoken(code)] * 3
        assert [to for _, to in line.addressed()] == ["receipt"] * 3


async def test_again_means_the_code_only_right_behind_it() -> None:
    async with on_the_line(say("At nine."), say("At nine in the morning.")) as line:
        await line.opened()
        await line.say("can i have a receipt", "when do you open", "say that again")
        assert line.played()[-1] == "At nine in the morning."
        assert [to for _, to in line.addressed()] == ["receipt", "model", "model"]


@pytest.mark.parametrize("fault", ["failing", "refusing", "delayed"])
async def test_without_its_record_no_code_is_given_and_the_caller_is_told_so(fault: str) -> None:
    async with on_the_line(deadline_s=0.05) as line:
        await line.opened()
        setattr(line.recorder, fault, True)
        await line.say("can i have a receipt")
        setattr(line.recorder, fault, False)
        line.recorder.commit()
        spoken_then = [p for x, p in line.spool.entries if x.type == "agent.played" and x.samples]
        phrases = [x.phrase for x in spoken_then] or [p for p in line.played() if p == "no-receipt"]
        assert phrases == ["no-receipt"]
        assert "receipt.issued" not in line.spool.types()  # a code that nobody got is not appended later
        await line.say("can i have a receipt")
        [(_, code)] = codes(line)
        assert line.played()[-1] == spoken(code)


async def test_a_request_over_the_disclosure_is_answered_after_it() -> None:
    async with on_the_line() as line:
        line.carrier.freeze(300)
        line.start()
        assert await line.carrier.frozen()
        await line.say("can i have a receipt")
        [(_, code)] = codes(line)
        assert line.played()[0] == "disclosure"
        assert spoken(code) in line.played()
        await line.hang_up()
        assert not problems(line.recorder.records, ["can i have a receipt"])


async def test_a_yes_behind_the_code_books_nothing() -> None:
    """What sounded last was the receipt: the read-back is dropped, and the model is told so."""

    def tools(base: str) -> tuple[Tool, ...]:
        return (booking(base),)

    async with on_the_line(call(("book", '{"day": "Monday"}')), say("Booked."), tools=tools) as line:
        await line.opened()
        await line.say("book monday", "can i have a receipt", "yes")
        assert "tool.executed" not in line.types()
        assert [record.reason for record, _ in line.of("tool.refused")] == ["unconfirmed"]
        assert len(codes(line)) == 1


async def test_a_cut_code_is_said_once_more_in_full() -> None:
    async with on_the_line() as line:
        await line.opened()
        line.carrier.freeze(200)
        await line.carrier.say("can i have a receipt")
        assert await line.carrier.frozen()
        await line.say("again please")
        [(_, code)] = codes(line)
        assert line.played()[-1] == spoken(code)
        assert line.played()[-2].endswith("…")


async def test_a_code_asked_for_at_the_screen_has_a_record_of_its_own() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("can i have a receipt")
        await ask_at_the_screen(line)
        await ask_at_the_screen(line)
        [(_, first), (_, second)] = codes(line)
        assert [how for how, _ in codes(line)] == ["spoken", "shown"]
        assert first == second


async def test_who_is_being_connected_is_not_given_a_code_instead() -> None:
    async with on_the_line() as line:
        await line.opened()
        line.carrier.freeze(100)
        await line.carrier.say("let me talk to a person")
        assert await line.carrier.frozen()
        await line.say("can i have a receipt")
        assert codes(line) == []
        assert ("can i have a receipt", "nobody") in line.addressed()


async def test_a_screen_that_asks_when_the_ledger_fails_hears_that_there_is_none() -> None:
    async with on_the_line(deadline_s=0.05) as line:
        await line.opened()
        line.recorder.failing = True
        await ask_at_the_screen(line)
        assert [p.phrase for x, p in line.spool.entries if isinstance(x, r.AgentPlayed)] == ["no-receipt"]
