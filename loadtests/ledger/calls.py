"""Fictional calls for the ledger's load tests: their records with sealed content, and a ledger for them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from controls.decision import Verdict
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.ledger import Ledger

#: A fictional tenant.
TENANT = "load-clinic"
_ENGINE = "load-engine"

Content = tuple[r.Record, r.Personal | None]


def tagger(kind: str, at: int) -> r.RetentionTag:
    """Everything is kept for a day."""
    return r.RetentionTag(
        retention_class="short",
        purpose="service",
        legal_basis="contract",
        region="eu",
        expires_at=at + 86_400,
    )


def open_ledger(root: Path) -> Ledger:
    """The ledger of ``root`` as a house opens it, its one tenant's log ready."""
    ledger = Ledger.open(root, tagger=tagger)
    try:
        ledger.prepare(TENANT)
    except BaseException:
        ledger.close()
        raise
    return ledger


def opened(call: str) -> Content:
    """A call's first record."""
    record = r.CallOpened(
        tenant=TENANT,
        call=call,
        release="sha256:" + "0" * 64,
        environment=r.Environment.DEMO,
        approved=False,
        ingress="sip",
        region="eu",
        language="en-US",
    )
    return record, r.CallDetails(
        agent="load",
        line="load",
        operator_of_record="Load Clinic (fictional)",
        opened_at="2030-01-01T00:00:00Z",
    )


def closed(call: str, records: int) -> Content:
    """A call's last record."""
    record = r.CallClosed(
        tenant=TENANT,
        call=call,
        ended_by="caller",
        reason="completed",
        duration_s=60,
        records=records,
    )
    return record, None


def said(call: str, turn: int, text: str) -> Content:
    """What a caller said."""
    record = r.CallerSaid(tenant=TENANT, call=call, turn=turn, engine=_ENGINE)
    return record, r.SaidDetails(text=text, confidence=0.9, started_s=turn * 7.0, ended_s=turn * 7.0 + 2)


def turns(call: str) -> Iterator[Content]:
    """A call without end, four kinds of records to each turn: said, decided, cleared, played."""
    yield opened(call)
    for turn in count(1):
        words = f"I would like to come in on day {turn} if somebody has time for me then."
        answer = f"On day {turn} Doctor Example has time at a quarter past ten. Shall I put you down?"
        clause = new_id("k")
        yield said(call, turn, words)
        yield (
            r.TurnDecided(tenant=TENANT, call=call, turn=turn, supplier=_ENGINE, outcome="answered"),
            r.DecidedDetails(model="load-model", candidate=answer),
        )
        yield (
            r.ClauseCleared(
                tenant=TENANT,
                call=call,
                turn=turn,
                clause=clause,
                verdict=Verdict.ALLOW,
                risk=0,
                annex_a=("A.9.2",),
            ),
            r.ClauseDetails(text=answer),
        )
        yield (
            r.AgentPlayed(
                tenant=TENANT,
                call=call,
                turn=turn,
                clause=clause,
                samples=32_000,
                of_samples=32_000,
                rate_hz=8000,
                interrupted=False,
                evidence=r.Evidence.CARRIER_MARK,
            ),
            r.PlayedDetails(
                text=answer,
                played_text=answer,
                started_s=turn * 7.0 + 3,
                receipt_at_ns=turn * 10,
                first_sample_at_ns=turn * 10 + 5,
            ),
        )


def traffic(calls: int) -> Iterator[Content]:
    """Records of that many calls running side by side, without end."""
    running = [turns(new_id("c")) for _ in range(calls)]
    while True:
        for call in running:
            yield next(call)
