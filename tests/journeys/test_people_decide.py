"""People in a running house: one grants what a caller waits for, one stops an agent, two let it run again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from controls.approvals import still_signed
from controls.ledger import records as r
from controls.ledger.reader import Reader
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import Server
from voice_runtime.caller.script import HangUp, Say, Silence, Wait
from voice_runtime.local import QuestionName, ask_server

pytestmark = pytest.mark.anyio

AGENT = "agents/healthcare/agent.yaml"
FIND = "    calls: appointments/find_slots   # its address and schema: configs/\n    risk: low\n"


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    made = make_server(start=False)
    path = made.root / AGENT
    text = path.read_text(encoding="utf-8")
    assert FIND in text
    path.write_text(
        text.replace(FIND, f"{FIND}    approval: {{by: compliance, within_s: 60, else: refuse}}\n")
    )
    made.start()
    return made


async def ask(server: Server, question: QuestionName, **fields: Any) -> dict[str, Any]:
    told = await asyncio.to_thread(ask_server, server.settings.data_dir, question, **fields)
    assert told is not None
    return told


async def waiting(server: Server) -> str:
    """The id of what waits, once something does."""
    async with asyncio.timeout(60):
        while not (found := (await ask(server, "approvals.list"))["waiting"]):
            await asyncio.sleep(0.05)
    return str(found[0]["use"])


def kinds(server: Server) -> list[str]:
    return [record.type for record in server.records()]


async def test_a_caller_waits_a_person_grants_and_it_is_done(server: Server) -> None:
    calling = asyncio.create_task(
        server.call(Wait(), Say(text="can i see doctor patel on tuesday"), Wait(timeout_s=40), HangUp())
    )
    use = await waiting(server)
    assert "tool.requested" not in await asyncio.to_thread(kinds, server)
    shown = await ask(server, "approvals.show", use=use, who="Anna Berg", purpose="to decide")
    assert (shown["tool"], set(shown["arguments"])) == ("find_slots", {"doctor", "day"})
    assert "patel" in shown["arguments"]["doctor"].lower()
    await server.until(r.ApprovalRequested)
    assert (await ask(server, "approvals.decide", use=use, who="Anna Berg", word="granted"))["counts"]
    await calling
    trace = await server.ended()
    spoken = " ".join(t.played.played_text or "" for t in trace.turns if t.played is not None)
    assert "A colleague has to confirm that." in spoken
    assert "Tuesday" in spoken.partition("confirm that.")[2], "the answer came after the grant"

    def on_record() -> None:
        with Reader.open(server.ledger) as reader:
            mine = [o for o in reader.opened(trace.call.id) if isinstance(o.record, r.ApprovalRecord)]
            bound = next(
                o.record for o in reader.opened(trace.call.id) if isinstance(o.record, r.ReleaseBound)
            )
        requested, granted = mine
        assert isinstance(requested.record, r.ApprovalRequested)
        assert isinstance(granted.record, r.ApprovalGranted)
        assert isinstance(granted.personal, r.ApprovalDetails)
        assert isinstance(requested.personal, r.ApprovalDetails)
        shown = requested.personal.shown
        assert still_signed(requested.record, shown, granted.record, granted.personal, bound.release)
        types = [x.type for x in server.records() if getattr(x, "call", None) == trace.call.id]
        assert types.index("approval.granted") < types.index("tool.requested") < types.index("tool.executed")
        assert not trace.ledger.gaps
        assert verify_directory(server.ledger).ok

    await asyncio.to_thread(on_record)


async def test_a_stop_reaches_a_running_call_within_two_seconds_and_keeps_others_out(server: Server) -> None:
    calling = asyncio.create_task(server.call(Wait(), Say(text="when are you open"), Silence(seconds=30)))
    async with asyncio.timeout(60):
        while "when are you open" not in await asyncio.to_thread(_said, server):
            await asyncio.sleep(0.1)
    asked_at = time.monotonic()
    told = await ask(server, "stops.stop", kind="agent", name="healthcare", who="Anna Berg", why="a test")
    assert told["stopped"]
    await server.until(r.HandoffRequested, patience_s=20)
    assert time.monotonic() - asked_at < 2.0
    await calling
    trace = await server.ended()
    spoken = " ".join(t.played.played_text or "" for t in trace.turns if t.played is not None)
    assert "I can't go on with this call." in spoken
    await server.call(Wait(timeout_s=3), HangUp())
    await server.until(r.CallRefused)  # the carrier's answer does not wait for it
    refused = [x for x in await asyncio.to_thread(server.records) if isinstance(x, r.CallRefused)]
    assert [x.reason for x in refused] == ["stopped"]
    assert await server.down() == 0
    await server.up()  # it stays stopped over a restart
    [stopped] = (await ask(server, "stops.list"))["stopped"]
    assert (stopped["kind"], stopped["name"], stopped["why"]) == ("agent", "healthcare", "a test")
    for who in ("Anna Berg", "Ben Oduya"):
        told = await ask(server, "stops.resume", kind="agent", name="healthcare", who=who, why="checked")
    assert not told["stopped"]
    result = await server.call(Wait(), HangUp())
    assert not result.error
    assert (await server.ended()).call.ended_by == "caller"
    assert await asyncio.to_thread(lambda: verify_directory(server.ledger).ok)


def _said(server: Server) -> list[str]:
    with Reader.open(server.ledger) as reader:
        said = [e.record for e in reader.records() if isinstance(e.record, r.CallerSaid)]
        return [p.text for record in said if isinstance(p := reader.personal(record), r.SaidDetails)]
