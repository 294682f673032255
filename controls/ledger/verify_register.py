"""Checks over several logs together: the register, who issued them, tombstones, embedded checkpoints."""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from controls.ledger.findings import Findings
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.records import REGISTER, KeyCreated, OriginClosed, OriginOpened
from controls.ledger.trust import Trust
from controls.ledger.verify_checkpoints import CheckpointChecks
from controls.ledger.verify_leaves import MENDS, LeafChecks

#: An erasure is finished right behind its tombstone: a record this many s later says the writer lived on.
_LIVED_ON_S = 60
#: What an opening must say in the register exactly as in the log itself.
_SAME = ("key", "public", "period_from", "period_to", "kept_until", "previous")


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """One log whose leaves and checkpoints were fed; ``name`` is what it is called in findings.

    Attributes:
        begun: there is nothing but what a log begins with, in a database with nothing else in it.
        erasing: the artefact that its database says is being erased ("" for none): a claim.
    """

    name: str
    leaves: LeafChecks
    checkpoints: CheckpointChecks
    begun: bool = False
    erasing: str = ""

    @property
    def origin(self) -> str:
        """``o_…``."""
        return self.leaves.origin

    def issued_by(self, trusted: Iterable[VerifierKey]) -> bool:
        """Whether one of these keys, or one announced by them, answers for every leaf.

        The signer of the newest checkpoint answers for all under it; leaves
        behind it must be signed by such a key themselves.
        """
        vouched = self.leaves.chain.vouched(trusted)
        newest = self.checkpoints.newest
        size = newest.checkpoint.size if newest is not None else 0
        if newest is not None and not any(
            signed.key in vouched and signed.checkpoint.size == size for signed in self.checkpoints.good
        ):
            return False
        digests = {key_digest(key.public) for key in vouched}
        runs = [*self.leaves.signed_by, (len(self.leaves.tree), "")]
        behind = (digest for (_, digest), (end, _) in pairwise(runs) if end > size)
        return bool(vouched) and all(digest in digests for digest in behind)


