"""Uses that wait for a person: asked on record, done only if granted, never behind the caller's back."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask
from controls.errors import LedgerError, OperatorError
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.desk import MONDAY, Desk
from voice_runtime.agent import Tool
from voice_runtime.people import People, Person
from voice_runtime.phrases import STILL_WAITING, WAITING

pytestmark = pytest.mark.anyio

ASK = Ask("compliance", 60, "refuse")


MakeDesk = Callable[..., Desk]


@pytest.fixture
async def at_the_desk(call: Call, make_tool: Callable[..., Tool], tmp_path: Path) -> AsyncIterator[MakeDesk]:
    made: list[Desk] = []

    def make(ask: Ask | None = ASK, changes: dict[str, Any] | None = None, **options: Any) -> Desk:
        call.gate.approvals.release = "sha256:" + "d" * 64
        tools = (make_tool("find", call.server.url, approval=ask, **(changes or {})),)
        made.append(Desk(call, tmp_path, tools, **options))
        return made[-1]

    yield make
    for desk in made:
        await desk.runner.aclose()


async def test_a_use_waits_until_it_is_granted(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    using = desk.use()
    [waiting] = await desk.waits()
    assert (waiting["role"], waiting["state"]) == ("compliance", "requested")
    assert not {"tool", "arguments", "shown"} & waiting.keys(), "a list opens nothing"
    assert not call.server.connections
    assert desk.types() == ["approval.requested"]
    told = await desk.decide("granted", why="it is Monday")
    assert (told["counts"], told["state"]) == (True, "granted")
    result = await using
    assert result.ok
    assert desk.types() == ["approval.requested", "approval.granted", "tool.requested", "tool.executed"]
    assert [r.json for r in call.server.uses] == [MONDAY]
    assert desk.said == [WAITING]
    assert (await desk.ask("list"))["waiting"] == []


async def test_opening_a_request_is_on_record_first(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    call.said("have you got monday")
    using = desk.use()
    [waiting] = await desk.waits()
    shown = await desk.ask("show", use=waiting["use"], who="Anna Berg", purpose="to decide")
    assert (shown["tool"], shown["arguments"]) == ("find", MONDAY)
    assert "caller: have you got monday" in shown["shown"]
    [(record, details)] = call.recorder.of("access.viewed")
    assert (record.what, record.call) == ("approvals", call.journal.call)
    assert (details.who, details.purpose) == ("Anna Berg", "to decide")
    call.recorder.failing = True
    with pytest.raises(LedgerError):
        await desk.ask("show", use=waiting["use"], who="Anna Berg", purpose="again")
    call.recorder.failing = False
    await desk.decide("refused")
    await using


@pytest.mark.parametrize(
    ("word", "record", "handoffs"),
    [("refused", "approval.refused", []), ("taken_over", "approval.taken_over", ["approval/taken_over"])],
)
async def test_what_is_not_granted_is_not_done(
    call: Call, at_the_desk: MakeDesk, word: str, record: str, handoffs: list[str]
) -> None:
    desk = at_the_desk()
    using = desk.use()
    assert (await desk.decide(word))["counts"]
    result = await using
    assert (result.ok, result.content["reason"]) == (False, "not_approved")
    assert desk.types() == ["approval.requested", record, "tool.refused"]
    assert call.recorder.of("tool.refused")[0][0].reason == "not_approved"
    assert call.handoffs == handoffs
    assert not call.server.connections


@pytest.mark.parametrize(("otherwise", "handoffs"), [("refuse", []), ("handoff", ["approval/expired"])])
async def test_a_passed_time_never_grants(
    call: Call, at_the_desk: MakeDesk, otherwise: Any, handoffs: list[str]
) -> None:
    desk = at_the_desk(Ask("compliance", 0, otherwise))
    result = await desk.use()
    assert result.content["reason"] == "not_approved"
    assert desk.types() == ["approval.requested", "approval.expired", "tool.refused"]
    assert call.handoffs == handoffs
    [use] = [record.use for record, _ in call.recorder.of("approval.requested")]
    late = await desk.ask("decide", use=use, who="Anna Berg", word="granted")
    assert (late["counts"], late["state"]) == (False, "expired")
    assert desk.types()[-1] == "approval.late"
    assert not call.server.connections


async def test_the_caller_hears_again_that_somebody_is_waited_for(at_the_desk: MakeDesk) -> None:
    desk = at_the_desk(repeat_s=0.01)
    using = desk.use()
    async with asyncio.timeout(20):
        await desk.said_again.wait()
    await desk.decide("granted")
    assert (await using).ok
    assert desk.said[:3] == [WAITING, STILL_WAITING, STILL_WAITING]


async def test_hanging_up_ends_the_wait(call: Call, at_the_desk: MakeDesk) -> None:
    gone: list[str] = []
    desk = at_the_desk(leaving=lambda: bool(gone))
    using = desk.use()
    [waiting] = await desk.waits()
    gone.append("the caller")
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    await desk.runner.aclose()
    desk.desk.call_over(call.journal.call)
    assert call.recorder.of("approval.abandoned")[0][0].reason == "hung_up"
    assert not call.server.connections
    with pytest.raises(OperatorError, match="nothing waits as"):
        await desk.ask("decide", use=waiting["use"], who="Anna Berg", word="granted")


async def test_a_decision_on_its_way_as_the_call_ends_writes_nothing_behind_its_end(
    call: Call, at_the_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by a walk: who they are was looked up, and ``approval.late`` stood behind ``call.closed``."""
    desk = at_the_desk()
    using = desk.use()
    [waiting] = await desk.waits()
    await desk.look(waiting["use"])
    named, loop, over, gone = People.named, asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slowly(people: People, name: str, account: int | None = None) -> Person:
        loop.call_soon_threadsafe(over.set)
        assert gone.wait(20)
        return named(people, name, account)

    monkeypatch.setattr(People, "named", slowly)
    deciding = asyncio.create_task(desk.ask("decide", use=waiting["use"], who="Anna Berg", word="granted"))
    await over.wait()
    desk.desk.call_over(call.journal.call)
    gone.set()
    with pytest.raises(OperatorError, match="nothing waits as"):
        await deciding
    await using
    assert call.recorder.of("approval.late") == []


