"""The turns of one call, rebuilt from its records: said, decided, played. Pure.

Several clauses make one turn: their words are joined, and nothing is joined
around a clause that was erased. What a refused clause's rules found stays in.
Answers begun before a turn was over stand apart; one that was withdrawn decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d
from controls.ledger import records as r

#: One record as read back: its 0-based leaf, the record, and its personal content
#: (None when it has none, when it is erased, or when it was not opened).
Opened = tuple[int, r.Record, r.Personal | None]
#: The same with the log's name, as ``controls.ledger.reader.Opened`` has it.
FromLog = tuple[int, r.Record, r.Personal | None, str]

R = TypeVar("R", bound=r.Record)

#: Weakest first: a turn's claim is no stronger than that of its weakest clause.
_EVIDENCE = (r.Evidence.SENT_ONLY, r.Evidence.CLIENT_REPORT, r.Evidence.RTCP, r.Evidence.CARRIER_MARK)


def records_of(records: Sequence[Opened], kind: type[R]) -> list[tuple[R, Any]]:
    """Records of one type (or of a family) with their personal content, in order.

    The content's type follows from the record's, which the reader checked.
    """
    return [(record, personal) for _, record, personal in records if isinstance(record, kind)]


def personal_field(personal: r.Personal | None, name: str) -> Any:
    """A personal field, or None once it is erased."""
    return None if personal is None else getattr(personal, name)


def turns(mine: Sequence[Opened]) -> list[s.Turn]:
    """Every turn of the call, in order; 0 is what came before the caller spoke."""
    by_turn: dict[int, list[Opened]] = {}
    for opened in mine:
        if (n := getattr(opened[1], "turn", None)) is not None:
            by_turn.setdefault(n, []).append(opened)
    return [_turn(n, by_turn[n]) for n in sorted(by_turn)]


def _turn(n: int, records: Sequence[Opened]) -> s.Turn:
    played = records_of(records, r.AgentPlayed)
    emergency = next(iter(records_of(records, r.EmergencyDetected)), None)
    said = _said(records_of(records, r.CallerSaid))
    withdrawn = [
        w.reason for w, _ in records_of(records, r.TurnWithdrawn) if said is None or w.reason != "eager"
    ]
    begun, void = _begun(records)
    return s.Turn(
        n=n,
        said=said,
        begun=begun,
        decision=_decision([opened for opened in records if opened[0] not in void]),
        played=_played(played),
        withdrawn=withdrawn[0] if withdrawn else None,
        emergency=None
        if emergency is None
        else s.Emergency(rule=personal_field(emergency[1], "rule"), annex_a=list(emergency[0].annex_a)),
        latency_ms=next((p.latency_ms for _, p in played if p is not None and p.latency_ms), r.Latency()),
        cost=_cost(records, played),
    )


def _said(said: list[tuple[r.CallerSaid, r.SaidDetails | None]]) -> s.Said | None:
    """One turn is one utterance; were there more, their words are joined and the least sure one counts."""
    if not said:
        return None
    details = [p for _, p in said if p is not None]
    whole = len(details) == len(said)
    return s.Said(
        text=" ".join(d.text for d in details) if whole else None,
        confidence=min(d.confidence for d in details) if whole else None,
        started_s=min(d.started_s for d in details) if whole else None,
        ended_s=max(d.ended_s for d in details) if whole else None,
        engine=said[0][0].engine,
        addressed=said[-1][0].addressed,
    )


def _begun(records: Sequence[Opened]) -> tuple[list[s.Begun], set[int]]:
    """Answers begun before the turn was over, in order, and the leaves of requests that were withdrawn.

    One is begun, and asked, and settled, before the next: the journal writes it so.
    """
    found: list[s.Begun] = []
    void: set[int] = set()
    asked = -1
    for leaf, record, personal in records:
        update: dict[str, Any] = {}
        match record:
            case r.TurnProvisional():
                found.append(s.Begun(outcome="unsettled", said=personal_field(personal, "text")))
                asked = -1
            case r.TurnDecided() if record.provisional:
                asked = leaf
                update = {
                    "supplier": record.supplier,
                    "model": personal_field(personal, "model"),
                    "candidate": personal_field(personal, "candidate"),
                    "tools": [tool.name for tool in personal_field(personal, "tools") or ()],
                    "tokens_in": record.tokens_in,
                    "tokens_out": record.tokens_out,
                    "estimated": record.estimated,
                }
            case r.TurnWithdrawn() if record.reason == "eager":
                update = {
                    "outcome": "withdrawn",
                    "tokens_in": record.tokens_in,
                    "tokens_out": record.tokens_out,
                    "estimated": record.estimated,
                }
                void.add(asked)
            case r.CallerSaid() if found and found[-1].outcome == "unsettled":
                update = {"outcome": "taken"}  # unless a withdrawal follows: something else had changed
        if update and found:
            found[-1] = found[-1].model_copy(update=update)
    return found, void


def _decision(records: Sequence[Opened]) -> s.TurnDecision | None:
    decided = records_of(records, r.TurnDecided)
    clauses = [_clause(leaf, record, p) for leaf, record, p in records if _is_clause(record)]
    tools = _tools(records_of(records, r.ToolRecord))
    tools += _proposed(decided, tools)
    verdicts = [v for _, record, p in records for v in _verdicts(record, p)]
    if not (decided or clauses or tools):
        return None
    details = [p for _, p in decided if p is not None]
    whole = len(details) == len(decided)
    return s.TurnDecision(
        model=details[-1].model if details else None,
        supplier=decided[-1][0].supplier if decided else None,
        outcome=decided[-1][0].outcome if decided else None,
        candidate=(" ".join(d.candidate for d in details if d.candidate) if whole else None)
        if decided
        else None,
        tools=tools,
        verdicts=verdicts,
        clauses=clauses,
    )


def _proposed(
    decided: list[tuple[r.TurnDecided, r.DecidedDetails | None]], uses: list[d.ToolTrace]
) -> list[d.ToolTrace]:
    """What the model asked for without a use in the same turn: it waits for the caller's yes."""
    made = [use.name for use in uses]
    found = []
    for _, details in decided:
        for tool in details.tools if details is not None else ():
            if tool.name in made:
                made.remove(tool.name)
            else:
                found.append(
                    d.ToolTrace(use=None, outcome="proposed", name=tool.name, arguments=tool.arguments)
                )
    return found


