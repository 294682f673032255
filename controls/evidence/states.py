"""From what was counted, documented and found faulty to one state of one control. Pure.

The existence of records is never green. ``operating`` takes all of: occasions; a record of
what was done on each of them; nothing that failed; a real test, of each kind of occasion
that there was, not longer ago than the operator says; nothing off, weakened, broken or found
to have missed something; and, where the operator has to write something, that document as it
was reviewed, and in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, get_args

from controls.evidence.occasions.house import Fault
from controls.evidence.occasions.tally import Tally
from controls.ledger import records as r
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
}
#: What makes it weaker than it comes, in words.
BYPASSES: Mapping[r.WeakenedBy | None, str] = {
    None: "a setting weakens it",
    "risk_limits": "the risk score blocks, or asks a person, later than it comes, or never",
    "risk_points": "features of the risk score count less than they come, or are gone",
    "receipt_first": "an outside model is sent the caller's words before they are on record",
    "redaction": "less personal data is masked than it comes",
    "rules": "rules that come with Sayso are gone, milder, or worded anew",
    "emergency": "emergencies are looked for by less than comes",
    "intents": "words that ask for a person, an end or no record are fewer than they come",
    "tool_limits": "a tool may be used more often, or for more, or less is asked first, than was declared",
    "approvals": "a tool's use waits for nobody, or for somebody else, since it was declared",
    "cleared_below": "what is cleared counts as failed from a higher risk on than it comes",
}
if set(BYPASSES) != {None, *get_args(r.WeakenedBy)}:
    raise AssertionError("what may weaken a control, and its words, differ")


def judge(
    evidence: Literal["A", "P", "N"],
    tally: Tally,
    faults: Sequence[Fault],
    entry: ControlEntry | None,
    document: DocumentStanding | None,
    *,
    now: int,
    within_days: int,
    since: int = 0,
    kinds: Mapping[str, Tally] = MappingProxyType({}),
    testable: bool = True,
) -> Judged:
    """The state of one control.

    Args:
        faults: those that tell against this control.
        document: how the one the operator names stands; None where none is named.
        now: Unix time in s.
        within_days: how long a test counts.
        since: Unix time in s from which on a period is judged, 0 for how things stand. What was off or
            weakened is red for the period in which it was, and told afterwards.
        kinds: where it is of several kinds of occasion, each by itself.
        testable: whether any record can be a test of it.
    """
    over = tuple(f for f in faults if f.until is not None)
    red = _red(tally, faults if since else [f for f in faults if f.until is None])
    told = () if since else tuple(_weaker(f) for f in over)
    counted = _counted(tally, now, within_days, kinds, testable)
    judged = _judged(evidence, tally, red, entry, document, counted)
    return Judged(judged.state, (*judged.because, *told))


def _judged(
    evidence: Literal["A", "P", "N"],
    tally: Tally,
    red: tuple[str, ...],
    entry: ControlEntry | None,
    document: DocumentStanding | None,
    counted: Judged,
) -> Judged:
    not_here = entry.not_applicable if entry is not None else None
    if red:
        denied = ("the operator says that it does not apply",) if not_here else ()
        return Judged(State.FAILING, (*red, *denied))
    if not_here is not None:
        seen = (f"there were {tally.population} occasions all the same",) if tally.population else ()
        return Judged(State.NOT_APPLICABLE, (not_here, *seen))
    if (lacking := _document(evidence, document)) is not None:
        return Judged(State.DOCUMENT_MISSING, (lacking, *(counted.because if evidence != "N" else ())))
    if evidence == "N":
        return Judged(State.NO_EVIDENCE, ("the document is there; no record of a runtime shows more",))
    return counted


def _red(tally: Tally, faults: Sequence[Fault]) -> tuple[str, ...]:
    found = [
        said for what, said in _FAULTS.items() if any(f.what == what and f.until is None for f in faults)
    ]
    found += dict.fromkeys(_weaker(f) for f in faults if f.what == "bypass" or f.until is not None)
    if tally.failed:
        found.append(f"{tally.failed} of {_occasions(tally)} went wrong")
    if tally.unexplained and tally.exercised:
        found.append(f"of {tally.unexplained} of {_occasions(tally)} nothing is on record")
    return tuple(found)


def _weaker(fault: Fault) -> str:
    """What was off or weakened, in words, with its end where it has one."""
    if fault.what == "bypass":
        said = f"bypass: {BYPASSES[fault.setting]}"
    else:
        said = _FAULTS["disabled"]
    if fault.until is None:
        return said
    days = [datetime.fromtimestamp(at, UTC).date().isoformat() for at in (fault.at, fault.until)]
    return f"{said} (from {days[0]} to {days[1]}, restored since)"


def _document(evidence: str, document: DocumentStanding | None) -> str | None:
    """What is wrong with the document, None where nothing is."""
    if document is not None:
        return None if document.current else f"{document.document}: {document.because}"
    return None if evidence == "A" else "the operator names no document"


def _counted(tally: Tally, now: int, within_days: int, kinds: Mapping[str, Tally], testable: bool) -> Judged:
    if not tally.population:
        return Judged(State.NOT_EXERCISED, ("there was no occasion",))
    if tally.unexplained:  # all of them: some would be red
        because = f"of {_occasions(tally)}, no record says what was done"
        return Judged(State.NO_EVIDENCE, (because,))
    held = f"{_occasions(tally)} held" if tally.population == 1 else f"all {_occasions(tally)} held"
    if not testable:
        return Judged(State.NOT_EXERCISED, (held, "no record can be a test of it"))
    if not tally.challenged_at:
        return Judged(State.NOT_EXERCISED, (held, "nothing has ever put it to the test"))
    if now - tally.challenged_at > within_days * DAY_S:
        return Judged(State.NOT_EXERCISED, (held, f"nothing has put it to the test for {within_days} days"))
    untested = [
        f"{kind} ({_occasions(mine)})"
        for kind, mine in kinds.items()
        if mine.population and now - mine.challenged_at > within_days * DAY_S
    ]
    if untested:
        because = f"nothing has put these kinds to the test within {within_days} days: {', '.join(untested)}"
        return Judged(State.NOT_EXERCISED, (held, because))
    return Judged(State.OPERATING, (held,))


def _occasions(tally: Tally) -> str:
    return "1 occasion" if tally.population == 1 else f"{tally.population} occasions"
