"""Runs scripted conversations against one release, and judges them from the record alone.

1. A call is opened and answered as any other, on a typed carrier (``typed``).
2. The steps are done one after the other, each once the answer to the one
   before is over; a step that interrupts is done in the middle of that answer.
3. What each step was expected to bring is looked for in the records written
   meanwhile, and in the rows of the booking service (``judging``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from loguru import logger

from controls.decision import PendingReceipt, Receipt, Recorder
from controls.errors import LedgerError
from controls.ledger import records as r
from voice_runtime.call import Call
from voice_runtime.call_opening import open_call
from voice_runtime.eval_file import EvalFile, Expected, Step
from voice_runtime.house import Agent, Facts, House
from voice_runtime.inline.counted import Spool
from voice_runtime.judging import Entry, Part, judge, judge_outcome, settled
from voice_runtime.phrases import WAITING
from voice_runtime.typed import NotPossible, TypedCarrier

#: A number reserved for fiction; what the caller's carrier would show.
CALLER = "+12025550123"
#: Who decides in a rehearsal.
COLLEAGUE = "a colleague in a rehearsal"
#: One answer, from a caller's last word to the agent's, takes no longer, s.
ANSWER_S = 30.0
#: An interruption comes after this much of the answer, ms.
INTERRUPTS_AFTER_MS = 600
_DURABLE_S = 5.0


@dataclass(frozen=True, slots=True)
class EvalResult:
    """What a scripted conversation came to.

    Attributes:
        release: digest of the release it ran on, ``sha256:…``.
        call: where its record is.
        failures: sentences; none when everything held.
    """

    name: str
    release: str
    call: str
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


class _Tape:
    """A recorder that keeps what passes through; what did not become durable is not on it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._taken: list[tuple[Entry, PendingReceipt | None]] = []

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        receipt = self._recorder.append(record, personal)
        self._taken.append(((record, personal), receipt))
        return receipt

    def spool(self, into: Spool) -> Spool:
        """The same for the fallback spool."""

        def write(record: r.Record, personal: r.Personal | None) -> Receipt:
            receipt = into(record, personal)
            self._taken.append(((record, personal), None))
            return receipt

        return write

    def __len__(self) -> int:
        return len(self._taken)

    async def durable(self) -> None:
        """Wait until nothing taken so far is on its way any more.

        Raises:
            LedgerError: it took too long.
        """
        waiting = [asyncio.wrap_future(f) for _, f in self._taken if f is not None and not f.done()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=_DURABLE_S)
            if late:
                raise LedgerError(f"{len(late)} record(s) were not durable within {_DURABLE_S:g} s")

    def between(self, start: int, end: int | None = None) -> list[Entry]:
        """The records taken from number ``start`` on that are on record."""
        return [e for e, f in self._taken[start:end] if f is None or (f.done() and f.exception() is None)]


@dataclass(slots=True)
class _Window:
    """From where on a step's records and rows are counted."""

    name: str
    expected: Expected
    record: int
    rows: int


async def run_eval(
    name: str,
    case: EvalFile,
    agent: Agent,
    house: House,
    *,
    rows: Callable[[], int] = lambda: 0,
    facts: Facts | None = None,
) -> EvalResult:
    """Have one scripted conversation.

    Args:
        rows: how many appointments are booked now; may block for a read.
        facts: whose call it is; made for the release's tenant when None.

    Raises:
        LedgerError: the call could not be opened, or its records are not durable.
    """
    carrier, tape = TypedCarrier(), _Tape(house.recorder)
    spool = tape.spool(house.spool) if house.spool is not None else None
    own = replace(house, recorder=tape, clock=carrier.clock, spool=spool)
    made = facts or Facts(tenant=agent.release.tenant, line="rehearsal", region="local", ingress="webrtc")
    made = replace(made, caller="" if case.number_withheld else CALLER, language=case.language or "")
    call = await open_call(agent, own, made)
    if case.steps[0].interrupts:
        carrier.freeze(INTERRUPTS_AFTER_MS)
    run = asyncio.create_task(call.run(carrier), name="rehearsed call")
    run.add_done_callback(lambda _: carrier.closed())
    played = _Conversation(case, call, carrier, tape, rows)
    try:
        failures = await played.have()
    finally:
        if not carrier.over:
            with suppress(NotPossible):
                carrier.hang_up()
        await run
    failures += await played.outcome()
    return EvalResult(name, agent.release.digest, call.id, tuple(failures))


