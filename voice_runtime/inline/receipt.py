"""The caller's receipt: a code on record with which this call can later be shown to be in the log.

Given on request, ahead of the model and without it. A call has one code. Each way
in which it is given (spoken, shown) has a ``receipt.issued`` of its own with the
same code, durable before the caller gets it; when the ledger does not take that
record in time, a fixed phrase says so and nothing is given. Asking again gives the
same code again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from controls.decision import Cleared
from controls.errors import LedgerError
from controls.gate import Gate
from controls.receipt_code import characters, new_code
from voice_runtime.events import ReceiptShownFrame, SayFrame
from voice_runtime.inline.journal import Journal

How = Literal["spoken", "shown"]

#: The template that says the code, and the fixed phrase that says there is none.
TEMPLATE, REFUSED = "receipt", "no-receipt"
TAG = "receipt"


def read_out(code: str) -> str:
    """A code as it is put into the template: one character after the other, a pause between groups."""
    return ". ".join(", ".join(group) for group in characters(code))


class CallerReceipt:
    """One call's. ``wanted`` returns at once; what follows runs beside the pipeline."""

    def __init__(
        self,
        journal: Journal,
        gate: Gate,
        *,
        template: str,
        deadline_s: float,
        say: Callable[[SayFrame], Awaitable[None]],
        show: Callable[[ReceiptShownFrame], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Make the receipt of one call; no code exists until it is asked for.

        Args:
            template: words with ``{code}``.
            deadline_s: of its record, s.
        """
        self._journal, self._gate = journal, gate
        self._template, self._deadline_s = template, deadline_s
        self._say, self._show, self._spawn = say, show, spawn
        self._code = ""
        self._issued: dict[How, Cleared] = {}
        self._answered_turn = -1
        self._giving: set[How] = set()

    def wanted(self, how: How, turn: int) -> None:
        """The caller asked for it, in turn ``turn`` (the newest one, for who asked at a screen)."""
        if how == "spoken":
            self._answered_turn = turn
        if how not in self._giving:  # else one request is being answered
            self._giving.add(how)
            self._spawn(self._give(how, turn))

    def repeats(self, before: int) -> bool:
        """Whether "again" means the code: turn ``before``, the newest before it, was answered with it."""
        return self._answered_turn == before

    async def _give(self, how: How, turn: int) -> None:
        answers = how == "spoken"
        try:
            cleared = self._on_record(how, turn)
            await self._journal.durable(cleared.receipt, self._deadline_s)
        except LedgerError:
            await self._say(SayFrame(phrase=REFUSED, turn=turn, answers=answers))
            return
        finally:
            self._giving.discard(how)
        if how == "shown":
            await self._show(ReceiptShownFrame(cleared))
        else:
            words = self._template.format(code=read_out(cleared.text))
            await self._say(SayFrame(text=words, turn=turn, tag=TAG))

    def _on_record(self, how: How, turn: int) -> Cleared:
        """The clearance of giving the code in this way: the one that exists or is on its way, or a new one.

        Raises:
            LedgerError: the ledger takes no records.
        """
        before = self._issued.get(how)
        if before is not None and not (before.receipt.done() and before.receipt.exception()):
            return before
        self._code = self._code or new_code()
        issued = self._issued[how] = self._gate.receipt(self._code, turn, how)
        return issued
