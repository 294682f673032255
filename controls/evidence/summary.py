"""A trace as lines a person reads, in the order in which things happened. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from controls.decision import Verdict
from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d

Kind = Literal["head", "caller", "agent", "verdict", "refused", "tool", "note", "handoff", "proof", "bad"]

ERASED = "(erased)"


class Line(NamedTuple):
    """``kind`` tells whose words or which fact it is; a terminal may colour by it."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind if self.kind in _LABELLED else '':<8} {self.text}".rstrip()


_LABELLED = {"caller", "agent", "handoff"}


def summary(trace: s.Trace) -> list[Line]:
    """The call's head, its turns, its handoff and its proof, one fact a line.

    Personal content that is erased reads ``(erased)``.
    """
    lines = [*_head(trace)]
    for turn in trace.turns:
        lines += _turn(turn)
        lines += [Line("bad", f"STOPPED ({x.scope}) at {x.at}") for x in trace.stops if x.turn == turn.n]
    for handoff in [*trace.earlier_handoffs, *([trace.handoff] if trace.handoff else [])]:
        lines += _handoff(handoff)
    lines += [Line("note", f"receipt given: {given.how}, in turn {given.turn}") for given in trace.receipts]
    for entry in trace.captures:
        how = entry.outcome or "no end on record"
        said = f"entered by keys: {entry.what}, {how}, in turn {entry.turn}"
        lines.append(Line("note" if entry.ended_at else "bad", said))
    lines += [Line("bad", f"{f.control} failed: {f.reason} at {f.at}") for f in trace.failures]
    lines += [
        Line("bad", f"{f.what.replace('_', ' ').upper()}: {f.use}, leaf {f.leaf}") for f in trace.faults
    ]
    return [*lines, *_proof(trace)]


def _head(trace: s.Trace) -> Iterator[Line]:
    call = trace.call
    approval = "approved" if call.approved else "UNAPPROVED"
    yield Line("head", f"{call.id}  {call.agent or ERASED}  {call.release[:19]}…  {approval}")
    yield Line(
        "note", f"{call.environment}, {call.ingress}, line {call.line or ERASED}, region {call.region}"
    )
    ended = f"ended {call.ended_at} by {call.ended_by} ({call.end_reason})" if call.ended_at else "still open"
    yield Line("note", f"started {call.started_at}, {ended}{', recovered after a crash' * call.recovered}")
    for supplier in trace.suppliers:
        note = f", {supplier.note}" if supplier.note else ""
        where = "outside this host" if supplier.outside else "on this host"
        yield Line("note", f"{supplier.stage}: {supplier.supplier} {supplier.model or ''}{note}, {where}")
    if trace.disclosure is None:
        yield Line("bad", "no disclosure on record")
    else:
        yield _disclosure(trace.disclosure)
    for consent in trace.consent:
        answer = "given" if consent.given else "refused"
        withdrawn = f", withdrawn at {consent.withdrawn_at_s} s" if consent.withdrawn_at_s is not None else ""
        yield Line("note", f"consent to {consent.scope}: {answer} by {consent.how}{withdrawn}")


def _disclosure(disclosure: s.Disclosure) -> Line:
    full = "played in full" if disclosure.played_in_full else "NOT played in full"
    text = (
        f"disclosure {disclosure.language}, {full} ({disclosure.evidence}), {disclosure.played_s:.1f} s"
        f" from {disclosure.played_at_s:.1f} s on, {disclosure.attempts} attempt(s)   A.8.2"
    )
    return Line("note" if disclosure.played_in_full else "bad", text)


def _turn(turn: s.Turn) -> Iterator[Line]:
    if turn.said is not None:
        sure = "" if turn.said.confidence is None else f"   confidence {turn.said.confidence:.2f}"
        yield Line("caller", f"{turn.said.text or ERASED}{sure}")
    for begun in turn.begun:
        spent = f", {begun.tokens_in} + {begun.tokens_out} tokens{', estimated' * begun.estimated}"
        became = f"withdrawn{spent}" if begun.outcome == "withdrawn" else begun.outcome
        yield Line("note", f"answer begun at a pause, on: {begun.said or ERASED}   {became}")
    if turn.emergency is not None:
        yield Line("bad", f"EMERGENCY {turn.emergency.rule or ERASED}   {_controls(turn.emergency.annex_a)}")
    if turn.decision is not None:
        yield from _decision(turn.decision)
    for approval in turn.approvals:
        yield from _approval(approval)
    if turn.played is not None:
        cut = ", interrupted" if turn.played.interrupted else ""
        words = ERASED if turn.played.played_text is None else turn.played.played_text or "(nothing sounded)"
        yield Line("agent", f"{words}   {turn.played.played_s:.1f} s{cut}")
    if turn.withdrawn is not None:
        yield Line("note", f"answer withdrawn: {turn.withdrawn.replace('_', ' ')}")
    if times := _times(turn):
        yield Line("note", times)


