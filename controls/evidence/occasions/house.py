"""What no single call tells: releases, people's acts, incidents, what is switched off or was missed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from controls.evidence.occasions.tally import Tallies, Terms, Where
from controls.evidence.occasions.weakenings import periods
from controls.ledger import records as r

#: What each of the runtime's own controls serves; what breaks or weakens one tells against these.
SERVES: Mapping[str, tuple[str, ...]] = {
    "ledger": ("A.6.2.8",),
    "guard": ("A.9.2", "A.9.4"),
    "egress": ("A.9.2",),
    "disclosure": ("A.8.2",),
    "recogniser": ("A.6.2.6", "A.7.4"),
    "model": ("A.6.2.6",),
    "voice": ("A.6.2.6",),
    "tool": ("A.9.2", "A.4.4"),
    "carrier": ("A.6.2.6",),
    "silence": ("A.6.2.6",),
    "redaction": ("A.7.6",),
}
if set(SERVES) != set(get_args(r.ControlName)):
    raise AssertionError("the controls that may break, and what they serve, differ")
#: What a weaker setting tells against, where that is not just what its control serves.
WEAKENED: Mapping[r.WeakenedBy, tuple[str, ...]] = {
    "risk_limits": ("A.9.2", "A.9.3", "A.9.4"),
    "risk_points": ("A.9.2", "A.9.3", "A.9.4"),
    "receipt_first": ("A.6.2.8",),
    "redaction": ("A.7.6",),
    "rules": ("A.9.2", "A.9.4"),
    "emergency": ("A.9.2",),
    "intents": ("A.9.2", "A.10.4"),
    "tool_limits": ("A.9.2", "A.4.4"),
    "approvals": ("A.9.2", "A.3.2"),
    "cleared_below": ("A.9.3",),
}
if set(WEAKENED) != set(get_args(r.WeakenedBy)):
    raise AssertionError("what may weaken a control, and what that tells against, differ")
#: A call that was turned away for this reason tested that.
_TURNED_AWAY: Mapping[str, tuple[str, ...]] = {
    "unapproved": ("call", "deployment"),
    "stopped": ("stop",),
    "ledger": ("numbers",),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that makes controls fail until it is put right.

    Attributes:
        what: disabled, bypass, missed, or broken (outside of any call).
        where: the record that tells of it; None where the configuration does, as it is now.
        missed: for ``missed``, the leaf at which the control should have acted.
        at: Unix time in s.
        setting: for ``bypass``, what weakens it.
        tenant: whose; "" for every one's.
        until: Unix time in s at which something off or weakened was restored; None: it is so now.
    """

    what: str
    annex_a: tuple[str, ...]
    where: Where | None
    at: int
    missed: Where | None = None
    setting: r.WeakenedBy | None = None
    until: int | None = None
    tenant: str = ""


