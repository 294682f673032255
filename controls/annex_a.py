"""The 38 controls of ISO/IEC 42001:2023 Annex A, and the record types that exercise each.

Ids and titles only; the standard's text is copyrighted and not here. ``evidence``
says what a runtime can show by itself: **A** operating evidence is automatic, **P**
partly (the operator writes a document, the runtime binds, enforces or measures
it), **N** none. A record that exercises a control shows that it ran, never that
it is effective: controls are judged, not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class AnnexControl:
    """One control.

    Attributes:
        id: such as ``A.9.4``.
        evidence: A automatic, P partly, N none.
        records: record types (``controls.ledger.records``) that exercise it.
    """

    id: str
    title: str
    evidence: Literal["A", "P", "N"]
    records: tuple[str, ...] = ()


_RELEASES = ("release.proposed", "release.approved", "release.promoted", "release.rolled_back")
_APPROVALS = (
    "approval.requested", "approval.granted", "approval.edited", "approval.refused", "approval.expired",
)  # fmt: skip
_HANDOFFS = ("handoff.requested", "handoff.accepted", "handoff.failed", "handoff.completed")
_LIFE_OF_A_CALL = (
    "call.opened", "call.refused", "call.closed", "call.recovered", "caller.said", "turn.decided",
    "context.summarised", "turn.withdrawn", "agent.played", "origin.opened", "origin.closed",
    "key.created", "key.retired", "access.viewed",
)  # fmt: skip

CONTROLS: tuple[AnnexControl, ...] = (
    AnnexControl("A.2.2", "AI policy", "P", ("release.bound",)),
    AnnexControl("A.2.3", "Alignment with other organizational policies", "N"),
    AnnexControl("A.2.4", "Review of the AI policy", "P", ("release.approved",)),
    AnnexControl(
        "A.3.2", "AI roles and responsibilities", "P", ("key.created", *_APPROVALS, "person.joined")
    ),
    AnnexControl("A.3.3", "Reporting of concerns", "P", ("incident.opened",)),
    AnnexControl("A.4.2", "Resource documentation", "A", ("release.bound", "supplier.bound")),
    AnnexControl("A.4.3", "Data resources", "P", ("artifact.tagged", "recording.started")),
    AnnexControl("A.4.4", "Tooling resources", "A", ("release.bound", "tool.requested")),
    AnnexControl(
        "A.4.5",
        "System and computing resources",
        "A",
        ("call.opened", "supplier.bound", "media.opened", "media.half_duplex"),
    ),
    AnnexControl("A.4.6", "Human resources", "N"),
    AnnexControl("A.5.2", "AI system impact assessment process", "P", ("release.proposed",)),
    AnnexControl("A.5.3", "Documentation of AI system impact assessments", "P", ("release.approved",)),
    AnnexControl(
        "A.5.4",
        "Assessing AI system impact on individuals or groups of individuals",
        "P",
        ("handoff.requested", "clause.refused", "caller.said"),
    ),
    AnnexControl("A.5.5", "Assessing societal impacts of AI systems", "N"),
    AnnexControl("A.6.1.2", "Objectives for responsible development of AI system", "P", ("agent.played",)),
    AnnexControl(
        "A.6.1.3", "Processes for responsible AI system design and development", "P", ("release.approved",)
    ),
    AnnexControl("A.6.2.2", "AI system requirements and specification", "P", ("release.bound",)),
    AnnexControl("A.6.2.3", "Documentation of AI system design and development", "P", ("release.proposed",)),
    AnnexControl("A.6.2.4", "AI system verification and validation", "A", ("release.approved",)),
    AnnexControl("A.6.2.5", "AI system deployment", "A", (*_RELEASES, "release.bound")),
    AnnexControl(
        "A.6.2.6",
        "AI system operation and monitoring",
        "A",
        ("control.failed", "control.missed", "control.disabled", "clause.refused", "agent.played"),
    ),
    AnnexControl("A.6.2.7", "AI system technical documentation", "P", ("release.bound",)),
    AnnexControl("A.6.2.8", "AI system recording of event logs", "A", _LIFE_OF_A_CALL),
    AnnexControl(
        "A.7.2",
        "Data for development and enhancement of AI system",
        "P",
        ("artifact.tagged", "access.viewed"),
    ),
    AnnexControl("A.7.3", "Acquisition of data", "P", ("consent.recorded", "consent.withdrawn")),
    AnnexControl("A.7.4", "Quality of data for AI systems", "P", ("caller.said",)),
    AnnexControl("A.7.5", "Data provenance", "A", ("caller.said", "recording.started", "recording.stopped")),
    AnnexControl("A.7.6", "Data preparation", "A", ("redaction.made",)),
    AnnexControl(
        "A.8.2",
        "System documentation and information for users",
        "P",
        ("disclosure.played", "consent.recorded"),
    ),
    AnnexControl("A.8.3", "External reporting", "P", ("incident.opened",)),
    AnnexControl("A.8.4", "Communication of incidents", "P", ("incident.opened", "incident.closed")),
    AnnexControl("A.8.5", "Information for interested parties", "P", ("access.viewed",)),
    AnnexControl(
        "A.9.2",
        "Processes for responsible use of AI systems",
        "A",
        (
            "clause.cleared",
            "clause.refused",
            "tool.requested",
            "tool.refused",
            "tool.executed",
            "tool.unknown",
            *_APPROVALS,
            *_HANDOFFS,
            "callback.promised",
            "emergency.detected",
            "agent.stopped",
            "agent.resumed",
            "control.disabled",
        ),
    ),
    AnnexControl(
        "A.9.3", "Objectives for responsible use of AI system", "P", ("clause.refused", "handoff.completed")
    ),
    AnnexControl("A.9.4", "Intended use of the AI system", "A", ("clause.refused", "tool.refused")),
    AnnexControl("A.10.2", "Allocating responsibilities", "P", ("supplier.bound",)),
    AnnexControl("A.10.3", "Suppliers", "P", ("supplier.bound",)),
    AnnexControl("A.10.4", "Customers", "P", ("consent.recorded", "consent.withdrawn", "erasure.done")),
)

#: Control id → control.
ANNEX_A: dict[str, AnnexControl] = {c.id: c for c in CONTROLS}


def exercised_by(record_type: str) -> tuple[str, ...]:
    """Ids of the controls that a record of this type exercises, in the standard's order."""
    return tuple(c.id for c in CONTROLS if record_type in c.records)