def _decision(decision: s.TurnDecision) -> Iterator[Line]:
    for clause in decision.clauses:
        if clause.verdict not in (Verdict.ALLOW, Verdict.REWRITE):
            instead = f", instead {clause.instead}" if clause.instead else ""
            yield Line("refused", f"✗ {clause.text or ERASED}   never spoken{instead}")
    for found in decision.verdicts:
        kind: Kind = "verdict" if found.verdict is Verdict.ALLOW else "refused"
        name = found.verdict.value if found.verdict is Verdict.ALLOW else found.verdict.value.upper()
        reason = f": {found.reason}" if found.reason else ""
        yield Line(
            kind, f"{name} {found.rule or ERASED}{reason}   risk {found.risk}   {_controls(found.annex_a)}"
        )
    for clause in decision.clauses:
        if clause.reasons:
            yield Line("verdict", f"risk {clause.risk} of {clause.clause}: {_made_of(clause.reasons)}")
    for tool in decision.tools:
        took = "" if tool.duration_ms is None else f" {tool.duration_ms} ms"
        why = f" ({tool.reason})" if tool.reason else ""
        back = ", read back and confirmed" if tool.read_back == "confirmed" else ""
        score = f", risk {tool.score}: {_made_of(tool.reasons)}" if tool.score else ""
        yield Line("tool", f"{tool.name or ERASED} {tool.outcome}{took}{why}{back}{score}")


def _approval(asked: d.Approval) -> Iterator[Line]:
    by = f" by {asked.who or ERASED} ({asked.label})" if asked.by is not None else ""
    after = f" after {asked.after_s} s" if asked.after_s is not None else ""
    why = f" ({asked.reason.replace('_', ' ')})" if asked.reason else ""
    decoy = ", a decoy" if asked.decoy else ""
    outcome = asked.outcome.replace("_", " ")
    tool = ERASED if asked.tool is None else asked.tool
    yield Line("tool", f"{asked.role} was asked about {tool} → {outcome}{why}{after}{by}{decoy}")
    if asked.becomes is not None:
        values = "values erased" if asked.edited is None else f"{asked.arguments} → {asked.edited}"
        yield Line("note", f"changed: {values}, as {asked.becomes}")
    for late in asked.late:
        yield Line("note", f"too late: {late.verdict} by {late.who or ERASED} at {late.at}")


def _made_of(reasons: list[d.RiskReason]) -> str:
    return ", ".join(f"{reason.feature} {reason.points}" for reason in reasons) or ERASED


def _controls(annex_a: list[str]) -> str:
    return " ".join(annex_a)


def _times(turn: s.Turn) -> str:
    named = {
        "first token": turn.latency_ms.asr_to_first_token,
        "first audio": turn.latency_ms.first_audio_out,
    }
    known = [f"{name} {ms:.0f} ms" for name, ms in named.items() if ms is not None]
    return f"{', '.join(known)} (at the server)" if known else ""


def _handoff(handoff: s.Handoff) -> Iterator[Line]:
    asked = (handoff.requested_by or "").replace("_", " ")
    failed = "".join(f", {reason.replace('_', ' ')}" for reason in handoff.failed_because)
    to = f" to {handoff.to}" if handoff.to else ""
    outcome = handoff.outcome.replace("_", " ")
    yield Line("handoff", f"asked for by {asked}{failed} → {outcome}{to}   {_controls(handoff.annex_a)}")
    if handoff.callback is not None:
        confirmed = "number confirmed" if handoff.callback.number_confirmed else "number NOT confirmed"
        yield Line("note", f"call-back promised by {handoff.callback.due_at or ERASED}, {confirmed}")
    if handoff.summary:
        yield Line("note", f"summary: {handoff.summary}")


def _proof(trace: s.Trace) -> Iterator[Line]:
    ledger = trace.ledger
    if ledger.gaps:
        yield Line("bad", f"records missing from the call, by number: {ledger.gaps}")
    if ledger.repeated:
        yield Line("bad", f"numbers used twice in the call: {ledger.repeated}")
    checked = {None: "not verified here", True: "signatures hold", False: "DOES NOT HOLD"}[ledger.verified]
    leaves = f"leaves {ledger.first_leaf} to {ledger.last_leaf} of {ledger.origin or 'an unnamed log'}"
    gap = "with gaps" if ledger.gaps else "no gap"
    kind: Kind = "bad" if ledger.verified is False else "proof"
    yield Line(kind, f"{ledger.records} records, {leaves}, {gap}, {checked}")
    if ledger.witnessed is not None:
        by = ", ".join(f"{c.witness} at {c.at}" for c in ledger.witnessed.cosigned)
        yield Line("proof", f"checkpoint over {ledger.witnessed.size} leaves cosigned by {by}")
    kept = [a for a in trace.artifacts if a.erased_at is None]
    yield Line("proof", f"{len(kept)} sealed artefacts kept, {len(trace.artifacts) - len(kept)} erased")
