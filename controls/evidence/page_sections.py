"""The tables of a call's page, and what it says of its proof. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controls.annex_a import ANNEX_A
from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d
from controls.evidence.markup import Html, joined, shown, table, tag, words
from controls.evidence.page_turns import OUTCOMES, by_number, controls, plain
from controls.evidence.release_facts import ReleaseFacts

_TIME = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<time>[0-9:]{8})(\.[0-9]{1,9})?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})"
)
_REACHED = {
    "requested": "asked for; nothing more is on record",
    "accepted": "a person took the call",
    "failed": "no",
    "completed": "yes",
    "callback_promised": "no; a call-back was promised",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What a page says of its proof beyond the trace.

    Attributes:
        log: the log's name in its checkpoints.
        register: the register's name, where the packet carries it.
        registered: the log stands in that register.
        node_key: digest of the key that signs the manifest.
        made_by: Sayso's version.
        withheld: pieces of content that are sealed in the packet and not opened.
    """

    log: str
    register: str | None
    registered: bool
    node_key: str
    made_by: str
    withheld: int = 0


def bullets(sentences: Sequence[object]) -> Html:
    """An unordered list."""
    return tag("ul", *(tag("li", sentence) for sentence in sentences))


def consents(trace: s.Trace) -> Html:
    """What the caller agreed to and refused."""
    rows = [
        (
            plain(c.scope), "given" if c.given else "refused", plain(c.how), c.language or "–",
            _seconds(c.at_s), _seconds(c.withdrawn_at_s),
        )
        for c in trace.consent
    ]  # fmt: skip
    columns = ("To what", "Answer", "How", "Language", "At", "Withdrawn at")
    return table("Times in seconds since the call was answered.", columns, rows)


def tools(trace: s.Trace) -> Html:
    """Every use of a tool, and what the model asked for where no use came of it in the whole call."""
    every = [(turn.n, t) for turn in trace.turns if turn.decision is not None for t in turn.decision.tools]
    rows = [
        (
            words(t.name), str(n), plain(t.risk) or "–", plain(t.read_back) or "–",
            "asked for; no such use on record" if t.outcome == "proposed"
            else OUTCOMES[t.outcome] + (f": {plain(t.reason)}" if t.reason else ""),
            "–" if t.duration_ms is None else f"{t.duration_ms} ms",
        )
        for n, t in every
        if t.outcome != "proposed" or not _used_later(n, t, every)
    ]  # fmt: skip
    return table("Every use of a tool.", ("Tool", "Turn", "Risk", "Read back", "Outcome", "Took"), rows)


def _used_later(n: int, proposal: d.ToolTrace, every: Sequence[tuple[int, d.ToolTrace]]) -> bool:
    """Whether a use came of it: what is read back to the caller is used (or refused) in a later turn."""
    wanted = (proposal.name, proposal.arguments)
    return any(m > n and t.use is not None and (t.name, t.arguments) == wanted for m, t in every)


def handoffs(trace: s.Trace) -> Html:
    """Every request for a person."""
    found = [*trace.earlier_handoffs, *([trace.handoff] if trace.handoff else [])]
    rows = [
        (
            plain(h.requested_by) or "–", _REACHED[h.outcome], plain(h.mode) or "–", words(h.to or "–"),
            ", ".join(map(plain, h.failed_because)) or "–",
            words(h.summary or h.reason or "–", lang=trace.call.language),
            controls(h.annex_a),
        )
        for h in found
    ]  # fmt: skip
    columns = ("Asked for by", "Reached", "Mode", "Desk", "Failed because", "Passed on", "Control")
    return table("Requests for a person, in order.", columns, rows, empty="No person was asked for.")


def failures(trace: s.Trace) -> Html:
    """Controls that broke."""
    rows = [(f.control, plain(f.reason), str(f.attempt), readable_time(f.at)) for f in trace.failures]
    return table("A control that broke, on the spot.", ("Control", "Reason", "Attempt", "At"), rows)


def annex_a(trace: s.Trace) -> Html:
    """Which controls of ISO/IEC 42001 Annex A the record shows at work."""
    found: dict[str, dict[str, None]] = {}

    def shows(ids: Sequence[str], what: str) -> None:
        for control in ids:
            found.setdefault(control, {})[what] = None

    if trace.disclosure is not None:
        shows(["A.8.2"], "disclosure")
    for turn in trace.turns:
        for verdict in turn.decision.verdicts if turn.decision else ():
            shows(verdict.annex_a, f"{verdict.verdict.value} {verdict.rule or '(erased)'}")
        shows(turn.emergency.annex_a if turn.emergency else (), "emergency")
    for handoff in [*trace.earlier_handoffs, *([trace.handoff] if trace.handoff else [])]:
        shows(handoff.annex_a, "request for a person")
    rows = [
        (
            control if control in ANNEX_A else words(control),
            ANNEX_A[control].title if control in ANNEX_A else "(none of Annex A)",
            words(", ".join(found[control])),
        )
        for control in sorted(found, key=by_number)
    ]
    caption = "ISO/IEC 42001:2023. A record shows that a control ran, not that it is effective."
    return table(caption, ("Control", "Title", "Shown by"), rows)


