"""Decisions as values: what was proposed, what the rules found, what may happen.

Two tokens stand between a decision and its effect (docs/architecture):

* ``Cleared``: the verdict on a clause or an action. Only ``controls.gate`` mints
  one, and the voice synthesises nothing else.
* ``Receipt``: the record of that decision is durable. The egress stage lets no
  sample pass, and no tool, transfer or hang-up runs, before it holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol, final

#: Phrase spoken when a refusal has no words of its own; every release has it.
FALLBACK = "fallback"


class Verdict(StrEnum):
    """What may happen with a proposal, from mildest to gravest.

    A block is graver than an approval: nobody can grant what a rule refuses outright.
    """

    ALLOW = "allow"
    REWRITE = "rewrite"
    APPROVE = "approve"
    BLOCK = "block"
    HANDOFF = "handoff"

    @property
    def gravity(self) -> int:
        """0 (allow) to 4 (handoff); the gravest finding decides."""
        return list(Verdict).index(self)


class Effect(StrEnum):
    """What a proposal would do if it were cleared."""

    SPEAK = "speak"
    TOOL = "tool"
    TRANSFER = "transfer"
    HANG_UP = "hang_up"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something the agent would say or do, put before the gate.

    Attributes:
        effect: what it would do.
        call: call id (``c_…``).
        turn: 1-based number of the caller's turn it answers, 0 before the first.
        id: clause id (``k_…``), tool use id (``u_…``) or handoff id (``h_…``).
        text: the words exactly as they would be spoken (empty for actions).
        language: BCP 47 tag.
        tool: the tool's name, for ``Effect.TOOL``.
        arguments: the tool's arguments.
        caller_said: what the caller said in this turn; rules may look at it.
    """

    effect: Effect
    call: str
    turn: int
    id: str
    text: str = ""
    language: str = "en-US"
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    caller_said: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Who decides an action before it happens.

    Attributes:
        role: of ``configs/people.yaml``.
        within_s: how long the caller waits for that, s.
        otherwise: what a passed time leads to; neither lets the action happen.
    """

    role: str
    within_s: int
    otherwise: Literal["refuse", "handoff"] = "refuse"


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule's finding.

    Attributes:
        rule: ``pack/name``, such as ``health-boundaries/no-diagnosis``.
        verdict: what this rule asks for.
        annex_a: ISO/IEC 42001 Annex A controls it exercises.
        risk: 0 (none) to 100.
        reason: the rule's own words from its file, never the caller's.
        say: what to say instead, for ``rewrite`` (new text) and ``block`` (safe
            phrase id, ``rule.<pack>.<name>``).
        ask: for ``approve``, who decides.
    """

    rule: str
    verdict: Verdict
    annex_a: tuple[str, ...]
    risk: int
    reason: str
    say: str = ""
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class RiskReason:
    """One declared feature of a risk score (``controls.risk``), and the points it counted, 0 to 100."""

    feature: str
    points: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The gravest of all findings, with every finding kept.

    Attributes:
        verdict: what may happen.
        verdicts: the rules that matched, gravest first; an allow by no rule at
            all holds one finding named ``default/allow``.
        risk: the highest risk found, 0 to 100; the score, where one was made.
        text: what may be spoken: the proposal's text, its rewrite, or "".
        phrase: id of the fixed phrase to speak instead, or "".
        reasons: what the score is made of; empty where none was made.
    """

    proposal: Proposal
    verdict: Verdict
    verdicts: tuple[RuleVerdict, ...]
    risk: int
    text: str
    phrase: str = ""
    reasons: tuple[RiskReason, ...] = ()

    @property
    def annex_a(self) -> tuple[str, ...]:
        """Every Annex A control exercised, in order, without repeats."""
        return tuple(dict.fromkeys(a for v in self.verdicts for a in v.annex_a))

    @property
    def ask(self) -> Ask | None:
        """Who is to decide; None where nobody can, and then it may not happen.

        Of several findings that ask, the shortest time and a handoff count. They name one
        role (``controls.rules.engine`` and the release's checks see to it): where they do not,
        neither role could answer for the other, so that nobody is asked.
        """
        asks = [v.ask for v in self.verdicts if v.ask is not None]
        if self.verdict is not Verdict.APPROVE or len({a.role for a in asks}) != 1:
            return None
        handoff = any(a.otherwise == "handoff" for a in asks)
        return Ask(asks[0].role, min(a.within_s for a in asks), "handoff" if handoff else "refuse")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record is durable.

    Attributes:
        origin: the log that holds it.
        leaf: its 0-based index there; -1 while it lies in the fallback spool.
        type: record type, such as ``clause.cleared``.
        durable_at_ns: monotonic clock when the commit returned.
        spooled: written to the fallback spool, to be appended later as recovered.
    """

    origin: str
    leaf: int
    type: str
    durable_at_ns: int
    spooled: bool = False


#: A record on its way to disk. Completed by the ledger's writer thread; never
#: cancel it (wrap it with ``asyncio.shield``), the append goes on regardless.
PendingReceipt = Future[Receipt]


_MINT = object()


@final
class Cleared:
    """The right to synthesise one clause, or to prepare one action. Minted by the gate only."""

    __slots__ = ("call", "id", "language", "phrase", "receipt", "text", "turn")

    def __init__(
        self,
        *,
        mint: object,
        call: str,
        turn: int,
        id: str,
        text: str,
        language: str,
        receipt: PendingReceipt,
        phrase: str = "",
    ) -> None:
        """Mint a token.

        Args:
            mint: the gate's private object; anything else is refused.
            receipt: completes when the clearance is durable.
            phrase: id of the fixed phrase, when the call's ``release.bound`` clears it.

        Raises:
            PermissionError: when anything but the gate calls it.
        """
        if mint is not _MINT:
            raise PermissionError("only controls.gate mints Cleared")
        self.call = call
        self.turn = turn
        self.id = id
        self.text = text
        self.language = language
        self.receipt = receipt
        self.phrase = phrase

    def __repr__(self) -> str:
        return f"Cleared({self.id}, turn={self.turn}, phrase={self.phrase!r})"  # never the text


class Recorder(Protocol):
    """The end of the ledger that the gate and the journal write to.

    Ordering: records are numbered at commit, in the order ``append`` was called.
    Loss: none; a future that fails says the record is not durable. Closing: after
    ``close`` every append fails with ``LedgerError``.
    """

    def append(self, record: Any, personal: Any = None) -> PendingReceipt:
        """Queue one record (``controls.ledger.records``) and return at once.

        Args:
            record: the leaf's predicate; holds no personal data.
            personal: what is sealed beside it, or None.

        Returns:
            A future that yields the Receipt, or fails with ``LedgerError``.
        """
        ...
