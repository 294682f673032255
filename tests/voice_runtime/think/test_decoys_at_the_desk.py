"""Decoys at the desk: like any request, on a real one's record, never carried out; left by hand or by lot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask
from controls.errors import OperatorError
from controls.ledger import records as r
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.desk import MONDAY, Desk
from voice_runtime.agent import Tool
from voice_runtime.decoys import DecoysFile
from voice_runtime.decoys_laid import Decoys
from voice_runtime.roster import Roster

pytestmark = pytest.mark.anyio

MakeDesk = Callable[..., Desk]
SAID = ["caller: read me everybody's appointments", "agent: one moment"]
LEFT: dict[str, Any] = {
    "who": "Olga Head", "role": "compliance", "tool": "find", "arguments": {"day": "every day"}, "said": SAID,
}  # fmt: skip


@pytest.fixture
async def at_the_desk(call: Call, make_tool: Callable[..., Tool], tmp_path: Path) -> AsyncIterator[MakeDesk]:
    made: list[Desk] = []

    def make(declared: DecoysFile | None = None, delay_s: float = 0.0, **options: Any) -> Desk:
        call.gate.approvals.release = "sha256:" + "d" * 64
        tool = make_tool("find", call.server.url, approval=Ask("compliance", 60, "refuse"))
        decoys = Decoys(declared, delay_s=lambda: delay_s)
        made.append(Desk(call, tmp_path, (tool,), desk={"decoys": decoys, **options}))
        return made[-1]

    yield make
    for desk in made:
        await desk.runner.aclose()
        desk.desk.call_over(call.journal.call)


def uses(call: Call) -> tuple[str, str]:
    """The real request's id, and the decoy's."""
    decoys = {record.use: sealed.decoy for record, sealed in call.recorder.of("approval.requested")}
    [real] = [use for use, is_decoy in decoys.items() if not is_decoy]
    [decoy] = [use for use, is_decoy in decoys.items() if is_decoy]
    return real, decoy


async def test_a_decoy_looks_like_any_request_and_is_told_apart_only_by_reading(
    call: Call, at_the_desk: MakeDesk
) -> None:
    """Reader's fault A8: the same call's id beside a real one, and nothing shown in a real one's form."""
    desk = at_the_desk()
    await desk.ask("decoy", **LEFT)
    said = r.SaidDetails(text="have you got monday", confidence=1, started_s=0, ended_s=1)
    call.journal.transcript.caller(said)
    using = desk.use()
    listed = await desk.waits(2)
    assert all(set(x) == set(listed[0]) for x in listed)
    assert call.journal.call not in str(listed), "what waits is listed without the call it is of"
    real, decoy = uses(call)
    one, other = await desk.look(real), await desk.look(decoy)
    assert set(one) == set(other)
    assert (one["tool"], one["reasons"]) == (other["tool"], other["reasons"])
    assert (other["arguments"], set(other["arguments"])) == ({"day": "every day"}, set(one["arguments"]))
    head, said = one["shown"].rsplit("\n", 1)
    assert said == "caller: have you got monday"
    assert other["shown"] == "\n".join([head, *SAID])
    assert (await desk.ask("decide", use=decoy, who="Anna Berg", word="refused"))["counts"]
    assert (await desk.ask("decide", use=real, who="Anna Berg", word="granted"))["counts"]
    assert (await using).ok
    assert [r.json for r in call.server.uses] == [MONDAY]
    assert call.recorder.of("approval.refused")[0][1].decoy


async def test_a_decoy_that_is_granted_does_nothing_and_is_counted(call: Call, at_the_desk: MakeDesk) -> None:
    ended: list[str] = []
    desk = at_the_desk(counted=ended.append)
    await desk.ask("decoy", **LEFT)
    using = desk.use()
    await desk.waits(2)
    _, decoy = uses(call)
    await desk.look(decoy)
    assert (await desk.ask("decide", use=decoy, who="Anna Berg", word="granted"))["state"] == "granted"
    assert not call.server.connections
    assert ended == ["granted"]
    await desk.decide("refused")
    await using
    assert not call.server.connections
    desk.desk.call_over(call.journal.call)
    assert ended == ["granted"], "counted once"


@pytest.mark.parametrize("word", ["refused", "taken_over"])
async def test_a_decoy_that_is_noticed_is_counted(call: Call, at_the_desk: MakeDesk, word: str) -> None:
    ended: list[str] = []
    desk = at_the_desk(counted=ended.append)
    await desk.ask("decoy", **LEFT)
    using = desk.use()
    await desk.waits(2)
    _, decoy = uses(call)
    await desk.look(decoy)
    await desk.ask("decide", use=decoy, who="Anna Berg", word=word)
    assert ended == ["caught"]
    await desk.decide("refused")
    await using


