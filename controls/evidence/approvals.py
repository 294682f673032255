"""What people decided in one call, rebuilt from its records, and where a use was made without them. Pure.

The order of the log is what counts: a grant that stands behind the request that left proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controls.approvals import still_signed
from controls.decision import Verdict
from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d
from controls.evidence.times import rfc3339
from controls.evidence.turns import Opened, personal_field
from controls.ledger import records as r

_OUTCOMES: Mapping[type[r.ApprovalRecord], d.ApprovalOutcome] = {
    r.ApprovalGranted: "granted", r.ApprovalEdited: "edited", r.ApprovalRefused: "refused",
    r.ApprovalTakenOver: "taken_over", r.ApprovalExpired: "expired", r.ApprovalAbandoned: "abandoned",
}  # fmt: skip


@dataclass(slots=True)
class _Request:
    """What is known of one use's request by a certain leaf."""

    leaf: int
    record: r.ApprovalRequested
    granted: bool = False
    ended: str = ""
    signed: bool | None = None
    shown: str | None = None
    decoy: bool = False


@dataclass(slots=True)
class ApprovalOrder:
    """Told one call's records in the order of its log, it says which uses left without their grant.

    Attributes:
        faults: leaf, use and what is wrong, in order.
    """

    release: str = ""
    faults: list[tuple[int, str, s.FaultKind]] = field(default_factory=list)
    _requests: dict[str, _Request] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)

    def add(self, leaf: int, record: r.Record, personal: r.Personal | None = None) -> None:
        """The next record; ``personal`` where it was opened, which tells more."""
        match record:
            case r.ReleaseBound():
                self.release = record.release
            case r.ApprovalRequested():
                self._asked(leaf, record, personal)
            case r.ApprovalRecord() if not isinstance(record, r.ApprovalLate):
                self._decided(record, personal)
            case r.ToolRequested():
                self._used(leaf, record, personal)
            case _:
                pass

    def _asked(self, leaf: int, record: r.ApprovalRequested, personal: r.Personal | None) -> None:
        decoy = isinstance(personal, r.ApprovalDetails) and personal.decoy
        shown = personal.shown if isinstance(personal, r.ApprovalDetails) else None
        self._requests.setdefault(record.use, _Request(leaf, record, shown=shown, decoy=decoy))
        if (left := self._left.get(record.use)) is not None:  # it was made before anybody was asked
            self.faults = [fault for fault in self.faults if fault[1] != record.use]
            self._fault(left, record.use, "used_before_grant")

    def _decided(self, record: r.ApprovalRecord, personal: r.Personal | None) -> None:
        request = self._requests.get(record.use)
        if request is None or record.nonce != request.record.nonce:
            return  # of another request: it decides nothing here
        if isinstance(record, r.ApprovalGranted):
            request.granted = not request.ended
            shown = request.shown
            if isinstance(personal, r.ApprovalDetails) and (personal.shown or shown is not None):
                # A decision of an earlier version repeats what was shown.
                said = personal.shown or shown or ""
                request.signed = still_signed(request.record, said, record, personal, self.release)
        elif not request.ended:
            request.ended = record.type

    def _used(self, leaf: int, record: r.ToolRequested, personal: r.Personal | None) -> None:
        request = self._requests.get(record.use)
        again = record.use in self._left
        self._left.setdefault(record.use, leaf)
        if request is None:
            verdicts = personal.verdicts if isinstance(personal, r.ToolDetails) else ()
            if any(v.verdict is Verdict.APPROVE for v in verdicts):
                self._fault(leaf, record.use, "nobody_asked")
            return
        if again:
            self._fault(leaf, record.use, "used_twice")
        elif request.decoy:
            self._fault(leaf, record.use, "decoy_used")
        elif not request.granted or request.ended:
            self._fault(leaf, record.use, "used_without_grant")
        elif request.signed is False:
            self._fault(leaf, record.use, "not_signed")

    def _fault(self, leaf: int, use: str, what: s.FaultKind) -> None:
        self.faults.append((leaf, use, what))


def faults(records: Iterable[Opened]) -> list[s.Fault]:
    """Uses of one call that left without what they needed; the records in the order of their log."""
    order = ApprovalOrder()
    for leaf, record, personal in records:
        order.add(leaf, record, personal)
    return [s.Fault(leaf=leaf, use=use, what=what) for leaf, use, what in sorted(order.faults)]


def approvals(mine: Sequence[Opened]) -> dict[int, list[d.Approval]]:
    """Turn → the requests that were made in it, in order, with all that became of them."""
    found: dict[str, d.Approval] = {}
    turn_of = {x.use: x.turn for _, x, _ in mine if isinstance(x, r.ToolRecord)}
    turn = 0
    for leaf, record, personal in mine:
        turn = max(turn, getattr(record, "turn", 0))
        if isinstance(record, r.ApprovalRequested):
            turn_of.setdefault(record.use, turn)
            found[record.use] = _asked(leaf, record, personal)
        elif isinstance(record, r.ApprovalRecord) and (known := found.get(record.use)) is not None:
            found[record.use] = known.model_copy(update=_step(known, record, personal))
    by_turn: dict[int, list[d.Approval]] = {}
    for use, approval in found.items():
        by_turn.setdefault(turn_of[use], []).append(approval)
    return by_turn


def _asked(leaf: int, record: r.ApprovalRequested, personal: r.Personal | None) -> d.Approval:
    return d.Approval(
        use=record.use,
        leaf=leaf,
        role=record.role,
        risk=record.risk,
        annex_a=list(record.annex_a),
        asked_at=rfc3339(record.at),
        expires_at=rfc3339(record.expires_at),
        outcome="waiting",
        tool=personal_field(personal, "tool"),
        arguments=personal_field(personal, "arguments"),
        shown=personal_field(personal, "shown"),
        decoy=personal_field(personal, "decoy"),
    )


def _step(known: d.Approval, record: r.ApprovalRecord, personal: r.Personal | None) -> dict[str, Any]:
    if isinstance(record, r.ApprovalLate):
        late = d.LateDecision(
            at=rfc3339(record.at), verdict=record.verdict, by=record.by, label=record.label,
            who=personal_field(personal, "who"),
        )  # fmt: skip
        return {"late": [*known.late, late]}
    update: dict[str, Any] = {"outcome": _OUTCOMES[type(record)], "ended_at": rfc3339(record.at)}
    match record:
        case r.ApprovalDecided():
            update |= {
                "by": record.by, "label": record.label, "after_s": record.after_s,
                "blind": record.blind, "account": personal_field(personal, "account"),
                "who": personal_field(personal, "who"), "note": personal_field(personal, "note"),
                "edited": personal_field(personal, "edited"), "becomes": getattr(record, "becomes", None),
            }  # fmt: skip
        case r.ApprovalExpired():
            update["reason"] = record.leads_to
        case r.ApprovalAbandoned():
            update["reason"] = record.reason
        case _:
            pass
    return update
