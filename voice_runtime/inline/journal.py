"""Turns to records: the one place where a call writes its history and its context.

Every stage tells the journal what it did; the journal makes the record, keeps
the marks that become ``latency_ms`` and writes what the agent *played* (not
what the model wrote) into the model's context. It is no frame processor: its
methods only queue work for the ledger's writer, so any stage may call them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakSet

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.decision import Cleared, PendingReceipt, Receipt, Recorder
from controls.errors import LedgerError
from controls.ledger import records as r
from voice_runtime.clock import Clock
from voice_runtime.events import RATE_HZ, TYPED, CallerPausedFrame, CallerSaidFrame, ProvisionalTurnFrame
from voice_runtime.inline.counted import Spool
from voice_runtime.inline.marks import ClauseMarks, TurnMarks, latency
from voice_runtime.inline.transcript import AsSealed, Transcript
from voice_runtime.ports import PlayedClause
from voice_runtime.receipts import receipt_in_time


@dataclass(slots=True)
class _Open:
    """A cleared clause whose ``agent.played`` is still owed."""

    cleared: Cleared
    generation: int
    marks: ClauseMarks


class Journal:
    """One call's writer of records and of context."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        tenant: str,
        call: str,
        clock: Clock,
        context: LLMContext,
        spool: Spool | None = None,
        on_governed: Callable[[float], object] | None = None,  # as ``House`` has it
        as_sealed: AsSealed = lambda personal: personal,
    ) -> None:
        self.tenant, self.call = tenant, call
        self.turn = self.generation = self.answered_ns = 0
        #: What people may be shown of what was said.
        self.transcript = Transcript(as_sealed)
        self._recorder = recorder
        self._clock = clock
        self._context = context
        self._spool = spool
        self._on_governed = on_governed
        self._marks: dict[int, TurnMarks] = {}
        #: The newest turn that was no aside, its words, and how sure recognition was of them (0 to 1).
        self.newest, self._words = 0, ""
        self.confidence: float | None = None
        self._open: dict[str, _Open] = {}
        self._assistant: tuple[int, dict[str, Any]] | None = None
        #: Turn → how many messages of the caller's stand before its own in the context.
        self._places: dict[int, int] = {}
        self._cuts = self._cuts_done = 0
        self._cut_done = asyncio.Event()
        self._said_receipt: PendingReceipt | None = None
        self._spooled: WeakSet[PendingReceipt] = WeakSet()
        self.misheard = 0
        #: Fixed phrases that are an emergency's words.
        self.scripts: frozenset[str] = frozenset()
        self._answered = -1  # newest turn that something was cleared for
        self._to_model: list[int] = []
        self._summarised_to = 0

    # -- writing --------------------------------------------------------------------------------

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        """Queue a record; a failure is spooled, never raised here."""
        try:
            future = self._recorder.append(record, personal)
        except LedgerError as error:  # it takes no more at all: full, or closed
            future = Future()
            future.set_exception(error)
        future.add_done_callback(lambda f: self._check(f, record, personal))
        return future

    def _check(self, future: Future[Receipt], record: r.Record, personal: r.Personal | None) -> None:
        if future.cancelled() or future.exception() is None:
            return
        logger.error("record {} is not durable: {}", record.type, type(future.exception()).__name__)
        if self._spool is not None:
            try:
                self._spool(record, personal)
                self._spooled.add(future)
            except LedgerError:
                logger.error("record {} is lost to the spool as well", record.type)

    def spooled(self, future: PendingReceipt) -> bool:
        """Whether the record did not reach the log, and lies in the fallback spool instead."""
        return future in self._spooled

    async def durable(self, future: PendingReceipt, deadline_s: float) -> Receipt:
        """Wait for a receipt without ever cancelling the append.

        Raises:
            LedgerError: it failed, or ``deadline_s`` passed.
        """
        return await receipt_in_time(future, deadline_s)

    def seconds(self, at_ns: int) -> float:
        """A monotonic time as s since the call was answered."""
        return (at_ns - self.answered_ns) / 1e9

    # -- the caller -----------------------------------------------------------------------------

    def caller_said(self, frame: CallerSaidFrame, addressed: r.Addressed) -> int:
        """Record a turn of the caller and return its number (from 1).

        An aside has a number of its own, and changes nothing of what is being answered.
        """
        self.turn += 1
        self.misheard = 0
        spoken = frame.engine != TYPED
        self._marks[self.turn] = TurnMarks(
            t0=frame.t0_ns,
            ended=frame.ended_ns if spoken else 0,
            recognised=frame.recognised_ns if spoken else 0,
        )
        self._marks.pop(self.turn - 8, None)
        said = self._said(frame)
        if not frame.aside:
            self.newest, self._words, self.confidence = self.turn, frame.text, frame.confidence
            self.transcript.caller(said)
        if addressed == "model":
            self._to_model.append(self.turn)
        self._said_receipt = self.append(
            r.CallerSaid(
                **self._at(self.turn), engine=frame.engine, addressed=addressed, kept=self.keeps_words
            ),
            said,
        )
        return self.turn

    def provisional(self, frame: ProvisionalTurnFrame) -> None:
        """Record that the model begins on words of a turn that is not over."""
        paused = frame.paused
        self._said_receipt = self.append(
            r.TurnProvisional(**self._at(frame.turn), engine=paused.engine, kept=self.keeps_words),
            self._said(paused),
        )

    async def caller_words_durable(self, deadline_s: float) -> None:
        """Wait until the caller's newest words are on record (before they leave the house)."""
        if self._said_receipt is not None:
            await self.durable(self._said_receipt, deadline_s)

    def current_turn(self) -> int:
        """Number of the caller's newest turn, 0 before the first."""
        return self.turn

    def caller_text(self) -> str:
        """What the caller said newest; asides are no words one answers."""
        return self._words

    def newly_played(self) -> str:
        """As ``Transcript.newly_played``; a clause is among them once it is settled, as far as it sounded."""
        return self.transcript.newly_played()

    @property
    def keeps_words(self) -> bool:
        """Whether the text of what the caller says may be kept; without it a record holds times only."""
        return self.transcript.keeps

    @keeps_words.setter
    def keeps_words(self, keeps: bool) -> None:
        self.transcript.keeps = keeps

    # -- the model ------------------------------------------------------------------------------

    def marks(self, turn: int) -> TurnMarks:
        """The marks of ``turn``; empty ones when it is long over, or none of the caller's."""
        return self._marks.get(turn) or TurnMarks()

    def asked(self, turn: int, at_ns: int = 0) -> None:
        """The model was asked, now or at that monotonic time."""
        marks = self.marks(turn)
        marks.asked = marks.asked or at_ns or self._clock.monotonic_ns()

    def first_token(self, turn: int, at_ns: int) -> None:
        marks = self.marks(turn)
        marks.first_token = marks.first_token or at_ns

    def decided(
        self,
        turn: int,
        *,
        supplier: str,
        model: str,
        candidate: str,
        tools: tuple[tuple[str, dict[str, Any]], ...],
        outcome: Literal["answered", "tools", "withdrawn", "failed"],
        tokens_in: int = 0,
        tokens_out: int = 0,
        attempts: int = 1,
        provisional: bool = False,
        estimated: bool = False,
    ) -> PendingReceipt:
        """Record one request to the model, whatever became of it.

        Args:
            provisional: it was made before the turn was over; then ``withdrawn`` is told apart.
            estimated: the tokens are.
        """
        if outcome == "withdrawn" and not provisional:
            self.withdrawn(turn)
        return self.append(
            r.TurnDecided(
                tenant=self.tenant, call=self.call, turn=turn, supplier=supplier, outcome=outcome,
                tokens_in=tokens_in, tokens_out=tokens_out, attempts=attempts, provisional=provisional,
                estimated=estimated,
            ),
            r.DecidedDetails(
                model=model,
                candidate=candidate,
                tools=tuple(r.ToolUse(name=name, arguments=arguments) for name, arguments in tools),
            ),
        )  # fmt: skip

    def withdrawn(
        self, turn: int, *, eager: bool = False, tokens_in: int = 0, tokens_out: int = 0,
        estimated: bool = False,
    ) -> None:  # fmt: skip
        """Record that what the model was asked for in ``turn`` is not wanted any more.

        Args:
            eager: it was a provisional turn's request; behind the request's own record, where there is one.
            tokens_in, tokens_out: spent on it.
            estimated: the tokens are.
        """
        cut = "interrupted" if turn == self._answered else "caller_went_on"
        self.append(
            r.TurnWithdrawn(
                tenant=self.tenant, call=self.call, turn=turn, reason="eager" if eager else cut,
                tokens_in=tokens_in, tokens_out=tokens_out, estimated=estimated,
            )
        )  # fmt: skip

    # -- clauses --------------------------------------------------------------------------------

    def cleared(self, cleared: Cleared, verdict_ms: float | None, *, answers: bool = True) -> bool:
        """A clause owes its ``agent.played`` from now on. True when it is its turn's first.

        Args:
            verdict_ms: what judging it took; None for a fixed phrase that replaces nothing.
            answers: it is part of the answer to its turn.
        """
        marks = ClauseMarks(self._clock.monotonic_ns(), verdict_ms, answers=answers)
        self._open[cleared.id] = _Open(cleared, self.generation, marks)
        if not cleared.phrase:  # its record is of this moment, and not of the call's opening
            cleared.receipt.add_done_callback(lambda future: self._is_durable(future, marks))
        first = self._answered != cleared.turn
        self._answered = cleared.turn
        return first

    def _is_durable(self, future: Future[Receipt], marks: ClauseMarks) -> None:
        """In the ledger's thread: the commit returned just now."""
        if not future.cancelled() and future.exception() is None:
            marks.durable = self._clock.monotonic_ns()
            if self._on_governed is not None and marks.verdict_ms is not None:
                self._on_governed(marks.verdict_ms / 1e3 + (marks.durable - marks.cleared) / 1e9)

    def synthesised(self, clause: str, first_piece_ns: int) -> None:
        """The first piece of a clause's speech exists."""
        if (owed := self._open.get(clause)) is not None:
            owed.marks.synthesised = owed.marks.synthesised or first_piece_ns

    def is_open(self, clause: str) -> bool:
        """Whether a clause was cleared and has not been settled."""
        return clause in self._open

    def interrupted(self) -> None:
        """The guard saw an interruption: clauses cleared before it can no longer sound."""
        self.generation += 1

    def stale(self) -> list[Cleared]:
        """Clauses cleared before the newest interruption and still owed."""
        return [o.cleared for o in self._open.values() if o.generation < self.generation]

    def owed(self) -> list[Cleared]:
        """Every clause still owed."""
        return [o.cleared for o in self._open.values()]

    def never_played(self, cleared: Cleared) -> None:
        """Settle a clause that did not sound at all."""
        self.played(cleared, PlayedClause(0, 0, "", True, r.Evidence.SENT_ONLY))

    def played(self, cleared: Cleared, result: PlayedClause) -> None:
        """Settle a clause: its record, and what the caller got to hear into the context."""
        owed = self._open.pop(cleared.id, None)
        if owed is None:
            return
        receipt_ns = 0
        if cleared.receipt.done() and cleared.receipt.exception() is None:
            receipt_ns = cleared.receipt.result().durable_at_ns
        details = r.PlayedDetails(
            phrase=cleared.phrase or None, text=cleared.text, played_text=result.text,
            started_s=round(result.started_s, 3), receipt_at_ns=receipt_ns,
            first_sample_at_ns=result.first_sample_at_ns, latency_ms=self._latency(owed, result),
        )  # fmt: skip
        self.append(
            r.AgentPlayed(
                tenant=self.tenant, call=self.call, turn=cleared.turn, clause=cleared.id,
                fixed=bool(cleared.phrase), samples=result.samples, of_samples=result.of_samples,
                rate_hz=RATE_HZ, interrupted=result.interrupted, evidence=result.evidence,
                script=True if cleared.phrase in self.scripts else None,
            ),
            details,
        )  # fmt: skip
        if result.text:
            self.transcript.agent(details)
            self._into_context(cleared.turn, result.text)

    def _latency(self, owed: _Open, result: PlayedClause) -> r.Latency | None:
        """Stands once in a turn: with the first clause of its answer that was handed to the transport."""
        marks = self.marks(owed.cleared.turn)
        if marks.reported or not owed.marks.answers or not result.first_sample_at_ns or not marks.t0:
            return None
        marks.reported = True
        return latency(marks, owed.marks, result.first_sample_at_ns)

    # -- the model's context --------------------------------------------------------------------

    def goes_to_model(self, turn: int) -> None:
        """The words of ``turn`` are on their way into the context."""
        said = sum(1 for message in self._context.get_messages() if _role(message) == "user")
        # Words of a turn before it may still be on their way.
        self._places[turn] = max(said, max(self._places.values(), default=-1) + 1)
        self._places.pop(turn - 8, None)

    def cutting(self) -> None:
        """An interruption is on its way to egress."""
        self._cuts += 1
        self._cut_done.clear()

    def cut(self) -> None:
        """Egress has settled everything that the oldest such interruption cut."""
        self._cuts_done = min(self._cuts, self._cuts_done + 1)
        if self._cuts_done == self._cuts:
            self._cut_done.set()

    def nothing_cut(self) -> None:
        """No interruption is on its way: a new pipeline begins."""
        self._cuts = self._cuts_done = 0
        self._cut_done.set()

    @property
    def at_rest(self) -> bool:
        """Whether the context holds all that was played so far, and nothing is on its way to be."""
        return not self._open and self._cuts_done == self._cuts

    async def cut_settled(self, deadline_s: float = 0.5) -> None:
        """Wait until what was played before the caller's words stands in the context ahead of them."""
        if self._cuts_done == self._cuts:
            return
        try:
            async with asyncio.timeout(deadline_s):
                await self._cut_done.wait()
        except TimeoutError:
            logger.warning("call {}: an interruption was not settled in time", self.call)
            self.nothing_cut()  # whatever became of it, nobody waits for it twice

    def _into_context(self, turn: int, text: str) -> None:
        """Put played words into the model's context, ahead of what the caller said after them.

        One message for each answer.
        """
        messages: list[Any] = list(self._context.get_messages())
        at = self._place(turn, messages)
        before = messages[at - 1] if at else None
        if self._assistant is not None and self._assistant[0] == turn and before is self._assistant[1]:
            self._assistant[1]["content"] += " " + text
            return
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if at == len(messages):
            self._context.add_message(message)  # type: ignore[arg-type]
        else:
            messages.insert(at, message)
            self._context.set_messages(messages)
        self._assistant = (turn, message)

    def _place(self, turn: int, messages: list[Any]) -> int:
        """Where words of ``turn`` go: before the words of any later turn that are there already."""
        later = [place for number, place in self._places.items() if number > turn]
        if not later:
            return len(messages)
        said = [at for at, message in enumerate(messages) if _role(message) == "user"]
        place = min(later)
        return said[place] if place < len(said) else len(messages)

    def summarised(
        self, *, kept: int, supplier: str, model: str, summary: str, tokens_before: int, tokens_after: int,
        outcome: Literal["summarised", "trimmed"],
    ) -> None:  # fmt: skip
        """Record that the beginning of the context was replaced, all but its ``kept`` newest turns."""
        newest = self._to_model[-kept:] if kept else []
        to_turn = max(self._summarised_to, newest[0] - 1 if newest else self.turn)
        self.append(
            r.ContextSummarised(
                tenant=self.tenant, call=self.call, turn=self.turn, from_turn=self._summarised_to + 1,
                to_turn=to_turn, supplier=supplier, outcome=outcome, tokens_before=tokens_before,
                tokens_after=tokens_after,
            ),
            r.SummaryDetails(model=model, summary=summary if self.keeps_words else ""),
        )  # fmt: skip
        self._summarised_to = to_turn
        self._places.clear()  # they count messages that are gone

    # -- controls that break --------------------------------------------------------------------

    def control_failed(self, control: Any, reason: Any, attempt: int = 0) -> None:
        """Record a control that broke on the spot."""
        failed = r.ControlFailed(
            tenant=self.tenant, call=self.call, control=control, reason=reason, attempt=attempt
        )
        self.append(failed)

    def _at(self, turn: int) -> dict[str, Any]:
        return {"tenant": self.tenant, "call": self.call, "turn": turn}

    def _said(self, frame: CallerSaidFrame | CallerPausedFrame) -> r.SaidDetails:
        return r.SaidDetails(
            text=frame.text if self.keeps_words else "", confidence=max(0.0, min(1.0, frame.confidence)),
            started_s=round(frame.started_s, 3), ended_s=round(frame.ended_s, 3),
        )  # fmt: skip


def _role(message: Any) -> str:
    return str(message.get("role", "")) if isinstance(message, dict) else ""
