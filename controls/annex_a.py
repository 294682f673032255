"""The 38 controls of ISO/IEC 42001:2023 Annex A, and the record types that exercise each.

Ids and titles only; the standard's text is copyrighted and not here. ``evidence``
says what a runtime can show by itself: **A** operating evidence is automatic, **P**
partly (the operator writes a document, the runtime binds, enforces or measures
it), **N** none. A record that exercises a control shows that it ran, never that
it is effective: controls are judged, not counted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class AnnexControl:
    """One control.

    Attributes:
        id: such as ``A.9.4``.
        evidence: A automatic, P partly, N none.
        shows: what the record shows of it.
        cannot: what no record of a runtime can show.
        records: record types (``controls.ledger.records``) that exercise it.
    """

    id: str
    title: str
    evidence: Literal["A", "P", "N"]
    shows: str
    cannot: str
    records: tuple[str, ...] = ()


_RELEASES = ("release.proposed", "release.approved", "release.promoted", "release.rolled_back")
_APPROVALS = (
    "approval.requested", "approval.granted", "approval.edited", "approval.refused", "approval.taken_over",
    "approval.expired", "approval.abandoned", "approval.late",
)  # fmt: skip
_HANDOFFS = ("handoff.requested", "handoff.accepted", "handoff.failed", "handoff.completed")
_LIFE_OF_A_CALL = (
    "call.opened", "call.refused", "call.closed", "call.recovered", "caller.said", "turn.decided",
    "context.summarised", "turn.provisional", "turn.withdrawn", "agent.played", "origin.opened",
    "origin.closed", "key.created", "key.retired", "access.viewed", "receipt.issued", "origin.routed",
)  # fmt: skip

CONTROLS: tuple[AnnexControl, ...] = (
    AnnexControl(
        "A.2.2", "AI policy", "P",
        "the release, with the agent's purpose and refusals, bound to every call by digest",
        "that the policy is a good one, or that management wrote it",
        ("release.bound",),
    ),
    AnnexControl(
        "A.2.3", "Alignment with other organizational policies", "N",
        "nothing",
        "how other policies of the organisation bear on this one",
        (),
    ),
    AnnexControl(
        "A.2.4", "Review of the AI policy", "P",
        "approvals of releases, with their dates",
        "that whoever reviewed it read it",
        ("release.approved",),
    ),
    AnnexControl(
        "A.3.2", "AI roles and responsibilities", "P",
        "which key signed, and which person approved, joined or took over",
        "competence, or that the person behind an account is who it says",
        ("key.created", *_APPROVALS, "person.joined"),
    ),
    AnnexControl(
        "A.3.3", "Reporting of concerns", "P",
        "failures entered later and what was done about them, incidents opened and closed",
        "that nobody was kept from reporting a concern",
        ("incident.opened", "control.missed", "control.corrected"),
    ),
    AnnexControl(
        "A.4.2", "Resource documentation", "A",
        "recogniser, model, voice and tools of every call",
        "that the list of resources is complete beyond the runtime",
        ("release.bound", "supplier.bound"),
    ),
    AnnexControl(
        "A.4.3", "Data resources", "P",
        "what was recorded, and the retention tag of each artefact",
        "data the operator keeps elsewhere",
        ("artifact.tagged", "recording.started"),
    ),
    AnnexControl(
        "A.4.4", "Tooling resources", "A",
        "the tools by digest of their schemas, and each use",
        "what a tool does behind its interface",
        ("release.bound", "tool.requested"),
    ),
    AnnexControl(
        "A.4.5", "System and computing resources", "A",
        "region and supplier of every call, and what carried it",
        "the physical place of a supplier's machine",
        ("call.opened", "supplier.bound", "media.opened", "media.half_duplex"),
    ),
    AnnexControl(
        "A.4.6", "Human resources", "N",
        "nothing",
        "training and awareness of people",
        (),
    ),
    AnnexControl(
        "A.5.2", "AI system impact assessment process", "P",
        "that a release was proposed with its assessment",
        "the quality of the assessment",
        ("release.proposed",),
    ),
    AnnexControl(
        "A.5.3", "Documentation of AI system impact assessments", "P",
        "that the approved release names its assessment",
        "that the assessment is true",
        ("release.approved",),
    ),
    AnnexControl(
        "A.5.4", "Assessing AI system impact on individuals or groups of individuals", "P",
        "refusals, handoffs and how sure recognition was, by language of the line",
        "effects on people after the call",
        ("handoff.requested", "clause.refused", "caller.said"),
    ),
    AnnexControl(
        "A.5.5", "Assessing societal impacts of AI systems", "N",
        "nothing",
        "effects on society",
        (),
    ),
    AnnexControl(
        "A.6.1.2", "Objectives for responsible development of AI system", "P",
        "latency of every turn, against the agent's objectives",
        "that the objectives are the right ones",
        ("agent.played",),
    ),
    AnnexControl(
        "A.6.1.3", "Processes for responsible AI system design and development", "P",
        "approvals of releases",
        "how people worked before a release was proposed",
        ("release.approved",),
    ),
    AnnexControl(
        "A.6.2.2", "AI system requirements and specification", "P",
        "the agent's file, resolved and bound by digest, and enforced",
        "that the specification asks for what callers need",
        ("release.bound",),
    ),
    AnnexControl(
        "A.6.2.3", "Documentation of AI system design and development", "P",
        "the history of releases",
        "design thinking that nobody wrote down",
        ("release.proposed",),
    ),
    AnnexControl(
        "A.6.2.4", "AI system verification and validation", "A",
        "results of scripted conversations against one digest",
        "behaviour nobody scripted",
        ("release.approved",),
    ),
    AnnexControl(
        "A.6.2.5", "AI system deployment", "A",
        "which release ran in which call, and who approved it",
        "approvals outside the runtime",
        (*_RELEASES, "release.bound", "release.served"),
    ),
    AnnexControl(
        "A.6.2.6", "AI system operation and monitoring", "A",
        "blocked clauses, failed controls, latencies",
        "drift nobody measures",
        (
            "control.failed", "control.missed", "control.corrected", "control.disabled", "clause.refused",
            "agent.played",
        ),
    ),
    AnnexControl(
        "A.6.2.7", "AI system technical documentation", "P",
        "the resolved release, in every audit packet",
        "that the documentation is understood",
        ("release.bound",),
    ),
    AnnexControl(
        "A.6.2.8", "AI system recording of event logs", "A",
        "every event of every recorded call, tamper-evident",
        "a call that was never recorded (see `sayso reconcile`)",
        _LIFE_OF_A_CALL,
    ),
    AnnexControl(
        "A.7.2", "Data for development and enhancement of AI system", "P",
        "purpose and retention class of each artefact, and who opened it",
        "use of copies outside the runtime",
        ("artifact.tagged", "access.viewed"),
    ),
    AnnexControl(
        "A.7.3", "Acquisition of data", "P",
        "consents, how they were given and withdrawn, opt-outs lifted and by whom",
        "how a supplier's model was trained",
        ("consent.recorded", "consent.withdrawn", "callback.promised", "opt_out.lifted"),
    ),
    AnnexControl(
        "A.7.4", "Quality of data for AI systems", "P",
        "confidence of each recognition",
        "that the text is what was said",
        ("caller.said",),
    ),
    AnnexControl(
        "A.7.5", "Data provenance", "A",
        "from the caller's words to the decision that rests on them",
        "provenance of a supplier's training data",
        ("caller.said", "recording.started", "recording.stopped"),
    ),
    AnnexControl(
        "A.7.6", "Data preparation", "A",
        "redactions, by type and by version of the rules",
        "what was left in by mistake",
        ("redaction.made", "redaction.counted"),
    ),
    AnnexControl(
        "A.8.2", "System documentation and information for users", "P",
        "the disclosure: its words, how far it was played and on what evidence",
        "that the caller heard or understood it",
        ("disclosure.played", "consent.recorded"),
    ),
    AnnexControl(
        "A.8.3", "External reporting", "P",
        "incidents opened",
        "reports that came by other ways",
        ("incident.opened",),
    ),
    AnnexControl(
        "A.8.4", "Communication of incidents", "P",
        "when an incident was opened and closed",
        "that those concerned were told well",
        ("incident.opened", "incident.closed"),
    ),
    AnnexControl(
        "A.8.5", "Information for interested parties", "P",
        "who looked at a call, why, and the packet they were given",
        "what they did with it",
        ("access.viewed",),
    ),
    AnnexControl(
        "A.9.2", "Processes for responsible use of AI systems", "A",
        "each clause and tool use, judged before it took effect; every handoff",
        "a falsehood no rule describes",
        (
            "clause.cleared",
            "clause.refused",
            "judge.asked",
            "judge.answered",
            "handoff.judged",
            "ending.judged",
            "tool.requested",
            "tool.refused",
            "tool.executed",
            "tool.unknown",
            "tool.result",
            *_APPROVALS,
            *_HANDOFFS,
            "callback.promised",
            "emergency.detected",
            "agent.stopped",
            "call.stopped",
            "agent.resumed",
            "control.disabled",
            "capture.started",
            "capture.ended",
        ),
    ),
    AnnexControl(
        "A.9.3", "Objectives for responsible use of AI system", "P",
        "blocked clauses and completed handoffs, to be held against thresholds",
        "that the thresholds are wise",
        ("clause.refused", "handoff.completed"),
    ),
    AnnexControl(
        "A.9.4", "Intended use of the AI system", "A",
        "refusals of what is out of scope",
        "uses nobody recognised as out of scope",
        ("clause.refused", "tool.refused"),
    ),
    AnnexControl(
        "A.10.2", "Allocating responsibilities", "P",
        "which supplier did which stage of which call",
        "who is liable",
        ("supplier.bound",),
    ),
    AnnexControl(
        "A.10.3", "Suppliers", "P",
        "that only registered suppliers, models and regions were used",
        "that a supplier ran the model it named",
        ("supplier.bound",),
    ),
    AnnexControl(
        "A.10.4", "Customers", "P",
        "consents and erasures that concern a caller",
        "commitments made outside the runtime",
        ("consent.recorded", "consent.withdrawn", "callback.promised", "erasure.done"),
    ),
)  # fmt: skip

#: Record types that nothing in this version writes (a test looks); they come with the controls they serve.
NOT_WRITTEN_YET = frozenset(
    (
        *_RELEASES, "artifact.tagged", "incident.closed", "incident.opened", "legal_hold.lifted",
        "legal_hold.placed", "person.joined", "person.left", "recording.paused", "recording.started",
        "recording.stopped", "retention.expired",
    )
)  # fmt: skip

#: Control id → control.
ANNEX_A: dict[str, AnnexControl] = {c.id: c for c in CONTROLS}


def exercised_by(record_type: str) -> tuple[str, ...]:
    """Ids of the controls that a record of this type exercises, in the standard's order."""
    return tuple(c.id for c in CONTROLS if record_type in c.records)


def table() -> str:
    """Every control: what the record shows of it, by which record types, and what it cannot. Markdown."""
    lines = [
        "| control | title | | the record shows | record types | no record can show |",
        "|---|---|---|---|---|---|",
    ]
    for control in CONTROLS:
        written = [f"`{x}`" for x in control.records if x not in NOT_WRITTEN_YET]
        later = [f"*{x}*" for x in control.records if x in NOT_WRITTEN_YET]
        types = ", ".join(written + later) or "–"
        cells = (control.id, control.title, control.evidence, control.shows, types, control.cannot)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
