"""One call's questions to judges: on record, to whom the caller allows, answered in time or not at all.

Order of a question: whether anybody may be asked at all; ``judge.asked``, which for an outside supplier is
durable before anything is sent; the request; ``judge.answered``, whatever came. A decision waits for all of
its questions at once, each until its own deadline. What is asked afterwards delays nothing: a yes is entered
as ``control.missed``, linked to the record of what should not have been let pass. Never raises for what a
supplier does: an answer that is not there is a ``JudgeAnswer`` without one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from loguru import logger

from controls.decision import Cleared, PendingReceipt, Receipt
from controls.errors import LedgerError, SayError
from controls.ledger import records as r
from controls.rules.judges import UNANSWERED, Answers, JudgeAnswer, Question
from voice_runtime.receipts import receipt_in_time
from voice_runtime.think.endpoints import Endpoint
from voice_runtime.think.judges import Judgement, Judges

#: Questions of one call that nobody waits for, at most at a time: what is asked beyond is not asked.
MOST_AFTER = 8
#: What was cleared last is still judged when the call ends; so long at most, s.
LAST_S = 2.0


class JudgeJournal(Protocol):
    """What is needed of the call's journal."""

    tenant: str
    call: str

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt: ...


class AsksJudges(Protocol):
    """What guard and tools need."""

    async def ask(self, of: str, turn: int, questions: Sequence[Question]) -> Answers: ...

    def later(self, cleared: Cleared, questions: Sequence[Question]) -> None: ...

    def withdraw(self) -> None: ...


class Nobody:
    """Nobody is asked: what a rule would ask before a decision stays unanswered, and is refused."""

    async def ask(self, of: str, turn: int, questions: Sequence[Question]) -> Answers:
        return UNANSWERED

    def later(self, cleared: Cleared, questions: Sequence[Question]) -> None: ...

    def withdraw(self) -> None: ...


NOBODY = Nobody()


