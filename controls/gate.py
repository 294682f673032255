"""The gate: evaluate, append, mint. Nothing else mints ``Cleared``.

1. A proposal is judged by the rules (``controls.rules.engine``).
2. The decision is appended to the ledger, with what it was about sealed beside it.
3. Only then, and only for what may happen, a token is minted that carries the
   record's pending receipt.

Whatever fails on the way (a rule, the ledger, a record that cannot be built)
refuses. No sockets, no waiting: the receipt completes in the ledger's own thread.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from controls.decision import (
    _MINT,
    Cleared,
    Decision,
    Effect,
    PendingReceipt,
    Proposal,
    Recorder,
    RuleVerdict,
    Verdict,
)
from controls.errors import InternalError, LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from controls.receipts import Spool, UrgentReceipt, all_of
from controls.rules.engine import FALLBACK, LOOK_BACK, Rules, gravest_form
from controls.rules.matchers import EMPTY, Words, join, tail, words

#: Fixed phrases in one ``release.bound``; more go into further records.
PHRASES_PER_RECORD = 40

RequestedBy = Literal["caller_voice", "caller_key", "rule", "agent", "emergency", "failure"]
ToolRefusal = Literal[
    "rule", "caller_said_no", "too_often", "unknown_tool", "bad_arguments", "stopped", "unconfirmed"
]

#: Transfers that no failing ledger may delay. A failure's is among them: the ledger may be what fails.
_MAY_SPOOL = frozenset(("emergency", "caller_voice", "caller_key", "failure"))


class UnboundPhrase(InternalError):
    """A fixed phrase was to be spoken that the call's ``release.bound`` does not clear."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate decided.

    Attributes:
        cleared: the token, or None when it may not happen.
        receipt: the record of the decision; None when the ledger would not take it
            (then nothing is cleared) or nothing had to be recorded.
    """

    decision: Decision
    cleared: Cleared | None
    receipt: PendingReceipt | None


class Gate:
    """One call's gate. Not thread-safe: call it from one thread."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        tenant: str,
        call: str,
        rules: Rules,
        language: str,
        spool: Spool | None = None,
    ) -> None:
        """Make the gate of one call.

        Args:
            spool: writes a record to the fallback spool at once; used for an
                emergency's or a requested person's transfer when the ledger fails.
                May be called from the ledger's thread.
        """
        self._recorder = recorder
        self._tenant = tenant
        self._call = call
        self._rules = rules
        self._language = language
        self._spool = spool
        self._bound: dict[str, str] = {}
        self._binding: PendingReceipt | None = None
        #: The turn, and what was cleared last in it in each form.
        self._before: tuple[int, tuple[Words, ...]] = (0, ())
        self._urgent: dict[str, UrgentReceipt] = {}

    @property
    def rules(self) -> Rules:
        """The compiled rules this call is judged by."""
        return self._rules

    def bind(self, release: str, phrases: Mapping[str, Mapping[str, str]]) -> PendingReceipt:
        """Clear every fixed phrase of the release, by the digest of its exact UTF-8 words.

        Args:
            release: the release's digest, ``sha256:…``.
            phrases: id → language → words.

        Returns:
            Completes when all of it is durable; the call is answered only then.

        Raises:
            InternalError: the call is bound already (nothing may be smuggled in later).
            LedgerError: the ledger takes no records.
            pydantic.ValidationError: a phrase id, language or digest is malformed.
        """
        if self._binding is not None:
            raise InternalError("the call is bound to a release already")
        fixed = [
            r.FixedPhrase(phrase=phrase, language=language, digest=phrase_digest(text))
            for phrase, said in sorted(phrases.items())
            for language, text in sorted(said.items())
        ]
        parts = [fixed[i : i + PHRASES_PER_RECORD] for i in range(0, len(fixed), PHRASES_PER_RECORD)] or [[]]
        built = [
            r.ReleaseBound(tenant=self._tenant, call=self._call, release=release, fixed=tuple(part))
            for part in parts
        ]
        self._binding = all_of([self._recorder.append(record) for record in built])
        self._bound = {p: said[self._language] for p, said in phrases.items() if self._language in said}
        return self._binding

    def bound(self, phrase: str) -> bool:
        """Whether ``phrase`` may be spoken in this call."""
        return phrase in self._bound

    def phrase(self, phrase: str, turn: int) -> Cleared:
        """The right to speak a fixed phrase, under the call's ``release.bound``.

        Raises:
            UnboundPhrase: it is not bound, or not in the call's language.
        """
        if self._binding is None or phrase not in self._bound:
            raise UnboundPhrase(f"phrase {phrase!r} is not bound to this call")
        return self._mint(new_id("k"), turn, self._bound[phrase], self._binding, phrase)

    def clause(self, text: str, turn: int, caller_said: str = "", forms: Sequence[str] = ()) -> Outcome:
        """Judge one clause. Never raises.

        What was cleared just before in the same turn is looked at with it, so that
        no phrase slips through between two clauses. When it may not be spoken,
        ``decision.phrase`` names a bound phrase to speak instead, or is "".

        Args:
            text: the words exactly as they would be spoken.
            forms: the same clause in other forms, such as written or before its names were
                respelled, in the same order for every clause. Each is judged as ``text`` is and
                the gravest verdict decides, so that no rule is passed by by a spelling. Only
                ``text`` can be cleared.
        """
        proposal = Proposal(
            Effect.SPEAK,
            self._call,
            turn,
            new_id("k"),
            text=text,
            language=self._language,
            caller_said=caller_said,
        )
        decisions = self._each_form(proposal, forms)
        decision = self._speakable(gravest_form(decisions))
        if decision.verdict.gravity > Verdict.REWRITE.gravity:
            return self._refuse_clause(decision, text, written=forms[-1] if forms else "")
        changed = decision.verdict is Verdict.REWRITE
        outcome = self._record_and_mint(
            decision,
            lambda: r.ClauseCleared(
                tenant=self._tenant, call=self._call, turn=turn, clause=proposal.id,
                verdict=Verdict.REWRITE if changed else Verdict.ALLOW,
                risk=decision.risk, annex_a=decision.annex_a,
            ),
            lambda: r.ClauseDetails(
                text=decision.text, candidate=text if changed else "", verdicts=_found(decision)
            ),
        )  # fmt: skip
        if outcome.cleared is not None:
            self._remember(turn, [d.text for d in decisions])
        return outcome

    def _each_form(self, proposal: Proposal, forms: Sequence[str]) -> list[Decision]:
        """A decision on each form, the spoken one first; equal forms after equal words are judged once."""
        before = self._before_in(proposal.turn)
        judged: dict[tuple[str, tuple[str, ...]], Decision] = {}
        decisions = []
        for i, form in enumerate((proposal.text, *forms)):
            earlier = _at(before, i)
            key = (form, earlier.tokens)
            if key not in judged:
                judged[key] = self._rules.evaluate(replace(proposal, text=form), earlier)
            decisions.append(judged[key])
        return decisions

    def _remember(self, turn: int, forms: Sequence[str]) -> None:
        """Keep the end of what was cleared, in each of its forms; equal ones are kept once."""
        before = self._before_in(turn)
        kept: list[Words] = []
        for i, form in enumerate(forms):
            same = next((j for j in range(i) if forms[j] == form and _at(before, j) == _at(before, i)), None)
            kept.append(kept[same] if same is not None else _newest(_at(before, i), form))
        self._before = (turn, tuple(kept))

    def _before_in(self, turn: int) -> tuple[Words, ...]:
        return self._before[1] if self._before[0] == turn else ()

    def caller(self, text: str, turn: int, *, over: bool = True) -> Outcome:
        """Judge what the caller said, before the model is asked. Never raises.

        ALLOW: the words go to the model, nothing is recorded. Otherwise the refusal to ask is recorded, once
        the turn is ``over``; speak ``decision.phrase`` and, on HANDOFF, fetch a person.
        """
        proposal = Proposal(
            Effect.SPEAK, self._call, turn, new_id("k"), language=self._language, caller_said=text
        )
        decision = self._speakable(self._rules.caller(proposal))
        if decision.verdict is Verdict.ALLOW or not over:
            return Outcome(decision, None, None)
        return self._refuse_clause(decision, "")

    def tool(
        self,
        use_id: str,
        name: str,
        arguments: Mapping[str, Any],
        turn: int,
        *,
        risk: Literal["low", "medium", "high"],
        read_back: Literal["none", "confirmed"],
        idempotent: bool,
        caller_said: str = "",
    ) -> Outcome:
        """Judge one use of a tool. Never raises.

        The request may leave once ``cleared.receipt`` has completed, with exactly
        ``decision.proposal.arguments`` (a copy; later changes to ``arguments`` do
        not count).
        """
        given = copy.deepcopy(dict(arguments))
        proposal = Proposal(
            Effect.TOOL, self._call, turn, use_id, language=self._language,
            tool=name, arguments=given, caller_said=caller_said,
        )  # fmt: skip
        decision = self._speakable(self._rules.evaluate(proposal))
        if decision.verdict is not Verdict.ALLOW:
            reason = decision.verdicts[0].reason
            receipt = self._try(lambda: self._append_tool_refusal(proposal, "rule", reason, _found(decision)))
            return Outcome(decision, None, receipt)
        return self._record_and_mint(
            decision,
            lambda: r.ToolRequested(
                tenant=self._tenant, call=self._call, turn=turn, use=use_id,
                risk=risk, read_back=read_back, idempotent=idempotent,
            ),
            lambda: r.ToolDetails(name=name, arguments=given, verdicts=_found(decision)),
        )  # fmt: skip

    def refuse_tool(
        self,
        use_id: str,
        name: str,
        arguments: Mapping[str, Any],
        turn: int,
        *,
        reason: ToolRefusal,
        why: str = "",
    ) -> PendingReceipt:
        """Record that a tool is not used, for a reason that is no rule's.

        Args:
            why: in words, sealed.

        Raises:
            LedgerError: the ledger takes no records (the tool is not used all the same).
        """
        proposal = Proposal(Effect.TOOL, self._call, turn, use_id, tool=name, arguments=arguments)
        return self._append_tool_refusal(proposal, reason, why, ())

    def transfer(
        self, handoff_id: str, requested_by: RequestedBy, details: r.HandoffDetails, turn: int = 0
    ) -> Cleared:
        """The right to hand the caller to a person; ``handoff.requested`` is its clearance.

        No rule stands in a person's way. For an emergency, when the caller asked, and when
        something of ours failed, the receipt falls back to the spool should the ledger fail
        (see ``hurry``).

        Raises:
            LedgerError: the ledger takes no records, and the spool may not be used.
        """
        record = r.HandoffRequested(
            tenant=self._tenant, call=self._call, handoff=handoff_id, requested_by=requested_by
        )
        if self._spool is None or requested_by not in _MAY_SPOOL:
            return self._mint(handoff_id, turn, "", self._recorder.append(record, details))
        return self._urgently(handoff_id, turn, record, details, self._spool)

    def receipt(self, code: str, turn: int, how: Literal["spoken", "shown"]) -> Cleared:
        """The right to give the caller their code; ``receipt.issued`` is its clearance.

        No rule stands in its way, and no spool stands in for the log: a code that is not in the
        log proves nothing, so without the record there is none. Showing it takes this token; what
        is spoken of it is a clause of its own besides.

        Raises:
            LedgerError: the ledger takes no records.
        """
        record = r.ReceiptIssued(tenant=self._tenant, call=self._call, turn=turn, how=how)
        return self._mint(new_id("k"), turn, code, self._recorder.append(record, r.ReceiptDetails(code=code)))

    def hang_up(self, closed: r.CallClosed) -> Cleared:
        """The right to end the call at the carrier; its ``call.closed`` is the clearance.

        Nobody is kept on the line by a failing ledger: the receipt falls back to the spool.

        Raises:
            LedgerError: the ledger takes no records, and there is no spool.
        """
        if self._spool is None:
            return self._mint(self._call, 0, "", self._recorder.append(closed))
        return self._urgently(self._call, 0, closed, None, self._spool)

    def _urgently(
        self, id: str, turn: int, record: r.Record, details: r.Personal | None, spool: Spool
    ) -> Cleared:
        urgent = UrgentReceipt(record, details, spool)
        self._urgent[id] = urgent
        try:
            urgent.follow(self._recorder.append(record, details))
        except LedgerError:
            urgent.spool()
        return self._mint(id, turn, "", urgent.receipt)

    def hurry(self, cleared: Cleared) -> bool:
        """The ledger is past its deadline: write an urgent transfer to the spool now.

        Returns:
            Whether ``cleared.receipt`` is complete now. False for whatever is not
            an emergency's or a requested person's transfer. Should the ledger's
            own append succeed later, the same handoff stands twice, once recovered.
        """
        urgent = self._urgent.get(cleared.id)
        if urgent is None:
            return False
        urgent.spool()
        return urgent.receipt.done() and urgent.receipt.exception() is None

    # -- inside -----------------------------------------------------------------------------------

    def _mint(self, id: str, turn: int, text: str, receipt: PendingReceipt, phrase: str = "") -> Cleared:
        return Cleared(
            mint=_MINT, call=self._call, turn=turn, id=id, text=text,
            language=self._language, receipt=receipt, phrase=phrase,
        )  # fmt: skip

    def _speakable(self, decision: Decision) -> Decision:
        """A refusal names only phrases that are bound: its own, else the fallback, else none."""
        if not decision.phrase or self.bound(decision.phrase):
            return decision
        return replace(decision, phrase=FALLBACK if self.bound(FALLBACK) else "")

    def _record_and_mint(
        self,
        decision: Decision,
        record: Callable[[], r.Record],
        personal: Callable[[], r.Personal],
    ) -> Outcome:
        proposal = decision.proposal
        receipt = self._try(lambda: self._recorder.append(record(), personal()))
        if receipt is None:
            return Outcome(self._speakable(_not_recorded(proposal)), None, None)
        return Outcome(decision, self._mint(proposal.id, proposal.turn, decision.text, receipt), receipt)

    def _refuse_clause(self, decision: Decision, text: str, written: str = "") -> Outcome:
        proposal = decision.proposal
        assert decision.verdict not in (Verdict.ALLOW, Verdict.REWRITE)  # callers checked
        receipt = self._try(
            lambda: self._recorder.append(
                r.ClauseRefused.model_validate(
                    {
                        "tenant": self._tenant, "call": self._call, "turn": proposal.turn,
                        "clause": proposal.id, "verdict": decision.verdict, "risk": decision.risk,
                        "annex_a": decision.annex_a,
                    }
                ),
                r.ClauseDetails(
                    text=text, candidate=written if written != text else "", verdicts=_found(decision),
                    instead=decision.phrase or None,
                ),
            )
        )  # fmt: skip
        return Outcome(decision, None, receipt)

    def _append_tool_refusal(
        self, proposal: Proposal, reason: ToolRefusal, why: str, verdicts: tuple[r.Found, ...]
    ) -> PendingReceipt:
        record = r.ToolRefused(
            tenant=self._tenant, call=self._call, turn=proposal.turn, use=proposal.id, reason=reason
        )
        details = r.ToolDetails(
            name=proposal.tool, arguments=dict(proposal.arguments), reason=why, verdicts=verdicts
        )
        return self._recorder.append(record, details)

    @staticmethod
    def _try(append: Callable[[], PendingReceipt]) -> PendingReceipt | None:
        try:
            return append()
        except Exception:  # noqa: BLE001  # LedgerError, or a record that cannot be built: both refuse
            return None


def phrase_digest(text: str) -> str:
    """``sha256:…`` of a fixed phrase's exact UTF-8 words, as ``release.bound`` holds it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _found(decision: Decision) -> tuple[r.Found, ...]:
    return tuple(
        r.Found(rule=v.rule, verdict=v.verdict, annex_a=v.annex_a, risk=v.risk, reason=v.reason)
        for v in decision.verdicts
    )


def _newest(before: Words, form: str) -> Words:
    return tail(join(before, words(form)), LOOK_BACK)


def _at(before: Sequence[Words], form: int) -> Words:
    """What was cleared before in one form; the spoken one for a form that was not given then."""
    return before[form] if form < len(before) else before[0] if before else EMPTY


def _not_recorded(proposal: Proposal) -> Decision:
    verdict = RuleVerdict(
        "default/ledger", Verdict.BLOCK, ("A.6.2.8",), 100, "the decision could not be recorded", FALLBACK
    )
    return Decision(proposal, Verdict.BLOCK, (verdict,), 100, "", FALLBACK)
