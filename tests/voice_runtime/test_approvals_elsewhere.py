"""What a worker asks and answers the others, with a store that fails in every way it can."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controls.errors import LedgerError, OperatorError
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.approvals_elsewhere import OFFER_EVERY_S, ApprovalsElsewhere
from voice_runtime.clock import SystemClock
from voice_runtime.people import People
from voice_runtime.ports import StoreUnreachable

pytestmark = pytest.mark.anyio

USE = "u_" + "7" * 16
ROW = {"use": USE, "call": "c_1", "tenant": "clinic", "role": "compliance", "risk": 50, "waited_s": 3,
       "left_s": 9, "state": "requested"}  # fmt: skip
OTHERS = {"w1": json.dumps({"uses": [USE], "rows": [ROW]})}
DECIDE = {"use": USE, "who": "Anna Berg", "word": "granted"}


class Turns(SystemClock):
    """A sleep lets others run, and takes no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Fake:
    """Implements ``approvals_elsewhere.Colleagues``; may be changed mid-test."""

    def __init__(self) -> None:
        self.away = False
        self.others: dict[str, str] = dict(OTHERS)
        self.answer_with: str | None = None
        self.questions: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.answers: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.asked_of: list[tuple[str, Any]] = []
        self.offers: list[str] = []
        self.left = 0

    def _here(self) -> None:
        if self.away:
            raise StoreUnreachable("gone")

    async def offer(self, text: str) -> None:
        self._here()
        self.offers.append(text)

    async def leave(self) -> None:
        self._here()
        self.left += 1

    async def offered(self) -> dict[str, str]:
        self._here()
        return self.others

    async def ask(self, worker: str, text: str, within_s: float) -> str | None:
        self._here()
        self.asked_of.append((worker, json.loads(text)))
        return self.answer_with

    async def asked(self) -> tuple[str, str] | None:
        self._here()
        return await self.questions.get()

    async def answer(self, number: str, text: str) -> None:
        self._here()
        self.answers.put_nowait((number, json.loads(text)))


@asynccontextmanager
async def elsewhere(folder: Path) -> AsyncIterator[tuple[ApprovalsElsewhere, Fake]]:
    fake = Fake()
    made = ApprovalsElsewhere(ApprovalDesk(MemoryRecorder(), People(folder)), fake, Turns())
    await made.start()
    try:
        yield made, fake
    finally:
        await made.close()


async def answered(fake: Fake, text: str) -> Any:
    fake.questions.put_nowait(("n1", text))
    async with asyncio.timeout(20):
        number, told = await fake.answers.get()
    assert number == "n1"
    return told


async def test_what_waits_elsewhere_is_listed_and_its_owner_asked(tmp_path: Path) -> None:
    async with elsewhere(tmp_path) as (made, fake):
        assert (await made.questions["approvals.list"]({}))["waiting"] == [ROW]
        fake.answer_with = json.dumps({"told": {"counts": True}})
        assert await made.questions["approvals.decide"](DECIDE) == {"counts": True}
        assert fake.asked_of == [("w1", {"question": "approvals.decide", "fields": DECIDE})]


@pytest.mark.parametrize(
    ("answer", "error", "named"),
    [
        (None, LedgerError, "it may still be done"),
        ({"error": "operator", "detail": "nothing waits"}, OperatorError, "nothing waits"),
        ({"error": "ledger", "detail": "it could not be put on record"}, LedgerError, "could not be put"),
    ],
)
async def test_an_owner_that_refuses_fails_or_says_nothing(
    tmp_path: Path, answer: object, error: type[Exception], named: str
) -> None:
    async with elsewhere(tmp_path) as (made, fake):
        fake.answer_with = None if answer is None else json.dumps(answer)
        with pytest.raises(error, match=named):
            await made.questions["approvals.decide"](DECIDE)


async def test_an_owner_that_died_offers_nothing_and_nothing_waits(tmp_path: Path) -> None:
    async with elsewhere(tmp_path) as (made, fake):
        fake.others.clear()
        with pytest.raises(OperatorError, match="nothing waits as"):
            await made.questions["approvals.decide"](DECIDE)
        assert fake.asked_of == []


async def test_without_the_store_it_says_what_it_does_not_see(tmp_path: Path) -> None:
    async with elsewhere(tmp_path) as (made, fake):
        fake.away = True
        assert await made.questions["approvals.list"]({}) == {"waiting": [], "reached": False}
        with pytest.raises(OperatorError, match="ask the worker whose call it is"):
            await made.questions["approvals.show"]({"use": USE, "who": "A", "purpose": "to decide"})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"question": "approvals.decoy", "fields": {}}', "operator"),
        ('{"question": "stops.resume", "fields": {}}', "operator"),
        (json.dumps({"question": "approvals.decide", "fields": DECIDE}), "operator"),
        ("[]", "ledger"),
        ("{", "ledger"),
    ],
)
async def test_others_may_ask_to_show_and_to_decide_and_nothing_else(
    tmp_path: Path, text: str, error: str
) -> None:
    async with elsewhere(tmp_path) as (_, fake):
        told = await answered(fake, text)
        assert told["error"] == error
        assert "Anna" not in told["detail"]


async def test_many_questions_at_once_are_each_answered(tmp_path: Path) -> None:
    async with elsewhere(tmp_path) as (_, fake):
        for i in range(30):
            fake.questions.put_nowait(
                (f"n{i}", json.dumps({"question": "approvals.decide", "fields": DECIDE}))
            )
        async with asyncio.timeout(20):
            numbers = {(await fake.answers.get())[0] for _ in range(30)}
        assert len(numbers) == 30


async def test_a_desk_with_nothing_on_it_offers_nothing(tmp_path: Path) -> None:
    async with elsewhere(tmp_path) as (made, fake):
        assert isinstance(made._clock, Turns)
        while len(made._clock.slept) < 5:
            await asyncio.sleep(0)
        assert set(made._clock.slept) == {OFFER_EVERY_S}
        assert (fake.offers, fake.left) == ([], 0)
