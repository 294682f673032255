"""One call's uses that wait for a person: asked, the caller told so, and what came of it.

1. ``approval.requested`` is durable before anybody is asked.
2. The use lies on the desk; the caller hears that a colleague has to confirm it, and again every while.
3. A decision that counts ends the wait; a grant has its effect once its own record is durable.
4. When the time is over, the caller wants something else or is gone, or what it is about is stopped, nothing
   is done.
5. While the caller speaks and nobody knows yet what they want, a decision that comes has no effect. Once it
   is clear that they did not call it off, whoever answers waits again (``goes_on``), and tells them so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from loguru import logger

from controls import approval as a
from controls.approvals import Approvals, Request, UseFacts
from controls.decision import Decision
from controls.errors import InternalError, LedgerError
from voice_runtime.approvals import DeskFull, Waiting
from voice_runtime.clock import Clock
from voice_runtime.phrases import STILL_WAITING, WAITING
from voice_runtime.receipts import receipt_in_time

#: The caller hears again that a colleague is being waited for, s.
REPEAT_S = 20.0

#: Says a fixed phrase to the caller of that turn.
SayPhrase = Callable[[str, int], Awaitable[None]]


class Desk(Protocol):
    """What is needed of ``voice_runtime.approvals.ApprovalDesk``."""

    def put(self, waiting: Waiting) -> None: ...


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a request.

    Attributes:
        edited: the arguments that are proposed instead, after an edit; ``becomes`` is their use's id.
        detail: for the model.
        called_off: the caller wanted something else; what they said since is the newer news.
    """

    state: a.ApprovalState
    handoff: bool = False
    edited: dict[str, Any] = field(default_factory=dict)
    becomes: str = ""
    detail: str = ""
    called_off: bool = False


_TOLD: dict[a.ApprovalState, str] = {
    a.ApprovalState.REFUSED: "a colleague said no; do not try again, offer a person",
    a.ApprovalState.EXPIRED: "no colleague decided in time; it was not done, offer a person",
    a.ApprovalState.TAKEN_OVER: "a colleague takes over this conversation; it was not done",
    a.ApprovalState.EDITED: "a colleague changed it; it was not done as asked",
}
_LEFT: dict[a.Withdrawn, str] = {
    "interrupted": "the caller called it off before a colleague had decided; nobody said no; it was not done",
    "hung_up": "the caller was gone before a colleague had decided; it was not done",
    "stopped": "this was stopped by a person; do not try again, offer a person",
    "unrecorded": "not possible now",
    "nobody": "no colleague can be asked now; it was not done, offer a person",
}


