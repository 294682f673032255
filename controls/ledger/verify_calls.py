"""Checks over a call's records: what was played was cleared, what was cleared is settled, none is lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from controls.ledger.findings import Findings
from controls.ledger.records import (
    AccessViewed,
    AgentPlayed,
    CallClosed,
    CallRecovered,
    CaptureEnded,
    CaptureStarted,
    ClauseCleared,
    ClauseDetails,
    ClauseRefused,
    ControlMissed,
    LegalHoldLifted,
    LegalHoldPlaced,
    Personal,
    PlayedDetails,
    Record,
    RecordingStarted,
    ReleaseBound,
)
from controls.ledger.sealed import blob_digest

#: Records that name a call and were not made by it.
_ABOUT = (AccessViewed, ControlMissed, LegalHoldPlaced, LegalHoldLifted)


@dataclass(slots=True)
class _Call:
    """What one call's leaves said so far."""

    cleared: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    played: dict[str, int] = field(default_factory=dict)
    bound: dict[str, set[str]] = field(default_factory=dict)
    #: use → the leaf at which its entry by keys began, and of those that go on
    captures: dict[str, int] = field(default_factory=dict)
    entering: set[str] = field(default_factory=set)
    ended: bool = False
    closed: tuple[int, CallClosed, int] | None = None
    own: int = 0
    late: int = 0


@dataclass(slots=True)
class CallChecks:
    """Checks 15 to 17 and 21, and what ``call.closed`` says it counted (6). Fed by ``LeafChecks``."""

    findings: Findings
    where: str = ""
    _calls: dict[str, _Call] = field(default_factory=dict)

    def add(self, leaf: int, record: Record, personal: Personal | None, at: str) -> None:
        """Take one record into account; ``personal`` is its opened content, if it could be opened."""
        name = getattr(record, "call", None)
        if name is None or isinstance(record, _ABOUT):
            return
        call = self._calls.setdefault(name, _Call())
        match record:
            case ClauseCleared():
                if record.clause in call.cleared:
                    self.findings.fail("played", f"{at}: clears a clause that was cleared")
                words = personal.text if isinstance(personal, ClauseDetails) else None
                call.cleared[record.clause] = (leaf, words)
            case ClauseRefused():
                call.refused.add(record.clause)
            case ReleaseBound():
                for fixed in record.fixed:
                    call.bound.setdefault(fixed.phrase, set()).add(fixed.digest)
            case AgentPlayed():
                self._played(call, leaf, record, personal, at)
            case CaptureStarted() | CaptureEnded():
                self._capture(call, leaf, record, at)
            case RecordingStarted() if call.entering:
                self.findings.fail("paused", f"{at}: a recording runs while figures are entered by keys")
            case CallRecovered():
                call.ended = True
                if record.last_n >= record.n:
                    self.findings.fail("numbers", f"{at}: last number {record.last_n}, its own is {record.n}")
            case CallClosed():
                if call.closed is not None:
                    self.findings.fail("numbers", f"{at}: closes a call that is closed")
                call.ended, call.closed = True, (leaf, record, call.own)
            case _:
                pass
        call.own += 1
        call.late += call.closed is not None and record.recovered

    def _played(
        self, call: _Call, leaf: int, record: AgentPlayed, personal: Personal | None, at: str
    ) -> None:
        self.findings.count("played")
        if record.clause in call.played:
            self.findings.fail(
                "played", f"{at}: clause played at record {call.played[record.clause]} already"
            )
        call.played[record.clause] = leaf
        if not record.samples:
            return
        self.findings.count("cleared")
        digests = self._bound(call, record, personal)
        cleared = call.cleared.get(record.clause)
        if record.clause in call.refused:
            self.findings.fail("cleared", f"{at}: played though refused")
        elif cleared is None and not digests:
            self.findings.fail("cleared", f"{at}: played without an earlier clearance")
        if not isinstance(personal, PlayedDetails):
            return
        if cleared is not None and cleared[1] not in (None, personal.text):
            self.findings.fail("cleared", f"{at}: other words than its clause.cleared")
        elif cleared is None and digests and blob_digest(personal.text.encode()) not in digests:
            self.findings.fail("cleared", f"{at}: other words than release.bound cleared")
        self.findings.count("receipt")
        known = personal.receipt_at_ns > 0 or cleared is None
        if not known or personal.receipt_at_ns > personal.first_sample_at_ns:
            self.findings.fail("receipt", f"{at}: its first sample came before its receipt")

    def _capture(self, call: _Call, leaf: int, record: CaptureStarted | CaptureEnded, at: str) -> None:
        if isinstance(record, CaptureStarted):
            self.findings.count("paused")
            if record.use in call.captures:
                self.findings.fail("paused", f"{at}: begins an entry by keys that has begun")
            call.captures[record.use] = leaf
            call.entering.add(record.use)
        elif record.use in call.entering:
            call.entering.remove(record.use)
        else:
            self.findings.fail("paused", f"{at}: ends an entry by keys that is not under way")

    @staticmethod
    def _bound(call: _Call, record: AgentPlayed, personal: Personal | None) -> set[str]:
        """Digests of the words it may have played; which phrase it was stands in the sealed part."""
        if not record.fixed:
            return set()
        if isinstance(personal, PlayedDetails):
            return call.bound.get(personal.phrase or "", set())
        return set().union(*call.bound.values())

    def finish(self) -> None:
        """Behind the last leaf: every ended call settled its clauses and counted its records."""
        for call in self._calls.values():
            if not call.ended:
                continue
            for use in sorted(call.entering):
                begun = f"{self.where}record {call.captures[use]}"
                self.findings.fail("paused", f"{begun}: figures are entered by keys, and no capture.ended")
            for clause, (leaf, _) in call.cleared.items():
                if clause not in call.played:
                    self.findings.fail("played", f"{self.where}record {leaf}: cleared, and no agent.played")
            if call.closed is not None:
                leaf, closed, own = call.closed
                # Who counts by numbers (after a crash) counts looks at the call among them.
                if closed.records != closed.n and not own <= closed.records <= own + call.late:
                    what = f"call.closed counts {closed.records} records of its call, {own} are there"
                    self.findings.fail("numbers", f"{self.where}record {leaf}: {what}")