def _is_clause(record: r.Record) -> bool:
    return isinstance(record, r.ClauseCleared | r.ClauseRefused)


def _clause(leaf: int, record: r.Record, personal: Any) -> d.Clause:
    assert isinstance(record, r.ClauseCleared | r.ClauseRefused)
    return d.Clause(
        clause=record.clause,
        leaf=leaf,
        verdict=record.verdict,
        risk=record.risk,
        text=personal_field(personal, "text"),
        candidate=personal_field(personal, "candidate") or None,
        instead=personal_field(personal, "instead"),
        reasons=_reasons(personal),
    )


def _reasons(personal: Any) -> list[d.RiskReason]:
    """What a score is made of; nothing where it was erased or not made."""
    found = personal_field(personal, "reasons") or ()
    return [d.RiskReason(feature=reason.feature, points=reason.points) for reason in found]


def _verdicts(record: r.Record, personal: Any) -> list[d.RuleFinding]:
    """Every rule's finding on a clause or a tool use.

    Once erased, the leaf still tells the verdict, the risk and the controls.
    """
    if isinstance(record, r.ClauseCleared | r.ClauseRefused):
        of = record.clause
        if personal is None:
            return [
                d.RuleFinding(
                    rule=None,
                    verdict=record.verdict,
                    annex_a=list(record.annex_a),
                    risk=record.risk,
                    reason=None,
                    of=of,
                )
            ]
    elif isinstance(record, r.ToolRequested | r.ToolRefused) and personal is not None:
        of = record.use
    else:
        return []
    return [
        d.RuleFinding(
            rule=v.rule, verdict=v.verdict, annex_a=list(v.annex_a), risk=v.risk, reason=v.reason, of=of
        )
        for v in personal.verdicts
    ]


def _tools(records: list[tuple[r.ToolRecord, r.ToolDetails | None]]) -> list[d.ToolTrace]:
    """One entry for each use, whatever its last record says became of it."""
    uses: dict[str, d.ToolTrace] = {}
    for record, personal in records:
        use = uses.get(record.use) or d.ToolTrace(use=record.use, outcome="requested")
        update: dict[str, Any] = {}
        if personal is not None:
            update = {"name": personal.name, "arguments": personal.arguments}
            if personal.result is not None:
                update["result"] = personal.result
            if personal.reasons:
                update["reasons"] = _reasons(personal)
        match record:
            case r.ToolRequested():
                update |= {"risk": record.risk, "score": record.score, "read_back": record.read_back}
                update |= {"outcome": "dry"} if record.dry else {}
            case r.ToolRefused():
                update |= {"outcome": "refused", "reason": record.reason}
                if record.score is not None:
                    update["score"] = record.score
            case r.ToolExecuted():
                update |= {
                    "outcome": "executed" if record.ok else "failed",
                    "status": record.status,
                    "duration_ms": record.duration_ms,
                }
            case r.ToolUnknown():
                update |= {
                    "outcome": "unknown" if record.reconciled == "no" else record.reconciled,
                    "reason": record.reason,
                }
            case r.ToolAnswer():
                update["reason"] = f"answer_{record.state}"
        uses[record.use] = use.model_copy(update=update)
    return list(uses.values())


def _played(played: list[tuple[r.AgentPlayed, r.PlayedDetails | None]]) -> s.Played | None:
    if not played:
        return None
    details = [p for _, p in played if p is not None]
    whole = len(details) == len(played)
    return s.Played(
        text=" ".join(d.text for d in details if d.text) if whole else None,
        played_text=" ".join(d.played_text for d in details if d.played_text) if whole else None,
        played_s=round(sum(a.samples / a.rate_hz for a, _ in played), 3),
        interrupted=any(a.interrupted for a, _ in played),
        evidence=min((a.evidence for a, _ in played), key=_EVIDENCE.index),
        phrases=[d.phrase for d in details if d.phrase],
    )


def _cost(records: Sequence[Opened], played: list[tuple[r.AgentPlayed, r.PlayedDetails | None]]) -> s.Cost:
    decided = [d for d, _ in records_of(records, r.TurnDecided)]
    wasted = [w for w, _ in records_of(records, r.TurnWithdrawn) if w.reason == "eager"]
    texts = [p.text for _, p in played if p is not None]
    return s.Cost(
        tokens_in=sum(d.tokens_in for d in decided),
        tokens_out=sum(d.tokens_out for d in decided),
        wasted_in=sum(w.tokens_in for w in wasted),
        wasted_out=sum(w.tokens_out for w in wasted),
        characters=sum(map(len, texts)) if len(texts) == len(played) else None,
        audio_s=round(sum(a.of_samples / a.rate_hz for a, _ in played), 3),
    )