class Approving:
    """One call's; uses run one after another, so at most one waits."""

    def __init__(
        self,
        approvals: Approvals,
        desk: Desk,
        clock: Clock,
        *,
        tenant: str,
        agent: str,
        receipt_deadline_s: float,
        repeat_s: float = REPEAT_S,
    ) -> None:
        self._approvals = approvals
        self._desk = desk
        self._clock = clock
        self._tenant, self._agent = tenant, agent
        self._deadline_s = receipt_deadline_s
        self._repeat_s = repeat_s
        #: Set but while the caller speaks and nobody knows what they want; ``_left``: they called it off.
        self._awaited, self._left = asyncio.Event(), False
        self._awaited.set()
        self._moved: asyncio.Event | None = None
        self._again = False

    @property
    def waiting(self) -> bool:
        """Whether a use waits, or what became of it does; one that was called off does not."""
        return self._moved is not None and not self._left

    def cut_off(self) -> None:
        """Whoever waited for it was interrupted: until they wait again, nothing comes of it."""
        if self.waiting:
            self._awaited.clear()

    def goes_on(self) -> None:
        """It is waited for again; the caller hears so, where nothing has become of it meanwhile."""
        if self.waiting and self._moved is not None and not self._awaited.is_set():
            self._again = True
            self._moved.set()
            self._awaited.set()

    def withdraw(self, reason: a.Withdrawn) -> bool:
        """Nobody waits any more; whether anything did."""
        waiting = self._approvals.open()
        self._left = self._moved is not None
        self._awaited.set()
        for request in waiting:
            if not request.approval.decoy:
                self._approvals.withdraw(request.approval.use, reason)
        return bool(waiting)

    async def decided(
        self,
        decision: Decision,
        facts: UseFacts,
        *,
        shown: str,
        quotes: bool = False,
        fault: Callable[[dict[str, Any]], str],
        say: SayPhrase,
    ) -> Came:
        """Wait for a person. Never raises but for cancellation, which withdraws the request.

        Args:
            shown: what the person is shown besides the arguments, from ``voice_runtime.shown``.
            quotes: whether it holds words of this call.
            fault: what is wrong with arguments that a person would put in their place.
            say: tells the caller what is waited for.
        """
        self._left, self._again, self._moved = False, False, asyncio.Event()
        self._awaited.set()
        try:
            came = await self._decided(decision, facts, shown, quotes, fault, say, self._moved)
            await self._awaited.wait()
            if self._left and came.state in (a.ApprovalState.GRANTED, a.ApprovalState.EDITED):
                return Came(a.ApprovalState.ABANDONED, detail=_LEFT["interrupted"], called_off=True)
            return came
        finally:
            self._moved = None

    async def _decided(
        self,
        decision: Decision,
        facts: UseFacts,
        shown: str,
        quotes: bool,
        fault: Callable[[dict[str, Any]], str],
        say: SayPhrase,
        moved: asyncio.Event,
    ) -> Came:
        use = decision.proposal.id
        asked_at_s, asked_ns = self._clock.unix_s(), self._clock.monotonic_ns()

        def now_s() -> float:  # a wall clock may jump in the middle of a wait
            return asked_at_s + (self._clock.monotonic_ns() - asked_ns) / 1e9

        try:
            request = self._approvals.request(
                decision, facts, shown=shown, quotes=quotes, now_s=asked_at_s, changed=moved.set
            )
        except (LedgerError, ValueError, InternalError) as error:
            logger.error("an approval was not asked for: {}", type(error).__name__)
            return Came(a.ApprovalState.REFUSED, detail="not possible now")
        try:
            await receipt_in_time(request.receipt, self._deadline_s)
            if not request.approval.done:  # the caller may be gone by now
                self._desk.put(Waiting(request, self._approvals, self._tenant, self._agent, now_s, fault))
            await self._wait(use, moved, now_s, lambda phrase: say(phrase, decision.proposal.turn))
            if request.approval.state is a.ApprovalState.DECIDED and request.decided is not None:
                await receipt_in_time(request.decided, self._deadline_s)
        except LedgerError:
            logger.error("an approval is not durable")
            if request.approval.state is not a.ApprovalState.DECIDED:
                self._approvals.withdraw(use, "unrecorded")
        except DeskFull:
            logger.error("too many uses wait for a person")
            self._approvals.withdraw(use, "nobody")
        except BaseException:  # cancelled: nobody waits, so nobody can grant it any more
            self._approvals.withdraw(use, "hung_up")
            raise
        self._approvals.settle(use)
        return self._came(use)

    async def _wait(
        self,
        use: str,
        moved: asyncio.Event,
        now_s: Callable[[], float],
        say: Callable[[str], Awaitable[None]],
    ) -> None:
        """Until something has become of it; the caller hears now and then what is waited for."""
        request = self._approvals.get(use)
        assert request is not None  # just made
        phrase, says_at_s = WAITING, now_s()
        while request.approval.state is a.ApprovalState.REQUESTED:
            if self._again or now_s() >= says_at_s:
                self._again = False
                if self._awaited.is_set():  # else it would sound amid what the caller is asked or answered
                    await say(phrase)
                phrase, says_at_s = STILL_WAITING, now_s() + self._repeat_s
            until_s = min(says_at_s, request.approval.expires_at_s)
            try:
                async with asyncio.timeout(max(0.0, until_s - now_s())):
                    await moved.wait()
            except TimeoutError:
                self._approvals.tick(use, now_s())
            moved.clear()

    def _came(self, use: str) -> Came:
        request = self._approvals.get(use)
        assert request is not None  # just made
        approval = request.approval
        expired_to_a_person = approval.state is a.ApprovalState.EXPIRED and approval.otherwise == "handoff"
        edited = approval.decision.arguments if approval.decision is not None else {}
        return Came(
            approval.state,
            handoff=expired_to_a_person or approval.state is a.ApprovalState.TAKEN_OVER,
            edited=dict(edited),
            becomes=request.becomes,
            detail=_detail(request),
            called_off=request.left == "interrupted",
        )


def _detail(request: Request) -> str:
    """For the model; what a person noted is not for it."""
    if request.left is not None:
        return _LEFT[request.left]
    if request.why is not None and request.why.why == "unrecorded":
        return _LEFT["unrecorded"]
    return _TOLD.get(request.approval.state, "")
