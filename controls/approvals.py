"""One call's approvals: requests and decisions checked and put on record, grants handed to the gate.

A decision is taken only with a signature over exactly what was asked (``controls.approval``); its nonce
belongs to one request, and a request takes one decision. The gate makes a use only of a request
that ``take`` hands out: granted, its grant durable, no decoy, not handed out before.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from controls import approval as a
from controls.decision import Decision, PendingReceipt, Recorder
from controls.errors import InternalError, LedgerError
from controls.findings import found
from controls.ids import new_id
from controls.ledger import records as r
from controls.receipts import Spool

_DECIDED: dict[a.Word, type[r.ApprovalDecided]] = {
    "granted": r.ApprovalGranted, "refused": r.ApprovalRefused, "taken_over": r.ApprovalTakenOver,
}  # fmt: skip


#: What stands in place of something masked (``controls.redaction``).
_MASKS = tuple(f"[{kind.value}]" for kind in r.PersonalData)
#: A tool's arguments, or a text, as the record holds them: ``inline.redaction`` masks them.
Kept = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class UseFacts:
    """What ``tool.requested`` says of a use.

    Attributes:
        dry: judged and recorded, never sent.
        undo_of: the use (``u_…``) it takes back.
        repeats: the use it is the same as, of which nobody knows whether it was done.
    """

    risk: Literal["low", "medium", "high"]
    read_back: Literal["none", "confirmed"]
    idempotent: bool
    dry: bool = False
    undo_of: str | None = None
    repeats: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Who decided, and what they signed with.

    Attributes:
        by: the person's opaque id (``p_…``); ``who`` is their name, sealed.
        public: the raw key, 32 bytes; ``made`` is the signature, 64 bytes.
        account: by which they acted, "" where it is not known; sealed.
        blind: they decided without having been shown what it is about, and signed that.
    """

    by: str
    who: str = field(repr=False)
    public: bytes
    made: bytes
    label: a.Label = "server_attested"
    note: str = field(default="", repr=False)
    account: str = field(default="", repr=False)
    blind: bool = False


@dataclass(slots=True)
class Request:
    """One request of this call. ``approval`` moves on; the rest stays.

    Attributes:
        receipt: of ``approval.requested``.
        decided: of the decision that counts; None until there is one.
        becomes: id of the use that an edit proposes in its place.
        why: why it is not made; left: why nobody waits for it any more.
    """

    approval: a.Approval
    about: a.Subject
    decision: Decision
    facts: UseFacts
    role: str
    receipt: PendingReceipt
    changed: Callable[[], None]
    decided: PendingReceipt | None = None
    becomes: str = ""
    why: a.Refuse | None = None
    left: a.Withdrawn | None = None
    taken: bool = False


