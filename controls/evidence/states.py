"""From what was counted, documented and found faulty to one state of one control. Pure.

The existence of records is never green. ``operating`` takes all of: occasions; a record of
what was done on each of them; nothing that failed; a real test not longer ago than the
operator says; nothing off, weakened, broken or found to have missed something; and, where
the operator has to write something, that document as it was reviewed, and in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from controls.evidence.occasions.house import Fault
from controls.evidence.occasions.tally import Tally
from controls.soa import ControlEntry, DocumentStanding

DAY_S = 86_400


class State(StrEnum):
    """Of one control. Only ``failing`` is red, only ``operating`` green."""

    OPERATING = "operating"
    FAILING = "failing"
    NOT_EXERCISED = "not exercised"
    NO_EVIDENCE = "no evidence"
    DOCUMENT_MISSING = "document missing"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Judged:
    """A state and the sentences that led to it."""

    state: State
    because: tuple[str, ...]


_FAULTS = {
    "missed": "a failure was found later and is not put right",
    "broken": "it broke outside of any call and that is not put right",
    "disabled": "it is switched off",
    "bypass": "a setting weakens it: bypass",
}


def judge(
    evidence: Literal["A", "P", "N"],
    tally: Tally,
    faults: Sequence[Fault],
    entry: ControlEntry | None,
    document: DocumentStanding | None,
    *,
    now: int,
    within_days: int,
) -> Judged:
    """The state of one control.

    Args:
        faults: those that tell against this control.
        document: how the one the operator names stands; None where none is named.
        now: Unix time in s.
        within_days: how long a test counts.
    """
    red = _red(tally, faults)
    not_here = entry.not_applicable if entry is not None else None
    if red:
        denied = ("the operator says that it does not apply",) if not_here else ()
        return Judged(State.FAILING, (*red, *denied))
    if not_here is not None:
        seen = (f"there were {tally.population} occasions all the same",) if tally.population else ()
        return Judged(State.NOT_APPLICABLE, (not_here, *seen))
    if (lacking := _document(evidence, document)) is not None:
        return Judged(State.DOCUMENT_MISSING, (lacking,))
    if evidence == "N":
        return Judged(State.NO_EVIDENCE, ("the document is there; no record of a runtime shows more",))
    return _counted(tally, now, within_days)


def _red(tally: Tally, faults: Sequence[Fault]) -> tuple[str, ...]:
    found = [_FAULTS[what] for what in _FAULTS if any(f.what == what for f in faults)]
    if tally.failed:
        found.append(f"{tally.failed} of {tally.population} occasions went wrong")
    if tally.unexplained and tally.exercised:
        found.append(f"of {tally.unexplained} of {tally.population} occasions nothing is on record")
    return tuple(found)


def _document(evidence: str, document: DocumentStanding | None) -> str | None:
    """What is wrong with the document, None where nothing is."""
    if document is not None:
        return None if document.current else f"{document.document}: {document.because}"
    return None if evidence == "A" else "the operator names no document"


def _counted(tally: Tally, now: int, within_days: int) -> Judged:
    if not tally.population:
        return Judged(State.NOT_EXERCISED, ("there was no occasion",))
    if tally.unexplained:  # all of them: some would be red
        because = f"of {tally.population} occasions, no record says what was done"
        return Judged(State.NO_EVIDENCE, (because,))
    if not tally.challenged_at:
        return Judged(State.NOT_EXERCISED, ("nothing has ever put it to the test",))
    if now - tally.challenged_at > within_days * DAY_S:
        return Judged(State.NOT_EXERCISED, (f"nothing has put it to the test for {within_days} days",))
    return Judged(State.OPERATING, (f"all {tally.population} occasions held",))
