"""Records to a decision trace: what was said, decided and played in one call, and on what evidence.

Pure: it takes what a reader opened and returns a value. Personal content that
was erased (or not opened) shows as null, never as something made up in its
place. The shape is that of ``sayso trace CALL --json`` (docs/architecture).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from controls.errors import IntegrityError
from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d
from controls.evidence.approvals import approvals, faults
from controls.evidence.judged import judge_answers, moments
from controls.evidence.times import rfc3339
from controls.evidence.turns import FromLog, Opened, personal_field, records_of, turns
from controls.ledger import records as r
from controls.ledger.notes import Checkpoint, parse_note

__all__ = ["Opened", "checkpoint_shape", "gaps", "rfc3339", "trace"]

#: Bytes of an Ed25519 cosignature: 8 of Unix time, 64 of signature (C2SP tlog-cosignature).
_COSIGNATURE = 8 + 64
#: Unix time in s that no RFC 3339 date can tell.
_YEAR_10000 = 253_402_300_800


def trace(
    records: Sequence[Opened | FromLog],
    *,
    origin: str = "",
    checkpoint: s.Checkpoint | None = None,
    witnessed: s.Checkpoint | None = None,
    verified: bool | None = None,
) -> s.Trace:
    """Rebuild one call from its records.

    Args:
        records: every record of the call, and the records without a call that
            concern its artefacts (``erasure.done``, ``retention.expired``). Any order.
            Those that name another log than the call's opening does are of a later
            one: who looked since, what was erased.
        origin: the log that holds the call.
        checkpoint: a signed checkpoint that covers them.
        witnessed: the newest one that covers the call and carries cosignatures.
        verified: whether signatures and proofs were checked and hold; None when
            nobody checked.

    Raises:
        IntegrityError: there is no ``call.opened``, or records of two calls.
    """
    ordered, elsewhere = _by_log(records)
    calls = {c for _, record, _ in ordered if (c := getattr(record, "call", None))}
    if len(calls) != 1:
        raise IntegrityError(f"a trace is of one call; these records are of {len(calls)}")
    mine = [o for o in ordered if getattr(o[1], "call", None)]
    handoffs = _handoffs(mine)
    return s.Trace(
        call=_call(mine),
        suppliers=[_supplier(record, personal) for record, personal in records_of(mine, r.SupplierBound)],
        media=_media(mine),
        disclosure=_disclosure(mine),
        consent=_consents(mine),
        turns=_with_approvals(turns(mine), approvals(mine)),
        summaries=[_summary(record, personal) for record, personal in records_of(mine, r.ContextSummarised)],
        judges=judge_answers(mine),
        moments=moments(mine),
        handoff=handoffs[-1] if handoffs else None,
        earlier_handoffs=handoffs[:-1],
        receipts=[
            s.Receipt(turn=issued.turn, how=issued.how, at=rfc3339(issued.at))
            for issued, _ in records_of(mine, r.ReceiptIssued)
        ],
        captures=_captures(mine),
        failures=[
            s.Failure(control=f.control, reason=f.reason, attempt=f.attempt, at=rfc3339(f.at))
            for f, _ in records_of(mine, r.ControlFailed)
        ],
        stops=[
            s.Stop(turn=stopped.turn, scope=stopped.scope, at=rfc3339(stopped.at))
            for stopped, _ in records_of(mine, r.CallStopped)
        ],
        faults=faults(mine),
        artifacts=_artifacts([*ordered, *elsewhere]),
        access=[
            s.Access(
                leaf=leaf,
                at=rfc3339(record.at),
                what=record.what,
                who=personal_field(personal, "who"),
                purpose=personal_field(personal, "purpose"),
            )
            for leaf, record, personal in [*mine, *elsewhere]
            if isinstance(record, r.AccessViewed)
        ],
        ledger=_ledger(mine, origin, checkpoint, verified).model_copy(update={"witnessed": witnessed}),
    )


def _with_approvals(found: list[s.Turn], asked: dict[int, list[d.Approval]]) -> list[s.Turn]:
    """Each turn with what people were asked in it; a request of no turn stands with the last."""
    told = {turn.n for turn in found}
    strays = [a for n, every in asked.items() if n not in told for a in every]
    return [
        turn.model_copy(
            update={"approvals": [*asked.get(turn.n, ()), *(strays if turn is found[-1] else ())]}
        )
        for turn in found
    ]


def _by_log(records: Sequence[Opened | FromLog]) -> tuple[list[Opened], list[Opened]]:
    """The records of the log that holds the call, by leaf, and those of the others behind them."""
    logs = {o[3] for o in records if len(o) == 4 and isinstance(o[1], r.CallOpened)}
    home = [(o[0], o[1], o[2]) for o in records if len(o) == 3 or not logs or o[3] in logs]
    others = [o for o in records if len(o) == 4 and logs and o[3] not in logs]
    others.sort(key=lambda o: (o[1].at, o[3], o[0]))
    return sorted(home, key=lambda o: o[0]), [(o[0], o[1], o[2]) for o in others]


def checkpoint_shape(checkpoint: Checkpoint) -> s.Checkpoint:
    """A checkpoint as a trace shows it, with the cosignatures its note carries; none is verified here."""
    _, lines = parse_note(checkpoint.note)
    found = [
        s.Cosignature(witness=line.name, at=rfc3339(at))
        for line in lines
        if len(line.signature) == _COSIGNATURE  # a log's own signature has no time before it
        and (at := int.from_bytes(line.signature[:8], "big")) < _YEAR_10000
    ]
    return s.Checkpoint(size=checkpoint.size, root=checkpoint.root_digest, cosigned=found)


def gaps(records: Iterable[r.Record]) -> tuple[list[int], list[int]]:
    """Return the numbers missing and the numbers used twice among one call's records.

    ``n`` counts from 0 within the call. What is missing after the last record
    cannot be seen from here; ``call.closed`` (which counts the records before
    it) and the tree narrow that.
    """
    found = sorted(record.n for record in records)
    twice = sorted({a for a, b in pairwise(found) if a == b})
    return sorted(set(range(found[-1] + 1 if found else 0)) - set(found)), twice


def _call(mine: Sequence[Opened]) -> s.Call:
    opened = records_of(mine, r.CallOpened)
    if not opened:
        raise IntegrityError("the record of the call's opening is missing")
    record, personal = opened[0]
    end = next((e for e, _ in records_of(mine, r.CallClosed)), None)
    recovered = next((e for e, _ in records_of(mine, r.CallRecovered)), None)
    last = end or recovered
    return s.Call(
        id=record.call,
        tenant=record.tenant,
        agent=personal_field(personal, "agent"),
        release=record.release,
        environment=record.environment,
        approved=record.approved,
        ingress=record.ingress,
        line=personal_field(personal, "line"),
        region=record.region,
        language=record.language,
        operator_of_record=personal_field(personal, "operator_of_record"),
        started_at=personal_field(personal, "opened_at") or rfc3339(record.at),
        ended_at=rfc3339(last.at) if last else None,
        ended_by=end.ended_by if end else ("unknown" if recovered else None),
        end_reason=end.reason if end else ("crashed" if recovered else None),
        recovered=recovered is not None,
    )


def _media(mine: Sequence[Opened]) -> s.Media | None:
    opened = [record for record, _ in records_of(mine, r.MediaOpened)]
    if not opened:
        return None
    last = opened[-1]
    return s.Media(
        transport=last.transport,
        codec=last.codec,
        echo_cancellation=last.echo_cancellation,
        microphone=last.microphone,
        half_duplex=any(record.active for record, _ in records_of(mine, r.MediaHalfDuplex)),
    )


def _summary(record: r.ContextSummarised, personal: r.SummaryDetails | None) -> s.Summary:
    return s.Summary(
        after_turn=record.turn,
        from_turn=record.from_turn,
        to_turn=record.to_turn,
        outcome=record.outcome,
        supplier=record.supplier,
        model=personal_field(personal, "model"),
        summary=personal_field(personal, "summary"),
        tokens_before=record.tokens_before,
        tokens_after=record.tokens_after,
    )


def _supplier(record: r.SupplierBound, personal: r.SupplierDetails | None) -> s.Supplier:
    return s.Supplier(
        stage=record.stage,
        supplier=record.supplier,
        model=personal_field(personal, "model"),
        note=personal_field(personal, "note"),
        region=record.region,
        outside=record.outside,
    )


def _disclosure(mine: Sequence[Opened]) -> s.Disclosure | None:
    attempts = [record for record, _ in records_of(mine, r.DisclosurePlayed)]
    if not attempts:
        return None
    best = next((a for a in attempts if a.in_full), attempts[-1])
    spoken = [p for _, p in records_of(mine, r.AgentPlayed) if p is not None and p.phrase == "disclosure"]
    return s.Disclosure(
        text=next((p.text for p in spoken), None),
        language=best.language,
        attempts=len(attempts),
        played_in_full=best.in_full,
        played_at_s=best.at_ms / 1000,
        played_s=best.played_ms / 1000,
        evidence=best.evidence,
    )


def _consents(mine: Sequence[Opened]) -> list[s.Consent]:
    found: list[s.Consent] = []
    for _, record, _ in mine:
        if isinstance(record, r.ConsentRecorded):
            found.append(
                s.Consent(
                    scope=record.scope,
                    given=record.given,
                    how=record.how,
                    language=record.language,
                    at_s=record.at_s,
                )
            )
        elif isinstance(record, r.ConsentWithdrawn):
            for i in reversed(range(len(found))):
                if found[i].scope == record.scope:
                    found[i] = found[i].model_copy(update={"withdrawn_at_s": record.at_s})
                    break
            else:  # withdrawn without ever having been asked: an opt-out
                found.append(
                    s.Consent(scope=record.scope, given=False, how=record.how, withdrawn_at_s=record.at_s)
                )
    return found


def _captures(mine: Sequence[Opened]) -> list[s.Capture]:
    ends = {record.use: record for record, _ in records_of(mine, r.CaptureEnded)}
    return [
        s.Capture(
            turn=begun.turn,
            use=begun.use,
            what=begun.what,
            started_at=rfc3339(begun.at),
            ended_at=rfc3339(end.at) if (end := ends.get(begun.use)) else None,
            outcome=end.outcome if end else None,
            attempts=end.attempts if end else None,
        )
        for begun, _ in records_of(mine, r.CaptureStarted)
    ]


# --- handoff, artefacts, ledger -----------------------------------------------------------------------


def _handoffs(mine: Sequence[Opened]) -> list[s.Handoff]:
    found: dict[str, s.Handoff] = {}
    for _, record, personal in mine:
        if not isinstance(record, r.HandoffRecord | r.CallbackPromised):
            continue
        current = found.get(record.handoff) or s.Handoff(outcome="requested")
        found[record.handoff] = current.model_copy(update=_handoff_step(record, personal, current))
    return list(found.values())


def _handoff_step(
    record: r.HandoffRecord | r.CallbackPromised, personal: Any, current: s.Handoff
) -> dict[str, Any]:
    update: dict[str, Any] = {}
    if personal is not None:
        update = {k: v for k in ("to", "reason", "summary") if (v := getattr(personal, k, None))}
    match record:
        case r.HandoffRequested():
            update |= {"requested_by": record.requested_by, "annex_a": list(record.annex_a)}
        case r.HandoffAccepted():
            update |= {"outcome": "accepted", "mode": record.mode, "waited_s": record.waited_s}
        case r.HandoffFailed():
            update |= {
                "outcome": "failed",
                "failed_because": [*current.failed_because, record.reason],
                "waited_s": record.waited_s,
            }
        case r.HandoffCompleted():
            update |= {"outcome": "completed", "mode": record.mode, "waited_s": record.waited_s}
        case r.CallbackPromised():
            promise = s.Promise(
                desk=personal_field(personal, "desk"),
                due_at=personal_field(personal, "due_at"),
                number_confirmed=record.number_confirmed,
                within_working_h=record.within_working_h,
            )
            update |= {"outcome": "callback_promised", "mode": "callback", "callback": promise}
            update.setdefault("to", promise.desk)
    return update


def _artifacts(ordered: Sequence[Opened]) -> list[s.Artifact]:
    tags: dict[str, tuple[str, r.RetentionTag]] = {}
    erased: dict[str, int] = {}
    held: set[str] = set()
    recordings = {a.artifact for a, _ in records_of(ordered, r.RecordingStarted)}
    for _, record, _ in ordered:
        if record.sealed is not None:
            tags[record.sealed.artifact] = (record.sealed.kind, record.sealed.tag)
        match record:
            case r.ArtifactTagged():
                known = tags.get(record.artifact, ("", record.tag))[0]
                kind = known or ("recording" if record.artifact in recordings else record.tag.retention_class)
                tags[record.artifact] = (kind, record.tag)
            case r.ErasureDone() | r.RetentionExpired():
                erased.setdefault(record.artifact, record.at)
            case r.LegalHoldPlaced():
                held.add(record.hold)
            case r.LegalHoldLifted():
                held.discard(record.hold)
    return [
        s.Artifact(
            artifact=artifact,
            kind=kind,
            retention_class=tag.retention_class,
            purpose=tag.purpose,
            legal_basis=tag.legal_basis,
            region=tag.region,
            expires_at=rfc3339(tag.expires_at),
            legal_hold=bool(held),
            erased_at=rfc3339(erased[artifact]) if artifact in erased else None,
        )
        for artifact, (kind, tag) in tags.items()
    ]


def _ledger(
    mine: Sequence[Opened], origin: str, checkpoint: s.Checkpoint | None, verified: bool | None
) -> s.Ledger:
    missing, twice = gaps(record for _, record, _ in mine)
    return s.Ledger(
        origin=origin,
        first_leaf=mine[0][0],
        last_leaf=mine[-1][0],
        records=len(mine),
        checkpoint=checkpoint,
        gaps=missing,
        repeated=twice,
        verified=verified,
    )
