"""What the ledger's tests share: records of a fictional call, and a storage that can be made to fail."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from controls.decision import Verdict
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.log import Log
from controls.ledger.storage import Batch, SqliteStorage

TENANT = "demo-clinic"
DIGEST = "sha256:" + "0" * 64


def tagger(kind: str, at: int) -> r.RetentionTag:
    return r.RetentionTag(
        retention_class="short", purpose="service", legal_basis="contract", region="eu", expires_at=at + 3600
    )


class Clock:
    """Both clocks, set by hand."""

    def __init__(self) -> None:
        self.now_s = 1_900_000_000.0
        self.ns = 1

    def monotonic_ns(self) -> int:
        self.ns += 1000
        return self.ns

    def unix_s(self) -> float:
        return self.now_s


class FaultyStorage(SqliteStorage):
    """SQLite that fails on command: ``fault`` is raised instead of, or after, a commit."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.fault: OSError | None = None
        self.after = False
        self.commits = 0

    def full(self) -> None:
        self.fault = OSError(errno.ENOSPC, "No space left on device")

    def commit(self, batch: Batch) -> None:
        if self.fault is not None and not self.after:
            raise self.fault
        super().commit(batch)
        self.commits += 1
        if self.fault is not None:
            raise self.fault


def faulty() -> tuple[list[FaultyStorage], Callable[[Path], FaultyStorage]]:
    """The storages made, and what makes them."""
    made: list[FaultyStorage] = []

    def make(directory: Path) -> FaultyStorage:
        made.append(FaultyStorage(directory))
        return made[-1]

    return made, make


def open_log(directory: Path, **options: object) -> Log:
    return Log.open(directory, tenant=TENANT, tagger=tagger, spool_bytes=65_536, **options)  # type: ignore[arg-type]


def said(call: str, turn: int = 1, text: str = "a quiet word") -> tuple[r.CallerSaid, r.SaidDetails]:
    record = r.CallerSaid(tenant=TENANT, call=call, turn=turn, engine="engine")
    return record, r.SaidDetails(text=text, confidence=0.9, started_s=0.5, ended_s=1.5)


def opened(call: str) -> tuple[r.CallOpened, r.CallDetails]:
    record = r.CallOpened(
        tenant=TENANT, call=call, release=DIGEST, environment=r.Environment.DEMO, approved=False,
        ingress="twilio", region="eu", language="en-US",
    )  # fmt: skip
    details = r.CallDetails(
        agent="front-desk", line="main", operator_of_record="Demo Clinic (fictional)",
        opened_at="2030-01-01T00:00:00.000000Z",
    )  # fmt: skip
    return record, details


def cleared(call: str, clause: str) -> tuple[r.ClauseCleared, r.ClauseDetails]:
    record = r.ClauseCleared(tenant=TENANT, call=call, turn=1, clause=clause, verdict=Verdict.ALLOW, risk=0)
    return record, r.ClauseDetails(text="Good morning.")


def played(
    call: str, clause: str, *, phrase: str | None = None, samples: int = 800, text: str = "Good morning.",
    receipt: int = 10, first: int = 20,
) -> tuple[r.AgentPlayed, r.PlayedDetails]:  # fmt: skip
    record = r.AgentPlayed(
        tenant=TENANT, call=call, turn=1, clause=clause, fixed=phrase is not None, samples=samples,
        of_samples=800, rate_hz=8000, interrupted=False, evidence=r.Evidence.SENT_ONLY,
    )  # fmt: skip
    return record, r.PlayedDetails(
        phrase=phrase, text=text, played_text=text, receipt_at_ns=receipt, first_sample_at_ns=first
    )


def closed(call: str, records: int) -> r.CallClosed:
    return r.CallClosed(
        tenant=TENANT, call=call, ended_by="caller", reason="completed", duration_s=5, records=records
    )


def small_call(call: str | None = None) -> Iterator[tuple[r.Record, r.Personal | None]]:
    """A whole short call."""
    call, clause = call or new_id("c"), new_id("k")
    yield opened(call)
    yield said(call)
    yield cleared(call, clause)
    yield played(call, clause)
    yield closed(call, 4), None