class CallJudges:
    """One call's. ``ask`` before a decision, ``later`` after it; ``aclose`` once."""

    def __init__(
        self,
        judges: Judges | None,
        journal: JudgeJournal,
        *,
        enter: Callable[[r.Record, r.Personal | None], PendingReceipt] | None = None,
        may_leave: Callable[[], bool] = lambda: True,
        for_model: Callable[[Any, int], Any] = lambda value, turn: value,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make it.

        Args:
            judges: without it nobody is asked.
            enter: takes a ``control.missed``, which is about the call and none of its own records (its end
                does not count them); the journal without it.
            may_leave: whether the caller allows what is said to go to another company now.
            for_model: masks what a model is shown.
        """
        self._judges, self._journal = judges, journal
        self._enter = journal.append if enter is None else enter
        self._may_leave, self._for_model, self._now_ns = may_leave, for_model, now_ns
        self._waiting: set[asyncio.Task[JudgeAnswer]] = set()
        self._after: set[asyncio.Task[None]] = set()

    async def ask(self, of: str, turn: int, questions: Sequence[Question]) -> Answers:
        """Ask all questions that are to be answered before a decision, at once.

        Cancelling it (the caller spoke) withdraws them.

        Args:
            of: the clause or the tool's use they are about.
        """
        mine = [q for q in questions if q.spec.mode == "before"]
        if not mine:
            return UNANSWERED
        tasks = [asyncio.create_task(self._asked(of, turn, q), name=f"judge of {of}") for q in mine]
        for task in tasks:
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        return {q.key: _WITHDRAWN if t.cancelled() else t.result() for q, t in zip(mine, tasks, strict=True)}

    def withdraw(self) -> None:
        """The caller spoke, or is gone: whatever waits for an answer gets none, and is refused."""
        for task in tuple(self._waiting):
            task.cancel()

    def later(self, cleared: Cleared, questions: Sequence[Question]) -> None:
        """Ask what is to be asked once the decision has been made; returns at once.

        Args:
            cleared: what was let pass.
            questions: of its forms; each rule is asked about once.
        """
        mine = [q for q in questions if q.spec.mode == "after"]
        mine.sort(key=lambda q: q.about == cleared.text)  # the words that are spoken rather than another form
        for question in {q.rule: q for q in mine}.values():
            if len(self._after) >= MOST_AFTER:
                self._answered(cleared.id, cleared.turn, question, "", Judgement(None), "not_asked", 0)
                continue
            task = asyncio.create_task(self._missed(cleared, question), name=f"judge after {cleared.id}")
            self._after.add(task)
            task.add_done_callback(self._after.discard)

    async def aclose(self, patience_s: float = LAST_S) -> None:
        """The call is over: nothing waits for an answer any more; what was let pass is judged to its end."""
        self.withdraw()
        await asyncio.gather(*self._waiting, return_exceptions=True)  # each tells what became of it
        if self._after:
            _, late = await asyncio.wait(tuple(self._after), timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # -- inside -----------------------------------------------------------------------------------

    async def _asked(self, of: str, turn: int, question: Question) -> JudgeAnswer:
        """One question, to its record."""
        judges, supplier = self._judges, question.spec.supplier
        endpoint = judges.endpoint(supplier) if judges is not None else None
        if judges is None or endpoint is None or (endpoint.outside and not self._may_leave()):
            model = endpoint.model if endpoint is not None else ""
            return self._answered(of, turn, question, model, Judgement(None), "not_asked", 0)
        started_ns = self._now_ns()
        judgement, why = Judgement(None), ""
        try:
            async with asyncio.timeout(question.spec.within_ms / 1000):
                judgement = await self._sent(judges, endpoint, of, turn, question)
            why = "" if judgement.yes is not None else "nonsense"
        except TimeoutError:
            why = "deadline"
        except asyncio.CancelledError:  # its only cause is that nobody waits for it: told, and over
            why = "withdrawn"
        except Exception as error:  # noqa: BLE001  # a supplier's failure, the ledger's, or a bug: no answer
            logger.warning(
                "judge {}: {}", supplier, error if isinstance(error, SayError) else type(error).__name__
            )
            why = "failed"
        ms = (self._now_ns() - started_ns) // 1_000_000
        return self._answered(of, turn, question, endpoint.model, judgement, why, ms)

    async def _sent(
        self, judges: Judges, endpoint: Endpoint, of: str, turn: int, question: Question
    ) -> Judgement:
        """The request, once it is on record.

        Raises:
            SayError: it cannot be put on record, or was not answered.
        """
        shown = self._for_model(dict(question.shown), turn)
        shown = shown if isinstance(shown, dict) else {}  # it could not be masked: nothing is shown
        asked = self._journal.append(
            r.JudgeAsked.model_validate(self._of(of, turn, question)),
            r.JudgeAskedDetails(
                rule=question.rule, model=endpoint.model, asks=question.spec.asks, shown=shown
            ),
        )
        if endpoint.outside and endpoint.receipt_first:
            await receipt_in_time(asked, question.spec.within_ms / 1000)
        return await judges.ask(question, shown)

    def _answered(
        self, of: str, turn: int, question: Question, model: str, judgement: Judgement, why: str, ms: int
    ) -> JudgeAnswer:
        yes = None if why else judgement.yes
        self._journal.append(
            r.JudgeAnswered.model_validate(
                {
                    **self._of(of, turn, question), "why": why or "answered", "ms": ms,
                    "answer": "none" if yes is None else "yes" if yes else "no",
                }
            ),
            r.JudgeAnsweredDetails(rule=question.rule, model=model, text=judgement.text),
        )  # fmt: skip
        return JudgeAnswer(yes, why)  # type: ignore[arg-type]  # one of them, as the record has checked

    def _of(self, of: str, turn: int, question: Question) -> dict[str, Any]:
        return {
            "tenant": self._journal.tenant, "call": self._journal.call, "turn": turn, "of": of,
            "mode": question.spec.mode, "supplier": question.spec.supplier, "question": question.spec.digest,
        }  # fmt: skip

    async def _missed(self, cleared: Cleared, question: Question) -> None:
        """Ask, and enter a yes as what the guard missed: it was let pass, and nothing takes it back."""
        answer = await self._asked(cleared.id, cleared.turn, question)
        if not answer.yes:
            return
        try:
            receipt: Receipt = await receipt_in_time(cleared.receipt, LAST_S)
        except LedgerError:
            return  # no record, no effect: it was never said or done
        if receipt.spooled:
            logger.error("judge {}: what was missed lies in the spool, and has no place yet", question.rule)
            return
        missed = (
            r.ControlMissed.model_validate(
                {
                    "tenant": self._journal.tenant, "call": self._journal.call, "control": "guard",
                    "annex_a": question.annex_a, "origin": receipt.origin, "leaf": receipt.leaf,
                }
            ),
            r.MissedDetails(who=f"judge of {question.rule}", why=question.spec.asks),
        )  # fmt: skip
        try:
            self._enter(*missed)
        except LedgerError:
            logger.error("judge {}: what was missed is not on record", question.rule)


#: Nobody waits for it any more; it was not even begun.
_WITHDRAWN = JudgeAnswer(None, "withdrawn")