async def test_nobody_is_asked_once_the_call_ends(call: Call, at_the_desk: MakeDesk) -> None:
    """A model that was still thinking asked a person behind the last words, and the line stayed open."""
    desk = at_the_desk(leaving=lambda: True)
    result = await desk.runner.use("find", {"day": "Monday"}, 1)
    assert result.content["reason"] == "not_approved"
    assert call.types() == ["tool.refused"]
    assert not call.recorder.of("approval.requested")
    assert not call.server.connections


async def test_hanging_up_between_a_grant_and_its_record_does_nothing(
    call: Call, at_the_desk: MakeDesk
) -> None:
    gone: list[str] = []
    desk = at_the_desk(leaving=lambda: bool(gone))
    using = desk.use()
    [waiting] = await desk.waits()
    await desk.look(waiting["use"])
    call.recorder.delayed = True
    granting = asyncio.create_task(desk.ask("decide", use=waiting["use"], who="Anna Berg", word="granted"))
    async with asyncio.timeout(20):
        while not call.recorder.waiting:
            await asyncio.sleep(0)
    gone.append("the caller")
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    call.recorder.delayed = False
    call.recorder.commit()
    told = await granting
    assert (told["counts"], told["state"]) == (True, "abandoned")
    await desk.runner.settle()
    assert desk.types() == ["approval.requested", "approval.granted", "approval.abandoned", "tool.refused"]
    assert not call.server.connections