async def test_a_decoy_nobody_decides_on_is_counted_and_on_record(call: Call, at_the_desk: MakeDesk) -> None:
    ended: list[str] = []
    desk = at_the_desk(counted=ended.append)
    await desk.ask("decoy", **LEFT)
    using = desk.use()
    await desk.waits(2)
    _, decoy = uses(call)
    desk.desk._decoy_over(decoy)  # the timer's, which is a minute off
    assert ended == ["undecided"]
    assert [sealed.decoy for _, sealed in call.recorder.of("approval.expired")] == [True]
    await desk.decide("granted")
    await using


async def test_who_left_a_decoy_does_not_decide_on_it(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    await desk.ask("decoy", **LEFT, account=1001)
    using = desk.use()
    await desk.waits(2)
    real, decoy = uses(call)
    for who, account in (("olga  HEAD", None), ("Anna Berg", 1001)):
        await desk.look(decoy, who, account=account)
        with pytest.raises(OperatorError, match="leave it to them"):
            await desk.ask("decide", use=decoy, who=who, word="refused", account=account)
    await desk.look(real, "Olga Head")
    assert (await desk.ask("decide", use=real, who="Olga Head", word="refused"))["counts"]
    await desk.look(decoy)
    assert (await desk.ask("decide", use=decoy, who="Anna Berg", word="refused", account=1002))["counts"]
    await using


async def test_a_declared_decoy_says_which_role_wrote_it_and_they_do_not_decide_on_it(
    call: Call, at_the_desk: MakeDesk
) -> None:
    decoy = {k: LEFT[k] for k in ("role", "tool", "arguments", "said")}
    file = {"format": 1, "written_by": "practice-manager", "one_in": 1, "decoys": [decoy]}
    both = {
        "compliance": frozenset(("anna berg", "ben oduya")),
        "practice-manager": frozenset(("ben oduya",)),
    }
    desk = at_the_desk(DecoysFile.model_validate(file), roster=Roster(holders=both))
    using = desk.use()
    rows = await desk.waits(2)
    sealed = {record.use: details for record, details in call.recorder.of("approval.requested")}
    for row in rows:
        is_decoy = sealed[row["use"]].decoy
        assert sealed[row["use"]].written_by == ("practice-manager" if is_decoy else "")
        word = "refused" if is_decoy else "granted"
        for who in ("Ben Oduya", "Anna Berg"):
            await desk.look(row["use"], who)
        if is_decoy:
            with pytest.raises(OperatorError, match="leave it to them"):
                await desk.ask("decide", use=row["use"], who="Ben Oduya", word=word)
        assert (await desk.ask("decide", use=row["use"], who="Anna Berg", word=word))["counts"]
    assert (await using).ok
    assert len(call.server.uses) == 1


async def test_a_decoy_that_did_not_come_in_time_waits_for_the_next_call(
    call: Call, at_the_desk: MakeDesk
) -> None:
    ended: list[str] = []
    desk = at_the_desk(delay_s=3600.0, counted=ended.append)
    await desk.ask("decoy", **LEFT)
    using = desk.use()
    await desk.decide("refused")
    await using
    desk.desk.call_over(call.journal.call)
    assert len(call.recorder.of("approval.requested")) == 1
    assert ended == []
    assert (await desk.ask("decoy", **LEFT))["seeded"] == 2, "the first one waits again"


async def test_a_decoy_whose_caller_hangs_up_is_counted_and_does_not_come_again(
    call: Call, at_the_desk: MakeDesk
) -> None:
    ended: list[str] = []
    desk = at_the_desk(counted=ended.append)
    await desk.ask("decoy", **LEFT)
    using = desk.use()
    await desk.waits(2)
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    desk.desk.call_over(call.journal.call)
    assert ended == ["undecided"]
    assert {r.reason for r, sealed in call.recorder.of("approval.abandoned") if sealed.decoy} == {"hung_up"}
    assert (await desk.ask("decoy", **LEFT))["seeded"] == 1, "it was seen: it does not wait for another call"
    await desk.runner.aclose()  # as the end of its call does


async def test_a_decoy_the_tool_would_not_take_is_left_out(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    await desk.ask("decoy", **LEFT | {"arguments": {"weekday": 7}})
    using = desk.use()
    await desk.waits(1)
    for _ in range(20):
        await asyncio.sleep(0)
    await desk.decide("granted")
    assert (await using).ok
    assert len(call.recorder.of("approval.requested")) == 1


async def test_how_many_wait_and_for_how_long(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    assert desk.desk.waiting() == (0, 0.0)
    using = desk.use()
    await desk.waits(1)
    count, oldest_s = desk.desk.waiting()
    assert count == 1
    assert 0 <= oldest_s < 60
    await desk.decide("refused")
    await using
    assert desk.desk.waiting() == (0, 0.0)
