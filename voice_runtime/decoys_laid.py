"""Decoys on their way to the desk: which one comes behind which request, when, and what became of it.

A decoy has to look like any request: it is one of the same tool, for the same role, with the same reasons;
it says what that tool does and what was said, in the same lines; and it comes some seconds behind, at a time
drawn by lot, as the next request of the same call would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from controls import approval as a
from controls.decision import Ask, Decision, Effect, Proposal, RuleVerdict, Verdict
from controls.ids import new_id
from controls.ledger import records as r
from voice_runtime.decoys import DecoysFile
from voice_runtime.roster import Asking, Roster
from voice_runtime.shown import is_said

#: What became of one: refused or taken over, granted or edited, or nobody decided on it.
DecoyOutcome = Literal["caught", "granted", "undecided"]
#: Decoys left by hand that wait for a real request.
MOST = 20
#: How far behind its request one comes, s.
_DELAYS_S = (2.0, 15.0)


class DecoyLeft(BaseModel):
    """What somebody leaves by hand."""

    model_config = ConfigDict(extra="forbid")
    who: str
    account: int | None = None
    role: r.Slug
    tool: str = Field(min_length=1, max_length=64)
    arguments: dict[str, Any] = {}
    said: tuple[str, ...] = Field(min_length=1, max_length=12)

    @field_validator("said")
    @classmethod
    def _lines(cls, said: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_said(line) for line in said):
            raise ValueError("a line begins with caller: or agent:")
        return said


@dataclass(frozen=True, slots=True)
class Decoy:
    """One: what it pretends to be.

    Attributes:
        who: who wrote it: a person's name, or (``declared``) a role.
        account: the account they left it by, where it is known.
        said: its conversation, a line a turn, with who spoke.
    """

    who: str = field(repr=False)
    role: str
    tool: str
    arguments: Mapping[str, Any] = field(repr=False)
    said: Sequence[str] = field(repr=False)
    declared: bool = False
    account: int | None = None

    @classmethod
    def left(cls, wanted: DecoyLeft, by: Asking) -> Self:
        """As somebody left it."""
        return cls(by.name, wanted.role, wanted.tool, wanted.arguments, wanted.said, account=by.account)

    def written_by(self, asking: Asking, roster: Roster) -> bool:
        """Whether they may have written it: nobody is tested with what they know."""
        if self.declared:
            return roster.holds(asking, self.who)
        return roster.same(asking, Asking(self.who, self.account))


class Lot(Protocol):
    """What is needed of ``random.Random``."""

    def randrange(self, stop: int, /) -> int: ...
    def uniform(self, a: float, b: float, /) -> float: ...


class Decoys:
    """Those somebody left, and those the operator declared; which comes with what, and when, goes by lot."""

    def __init__(
        self,
        declared: DecoysFile | None = None,
        lot: Lot | None = None,
        *,
        delay_s: Callable[[], float] | None = None,
    ) -> None:
        """Args: declared: of the file; delay_s: how far behind one comes, s; drawn by lot when left out."""
        self._lot: Lot = lot or SystemRandom()
        self._one_in, self._declared = 1, list[Decoy]()
        if declared is not None:
            self._one_in = declared.one_in
            self._declared = [
                Decoy(declared.written_by, d.role, d.tool, d.arguments, d.said, declared=True)
                for d in declared.decoys
            ]
        self._left: deque[Decoy] = deque(maxlen=MOST)
        self.delay_s = delay_s or (lambda: self._lot.uniform(*_DELAYS_S))

    def leave(self, decoy: Decoy) -> int:
        """It comes behind the next request like it; how many wait."""
        self._left.append(decoy)
        return len(self._left)

    def behind(self, role: str, tool: str) -> Decoy | None:
        """One to come behind a request: the oldest that somebody left for it, else one the lot falls on."""
        left = next((d for d in self._left if (d.role, d.tool) == (role, tool)), None)
        if left is not None:
            self._left.remove(left)
            return left
        mine = [d for d in self._declared if (d.role, d.tool) == (role, tool)]
        if not mine or self._lot.randrange(self._one_in):
            return None
        return mine[self._lot.randrange(len(mine))]


def as_if(decoy: Decoy, real: Decision, ask: Ask) -> Decision:
    """A decision that a decoy might have got: it carries the real one's reasons, to look like it."""
    proposal = Proposal(
        Effect.TOOL, real.proposal.call, real.proposal.turn, new_id("u"), language=real.proposal.language,
        tool=decoy.tool, arguments=dict(decoy.arguments),
    )  # fmt: skip
    asks = [v for v in real.verdicts if v.verdict is Verdict.APPROVE]
    findings = tuple(RuleVerdict(v.rule, Verdict.APPROVE, v.annex_a, v.risk, v.reason, ask=ask) for v in asks)
    return Decision(proposal, Verdict.APPROVE, findings, real.risk, "")


def outcome_of(approval: a.Approval) -> DecoyOutcome:
    """What became of a decoy that is over."""
    match approval.state:
        case a.ApprovalState.REFUSED | a.ApprovalState.TAKEN_OVER if approval.decision is not None:
            return "caught" if approval.decision.word in ("refused", "taken_over") else "granted"
        case a.ApprovalState.GRANTED | a.ApprovalState.EDITED:
            return "granted"
        case _:
            return "undecided"
