"""The desk where uses of tools wait for a person, listed, shown and decided over the local socket.

One for the process, on its event loop. It keeps no decision of its own: each call's
``controls.approvals.Approvals`` says what counts and puts it on record. What waits holds a caller's words,
so a list names ids, roles and times only, and showing one appends ``access.viewed`` first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controls.approvals import Approvals, Request, Signature, holds_mask
from controls.decision import Ask, Decision, Effect, Proposal, Recorder, RuleVerdict, Verdict
from controls.errors import LedgerError, OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from voice_runtime.decoys import DecoysFile
from voice_runtime.local import Question
from voice_runtime.people import People
from voice_runtime.receipts import receipt_in_time

#: Uses that wait at a time; one more is refused, and the caller is told.
MOST = 64
#: Decoys that wait for a real request to come with.
MOST_DECOYS = 20
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


class _Decoy(_Asked):
    who: str
    role: r.Slug
    tool: str = Field(min_length=1, max_length=64)
    arguments: dict[str, Any] = {}
    shown: str = Field(min_length=1, max_length=2000)


class Lot(Protocol):
    """What is needed of ``random.Random``."""

    def randrange(self, stop: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Decoys:
    """Decoys the operator declared; which request one comes with, and which one, is drawn by lot."""

    every: Mapping[str, Sequence[_Decoy]]
    one_in: int
    lot: Lot = field(repr=False)

    @classmethod
    def of(cls, declared: DecoysFile, lot: Lot) -> Self:
        """Those of a file."""
        every: dict[str, list[_Decoy]] = {}
        for d in declared.decoys:
            made = _Decoy(
                who=declared.written_by, role=d.role, tool=d.tool, arguments=d.arguments, shown=d.shown
            )
            every.setdefault(d.role, []).append(made)
        return cls(every, declared.one_in, lot)

    def drawn(self, role: str) -> _Decoy | None:
        """One for that role, in one draw of ``one_in``."""
        mine = self.every.get(role, ())
        if not mine or self.lot.randrange(self.one_in):
            return None
        return mine[self.lot.randrange(len(mine))]


class ApprovalDesk:
    """Implements the questions ``approvals.*`` of ``voice_runtime.local``."""

    def __init__(
        self, recorder: Recorder, people: People, *, most: int = MOST, decoys: Decoys | None = None
    ) -> None:
        self._recorder = recorder
        self._people = people
        self._most = most
        #: By use; those that are over stay until their call is, so that who comes late is told, and recorded.
        self._all: dict[str, Waiting] = {}
        self._decoys: deque[_Decoy] = deque(maxlen=MOST_DECOYS)
        self._declared = decoys
        self._timers: dict[str, asyncio.TimerHandle] = {}

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
        self._with_decoy(waiting)

    def open(self) -> list[Waiting]:
        """Requests that can still be decided, the oldest first."""
        return [w for w in self._all.values() if not w.request.approval.done]

    def uses(self) -> set[str]:
        """Requests that somebody may still say something about, also those that are over."""
        return set(self._all)

    def rows(self) -> list[dict[str, Any]]:
        """What can be decided, without opening anything."""
        return [_row(w) for w in self.open()]

    def call_over(self, call: str) -> None:
        """The call is over: nothing of it waits any more, and nothing about it can be put on record."""
        for use in [use for use, w in self._all.items() if w.call == call]:
            waiting = self._all.pop(use)
            waiting.approvals.withdraw(use, "hung_up")
            if (timer := self._timers.pop(use, None)) is not None:
                timer.cancel()

    def withdraw(self, tenant: str | None, agent: str | None, tool: str | None) -> None:
        """What these requests are about was stopped; None stands for every one."""
        for w in self.open():
            named = tool in (None, w.request.about.tool)
            if named and tenant in (None, w.tenant) and agent in (None, w.agent):
                w.approvals.withdraw(w.use, "stopped")

    # -- decoys -----------------------------------------------------------------------------------

    def _with_decoy(self, real: Waiting) -> None:
        """A decoy for this role comes beside a real request, on the same call's record.

        The oldest that somebody left for it, else one that the lot falls on.
        """
        role = real.request.role
        decoy = next((d for d in self._decoys if d.role == role), None)
        if decoy is not None:
            self._decoys.remove(decoy)
        elif self._declared is not None:
            decoy = self._declared.drawn(role)
        if decoy is None:
            return
        ask = real.request.decision.ask
        assert ask is not None  # no request without
        decision = _as_if(decoy, real.request.decision, ask)
        try:
            made = real.approvals.request(
                decision,
                real.request.facts,
                shown=decoy.shown,
                now_s=real.now_s(),
                decoy=True,
                written_by=decoy.who,
            )
        except (LedgerError, ValueError):
            return
        self._all[decision.proposal.id] = replace(real, request=made, fault=lambda arguments: "")
        self._timers[decision.proposal.id] = asyncio.get_running_loop().call_later(
            ask.within_s, self._decoy_over, decision.proposal.id
        )

    def _decoy_over(self, use: str) -> None:
        self._timers.pop(use, None)
        if (waiting := self._all.get(use)) is not None:
            waiting.approvals.tick(use, waiting.request.approval.expires_at_s)

    async def _seed(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        decoy = _valid(_Decoy, asked)
        await asyncio.to_thread(self._people.named, decoy.who)  # whoever seeds has a name, too
        self._decoys.append(decoy)
        return {"seeded": len(self._decoys), "role": decoy.role}

    # -- what people ask --------------------------------------------------------------------------

    async def _list(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _valid(_List, asked)
        return {"waiting": self.rows(), "reached": True}

    async def _show(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that is shown to whoever decides; that they looked is durable before."""
        wanted = _valid(_Show, asked)
        person = await asyncio.to_thread(self._people.named, wanted.who)
        waiting = self._find(wanted.use)
        record = r.AccessViewed(tenant=waiting.tenant, call=waiting.call, what="approvals")
        receipt = self._recorder.append(record, r.AccessDetails(who=person.name, purpose=wanted.purpose))
        await receipt_in_time(receipt, RECEIPT_S)
        about, decision = waiting.request.about, waiting.request.decision
        return _row(waiting) | {
            "tool": about.tool,
            "arguments": dict(about.arguments if about.kept is None else about.kept),
            "shown": about.shown,
            "reasons": [{"rule": v.rule, "risk": v.risk, "reason": v.reason} for v in decision.verdicts],
        }

    async def _decide(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sign for a person, and take their decision; answers once it is durable."""
        wanted = _valid(_Decide, asked)
        person = await asyncio.to_thread(self._people.named, wanted.who)
        waiting = self._find(wanted.use)
        edited = self._edited(waiting, wanted)
        signed = waiting.approvals.to_sign(wanted.use, wanted.word, edited)
        signature = Signature(
            person.id, person.name, person.public, person.sign(signed), person.label, wanted.why
        )
        counts, receipt = waiting.approvals.decide(
            wanted.use, wanted.word, signature, waiting.now_s(), edited
        )
        await receipt_in_time(receipt, RECEIPT_S)
        if counts:  # whoever waits for it does the same; once it has its effect, nothing more comes of it
            waiting.approvals.settle(wanted.use)
        approval = waiting.request.approval
        return {
            "use": wanted.use, "counts": counts, "decided": wanted.word, "state": approval.state.value,
            "by": person.id, "becomes": waiting.request.becomes or None,
        }  # fmt: skip

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
    """What may be told without opening anything."""
    approval, now_s = waiting.request.approval, waiting.now_s()
    return {
        "use": waiting.use,
        "call": waiting.call,
        "tenant": waiting.tenant,
        "role": waiting.request.role,
        "risk": waiting.request.decision.risk,
        "waited_s": max(0, int(now_s - approval.asked_at_s)),
        "left_s": max(0, int(approval.expires_at_s - now_s)),
        "state": approval.state.value,
    }


def _as_if(decoy: _Decoy, real: Decision, ask: Ask) -> Decision:
    """A decision that a decoy might have got: it carries the real one's reasons, to look like it."""
    proposal = Proposal(
        Effect.TOOL, real.proposal.call, real.proposal.turn, new_id("u"), language=real.proposal.language,
        tool=decoy.tool, arguments=dict(decoy.arguments),
    )  # fmt: skip
    asks = [v for v in real.verdicts if v.verdict is Verdict.APPROVE]
    findings = tuple(RuleVerdict(v.rule, Verdict.APPROVE, v.annex_a, v.risk, v.reason, ask=ask) for v in asks)
    return Decision(proposal, Verdict.APPROVE, findings, real.risk, "")


def _valid(model: type[M], asked: Mapping[str, Any]) -> M:
    """Raises OperatorError: naming fields, never what they hold."""
    try:
        return model.model_validate(dict(asked))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(str(x) for x in e["loc"]) for e in error.errors()}))
        raise OperatorError(f"cannot be asked like this: {fields or 'unknown'}") from None
