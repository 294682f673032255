"""Approvals of a house with several workers: whichever is asked lists all that waits, and reaches its owner.

A request stays in the worker whose call it is, with the caller's words, and is decided there: by one state
machine on one event loop, so that exactly one decision counts and every other is on record as late. What
passes between workers is sealed (``store.workers``). Each worker offers the others what may be told without
opening anything (ids, roles, times), every ``OFFER_EVERY_S``; showing and deciding are questions to the
owner, which it answers as it answers its own local socket. A worker that died offers nothing any more, and
what waited in it waits nowhere.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol

from loguru import logger

from controls.errors import LedgerError, OperatorError, SayError
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.clock import Clock
from voice_runtime.local import Question
from voice_runtime.ports import StoreUnreachable

#: How often a worker says what waits in it, s.
OFFER_EVERY_S = 0.5
#: Longest wait for another worker's answer, s: it waits for a record, and a command waits 15 s.
ANSWER_S = 8.0
#: What another worker may be asked.
ASKED = frozenset({"approvals.show", "approvals.decide"})
#: Questions of other workers answered at a time.
_AT_ONCE = 4
#: Pause after the store did not answer, s.
_PAUSE_S = 1.0


class Colleagues(Protocol):
    """What is needed of ``store.workers.Workers``; each raises ``StoreUnreachable``."""

    async def offer(self, text: str) -> None: ...
    async def leave(self) -> None: ...
    async def offered(self) -> dict[str, str]: ...
    async def ask(self, worker: str, text: str, within_s: float) -> str | None: ...
    async def asked(self) -> tuple[str, str] | None: ...
    async def answer(self, number: str, text: str) -> None: ...


class ApprovalsElsewhere:
    """One worker's desk together with the others'. ``start`` once, ``close`` once."""

    def __init__(self, desk: ApprovalDesk, colleagues: Colleagues, clock: Clock) -> None:
        self._desk, self._colleagues, self._clock = desk, colleagues, clock
        self._own = desk.questions
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._offering = False
        self._reached = True

    async def start(self) -> None:
        """Offer what waits here, and answer the others."""
        for name, work in (("offering", self._offer_always()), ("answering", self._answer_always())):
            self._spawn(work, f"approvals elsewhere: {name}")

    async def close(self) -> None:
        """Offer nothing, answer nobody. Harmless twice."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._offering:
            self._offering = False
            try:
                await self._colleagues.leave()
            except StoreUnreachable:
                logger.debug("a worker left without saying so")

    @property
    def questions(self) -> dict[str, Question]:
        """What the local socket may ask, wherever it waits."""
        return self._own | {
            "approvals.list": self._list,
            "approvals.show": lambda asked: self._whose("approvals.show", asked),
            "approvals.decide": lambda asked: self._whose("approvals.decide", asked),
        }

    # -- what people ask --------------------------------------------------------------------------

    async def _list(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        told = await self._own["approvals.list"](asked)
        try:
            others = await self._others()
        except StoreUnreachable:
            return told | {"reached": False}
        rows = [row for offer in others.values() for row in offer["rows"]]
        every = [*told["waiting"], *rows]
        return told | {"waiting": sorted(every, key=lambda row: -int(row["waited_s"]))}

    async def _whose(self, question: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer it here where the request is this worker's own, and have its owner answer it elsewhere.

        Raises:
            OperatorError: nothing waits under that id, or the owner refuses or cannot be reached.
            LedgerError: it could not be put on record, or the owner gave no answer in time.
        """
        use = asked.get("use")
        if not isinstance(use, str) or use in self._desk.uses():
            return await self._own[question](asked)
        try:
            others = await self._others()
            owner = next((worker for worker, offer in others.items() if use in offer["uses"]), None)
            if owner is None:
                return await self._own[question](asked)  # which names what to do
            text = json.dumps({"question": question, "fields": dict(asked)})
            answer = await self._colleagues.ask(owner, text, ANSWER_S)
        except StoreUnreachable as error:
            raise OperatorError(
                f"{use} does not wait in this worker, and the others cannot be reached ({error}): ask the "
                "worker whose call it is, with its --config"
            ) from None
        if answer is None:
            raise LedgerError("the worker whose call it is gave no answer; it may still be done")
        return _told(answer)

    async def _others(self) -> dict[str, dict[str, Any]]:
        found = await self._colleagues.offered()
        return {worker: json.loads(text) for worker, text in found.items()}

    # -- what the others ask and are told ---------------------------------------------------------

    async def _offer_always(self) -> None:
        while True:
            try:
                await self._offer()
                self._reach(True)
            except StoreUnreachable:
                self._reach(False)
            await self._clock.sleep(OFFER_EVERY_S)

    async def _offer(self) -> None:
        """Say what waits here; once, that nothing does any more."""
        uses = self._desk.uses()
        if uses:
            self._offering = True
            await self._colleagues.offer(json.dumps({"uses": sorted(uses), "rows": self._desk.rows()}))
        elif self._offering:
            await self._colleagues.leave()
            self._offering = False

    async def _answer_always(self) -> None:
        while True:
            try:
                asked = await self._colleagues.asked()
            except StoreUnreachable:
                await self._clock.sleep(_PAUSE_S)
                continue
            if asked is not None:
                await self._places.acquire()
                self._spawn(self._answer(*asked), "approvals elsewhere: an answer")

    async def _answer(self, number: str, text: str) -> None:
        try:
            await self._colleagues.answer(number, json.dumps(await self._answered(text)))
        except StoreUnreachable:
            logger.error("another worker's question was answered, and the answer is lost")
        finally:
            self._places.release()

    async def _answered(self, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
            question, fields = asked["question"], asked["fields"]
            if question not in ASKED:
                return {"error": "operator", "detail": "another worker cannot be asked this"}
            return {"told": await self._own[question](fields)}
        except OperatorError as error:
            return {"error": "operator", "detail": str(error)}
        except SayError as error:
            logger.error("another worker's question failed: {}", type(error).__name__)
            return {"error": "ledger", "detail": "it could not be put on record"}
        except Exception as error:  # noqa: BLE001 - a foreign error's message may hold anything
            logger.error("another worker's question failed: {}", type(error).__name__)
            return {"error": "ledger", "detail": type(error).__name__}

    def _reach(self, reached: bool) -> None:
        if self._reached and not reached:
            logger.error("other workers cannot be told what waits here: Redis does not answer")
        self._reached = reached

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _told(answer: str) -> dict[str, Any]:
    """What the owner answered.

    Raises:
        OperatorError: it refuses. LedgerError: it could not put it on record.
    """
    found = json.loads(answer)
    if found.get("error") == "operator":
        raise OperatorError(str(found["detail"]))
    if found.get("error"):
        raise LedgerError(f"the worker whose call it is: {found['detail']}")
    told: dict[str, Any] = found["told"]
    return told
