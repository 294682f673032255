"""Decoys at the desk: beside a real request, on its record, never carried out; left by hand, or by lot."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.desk import MONDAY, Desk
from voice_runtime.agent import Tool
from voice_runtime.approvals import Decoys
from voice_runtime.decoys import DecoysFile

pytestmark = pytest.mark.anyio

MakeDesk = Callable[..., Desk]


@pytest.fixture
async def at_the_desk(call: Call, make_tool: Callable[..., Tool], tmp_path: Path) -> AsyncIterator[MakeDesk]:
    made: list[Desk] = []

    def make(**options: Any) -> Desk:
        call.gate.approvals.release = "sha256:" + "d" * 64
        tool = make_tool("find", call.server.url, approval=Ask("compliance", 60, "refuse"))
        made.append(Desk(call, tmp_path, (tool,), **options))
        return made[-1]

    yield make
    for desk in made:
        await desk.runner.aclose()


async def test_a_decoy_comes_with_a_real_request_and_is_told_apart_only_when_opened(
    call: Call, at_the_desk: MakeDesk
) -> None:
    desk = at_the_desk()
    await desk.ask(
        "decoy",
        who="Olga Head",
        role="compliance",
        tool="refund",
        arguments={"amount": 9000},
        shown="urgent!",
    )
    using = desk.use()
    listed = await desk.waits(2)
    assert all(set(x) == set(listed[0]) for x in listed)
    decoys = {record.use: sealed.decoy for record, sealed in call.recorder.of("approval.requested")}
    decoy = next(use for use, is_decoy in decoys.items() if is_decoy)
    real = next(use for use, is_decoy in decoys.items() if not is_decoy)
    caught = await desk.ask("decide", use=decoy, who="Anna Berg", word="refused")
    assert caught["counts"]
    assert (await desk.ask("decide", use=real, who="Anna Berg", word="granted"))["counts"]
    assert (await using).ok
    assert [r.json for r in call.server.uses] == [MONDAY]
    assert call.recorder.of("approval.refused")[0][1].decoy


async def test_a_decoy_that_is_granted_does_nothing(call: Call, at_the_desk: MakeDesk) -> None:
    desk = at_the_desk()
    await desk.ask(
        "decoy", who="Olga Head", role="compliance", tool="find", arguments={"day": "X"}, shown="-"
    )
    using = desk.use()
    await desk.waits(2)
    [decoy] = [record.use for record, sealed in call.recorder.of("approval.requested") if sealed.decoy]
    assert (await desk.ask("decide", use=decoy, who="Anna Berg", word="granted"))["state"] == "granted"
    assert not call.server.connections
    await desk.decide("refused")
    await using
    assert not call.server.connections
    desk.desk.call_over(call.journal.call)


async def test_a_declared_decoy_comes_by_lot_and_says_who_wrote_it(call: Call, at_the_desk: MakeDesk) -> None:
    decoy = {"role": "compliance", "tool": "refund", "arguments": {"amount": 9000}, "shown": "no order"}
    declared = {"format": 1, "written_by": "practice-manager", "one_in": 1, "decoys": [decoy]}
    decoys = Decoys.of(DecoysFile.model_validate(declared), random.Random(1))
    desk = at_the_desk(desk={"decoys": decoys})
    using = desk.use()
    rows = await desk.waits(2)
    sealed = {record.use: details for record, details in call.recorder.of("approval.requested")}
    for row in rows:
        is_decoy = sealed[row["use"]].decoy
        assert sealed[row["use"]].written_by == ("practice-manager" if is_decoy else "")
        word = "refused" if is_decoy else "granted"
        assert (await desk.ask("decide", use=row["use"], who="Anna Berg", word=word))["counts"]
    assert (await using).ok
    assert len(call.server.uses) == 1