@dataclass(slots=True)
class _Registered:
    """What the register says."""

    opened: dict[str, OriginOpened] = field(default_factory=dict)
    closed: dict[str, OriginClosed] = field(default_factory=dict)
    #: origin → public keys
    keys: dict[str, dict[str, VerifierKey]] = field(default_factory=dict)
    witnesses: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class HouseChecks:
    """Settles what no log can be asked alone. Feed every log, then ``finish`` once.

    Attributes:
        logs: the logs, each fed to its end.
        present: names under which something lies, readable or not: a log of that
            origin is not missing, it is damaged.
        complete: all of a house's logs should be here, not one of them alone.
        now: Unix time in s.
    """

    findings: Findings
    logs: Sequence[VerifiedLog]
    present: Collection[str] = ()
    complete: bool = True
    now: float = field(default_factory=time.time)

    def finish(self, trust: Trust | None) -> bool:
        """Checks 1, 9, 11, 12, 13 and 20 over all of them; returns whether every issuer is trusted."""
        self._once()
        registers = [log for log in self.logs if log.leaves.tenant == REGISTER]
        for extra in registers[1:]:
            self.findings.fail("issuer", f"{extra.origin}: a second register")
        register = registers[0] if registers else None
        known = _read(register) if register is not None else None
        self._tombstones()
        by_origin = {log.origin: log.checkpoints for log in self.logs}
        for log in self.logs:
            log.checkpoints.embedded(by_origin)
        unborn = _unborn(self.logs, known)
        for log in self.logs:
            if log.origin in unborn and not log.checkpoints.good:
                what = f"{log.leaves.where}begun, without a checkpoint yet, {MENDS} signs it"
                self.findings.note("root", what)
            else:
                log.checkpoints.finish()
            if register in (None, log) or log.origin not in unborn:
                log.checkpoints.witnesses(trust, known.witnesses if known else (), now=self.now)
        if known is not None:
            for log in self.logs:
                if log is not register and log.origin in unborn:
                    self.findings.note("issuer", f"{log.origin}: begun, not registered yet, {MENDS} does it")
                elif log is not register:
                    self._registered(log, known)
            if self.complete:
                self._missing(known)
            else:
                self.findings.note("files", "the register alone: whether its logs are there is not checked")
        elif self.logs:
            self.findings.note("issuer", "no register here: a hidden or a shadow log would not show")
        serving = [log for log in self.logs if register in (None, log) or log.origin not in unborn]
        return self._issuer(serving, trust, register, known)

    def _once(self) -> None:
        seen: dict[str, str] = {}
        for log in self.logs:
            if log.origin in seen:
                self.findings.fail("files", f"{log.origin} stands twice: {seen[log.origin]} and {log.name}")
            seen.setdefault(log.origin, log.name)

    def _tombstones(self) -> None:
        for log in self.logs:
            log.leaves.settle(
                {
                    artifact: f"{other.origin} record {leaf}"
                    for other in self.logs
                    if other is not log and other.leaves.tenant == log.leaves.tenant
                    for artifact, leaf in other.leaves.tombstones.items()
                },
                cut_short=self._cut_short(log),
            )

    def _cut_short(self, log: VerifiedLog) -> str:
        """The artefact of a closed log that a kill kept between tombstone and erasure; "" for none.

        That the log's database says so is not enough, as whoever keeps a key could
        write it there: its tombstone must be the newest of the tenant's other log,
        and the tenant's logs must have gone on for no longer than the erasure takes.
        """
        tenants = [other for other in self.logs if other.leaves.tenant == log.leaves.tenant]
        told = [o.leaves.last_erased for o in tenants if o is not log]
        at = [when for artifact, when in told if artifact and artifact == log.erasing]
        if log.leaves.closing is None or not at:
            return ""
        latest = max(other.leaves.latest for other in tenants)
        return log.erasing if latest - max(at) <= _LIVED_ON_S else ""

    # -- the register ---------------------------------------------------------------------------

    def _registered(self, log: VerifiedLog, known: _Registered) -> None:
        """Check 20: the log stands in the register as it says of itself."""
        there, here = known.opened.get(log.origin), log.leaves.opening
        if there is None:
            self.findings.fail("issuer", f"{log.origin}: not in the register (a shadow log)")
            return
        differ = [name for name in _SAME if here is None or getattr(here, name) != getattr(there, name)]
        differ += ["of"] if there.of != log.leaves.tenant else []
        if differ:
            self.findings.fail("issuer", f"{log.origin}: the register says otherwise ({', '.join(differ)})")
        for link in log.leaves.chain.links:
            if link.key.public not in {k.public for k in known.keys.get(log.origin, {}).values()}:
                self.findings.fail("issuer", f"{log.origin}: the key of record {link.leaf} is not registered")
        self._closed(log, known.closed.get(log.origin))

    def _closed(self, log: VerifiedLog, there: OriginClosed | None) -> None:
        here, tree = log.leaves.closing, log.leaves.tree
        if there is None:
            if here is not None:
                self.findings.note("issuer", f"{log.origin}: closed, and not yet so in the register")
            return
        if len(tree) != there.size:
            what = f"the register closed it at {there.size} records, {len(tree)} are left"
            self.findings.fail("root", f"{log.origin}: {what}")
        elif here is None or there.root != "sha256:" + tree.root().hex():
            self.findings.fail("root", f"{log.origin}: not as the register closed it")

    def _missing(self, known: _Registered) -> None:
        """Check 1: what is registered, and should still be kept, is here."""
        here = {log.origin for log in self.logs} | set(self.present)
        for origin, opening in known.opened.items():
            if origin in here:
                continue
            if opening.kept_until and opening.kept_until <= self.now:
                self.findings.note("files", f"{origin}: no longer here, its time of keeping is over")
                continue
            day = datetime.fromtimestamp(min(opening.kept_until, 253402300799), UTC).date()
            until = f"until {day}" if opening.kept_until else "without end"
            self.findings.fail("files", f"{origin}: registered, to be kept {until}, and not here")

    # -- who issued it --------------------------------------------------------------------------

    def _issuer(
        self,
        logs: Sequence[VerifiedLog],
        trust: Trust | None,
        register: VerifiedLog | None,
        known: _Registered | None,
    ) -> bool:
        self.findings.count("issuer", len(logs))
        if trust is None:
            self.findings.note("issuer", "not authenticated: no trust file")
            return False
        listed: Mapping[str, Mapping[str, VerifierKey]] = {}
        if register is not None and known is not None and self._trusted(register, trust, {}):
            listed = known.keys
        found = [self._trusted(log, trust, listed) for log in logs]
        for log, trusted in zip(logs, found, strict=True):
            if not trusted:
                self.findings.fail("issuer", f"{log.origin}: its key is not in the trust file")
        return bool(found) and all(found)

    @staticmethod
    def _trusted(log: VerifiedLog, trust: Trust, listed: Mapping[str, Mapping[str, VerifierKey]]) -> bool:
        return log.issued_by(
            [*trust.keys_of(checkpoint_name(log.origin)), *listed.get(log.origin, {}).values()]
        )


def _unborn(logs: Iterable[VerifiedLog], known: _Registered | None) -> set[str]:
    """Logs that hold nothing yet and that no register has: they were not let take a record.

    A log is registered behind its first checkpoint and before its first record. One
    that is registered and holds nothing was emptied.
    """
    registered = known.opened.keys() if known is not None else ()
    return {log.origin for log in logs if log.begun and log.origin not in registered}


def _read(register: VerifiedLog) -> _Registered:
    known = _Registered()
    for _, record in register.leaves.register:
        match record:
            case OriginOpened():
                known.opened.setdefault(record.origin, record)
                _add(known, record.origin, record.key, record.public)
            case OriginClosed():
                known.closed.setdefault(record.origin, record)
            case KeyCreated(public=str(public)) if record.role == "log" and record.origin is not None:
                _add(known, record.origin, record.key, public)
            case KeyCreated(public=str(public)) if record.role == "witness":
                known.witnesses.append(base64.b64decode(public))
            case _:
                pass
    return known


def _add(known: _Registered, origin: str, digest: str, public: str) -> None:
    key = VerifierKey(checkpoint_name(origin), base64.b64decode(public))
    if key_digest(key.public) == digest:
        known.keys.setdefault(origin, {})[digest] = key