@dataclass(slots=True)
class House:
    """Topics: proposed, approved, acts, incident, concern, look, erasure, stop, break; and what is faulty.

    Told every record that belongs to no call, and those about calls that no call made.
    """

    terms: Terms
    since: int = 0
    tallies: Tallies = field(default_factory=Tallies)
    releases: dict[str, Where] = field(default_factory=dict)
    proposed: set[str] = field(default_factory=set)
    approved: set[str] = field(default_factory=set)
    incidents: dict[str, tuple[Where, int]] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    missed: dict[tuple[str, int], Fault] = field(default_factory=dict)
    broken: dict[tuple[str, int], Fault] = field(default_factory=dict)
    disabled: list[tuple[Where, r.ControlDisabled]] = field(default_factory=list)
    weaker: set[r.WeakenedBy] = field(default_factory=set)
    corrected: dict[tuple[str, int], int] = field(default_factory=dict)

    def binds(self, release: str, where: Where) -> None:
        """A call was opened with this release."""
        self.releases.setdefault(release, where)

    def add(self, where: Where, record: r.Record) -> None:
        """One record. What is faulty counts whenever it began; everything else since ``since``."""
        recent = record.at >= self.since
        match record:
            case r.ControlDisabled() | r.ControlMissed() | r.ControlCorrected() | r.ControlFailed():
                self._fault(where, record)
            case r.ReleaseProposed():
                self.proposed.add(record.release)
            case r.ReleaseApproved() | r.ReleasePromoted() | r.ReleaseRolledBack():
                self._release(where, record, recent)
            case r.IncidentOpened():
                self.incidents[record.incident] = (where, record.at)
            case r.IncidentClosed():
                self.closed[record.incident] = record.at
            case _ if recent:
                self._recent(where, record)
            case _:
                pass

    def _recent(self, where: Where, record: r.Record) -> None:
        match record:
            case r.AccessViewed():
                self.tallies["look"].judge(record.sealed is not None, where)
                if record.what in ("audit", "receipt", "reconciliation"):
                    self.tallies["look"].challenge(record.at)
            case r.CallRefused():
                for topic in _TURNED_AWAY.get(record.reason, ()):
                    self.tallies[topic].challenge(record.at)
            case r.AgentStopped() | r.AgentResumed():
                self.tallies["acts"].judge(record.by is not None, where)
                self.tallies["stop"].judge(record.by is not None, where)
                self.tallies["stop"].challenge(record.at)
                self.tallies["acts"].challenge(record.at)
            case r.ErasureDone():
                self._kept_no_longer(record.at)
                if record.ground != "expiry":
                    self.tallies["erasure"].judge(True, where)
                    self.tallies["erasure"].challenge(record.at)
            case r.RetentionExpired() | r.LegalHoldPlaced() | r.LegalHoldLifted():
                self._kept_no_longer(record.at)
            case _:
                pass

    def _kept_no_longer(self, at: int) -> None:
        """A tag was acted upon."""
        for topic in ("artefact", "purpose"):
            self.tallies[topic].challenge(at)

    def _release(self, where: Where, record: r.ReleaseRecord, recent: bool) -> None:
        if isinstance(record, r.ReleaseApproved | r.ReleasePromoted):
            self.approved.add(record.release)
        if not recent:
            return
        self.tallies["acts"].judge(record.by is not None, where)
        if isinstance(record, r.ReleaseRolledBack):
            for topic in ("approved", "proposed", "deployment", "acts"):
                self.tallies[topic].challenge(record.at)
        elif isinstance(record, r.ReleaseApproved):
            self.tallies["approved"].challenge(record.at)

    def _fault(
        self, where: Where, record: r.ControlDisabled | r.ControlMissed | r.ControlCorrected | r.ControlFailed
    ) -> None:
        key = (where.origin, where.leaf)
        match record:
            case r.ControlMissed():
                annex_a = record.annex_a or SERVES.get(record.control or "", ("A.6.2.6",))
                there = Where(record.origin or where.origin, record.leaf, record.call or "")
                self.missed[key] = Fault("missed", annex_a, where, record.at, there, tenant=record.tenant)
            case r.ControlCorrected():
                told = (record.origin, record.leaf)
                self.corrected[told] = min(record.at, self.corrected.get(told, record.at))
            case r.ControlFailed():
                self.broken[key] = Fault(
                    "broken", SERVES[record.control], where, record.at, tenant=record.tenant
                )
            case r.ControlDisabled():
                self.disabled.append((where, record))

    # -- at the end -------------------------------------------------------------------------------

    def finish(self) -> Tallies:
        """Everything counted, once all records were told."""
        now, settle = self.terms.now, self.terms.settle_s
        for release, where in self.releases.items():
            self.tallies["proposed"].judge(True if release in self.proposed else None, where)
            self.tallies["approved"].judge(True if release in self.approved else None, where)
        for incident, (where, at) in self.incidents.items():
            done = self.closed.get(incident)
            self._settled("incident", where, at, done, now - at > settle)
        for key, fault in self.missed.items():
            assert fault.where is not None
            self._settled("concern", fault.where, fault.at, self.corrected.get(key), now - fault.at > settle)
        for key, fault in self.broken.items():
            done = self.corrected.get(key)
            if max(fault.at, done or 0) >= self.since:
                assert fault.where is not None
                self.tallies["break"].judge(done is not None, fault.where)
                self.tallies["break"].challenge(done or 0)
        return self.tallies

    def _settled(self, topic: str, where: Where, at: int, done: int | None, late: bool) -> None:
        """Something that is to be settled in time: it was, there is time yet, or it is overdue."""
        if max(at, done or 0) < self.since and not late:
            return
        self.tallies[topic].judge(done is not None or not late, where)
        self.tallies[topic].challenge(done or 0)

    def faults(self) -> list[Fault]:
        """What is faulty: missed and not corrected, broken outside a call, off or weakened.

        What was off or weakened and is so no more stands among them with its end, if that is not before
        ``since``: what happened meanwhile happened without it.
        """
        found = [f for key, f in (*self.missed.items(), *self.broken.items()) if key not in self.corrected]
        return [*found, *self._weakened()]  # what is off is put right by being restored, not by words

    def _weakened(self) -> Iterator[Fault]:
        on_record: set[r.WeakenedBy | None] = set()
        for period in periods(self.disabled):
            if period.until is None or period.until >= self.since:
                setting = period.what.setting
                annex_a = SERVES[period.what.control] if setting is None else WEAKENED[setting]
                what = "bypass" if period.how == "bypass" else "disabled"
                on_record |= {setting} if period.until is None else set()
                at, until, tenant = period.at, period.until, period.what.tenant
                yield Fault(what, annex_a, period.where, at, None, setting, until, tenant)
        for now in sorted(self.weaker - on_record):
            yield Fault("bypass", WEAKENED[now], None, self.terms.now, None, now)
