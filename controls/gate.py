"""The gate: evaluate, append, mint. Nothing else mints ``Cleared``.

1. A proposal is judged by the rules (``controls.rules.engine``).
2. The decision is appended to the ledger, with what it was about sealed beside it.
3. Only then, and only for what may happen, a token is minted that carries the
   record's pending receipt. What a person decides first is cleared by ``approved``,
   and only behind a durable grant (``controls.approvals``).

Whatever fails on the way (a rule, the ledger, a record that cannot be built)
refuses. No sockets, no waiting: the receipt completes in the ledger's own thread.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from controls.approvals import Approvals, Kept, UseFacts
from controls.bound_phrases import bound_records
from controls.decision import (
    _MINT,
    FALLBACK,
    Ask,
    Cleared,
    Decision,
    Effect,
    PendingReceipt,
    Proposal,
    Recorder,
    Verdict,
)
from controls.errors import InternalError, LedgerError
from controls.findings import also_asking, found, not_recorded
from controls.forms import Before
from controls.gate_values import Outcome, RequestedBy, ToolRefusal, UnboundPhrase
from controls.ids import new_id
from controls.ledger import records as r
from controls.receipts import Spool, UrgentReceipt, all_of
from controls.risk import CallRisk, Circumstances, RiskModel, points_of
from controls.rules.deciding import gravest_form
from controls.rules.engine import Rules
from controls.rules.judges import UNANSWERED, Answers, Question

#: Transfers that no failing ledger may delay. A failure's is among them: the ledger may be what fails.
_MAY_SPOOL = frozenset(("emergency", "caller_voice", "caller_key", "failure"))


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
        risk: RiskModel | None = None,
        kept: Kept = lambda value: value,
    ) -> None:
        """Make the gate of one call.

        Args:
            risk: scores clauses and uses of tools; without it the rules alone decide.
            spool: writes a record to the fallback spool at once; used for an
                emergency's or a requested person's transfer when the ledger fails; from any thread.
            kept: for ``controls.approvals``.
        """
        self._recorder = recorder
        self._tenant, self._call = tenant, call
        self._rules = rules
        self._language = language
        self._spool = spool
        self._bound: dict[str, str] = {}
        self._binding: PendingReceipt | None = None
        self._risk = None if risk is None else CallRisk(risk)
        self._before = Before()
        self._urgent: dict[str, UrgentReceipt] = {}
        self.approvals = Approvals(recorder=recorder, tenant=tenant, call=call, kept=kept, spool=spool)

    @property
    def rules(self) -> Rules:
        """The compiled rules this call is judged by."""
        return self._rules

    def bind(
        self, release: str, phrases: Mapping[str, Mapping[str, str]], redaction: str | None = None
    ) -> PendingReceipt:
        """Clear every fixed phrase of the release, by the digest of its exact UTF-8 words.

        Args:
            release: the release's digest, ``sha256:…``.
            phrases: id → language → words.
            redaction: version of the redaction rules, ``sha256:…``; None where nothing is redacted.

        Returns:
            Completes when all of it is durable; the call is answered only then.

        Raises:
            InternalError: the call is bound already (nothing may be smuggled in later).
            LedgerError: the ledger takes no records.
            pydantic.ValidationError: a phrase id, language or digest is malformed.
        """
        if self._binding is not None:
            raise InternalError("the call is bound to a release already")
        built = bound_records(self._tenant, self._call, release, phrases, redaction)
        self._binding = all_of([self._recorder.append(record) for record in built])
        self._bound = {p: said[self._language] for p, said in phrases.items() if self._language in said}
        self.approvals.release = release
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

    def asks(
        self, id: str, text: str, turn: int, caller_said: str = "", forms: Sequence[str] = ()
    ) -> tuple[Question, ...]:
        """What models are to be asked about a clause, as ``clause`` takes it; ``id`` it is then given too."""
        proposal = self._spoken(id, text, turn, caller_said)
        return self._before.questions(self._rules, proposal, forms)

    def asks_of_use(
        self, use_id: str, name: str, arguments: Mapping[str, Any], turn: int, caller_said: str = ""
    ) -> tuple[Question, ...]:
        """What models are to be asked about the use of a tool, as ``tool`` takes it."""
        return self._rules.questions(self._used(use_id, name, dict(arguments), turn, caller_said))

    def clause(
        self,
        text: str,
        turn: int,
        caller_said: str = "",
        forms: Sequence[str] = (),
        confidence: float | None = None,
        id: str = "",
        answers: Answers = UNANSWERED,
    ) -> Outcome:
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
            confidence: how sure recognition was of ``caller_said``, 0 to 1; None where nothing was said.
            id: the clause's, where questions on it were asked; a new one otherwise.
            answers: what came of ``asks``.
        """
        proposal = self._spoken(id or new_id("k"), text, turn, caller_said)
        decisions = self._before.judge(self._rules, proposal, forms, answers)
        decision = self._weighed(gravest_form(decisions), Circumstances(confidence=confidence))
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
                text=decision.text, candidate=text if changed else "", verdicts=found(decision),
                reasons=points_of(decision),
            ),
        )  # fmt: skip
        if outcome.cleared is not None:
            self._before.remember(turn, [d.text for d in decisions])
        return outcome

    def caller(self, text: str, turn: int, *, over: bool = True) -> Outcome:
        """Judge what the caller said, before the model is asked. Never raises.

        ALLOW: the words go to the model, nothing is recorded. Otherwise the refusal to ask is recorded, once
        the turn is ``over``; speak ``decision.phrase`` and, on HANDOFF, fetch a person.
        """
        proposal = self._spoken(new_id("k"), "", turn, text)
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
        undoable: bool = True,
        confidence: float | None = None,
        ask: Ask | None = None,
        dry: bool = False,
        undo_of: str | None = None,
        repeats: str | None = None,
        by_keys: str = "",
        answers: Answers = UNANSWERED,
    ) -> Outcome:
        """Judge one use of a tool. Never raises.

        The request may leave once ``cleared.receipt`` has completed, with exactly
        ``decision.proposal.arguments`` (a copy; later changes to ``arguments`` do
        not count). On APPROVE nothing is cleared and nothing recorded: ``approvals.request``
        asks a person, and ``approved`` clears the use once they granted it.

        Args:
            undoable: a tool of the agent's takes it back, or a wrong use costs little.
            confidence: as ``clause``.
            ask: whom the agent itself has decide on this tool.
            dry, undo_of, repeats: as ``UseFacts``.
            by_keys: the argument that holds a token for what the caller enters: recorded, and not judged.
            answers: what came of ``asks_of_use``.
        """
        proposal = self._used(use_id, name, copy.deepcopy(dict(arguments)), turn, caller_said)
        around = Circumstances(risk, undoable, confidence=confidence)
        judged = replace(proposal, arguments={k: v for k, v in arguments.items() if k != by_keys})
        found = self._rules.evaluate(judged, answers=answers)
        decision = replace(self._weighed(also_asking(found, ask), around), proposal=proposal)
        if decision.ask is not None:
            return Outcome(decision, None, None)
        if decision.verdict is not Verdict.ALLOW:
            reason = decision.verdicts[0].reason
            receipt = self._try(lambda: self._append_tool_refusal(proposal, "rule", reason, decision))
            return Outcome(decision, None, receipt)
        return self._clear_use(decision, UseFacts(risk, read_back, idempotent, dry, undo_of, repeats))

    def approved(self, use_id: str) -> Outcome:
        """Clear a use that a person granted: its ``tool.requested`` is queued, once.

        Raises:
            PermissionError: as ``Approvals.take``; nothing is cleared without a durable grant.
        """
        request = self.approvals.take(use_id)
        return self._clear_use(request.decision, request.facts)

    def _clear_use(self, decision: Decision, facts: UseFacts) -> Outcome:
        proposal = decision.proposal
        outcome = self._record_and_mint(
            decision,
            lambda: r.ToolRequested(
                tenant=self._tenant, call=self._call, turn=proposal.turn, use=proposal.id, risk=facts.risk,
                score=self._score(decision), read_back=facts.read_back, idempotent=facts.idempotent,
                dry=facts.dry, undo_of=facts.undo_of, repeats=facts.repeats,
            ),
            lambda: r.ToolDetails(
                name=proposal.tool, arguments=dict(proposal.arguments), verdicts=found(decision),
                reasons=points_of(decision),
            ),
        )  # fmt: skip
        if outcome.cleared is not None and self._risk is not None:
            self._risk.cleared(proposal.tool)
        return outcome

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
        return self._append_tool_refusal(proposal, reason, why)

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

    def _spoken(self, id: str, text: str, turn: int, caller_said: str) -> Proposal:
        return Proposal(
            Effect.SPEAK, self._call, turn, id, text=text, language=self._language, caller_said=caller_said
        )

    def _used(self, id: str, name: str, given: dict[str, Any], turn: int, caller_said: str) -> Proposal:
        return Proposal(
            Effect.TOOL, self._call, turn, id, language=self._language, tool=name, arguments=given,
            caller_said=caller_said,
        )  # fmt: skip

    def _mint(self, id: str, turn: int, text: str, receipt: PendingReceipt, phrase: str = "") -> Cleared:
        return Cleared(
            mint=_MINT, call=self._call, turn=turn, id=id, text=text,
            language=self._language, receipt=receipt, phrase=phrase,
        )  # fmt: skip

    def _weighed(self, decision: Decision, around: Circumstances) -> Decision:
        """The rules' decision with its score, as it can be spoken."""
        return self._speakable(decision if self._risk is None else self._risk.weigh(decision, around))

    def _score(self, decision: Decision | None) -> int | None:
        return None if decision is None or self._risk is None else decision.risk

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
            return Outcome(self._speakable(not_recorded(proposal)), None, None)
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
                    text=text, candidate=written if written != text else "", verdicts=found(decision),
                    reasons=points_of(decision), instead=decision.phrase or None,
                ),
            )
        )  # fmt: skip
        return Outcome(decision, None, receipt)

    def _append_tool_refusal(
        self, proposal: Proposal, reason: ToolRefusal, why: str, decision: Decision | None = None
    ) -> PendingReceipt:
        record = r.ToolRefused(
            tenant=self._tenant, call=self._call, turn=proposal.turn, use=proposal.id, reason=reason,
            score=self._score(decision),
        )  # fmt: skip
        details = r.ToolDetails(
            name=proposal.tool, arguments=dict(proposal.arguments), reason=why,
            verdicts=found(decision) if decision is not None else (), reasons=points_of(decision),
        )  # fmt: skip
        return self._recorder.append(record, details)

    @staticmethod
    def _try(append: Callable[[], PendingReceipt]) -> PendingReceipt | None:
        try:
            return append()
        except Exception:  # noqa: BLE001  # LedgerError, or a record that cannot be built: both refuse
            return None