class Approvals:
    """Every request of one call, also those that are over: a late decision on them is put on record.

    Not thread-safe: call it from one thread. Nothing here waits.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        tenant: str,
        call: str,
        kept: Kept = lambda value: value,
        spool: Spool | None = None,
    ) -> None:
        """Begin with no request.

        Args:
            kept: what is masked on record is masked for whoever decides, too; the use itself is made with the
                exact arguments. It raises InternalError where it cannot tell.
            spool: takes the ends that nobody decided, where the ledger does not.
        """
        #: Digest of the release the call is bound to, once it is.
        self.release = ""
        self._recorder, self._spool = recorder, spool
        self._tenant = tenant
        self._call = call
        self._kept = kept
        self._requests: dict[str, Request] = {}

    def request(
        self,
        decision: Decision,
        facts: UseFacts,
        *,
        shown: str,
        now_s: float,
        changed: Callable[[], None] = lambda: None,
        decoy: bool = False,
        written_by: str = "",
        quotes: bool = False,
    ) -> Request:
        """Queue ``approval.requested``; nobody is asked before its receipt has come.

        Args:
            decision: the gate's on the use, with somebody to ask.
            shown: what the person will be shown, once it is masked as the record is.
            now_s: Unix time, s.
            changed: called when something has become of it.
            written_by: who wrote a decoy.
            quotes: what is shown holds words that were said in the call.

        Raises:
            InternalError: the decision asks nobody, this use has a request already, or nobody can tell what
                of it may be kept.
            ValueError: the arguments have no canonical form, so that nobody can sign them.
            LedgerError: the ledger takes no records.
        """
        ask, proposal = decision.ask, decision.proposal
        if ask is None or proposal.id in self._requests:
            raise InternalError("a request for approval names whom it asks, and each use has one")
        salt, secret = a.new_salt(os.urandom(32)), a.new_salt(os.urandom(32))
        nonce, shown, arguments = "n_" + os.urandom(32).hex(), self._kept(shown), dict(proposal.arguments)
        expires_at = int(now_s) + ask.within_s
        about = a.Subject(
            call=self._call, use=proposal.id, release=self.release, nonce=nonce, expires_at=expires_at,
            tool=proposal.tool, arguments=arguments, shown=shown, salt=salt, secret=secret,
            kept=self._kept(arguments),
        )  # fmt: skip
        a.statement(about, "granted")  # what cannot be signed is not asked for
        approval = a.Approval(proposal.id, nonce, now_s, expires_at, otherwise=ask.otherwise, decoy=decoy)
        receipt = self._recorder.append(
            r.ApprovalRequested(
                tenant=self._tenant, call=self._call, use=proposal.id, nonce=nonce, role=ask.role,
                expires_at=expires_at, risk=decision.risk, annex_a=decision.annex_a, kept=quotes,
            ),
            r.ApprovalDetails(
                tool=about.tool, arguments=dict(about.arguments), shown=shown, verdicts=found(decision),
                salt=salt, decoy=decoy, written_by=written_by,
            ),
        )  # fmt: skip
        request = Request(approval, about, decision, facts, ask.role, receipt, changed)
        self._requests[proposal.id] = request
        return request

    def to_sign(
        self, use: str, word: a.Word, edited: Mapping[str, Any] | None = None, *, blind: bool = False
    ) -> bytes:
        """What a person signs for this decision; ``blind``: they were never shown what they decide on.

        Raises:
            KeyError, ValueError: as ``decide``.
            InternalError: nobody can tell what of the new arguments may be kept.
        """
        kept = None if edited is None else self._kept(dict(edited))
        return a.statement(self._requests[use].about, word, edited, kept, blind=blind)

    def get(self, use: str) -> Request | None:
        """This use's request, whatever became of it."""
        return self._requests.get(use)

    def open(self) -> list[Request]:
        """Requests of which something may still come."""
        return [x for x in self._requests.values() if not x.approval.done]

    # -- what comes of them -----------------------------------------------------------------------

    def decide(
        self, use: str, word: a.Word, signature: Signature, now_s: float, edited: Mapping[str, Any] | None
    ) -> tuple[bool, PendingReceipt]:
        """A person's decision: it counts if it is the first, and in time.

        Args:
            edited: for ``edited``, the new arguments.

        Returns:
            Whether it counts, and the receipt of its record. One that counts as a grant has its effect
            once that is durable and ``settle`` was called.

        Raises:
            KeyError: this use has no request here.
            PermissionError: the signature is not over exactly this.
            ValueError: the new arguments have no canonical form, or are none, or some without an edit.
            LedgerError: the ledger takes no records; nothing was decided.
        """
        request = self._requests[use]
        if (edited is not None) is not (word == "edited"):
            raise ValueError("an edit names new arguments, and nothing else does")
        signed = self.to_sign(use, word, edited, blind=signature.blind)
        if not a.signed_by(signature.public, signature.made, signed):
            raise PermissionError("the signature is not over this request and this decision")
        decision = a.Decide(word, signature.by, now_s, dict(edited or {}))
        before = request.approval
        after, outputs = before.step(decision)
        counts = any(isinstance(output, a.RecordDecision) for output in outputs)
        details = self._details(request, signature, signed, edited)
        if not counts:
            self._move(request, after, outputs)  # its time may have passed with nobody looking
            return False, self._append_late(request, decision, signature, details)
        request.becomes = new_id("u") if word == "edited" else ""
        receipt = self._append_decided(request, decision, signature, details)
        request.decided = receipt
        self._move(request, after, outputs)
        return True, receipt

    def settle(self, use: str) -> a.ApprovalState:
        """The decision's record was waited for: it has its effect if that is durable, and none if not."""
        request = self._requests[use]
        receipt = request.decided
        durable = receipt is not None and receipt.done() and not receipt.cancelled()
        if durable and receipt is not None and receipt.exception() is None:
            self._move(request, *request.approval.step(a.Durable()))
        else:
            self._move(request, *request.approval.step(a.Lost()))
        return request.approval.state

    def tick(self, use: str, now_s: float) -> a.ApprovalState:
        """It is that Unix time, s: a request past its own has expired, and nobody can grant it."""
        request = self._requests[use]
        self._move(request, *request.approval.step(a.Tick(now_s)))
        return request.approval.state

    def withdraw(self, use: str, reason: a.Withdrawn) -> a.ApprovalState:
        """Nobody waits for it any more; harmless when it is over."""
        request = self._requests[use]
        self._move(request, *request.approval.step(a.Withdraw(reason)))
        return request.approval.state

    def take(self, use: str) -> Request:
        """The request of a use that may now be made, once.

        Raises:
            PermissionError: it was not granted, its grant is not durable, it is a decoy, or it was taken.
        """
        request = self._requests.get(use)
        if request is None or request.approval.state is not a.ApprovalState.GRANTED:
            raise PermissionError("this use was not granted, or its grant is not durable")
        if request.approval.decoy or request.taken:
            raise PermissionError("this use is a decoy, or was made already")
        request.taken = True
        return request

    # -- inside -----------------------------------------------------------------------------------

    def _move(self, request: Request, after: a.Approval, outputs: a.Outputs) -> None:
        """Take over the new state, put on record what nobody decided, and tell who waits."""
        if after is request.approval:
            return
        request.approval = after
        common: dict[str, Any] = {
            "tenant": self._tenant, "call": self._call, "use": after.use, "nonce": after.nonce, "kept": False,
        }  # fmt: skip
        sealed = r.ApprovalDetails(tool=request.about.tool, decoy=after.decoy)
        for output in outputs:
            match output:
                case a.RecordExpired(leads_to):
                    self._append(r.ApprovalExpired(**common, leads_to=leads_to), sealed)
                case a.RecordAbandoned(reason):
                    request.left = reason
                    self._append(r.ApprovalAbandoned(**common, reason=reason), sealed)
                case a.Refuse():
                    request.why = output
                case _:
                    pass  # decisions are on record by now; the rest is told by the state
        request.changed()

    def _append(self, record: r.ApprovalRecord, sealed: r.ApprovalDetails) -> None:
        try:
            self._recorder.append(record, sealed).add_done_callback(
                lambda future: self._look(future, record, sealed)
            )
        except Exception:  # noqa: BLE001  # the ledger takes no more
            self._to_spool(record, sealed)

    def _look(self, future: PendingReceipt, record: r.ApprovalRecord, sealed: r.ApprovalDetails) -> None:
        """In the ledger's thread."""
        if not future.cancelled() and future.exception() is not None:
            self._to_spool(record, sealed)

    def _to_spool(self, record: r.ApprovalRecord, sealed: r.ApprovalDetails) -> None:
        if self._spool is not None:
            with suppress(LedgerError):  # nothing happens with or without it; the missing end shows
                self._spool(record, sealed)

    def _append_decided(
        self, request: Request, decided: a.Decide, signature: Signature, details: r.ApprovalDetails
    ) -> PendingReceipt:
        common: dict[str, Any] = {
            "tenant": self._tenant, "call": self._call, "use": request.approval.use,
            "nonce": request.approval.nonce, "by": decided.by, "label": signature.label, "kept": False,
            "blind": signature.blind, "after_s": max(0, int(decided.at_s - request.approval.asked_at_s)),
        }  # fmt: skip
        if decided.word == "edited":
            return self._recorder.append(r.ApprovalEdited(**common, becomes=request.becomes), details)
        return self._recorder.append(_DECIDED[decided.word](**common), details)

    def _append_late(
        self, request: Request, decided: a.Decide, signature: Signature, details: r.ApprovalDetails
    ) -> PendingReceipt:
        late = r.ApprovalLate(
            tenant=self._tenant, call=self._call, use=request.approval.use, nonce=request.approval.nonce,
            by=decided.by, label=signature.label, blind=signature.blind, verdict=decided.word, kept=False,
        )  # fmt: skip
        return self._recorder.append(late, details)

    def _details(
        self, request: Request, signature: Signature, signed: bytes, edited: Mapping[str, Any] | None
    ) -> r.ApprovalDetails:
        about = request.about
        return r.ApprovalDetails(
            tool=about.tool, arguments=dict(about.arguments), salt=about.salt,
            edited=None if edited is None else dict(edited), decoy=request.approval.decoy,
            who=signature.who, account=signature.account, note=signature.note,
            statement=base64.b64encode(signed).decode(),
            signature=base64.b64encode(signature.made).decode(),
            public=base64.b64encode(signature.public).decode(),
        )  # fmt: skip


