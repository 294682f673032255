"""The numbered checks a verifier makes, and what each one found.

One list for everything that is verified: a ledger's directory, published tiles,
an audit packet. A check that does not apply to what is at hand says so.

 1. files       what is there is whole: database, tiles or packet; nothing is missing, cut off or added
 2. manifest    (packet) every file has the digest of the signed manifest, and no other file is there
 3. parse       every leaf, checkpoint and proof is in its one encoding
 4. signature   DSSE signatures of leaves, note signatures of checkpoints, by the key valid at that leaf
 5. order       leaf indices without gap; log, tenant and index as signed
 6. numbers     ``n`` without gap per call, and per log for records without a call
 7. schema      predicates by the closed schema of their type
 8. subject     the subject names the sealed ciphertext, or else the predicate
 9. root        the tree's root is that of every checkpoint; published tiles hash to it
10. proof       (packet) every leaf is proven to be under its checkpoint
11. consistency every checkpoint is proven a prefix of the next
12. witness     cosignatures hold, and reach the trust policy's quorum
13. sealed      every sealed blob is there with its digest, or erased with a tombstone
14. opened      opened content is what the leaf's HMAC was made of; its schema fits
15. receipt     a clause's receipt is no later than its first sample
16. cleared     what was played was cleared before, or is a phrase release.bound cleared
17. played      every cleared clause of a finished call has its agent.played
18. trace       (packet) the trace is the one that leaves and opened content give
19. page        (packet) so is the page
20. issuer      the log's key is one the auditor trusts, or is registered in a log whose key is
21. paused      every entry by keys of a finished call has one start and one end; no recording between

Checks 4, 9 and 11 prove nothing about who signed unless check 20 does: keys found
only beside the records give "self-consistent, issuer not authenticated".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

CHECKS = (
    "files", "manifest", "parse", "signature", "order", "numbers", "schema", "subject", "root", "proof",
    "consistency", "witness", "sealed", "opened", "receipt", "cleared", "played", "trace", "page", "issuer",
    "paused",
)  # fmt: skip
#: Failures a check names; the rest are counted.
_NAMED = 5
#: What a note begins with that says of a whole check: whatever was counted, this was not decided.
_UNSETTLED = ("not authenticated", "not checkable: the checkpoint")


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check's outcome.

    Attributes:
        ok: nothing failed, which a check without anything to look at has in common with one that holds.
        detail: names what failed, such as ``record 21: digest``, or says what was done.
        checked: something was looked at, and the outcome rests on it.
    """

    number: int
    name: str
    ok: bool
    detail: str
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        records: leaves looked at, over all logs.
        authenticated: every log's key is one the auditor trusts, follows from one, or is registered.
    """

    checks: list[Check]
    ok: bool
    authenticated: bool
    records: int
    origins: list[str]

    @property
    def verdict(self) -> str:
        """One line for a person."""
        if not self.ok:
            return "does not hold: " + "; ".join(c.detail for c in self.checks if not c.ok)
        return (
            "holds, issuer authenticated"
            if self.authenticated
            else "self-consistent, issuer not authenticated"
        )


@dataclass(slots=True)
class Findings:
    """What each check found, over all logs."""

    failed: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    records: int = 0

    def fail(self, check: str, what: str) -> None:
        """Something does not hold; ``what`` names it, such as ``record 21: digest``."""
        self.failed.setdefault(check, []).append(what)

    def note(self, check: str, what: str) -> None:
        """Something that holds and is worth saying; said once, however often it is noted."""
        noted = self.notes.setdefault(check, [])
        if what not in noted:
            noted.append(what)

    def count(self, check: str, number: int = 1) -> None:
        """So many more things were checked."""
        self.counted[check] = self.counted.get(check, 0) + number

    def not_applicable(self, why: str, *checks: str) -> None:
        """These checks have nothing to look at in what is verified, and why; said where nothing was."""
        for check in checks:
            self.absent.setdefault(check, why)

    def checks(self) -> Iterator[Check]:
        """Every check's outcome, by number."""
        for number, name in enumerate(CHECKS, 1):
            if failed := self.failed.get(name, []):
                more = [f"and {len(failed) - _NAMED} more"] if len(failed) > _NAMED else []
                yield Check(number, name, False, "; ".join(failed[:_NAMED] + more))
                continue
            found = [f"{self.counted[name]} checked"] if name in self.counted else []
            if not found and (why := self.absent.get(name)):
                found = [f"not applicable: {why}"]
            notes = self.notes.get(name, [])
            detail = [*found, *notes[:_NAMED]] or ["not applicable: nothing of the kind here"]
            yield Check(number, name, True, "; ".join(detail), self._was_checked(name))

    def _was_checked(self, name: str) -> bool:
        told = self.notes.get(name, [])
        return name in self.counted and not any(what.startswith(_UNSETTLED) for what in told)

    def report(self, origins: list[str], *, authenticated: bool = False) -> Report:
        """All of it; ``authenticated`` counts only if everything holds."""
        checks = list(self.checks())
        ok = all(c.ok for c in checks)
        return Report(checks, ok, ok and authenticated, self.records, origins)