class _Conversation:
    """One run of one case."""

    def __init__(
        self, case: EvalFile, call: Call, carrier: TypedCarrier, tape: _Tape, rows: Callable[[], int]
    ) -> None:
        self._case, self._call, self._carrier, self._tape, self._rows = case, call, carrier, tape, rows
        self._rows_before = 0
        carrier.person_is_due = self._person_is_due

    async def have(self) -> list[str]:
        """Do every step; returns what did not hold."""
        self._rows_before = await asyncio.to_thread(self._rows)
        steps = self._case.steps
        window = _Window("opening", self._case.opening, 0, self._rows_before)
        failures = await self._answer(window, before=steps[0])
        for i, step in enumerate(steps):
            if self._carrier.over:
                return [*failures, f"{_named(i, step)}: the call was over before it"]
            following = steps[i + 1] if i + 1 < len(steps) else None
            if following is not None and following.interrupts:
                self._carrier.freeze(INTERRUPTS_AFTER_MS)
            rows = await asyncio.to_thread(self._rows)
            window = _Window(_named(i, step), step.expect, len(self._tape), rows)
            if failed := await self._in_time(self._do(step), window.name):
                return [*failures, *failed]
            failures += await self._answer(window, before=following)
        return failures

    async def outcome(self) -> list[str]:
        """What did not hold of the whole call; after it is over."""
        await self._tape.durable()
        rows = await asyncio.to_thread(self._rows)
        whole = Part(self._tape.between(0), rows - self._rows_before, self._call.reader)
        found = settled(whole) + judge_outcome(self._case.outcome, whole)
        return [f"outcome: {what}" for what in found]

    async def _answer(self, window: _Window, before: Step | None) -> list[str]:
        """Wait until the answer is over, or (before an interruption) under way; judge what came."""
        if before is not None and before.interrupts:
            failed = await self._in_time(self._held(), window.name)
        else:
            failed = await self._in_time(self._carrier.settled(), window.name)
        await self._tape.durable()
        rows = await asyncio.to_thread(self._rows)
        part = Part(self._tape.between(window.record), rows - window.rows, self._call.reader)
        return failed + [f"{window.name}: {what}" for what in judge(window.expected, part)]

    async def _held(self) -> None:
        if not await self._carrier.frozen():
            raise NotPossible("nothing was being said that could be interrupted")

    async def _do(self, step: Step) -> None:
        carrier = self._carrier
        if step.caller is not None:
            await carrier.say(step.caller)
        elif step.key is not None:
            await carrier.press(step.key)
        elif step.silent_s is not None:
            await carrier.stay_silent(step.silent_s)
        elif step.colleague is not None:
            await self._decide(step.colleague)
        else:
            carrier.hang_up()

    async def _decide(self, word: str) -> None:
        """As a person would over the local socket: shown it first."""
        if (desk := self._call.house.approvals) is None or not self._person_is_due():
            raise NotPossible("nothing waits for a colleague")
        [waiting] = [w for w in desk.open() if w.call == self._call.id]
        common = {"use": waiting.use, "who": COLLEAGUE}
        await desk.questions["approvals.show"](common | {"purpose": "to decide"})
        await desk.questions["approvals.decide"](common | {"word": word})

    def _person_is_due(self) -> bool:
        """A use waits for a colleague, and the caller was told."""
        desk = self._call.house.approvals
        if desk is None or not any(w.call == self._call.id for w in desk.open()):
            return False
        taken = self._tape.between(0)
        asked = sum(isinstance(record, r.ApprovalRequested) for record, _ in taken)
        told = sum(isinstance(p, r.PlayedDetails) and p.phrase == WAITING for _, p in taken)
        return told >= asked

    async def _in_time(self, work: object, name: str) -> list[str]:
        try:
            async with asyncio.timeout(ANSWER_S):
                await work  # type: ignore[misc]
        except TimeoutError:
            logger.warning("call {}: a rehearsed answer did not end", self._call.id)
            return [f"{name}: the answer was not over within {ANSWER_S:g} s"]
        except NotPossible as error:
            return [f"{name}: {error}"]
        return []


def _named(i: int, step: Step) -> str:
    deed = (
        f'caller: "{step.caller}"' if step.caller is not None
        else f"key: {step.key}" if step.key is not None
        else f"silent_s: {step.silent_s:g}" if step.silent_s is not None
        else f"colleague: {step.colleague}" if step.colleague is not None
        else "hangs_up"
    )  # fmt: skip
    return f"step {i + 1} ({deed})"
