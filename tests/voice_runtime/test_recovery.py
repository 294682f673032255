"""After a crash: open calls are closed on record, lost tool outcomes asked about, nothing repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from controls.capture import CARD
from controls.decision import Verdict
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.ledger.verify import verify_directory
from controls.redaction.file import unconfigured
from tests.controls.ledger.support import tagger
from tests.simulators.sealed_words import raw
from voice_runtime.agent import ByKeys, Tool
from voice_runtime.offline.appointments import build
from voice_runtime.offline.book import Book
from voice_runtime.offline.book_file import load_book
from voice_runtime.recovery import close_what_is_open
from voice_runtime.think.answers import Reconciled
from voice_runtime.think.services import Service, ServiceClient

pytestmark = pytest.mark.anyio

TENANT, KEY = "riverside", b"k" * 32
DIGEST = "sha256:" + "0" * 64
BOOK = Tool(
    name="book_appointment", does="Books.", risk="medium", service="appointments", operation="book",
    method="POST", url="http://appointments.invalid/tools/book", timeout_s=2.0, parameters={"type": "object"},
)  # fmt: skip
SLOT = {"doctor": "Patel", "day": "Tuesday", "time": "ten"}


class Crashed:
    """A call as a crash leaves it: opened, a clause cleared, a tool requested; no outcome, no end."""

    def __init__(self, root: Path, services: ServiceClient) -> None:
        self.root, self.services = root, services
        self.call, self.clause, self.use = new_id("c"), new_id("k"), new_id("u")

    def leave(self) -> None:
        ledger = Ledger.open(self.root, tagger=tagger)
        ledger.append(
            r.CallOpened(
                tenant=TENANT, call=self.call, release=DIGEST, environment=r.Environment.DEMO, approved=False,
                ingress="twilio", region="us", language="en-US",
            ),
            r.CallDetails(agent="healthcare", line="desk", operator_of_record="Test", opened_at="now"),
        )  # fmt: skip
        ledger.append(
            r.ClauseCleared(
                tenant=TENANT, call=self.call, turn=1, clause=self.clause, verdict=Verdict.ALLOW, risk=0
            ),
            r.ClauseDetails(text="One moment."),
        )
        ledger.append(
            r.ToolRequested(
                tenant=TENANT, call=self.call, turn=1, use=self.use, risk="medium", read_back="confirmed",
                idempotent=True,
            ),
            r.ToolDetails(name="book_appointment", arguments=SLOT),
        ).result(60)  # fmt: skip
        ledger.close()

    async def recover(self) -> int:
        ledger = await asyncio.to_thread(Ledger.open, self.root, tagger=tagger)
        try:
            return await close_what_is_open(
                self.root, ledger, self.services, {("healthcare", BOOK.name): BOOK}
            )
        finally:
            await asyncio.to_thread(ledger.close)

    def records(self) -> list[tuple[r.Record, r.Personal | None]]:
        with Reader.open(self.root) as reader:
            return [(o.record, o.personal) for o in reader.opened(self.call)]


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    made = Book(tmp_path / "book.db", load_book(Path("configs/books/appointments.yaml")))
    yield made
    made.close()


@pytest.fixture
async def crashed(tmp_path: Path, book: Book) -> AsyncIterator[Crashed]:
    """The booking service is the real one, behind its real HTTP interface."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=build(book, KEY)))
    services = ServiceClient({"appointments": Service("appointments", KEY)}, client=client)
    yield Crashed(tmp_path / "ledger", services)
    await services.aclose()


async def test_an_open_call_is_closed_as_recovered(crashed: Crashed) -> None:
    await asyncio.to_thread(crashed.leave)
    assert await crashed.recover() == 1
    found = [record for record, _ in await asyncio.to_thread(crashed.records)]
    assert [x.type for x in found[-4:]] == ["agent.played", "tool.unknown", "call.recovered", "call.closed"]
    assert all(x.recovered for x in found[-4:])
    assert [x.n for x in found] == list(range(len(found)))
    played = found[-4]
    assert isinstance(played, r.AgentPlayed)
    assert (played.clause, played.samples) == (crashed.clause, 0)
    assert (await asyncio.to_thread(verify_directory, crashed.root)).ok