def release_parts(trace: s.Trace, release: ReleaseFacts | None) -> Iterator[object]:
    """The digest of the agent's version, and of its parts."""
    yield tag("p", "Release ", tag("code", trace.call.release))
    if release is None:
        yield tag(
            "p",
            "Its text was not archived on this machine, so that only the digest can be shown.",
            class_="bad",
        )
        return
    yield tag(
        "p", "Everything the agent could depend on is in release.json, whose SHA-256 this is.", class_="small"
    )
    rows = [(name, words(said), tag("code", digest or "–")) for name, said, digest in release.parts]
    yield table("Digests are of each part's canonical JSON (RFC 8785).", ("Part", "Name", "SHA-256"), rows)


def suppliers(trace: s.Trace) -> Html:
    """Who did what for this call."""
    rows = [
        (
            x.stage, x.supplier, words(x.model or ("–" if x.model == "" else None)), words(x.note or "–"),
            x.region, "yes" if x.outside else "no",
        )
        for x in trace.suppliers
    ]  # fmt: skip
    caption = "Model names are the suppliers' own claims."
    columns = ("Stage", "Supplier", "Model", "Note", "Region", "Content leaves this host")
    return table(caption, columns, rows)


def artifacts(trace: s.Trace) -> Html:
    """What is kept of the call, why, and until when: one row for each retention class."""
    groups: dict[tuple[str, str, str, str], list[s.Artifact]] = {}
    for a in trace.artifacts:
        groups.setdefault((a.retention_class, a.legal_basis, a.purpose, a.region), []).append(a)
    rows = []
    for (name, basis, purpose, region), found in sorted(groups.items()):
        days = sorted({a.expires_at[:10] for a in found})
        erased = sum(a.erased_at is not None for a in found)
        on_hold = sum(a.legal_hold and a.erased_at is None for a in found)
        rows.append(
            (
                name, str(len(found)), basis, purpose, region,
                days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}", str(erased or "none"),
                str(on_hold or "none"),
            )
        )  # fmt: skip
    columns = ("Class", "Pieces", "Legal basis", "Purpose", "Region", "Expires", "Erased", "On legal hold")
    return table("Sealed pieces of content of this call; the last section lists each.", columns, rows)


def artifact_ids(trace: s.Trace) -> Html:
    """Every sealed piece of content, by its identifier."""
    rows = [
        (tag("code", a.artifact, class_="id"), a.kind, a.retention_class, a.expires_at[:10], _state(a))
        for a in trace.artifacts
    ]
    columns = ("Artefact", "Kind", "Class", "Expires", "State")
    return table("In the order of the record.", columns, rows, class_="ids")


def accesses(trace: s.Trace) -> Html:
    """Who looked."""
    rows = [(readable_time(a.at), a.what, words(a.who), words(a.purpose), str(a.leaf)) for a in trace.access]
    caption = "Each look went on record before it was granted; the last one asked for this packet."
    return table(caption, ("At", "What", "Who", "What for", "Leaf"), rows)


def proof_facts(trace: s.Trace, proof: Proof) -> Iterator[object]:
    """Under which log, checkpoint, witnesses and register the call stands."""
    ledger = trace.ledger
    facts: list[object] = [
        joined(["Log ", tag("code", proof.log), f", leaves {ledger.first_leaf} to {ledger.last_leaf}."])
    ]
    if ledger.checkpoint is not None:
        root = tag("code", ledger.checkpoint.root)
        facts.append(joined([f"Checkpoint over {ledger.checkpoint.size} leaves, root ", root, "."]))
    if ledger.witnessed is not None and ledger.witnessed.cosigned:
        by = "; ".join(f"{c.witness} at {readable_time(c.at)}" for c in ledger.witnessed.cosigned)
        facts.append(
            f"Cosigned over {ledger.witnessed.size} leaves by {by}. "
            "Their keys come from the auditor, not from here."
        )
    else:
        facts.append(
            "No witness's cosignature covers this call: tamper-evident to holders of an earlier checkpoint, "
            "no more."
        )
    if proof.registered and proof.register:
        facts.append(joined(["The log stands in the register ", tag("code", proof.register), "."]))
    else:
        facts.append("The log does not stand in a register that this packet carries.")
    facts.append(
        joined(
            ["The manifest over every file is signed by the node's key ", tag("code", proof.node_key), "."]
        )
    )
    yield bullets(facts)


def _seconds(at: int | None) -> str:
    return "–" if at is None else f"{at} s"


def _state(artifact: s.Artifact) -> str:
    if artifact.erased_at is not None:
        return f"erased {artifact.erased_at[:10]}"
    return "legal hold" if artifact.legal_hold else "kept"


def readable_time(rfc3339: str) -> Html:
    """``2026-09-21T13:54:00.123456Z`` as people write it, to the second; anything else as it is."""
    found = _TIME.fullmatch(rfc3339)
    if found is None:
        return shown(rfc3339)
    zone = "UTC" if found["zone"] in ("Z", "+00:00") else found["zone"]
    return shown(f"{found['day']} {found['time']} {zone}")