async def test_a_grant_that_is_not_durable_does_nothing(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    using = desk.use()
    await desk.waits()
    call.recorder.failing = True
    with pytest.raises(LedgerError):
        await desk.decide("granted")
    assert not (await using).ok
    assert not call.server.connections


@pytest.mark.parametrize("how", ["failing", "refusing"])
async def test_nobody_is_asked_without_a_record(call: Call, at_the_desk: MakeDesk, how: str) -> None:
    desk = at_the_desk()
    setattr(call.recorder, how, True)
    result = await desk.use()
    assert not result.ok
    assert desk.said == []
    assert (await desk.ask("list"))["waiting"] == []


async def test_without_a_desk_what_needs_a_person_is_refused(
    call: Call, make_tool: Callable[..., Tool]
) -> None:
    runner = call.runner(make_tool("find", call.server.url, approval=ASK))
    result = await runner.use("find", dict(MONDAY), 1)
    assert result.content["reason"] == "not_approved"
    assert call.types() == ["tool.refused"]
    assert not call.server.connections


async def test_a_full_desk_refuses(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk(desk={"most": 0})
    assert not (await desk.use()).ok
    assert call.recorder.of("approval.abandoned")[0][0].reason == "nobody"
    assert desk.said == []


@pytest.mark.parametrize(
    "about", [(None, None, None), ("clinic", None, None), (None, "test", None), (None, None, "find")]
)
async def test_what_is_stopped_waits_in_vain(
    call: Call, at_the_desk: MakeDesk, about: tuple[str | None, str | None, str | None]
) -> None:
    desk = at_the_desk()
    using = desk.use()
    await desk.waits()
    for others in (("other", None, None), (None, "other", None), (None, None, "other")):
        desk.desk.withdraw(*others)
    await desk.waits(1)
    desk.desk.withdraw(*about)
    result = await using
    assert result.content["detail"].startswith("this was stopped by a person")
    assert call.recorder.of("approval.abandoned")[0][0].reason == "stopped"
    assert not call.server.connections


# --- edits -----------------------------------------------------------------------------------------


async def test_an_edited_use_passes_the_gate_again_and_waits_again(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    using = desk.use()
    edited = await desk.decide("edited", changed={"day": "Tuesday"})
    assert edited["becomes"]
    [again] = await desk.waits()
    assert again["use"] == edited["becomes"]
    assert not call.server.connections, "an edit carries nothing out"
    await desk.decide("granted", who="Ben Oduya")
    result = await using
    assert result.ok
    assert result.use == edited["becomes"]
    assert [r.json["day"] for r in call.server.uses] == ["Tuesday"]
    assert desk.types() == [
        "approval.requested", "approval.edited", "tool.refused", "approval.requested", "approval.granted",
        "tool.requested", "tool.executed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "match"),
    [({"day": 3}, "does not take that"), ({"sudo": "yes"}, "does not take that"), ({}, "nothing was changed"),
     ({"day": "Monday"}, "nothing was changed")],
)  # fmt: skip
async def test_an_edit_the_tool_does_not_take_decides_nothing(
    at_the_desk: MakeDesk, changed: dict[str, Any], match: str
) -> None:
    desk = at_the_desk()
    using = desk.use()
    with pytest.raises(OperatorError, match=match):
        await desk.decide("edited", changed=changed)
    assert (await desk.decide("granted"))["counts"]
    assert (await using).ok


async def test_what_the_caller_agreed_to_is_asked_anew_when_it_is_edited(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path
) -> None:
    call.gate.approvals.release = "sha256:" + "d" * 64
    desk = Desk(call, tmp_path, (make_tool("book", call.server.url, approval=ASK),))
    await desk.runner.use("book", {"doctor": "Doctor Patel", "day": "Tuesday"}, 1)
    desk.runner.answer(True, 2)
    settling = asyncio.create_task(desk.runner.settle())
    await desk.decide("edited", changed={"day": "Monday"})
    [asked] = await settling
    assert asked.pending
    assert desk.runner.pending is not None
    assert desk.runner.pending.words == "Doctor Patel, Monday. Shall I book it?"
    desk.runner.answer(True, 3)
    settling = asyncio.create_task(desk.runner.settle())
    await desk.decide("granted")
    [told] = await settling
    assert told.ok
    assert [r.json["day"] for r in call.server.uses] == ["Monday"]


# --- several at once, stops ------------------------------------------------------------------------


async def test_two_people_at_once_the_first_counts(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    using = desk.use()
    [waiting] = await desk.waits()
    answers = await asyncio.gather(
        desk.ask("decide", use=waiting["use"], who="Anna Berg", word="granted", blind=True),
        desk.ask("decide", use=waiting["use"], who="Ben Oduya", word="refused", blind=True),
    )
    assert sorted(x["counts"] for x in answers) == [False, True]
    assert len({x["by"] for x in answers}) == 2
    result = await using
    granted = next(x for x in answers if x["counts"])["decided"] == "granted"
    assert result.ok is granted
    assert desk.types().count("approval.late") == 1
    assert len(call.server.uses) == int(granted)


@pytest.mark.parametrize("seed", range(40))
async def test_in_whatever_order_it_is_done_at_most_once_and_behind_a_durable_grant(
    call: Call, at_the_desk: MakeDesk, seed: int
) -> None:
    chance = random.Random(seed)
    desk = at_the_desk()
    using = desk.use()
    [waiting] = await desk.waits()
    call.recorder.delayed = True
    at_work: list[asyncio.Task[dict[str, Any]]] = []

    def decides() -> None:
        word = chance.choice(["granted", "granted", "refused", "taken_over"])
        who = chance.choice(["Anna Berg", "Ben Oduya"])
        asked = desk.ask("decide", use=waiting["use"], who=who, word=word, blind=True)
        at_work.append(asyncio.create_task(asked))

    steps: list[Callable[[], object]] = [
        decides, decides, decides, call.recorder.commit, call.recorder.commit,
        lambda: call.gate.approvals.settle(waiting["use"]) if at_work else None,
        lambda: call.gate.approvals.tick(waiting["use"], waiting["left_s"] + 4e9) if seed % 3 == 0 else None,
        lambda: using.cancel() if seed % 4 == 0 else None,
        lambda: setattr(call.recorder, "failing", seed % 5 == 0),
    ]  # fmt: skip
    chance.shuffle(steps)
    for step in steps:
        step()
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        assert not call.server.uses or "approval.granted" in call.recorder.types()
    call.recorder.delayed = call.recorder.failing = False
    call.recorder.commit()
    answers = await asyncio.gather(*at_work, return_exceptions=True)
    assert sum(isinstance(x, dict) and x["counts"] for x in answers) <= 1
    await asyncio.gather(using, return_exceptions=True)
    await desk.runner.settle()
    types = desk.types()
    assert len(call.server.uses) == types.count("tool.requested") <= 1
    if call.server.uses:
        assert types.index("approval.granted") < types.index("tool.requested")
    ends = ("granted", "refused", "taken_over")
    assert sum(types.count(f"approval.{end}") for end in ends) <= 1


async def test_a_tool_stopped_while_its_use_waits_is_not_used(call: Call, at_the_desk: MakeDesk) -> None:
    stopped: set[str] = set()
    desk = at_the_desk(stopped=stopped.__contains__)
    using = desk.use()
    await desk.waits()
    stopped.add("find")
    await desk.decide("granted")
    result = await using
    assert not result.ok
    assert not call.server.connections
    again = await desk.runner.use("find", dict(MONDAY), 2)
    assert again.content["reason"] == "stopped"
    assert call.recorder.of("tool.refused")[-1][0].reason == "stopped"


async def test_people_have_one_key_and_one_id_each(tmp_path: Path) -> None:
    one, again, other = (People(tmp_path).named(n) for n in ("Anna Berg", " anna  BERG ", "Ben Oduya"))
    assert one.id == again.id
    assert one.public == again.public
    assert other.id != one.id
    for name in ("", "  ", "x" * 81, "a\nb\x00"):
        with pytest.raises(OperatorError):
            People(tmp_path).named(name)
    assert "Anna" not in repr(one)
    assert replace(one, id="p_x").public == one.public