async def test_a_tool_that_was_done_is_found_by_its_key_and_not_done_again(
    crashed: Crashed, book: Book
) -> None:
    await asyncio.to_thread(crashed.leave)
    answer = await crashed.services.call(BOOK, SLOT, crashed.use)  # it arrived just before the crash
    assert answer.body["row"] == 1
    await crashed.recover()
    [(unknown, details)] = [
        (x, p) for x, p in await asyncio.to_thread(crashed.records) if isinstance(x, r.ToolUnknown)
    ]
    assert (unknown.reason, unknown.reconciled) == ("crash", "done")
    assert isinstance(details, r.ToolDetails)
    assert details.result is not None
    assert details.result["row"] == 1
    again = await crashed.services.call(BOOK, {**SLOT, "time": "half past two"}, new_id("u"))
    assert again.body["row"] == 2, "the recovery booked something"


async def test_what_a_service_answers_after_a_crash_is_masked_as_in_the_call(
    crashed: Crashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The janitor wrote to the log past what masks a call's records."""

    async def reconcile(tool: Tool, use: str) -> Reconciled:
        return Reconciled("done", {"note": "paid with 4111 1111 1111 1111", "row": 3})

    await asyncio.to_thread(crashed.leave)
    monkeypatch.setattr(crashed.services, "reconcile", reconcile)
    await crashed.recover()
    found = await asyncio.to_thread(crashed.records)
    assert raw(found, unconfigured().before("record")) == []
    [details] = [p for x, p in found if isinstance(x, r.ToolUnknown)]
    assert isinstance(details, r.ToolDetails)
    assert details.result == {"note": "paid with [card]", "row": 3}
    types = [x.type for x, _ in found]
    assert types[types.index("tool.unknown") + 1] == "redaction.made"
    assert [x.n for x, _ in found] == list(range(len(found)))
    closed = found[-1][0]
    assert isinstance(closed, r.CallClosed)
    assert (closed.records, closed.recovered) == (len(found) - 1, True)
    assert (await asyncio.to_thread(verify_directory, crashed.root)).ok


async def test_a_tool_that_never_arrived_is_known_not_to_be_done(crashed: Crashed) -> None:
    await asyncio.to_thread(crashed.leave)
    await crashed.recover()
    [unknown] = [x for x, _ in await asyncio.to_thread(crashed.records) if isinstance(x, r.ToolUnknown)]
    assert unknown.reconciled == "not_done"


async def test_a_service_that_cannot_be_asked_leaves_it_unknown(crashed: Crashed, tmp_path: Path) -> None:
    await asyncio.to_thread(crashed.leave)
    await crashed.services.aclose()
    crashed.services = ServiceClient({"appointments": Service("appointments", KEY, "http://127.0.0.1:9")})
    await crashed.recover()
    found = [x for x, _ in await asyncio.to_thread(crashed.records)]
    [unknown] = [x for x in found if isinstance(x, r.ToolUnknown)]
    [recovered] = [x for x in found if isinstance(x, r.CallRecovered)]
    assert unknown.reconciled == "no"
    assert recovered.tools_unknown == 1


async def test_recovering_twice_finds_nothing_the_second_time(crashed: Crashed) -> None:
    await asyncio.to_thread(crashed.leave)
    assert await crashed.recover() == 1
    assert await crashed.recover() == 0


# --- uses that waited for a person -----------------------------------------------------------------


def asked(crashed: Crashed, number: int, *, decoy: bool = False) -> tuple[r.Record, r.Personal]:
    record = r.ApprovalRequested(
        tenant=TENANT, call=crashed.call, use=use(number), nonce=nonce(number), role="compliance", risk=50,
        expires_at=1_790_000_000,
    )  # fmt: skip
    return record, r.ApprovalDetails(tool="refund", decoy=decoy)


def use(number: int) -> str:
    return f"u_{number:016d}"


def nonce(number: int) -> str:
    return f"n_{number:064x}"


async def test_a_use_that_waited_for_a_person_waits_no_longer(crashed: Crashed) -> None:
    """1 waits; 2 was granted, not requested; 3 granted and made; 4 refused; 5 is a decoy that was granted."""
    await asyncio.to_thread(crashed.leave)

    def more() -> None:
        def decision(number: int) -> dict[str, object]:
            return {
                "tenant": TENANT, "call": crashed.call, "use": use(number), "nonce": nonce(number),
                "by": "p_" + "A" * 16, "label": "server_attested", "after_s": 3,
            }  # fmt: skip

        ledger = Ledger.open(crashed.root, tagger=tagger)
        for number in range(1, 6):
            ledger.append(*asked(crashed, number, decoy=number == 5))
        for number in (2, 3, 5):
            ledger.append(r.ApprovalGranted.model_validate(decision(number)), r.ApprovalDetails())
        ledger.append(r.ApprovalRefused.model_validate(decision(4)), r.ApprovalDetails())
        requested = r.ToolRequested(
            tenant=TENANT,
            call=crashed.call,
            turn=1,
            use=use(3),
            risk="low",
            read_back="none",
            idempotent=True,
        )
        ledger.append(requested, r.ToolDetails(name="refund")).result(60)
        ledger.close()

    await asyncio.to_thread(more)
    await crashed.recover()
    found = [record for record, _ in await asyncio.to_thread(crashed.records)]
    abandoned = [x for x in found if isinstance(x, r.ApprovalAbandoned)]
    assert [(x.use, x.reason, x.recovered) for x in abandoned] == [
        (use(1), "crashed", True), (use(2), "crashed", True),
    ]  # fmt: skip
    assert [x.use for x in found if isinstance(x, r.ToolUnknown)] == [crashed.use, use(3)]
    assert isinstance(found[-1], r.CallClosed)
    assert (await asyncio.to_thread(verify_directory, crashed.root)).ok


# --- figures that were entered by keys -------------------------------------------------------------


def entering(crashed: Crashed) -> None:
    """The crash came while the caller keyed something in for the use under way."""
    crashed.leave()
    ledger = Ledger.open(crashed.root, tagger=tagger)
    common = {"tenant": TENANT, "call": crashed.call, "turn": 1}
    over = new_id("u")
    ledger.append(r.CaptureStarted(**common, use=over, what="card"))
    ledger.append(r.CaptureEnded(**common, use=over, outcome="captured", attempts=1))
    ledger.append(r.CaptureStarted(**common, use=crashed.use, what="card")).result(60)
    ledger.close()


async def test_an_entry_by_keys_is_ended_once(crashed: Crashed) -> None:
    await asyncio.to_thread(entering, crashed)
    await crashed.recover()
    found = [x for x, _ in await asyncio.to_thread(crashed.records) if isinstance(x, r.CaptureEnded)]
    assert [(x.outcome, x.recovered) for x in found] == [("captured", False), ("failed", True)]
    assert found[1].use == crashed.use
    assert (await asyncio.to_thread(verify_directory, crashed.root)).ok


async def test_what_a_service_says_of_such_a_use_is_not_kept(
    crashed: Crashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(crashed.leave)
    assert (await crashed.services.call(BOOK, SLOT, crashed.use)).body["row"] == 1
    monkeypatch.setitem(globals(), "BOOK", replace(BOOK, capture=ByKeys("card", CARD)))
    await crashed.recover()
    [(unknown, details)] = [
        (x, p) for x, p in await asyncio.to_thread(crashed.records) if isinstance(x, r.ToolUnknown)
    ]
    assert unknown.reconciled == "done"
    assert isinstance(details, r.ToolDetails)
    assert details.result is None