def still_signed(
    requested: r.ApprovalRequested,
    shown: str,
    record: r.ApprovalRecord,
    details: r.ApprovalDetails,
    release: str,
) -> bool:
    """Whether a decision on record is signed over exactly what was requested, for whoever reviews it.

    Args:
        requested: the request's leaf, and shown: what the person was shown, sealed beside it.
        record: the decision's leaf, and details: what was sealed beside that.
        release: the digest that the call's ``release.bound`` names.
    """
    blind = isinstance(record, r.ApprovalDecided | r.ApprovalLate) and record.blind
    word = record.verdict if isinstance(record, r.ApprovalLate) else record.type.rpartition(".")[2]
    about = a.Subject(
        call=requested.call, use=requested.use, release=release, nonce=requested.nonce,
        expires_at=requested.expires_at, tool=details.tool, arguments=details.arguments,
        shown=shown, salt=details.salt,
    )  # fmt: skip
    try:
        signed, made, public = (
            base64.b64decode(text, validate=True)
            for text in (details.statement, details.signature, details.public)
        )
        says = a.states(signed, about, word, details.edited, blind=blind, masked=holds_mask)  # type: ignore[arg-type]  # closed
    except ValueError:
        return False
    same = (record.call, record.use, record.nonce) == (requested.call, requested.use, requested.nonce)
    return same and says and a.signed_by(public, made, signed)


def holds_mask(arguments: Mapping[str, Any]) -> bool:
    """Whether something is masked in arguments, as they stand on record."""
    return any(mask in text for text in _texts(arguments) for mask in _MASKS)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield key
            yield from _texts(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from _texts(held)
