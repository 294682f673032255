"""The desk where uses of tools wait for a person, listed, shown and decided over the local socket.

One for the process, on its event loop. It keeps no decision of its own: each call's
``controls.approvals.Approvals`` says what counts and puts it on record. What waits holds a caller's words,
so a list names ids, roles and times only, and showing one appends ``access.viewed`` first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from loguru import logger
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controls import approval as a
from controls.approvals import Approvals, Request, Signature, holds_mask
from controls.decision import Recorder
from controls.errors import LedgerError, OperatorError
from controls.ledger import records as r
from voice_runtime.decoys_laid import Decoy, DecoyLeft, DecoyOutcome, Decoys, as_if, outcome_of
from voice_runtime.local import Question
from voice_runtime.people import People, written
from voice_runtime.receipts import receipt_in_time
from voice_runtime.roster import Asking, Roster
from voice_runtime.shown import with_other_words

#: Uses that wait at a time; one more is refused, and the caller is told.
MOST = 64
#: Longest wait for a decision's record, s.
RECEIPT_S = 5.0

M = TypeVar("M", bound=BaseModel)


class DeskFull(OperatorError):
    """Too many uses wait already."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One request on the desk.

    Attributes:
        request: what waits, and what becomes of it.
        approvals: its call's.
        agent: which agent asks.
        now_s: Unix time as its call counts it, s.
        fault: what is wrong with new arguments for an edit, "" when nothing is.
    """

    request: Request
    approvals: Approvals = field(repr=False)
    tenant: str
    agent: str
    now_s: Callable[[], float] = field(repr=False)
    fault: Callable[[dict[str, Any]], str] = field(repr=False)

    @property
    def use(self) -> str:
        return self.request.approval.use

    @property
    def call(self) -> str:
        return self.request.about.call


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    account: int | None = Field(default=None, description="of whoever asks, as the local socket knows it")


class _List(_Asked):
    pass


class _Show(_Asked):
    use: r.ToolUseId
    who: str
    purpose: str = Field(min_length=1, max_length=400)


class _Decide(_Asked):
    use: r.ToolUseId
    who: str
    word: Literal["granted", "edited", "refused", "taken_over"]
    why: str = Field(default="", max_length=1000)
    changed: dict[str, Any] = Field(default={}, description="for an edit, arguments and their new values")
    blind: bool = Field(default=False, description="decide without having been shown it, and say so")


class ApprovalDesk:
    """Implements the questions ``approvals.*`` of ``voice_runtime.local``."""

    def __init__(
        self,
        recorder: Recorder,
        people: People,
        *,
        most: int = MOST,
        decoys: Decoys | None = None,
        roster: Roster | None = None,
        counted: Callable[[DecoyOutcome], None] = lambda outcome: None,
    ) -> None:
        """An empty desk.

        Args:
            most: uses that wait at a time.
            decoys: which come beside real requests; without them, what is left by hand, 2 to 15 s behind.
            roster: who may decide what; without one, whoever has a name.
            counted: told what became of each decoy.
        """
        self._recorder = recorder
        self._people = people
        self._most = most
        self._roster = roster or Roster()
        #: By use; those that are over stay until their call is, so that who comes late is told, and recorded.
        self._all: dict[str, Waiting] = {}
        #: By use, the ids of those who were shown it.
        self._shown: dict[str, set[str]] = {}
        self._decoys = decoys or Decoys()
        #: By use, decoys that are on the desk or about to be: who wrote it, and when it comes or runs out.
        self._laid: dict[str, Decoy] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._counted = counted

    @property
    def questions(self) -> dict[str, Question]:
        """What the local socket may ask."""
        return {
            "approvals.list": self._list, "approvals.show": self._show, "approvals.decide": self._decide,
            "approvals.decoy": self._seed,
        }  # fmt: skip

    # -- what calls bring -------------------------------------------------------------------------

    def put(self, waiting: Waiting) -> None:
        """Offer a request to whoever decides. Its ``approval.requested`` is durable.

        Raises:
            DeskFull: too many wait; nobody was asked.
        """
        if len(self.open()) >= self._most:
            raise DeskFull(f"{self._most} uses wait for a person already")
        self._all[waiting.use] = waiting
        logger.info("a use waits for {}: `sayso approvals list`", waiting.request.role)
        self._with_decoy(waiting)

    def open(self) -> list[Waiting]:
        """Requests that can still be decided, the oldest first."""
        return [w for w in self._all.values() if not w.request.approval.done]

    def uses(self) -> set[str]:
        """Requests that somebody may still say something about, also those that are over."""
        return set(self._all)

    def waiting(self) -> tuple[int, float]:
        """How many wait, and for how long the oldest has, s."""
        every = self.open()
        return len(every), max((w.now_s() - w.request.approval.asked_at_s for w in every), default=0.0)

    def rows(self) -> list[dict[str, Any]]:
        """What can be decided, without opening anything."""
        return [_row(w) for w in self.open()]

    def call_over(self, call: str) -> None:
        """The call is over: nothing of it waits any more, and nothing about it can be put on record."""
        for use in [use for use, w in self._all.items() if w.call == call]:
            waiting = self._all.pop(use)
            self._shown.pop(use, None)
            waiting.approvals.withdraw(use, "hung_up")
            if (timer := self._timers.pop(use, None)) is not None:
                timer.cancel()
            if waiting.request.approval.decoy:
                self._decoy_ended(use, waiting)
            else:
                self._not_laid(use)

    def withdraw(self, tenant: str | None, agent: str | None, tool: str | None) -> None:
        """What these requests are about was stopped; None stands for every one."""
        for w in self.open():
            named = tool in (None, w.request.about.tool)
            if named and tenant in (None, w.tenant) and agent in (None, w.agent):
                w.approvals.withdraw(w.use, "stopped")

    # -- decoys -----------------------------------------------------------------------------------

    def _with_decoy(self, real: Waiting) -> None:
        """A decoy may come some seconds behind a request for this role and tool, on its call's record."""
        decoy = self._decoys.behind(real.request.role, real.request.about.tool)
        if decoy is None:
            return
        loop = asyncio.get_running_loop()
        self._laid[real.use] = decoy
        self._timers[real.use] = loop.call_later(self._decoys.delay_s(), self._lay, real)

    def _not_laid(self, use: str) -> None:
        """The call was over before its decoy came: one that was left by hand waits for the next."""
        if (decoy := self._laid.pop(use, None)) is not None and not decoy.declared:
            self._decoys.leave(decoy)

    def _lay(self, real: Waiting) -> None:
        self._timers.pop(real.use, None)
        decoy = self._laid.pop(real.use)
        if len(self.open()) >= self._most or real.fault(dict(decoy.arguments)):
            logger.warning("a decoy was left out: the desk is full, or the tool does not take its arguments")
            return
        ask = real.request.decision.ask
        assert ask is not None  # no request without
        decision = as_if(decoy, real.request.decision, ask)
        try:
            made = real.approvals.request(
                decision,
                real.request.facts,
                shown=with_other_words(real.request.about.shown, decoy.said),
                now_s=real.now_s(),
                decoy=True,
                written_by=decoy.who,
            )
        except (LedgerError, ValueError):
            return
        use = decision.proposal.id
        self._laid[use] = decoy
        self._all[use] = replace(real, request=made)
        self._timers[use] = asyncio.get_running_loop().call_later(ask.within_s, self._decoy_over, use)
        logger.info("a use waits for {}: `sayso approvals list`", made.role)

    def _decoy_over(self, use: str) -> None:
        self._timers.pop(use, None)
        if (waiting := self._all.get(use)) is not None:
            waiting.approvals.tick(use, waiting.request.approval.expires_at_s)
            self._decoy_ended(use, waiting)

    def _decoy_ended(self, use: str, waiting: Waiting) -> None:
        """Count what became of a decoy, once."""
        if waiting.request.approval.decoy and self._laid.pop(use, None) is not None:
            self._counted(outcome_of(waiting.request.approval))

    async def _seed(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        wanted = _valid(DecoyLeft, asked)
        asking = Asking(written(wanted.who), wanted.account)
        self._roster.require("decoys", asking)
        await asyncio.to_thread(self._people.named, asking.name)  # whoever seeds has a name, too
        waiting = self._decoys.leave(Decoy.left(wanted, asking))
        return {"seeded": waiting, "role": wanted.role, "tool": wanted.tool}

    # -- what people ask --------------------------------------------------------------------------

    async def _list(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _valid(_List, asked)
        return {"waiting": self.rows(), "reached": True}

    async def _show(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that is shown to whoever decides; that they looked is durable before."""
        wanted = _valid(_Show, asked)
        waiting, asking = self._find(wanted.use), Asking(written(wanted.who), wanted.account)
        self._roster.require_role(waiting.request.role, asking)
        person = await asyncio.to_thread(self._people.named, asking.name, asking.account)
        record = r.AccessViewed(tenant=waiting.tenant, call=waiting.call, what="approvals")
        details = r.AccessDetails(who=person.name, purpose=wanted.purpose, account=person.account)
        await receipt_in_time(self._recorder.append(record, details), RECEIPT_S)
        self._shown.setdefault(wanted.use, set()).add(person.id)
        about, decision = waiting.request.about, waiting.request.decision
        return _row(waiting) | {
            "tool": about.tool,
            "arguments": dict(about.arguments if about.kept is None else about.kept),
            "shown": about.shown,
            "reasons": [{"rule": v.rule, "risk": v.risk, "reason": v.reason} for v in decision.verdicts],
        }

    async def _decide(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sign for a person, and take their decision; answers once it is durable.

        Who was not shown what still waits decides nothing, but where they say that they decide blind.
        """
        wanted = _valid(_Decide, asked)
        waiting, asking = self._find(wanted.use), Asking(written(wanted.who), wanted.account)
        self._may_decide(waiting, asking, wanted.blind)
        person = await asyncio.to_thread(self._people.named, asking.name, asking.account)
        self._find(wanted.use)  # its call may be over by now: nothing is written behind its end
        blind = person.id not in self._shown.get(wanted.use, ())
        approval = waiting.request.approval
        if blind and not wanted.blind and approval.state is a.ApprovalState.REQUESTED:
            return {
                "use": wanted.use, "counts": False, "decided": wanted.word, "state": approval.state.value,
                "by": person.id, "becomes": None, "needs": "shown",
            }  # fmt: skip
        edited = self._edited(waiting, wanted)
        signed = waiting.approvals.to_sign(wanted.use, wanted.word, edited, blind=blind)
        signature = Signature(
            person.id, person.name, person.public, person.sign(signed), person.label, wanted.why,
            person.account, blind,
        )  # fmt: skip
        counts, receipt = waiting.approvals.decide(
            wanted.use, wanted.word, signature, waiting.now_s(), edited
        )
        await receipt_in_time(receipt, RECEIPT_S)
        if counts:  # whoever waits for it does the same; once it has its effect, nothing more comes of it
            waiting.approvals.settle(wanted.use)
            self._decoy_ended(wanted.use, waiting)
        approval = waiting.request.approval
        return {
            "use": wanted.use, "counts": counts, "decided": wanted.word, "state": approval.state.value,
            "by": person.id, "becomes": waiting.request.becomes or None, "needs": "",
        }  # fmt: skip

    def _may_decide(self, waiting: Waiting, asking: Asking, blind: bool) -> None:
        """Raises OperatorError: it is another role's, they may not decide blind, or they wrote it."""
        self._roster.require_role(waiting.request.role, asking)
        if blind:
            self._roster.require("blind", asking)
        decoy = self._laid.get(waiting.use) if waiting.request.approval.decoy else None
        if decoy is not None and decoy.written_by(asking, self._roster):
            raise OperatorError("you left this one to be noticed by others: leave it to them")

    def _edited(self, waiting: Waiting, wanted: _Decide) -> dict[str, Any] | None:
        if wanted.word != "edited":
            if wanted.changed:
                raise OperatorError("only an edit sets arguments: use edit, or leave --set out")
            return None
        if holds_mask(wanted.changed):
            raise OperatorError("a mask is no value: set the fields that change, and leave masked ones out")
        edited = dict(waiting.request.about.arguments) | wanted.changed
        if edited == dict(waiting.request.about.arguments):
            raise OperatorError("nothing was changed: give --set FIELD=VALUE, or grant it")
        if fault := waiting.fault(edited):
            raise OperatorError(f"the tool does not take that: {fault}")
        return edited

    def _find(self, use: str) -> Waiting:
        waiting = self._all.get(use)
        if waiting is None:
            raise OperatorError(f"nothing waits as {use}: `sayso approvals list` names what does")
        return waiting


def _row(waiting: Waiting) -> dict[str, Any]:
    """What may be told without opening anything; not the call, by which a decoy would stand out."""
    approval, now_s = waiting.request.approval, waiting.now_s()
    return {
        "use": waiting.use,
        "tenant": waiting.tenant,
        "role": waiting.request.role,
        "risk": waiting.request.decision.risk,
        "waited_s": max(0, int(now_s - approval.asked_at_s)),
        "left_s": max(0, int(approval.expires_at_s - now_s)),
        "state": approval.state.value,
    }


def _valid(model: type[M], asked: Mapping[str, Any]) -> M:
    """Raises OperatorError: naming fields, never what they hold."""
    try:
        return model.model_validate(dict(asked))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(str(x) for x in e["loc"]) for e in error.errors()}))
        raise OperatorError(f"cannot be asked like this: {fields or 'unknown'}") from None
