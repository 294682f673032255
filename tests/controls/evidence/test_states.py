"""States: green takes all of it, red is never hidden, and the existence of records alone is nothing."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.evidence.occasions.house import Fault
from controls.evidence.occasions.tally import NAMED, Tallies, Tally, Where
from controls.evidence.states import DAY_S, State, judge
from controls.soa import ControlEntry, DocumentStanding

NOW = 1_800_000_000
WHERE = Where("o_0123456789ABCDEF", 7, "")
CURRENT = DocumentStanding("policy.md", current=True)
OVERDUE = DocumentStanding("policy.md", current=False, because="its review was due")
NOT_HERE = ControlEntry(owner="compliance", not_applicable="Nothing of that kind is done by this operator.")


def tally(passed: int = 0, failed: int = 0, lacking: int = 0, challenged: int = 0) -> Tally:
    found = Tally()
    for held, times in ((True, passed), (False, failed), (None, lacking)):
        for _ in range(times):
            found.judge(held, WHERE)
    found.challenge(challenged)
    return found


def fault(what: str = "missed") -> Fault:
    return Fault(what, ("A.9.2",), WHERE, NOW - 10)


def state(
    counted: Tally,
    evidence: Literal["A", "P", "N"] = "A",
    faults: tuple[Fault, ...] = (),
    entry: ControlEntry | None = None,
    document: DocumentStanding | None = None,
) -> State:
    judged = judge(evidence, counted, faults, entry, document, now=NOW, within_days=30)
    assert judged.because and all(judged.because)
    return judged.state


RECENT, LONG_AGO = NOW - DAY_S, NOW - 31 * DAY_S


@pytest.mark.parametrize(
    ("counted", "more", "expected"),
    [
        (tally(9, challenged=RECENT), {}, State.OPERATING),
        (tally(9), {}, State.NOT_EXERCISED),  # nothing ever tested it: records alone are not green
        (tally(9, challenged=LONG_AGO), {}, State.NOT_EXERCISED),
        (tally(), {}, State.NOT_EXERCISED),
        (tally(challenged=RECENT), {}, State.NOT_EXERCISED),
        (tally(lacking=4), {}, State.NO_EVIDENCE),
        (tally(9, lacking=1, challenged=RECENT), {}, State.FAILING),
        (tally(9, failed=1, challenged=RECENT), {}, State.FAILING),
        (tally(9, challenged=RECENT), {"faults": (fault(),)}, State.FAILING),
        (tally(9, challenged=RECENT), {"faults": (fault("bypass"),)}, State.FAILING),
        (tally(), {"faults": (fault("disabled"),)}, State.FAILING),
        (tally(9, challenged=RECENT), {"evidence": "P"}, State.DOCUMENT_MISSING),
        (tally(9, challenged=RECENT), {"evidence": "P", "document": OVERDUE}, State.DOCUMENT_MISSING),
        (tally(9, challenged=RECENT), {"evidence": "P", "document": CURRENT}, State.OPERATING),
        (tally(9, challenged=RECENT), {"document": OVERDUE}, State.DOCUMENT_MISSING),
        (tally(9, failed=1), {"evidence": "P"}, State.FAILING),
        (tally(), {"evidence": "N"}, State.DOCUMENT_MISSING),
        (tally(), {"evidence": "N", "document": CURRENT}, State.NO_EVIDENCE),
        (tally(), {"evidence": "N", "entry": NOT_HERE}, State.NOT_APPLICABLE),
        (tally(3, challenged=RECENT), {"entry": NOT_HERE}, State.NOT_APPLICABLE),
        (tally(3, failed=1), {"entry": NOT_HERE}, State.FAILING),
        (tally(), {"entry": NOT_HERE, "faults": (fault(),)}, State.FAILING),
    ],
)
def test_states(counted: Tally, more: dict[str, object], expected: State) -> None:
    assert state(counted, **more) is expected  # type: ignore[arg-type]


def test_what_is_declared_away_but_seen_is_said() -> None:
    judged = judge("A", tally(3), (), NOT_HERE, None, now=NOW, within_days=30)
    assert judged.because[-1] == "there were 3 occasions all the same"


_COUNTS = st.builds(
    tally,
    st.integers(0, 9),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([0, LONG_AGO, RECENT, NOW]),
)
_MORE = st.fixed_dictionaries(
    {
        "evidence": st.sampled_from(["A", "P", "N"]),
        "faults": st.sampled_from([(), (fault(),), (fault("disabled"), fault("bypass"))]),
        "entry": st.sampled_from([None, NOT_HERE]),
        "document": st.sampled_from([None, CURRENT, OVERDUE]),
    }
)


@given(_COUNTS, _MORE)
def test_green_takes_all_of_it(counted: Tally, more: dict[str, object]) -> None:
    if state(counted, **more) is not State.OPERATING:  # type: ignore[arg-type]
        return
    assert counted.population == counted.exercised == counted.passed > 0
    assert counted.unexplained == 0 and counted.challenged_at >= NOW - 30 * DAY_S
    assert not more["faults"] and more["entry"] is None and more["evidence"] != "N"
    assert more["document"] is CURRENT or (more["evidence"] == "A" and more["document"] is None)


@given(_COUNTS, _MORE, st.sampled_from(["missed", "broken", "disabled", "bypass"]))
def test_a_fault_is_red_whatever_else_there_is(counted: Tally, more: dict[str, object], what: str) -> None:
    assert state(counted, **{**more, "faults": (fault(what),)}) is State.FAILING  # type: ignore[arg-type]


@given(_COUNTS, _MORE)
def test_one_more_failure_is_red(counted: Tally, more: dict[str, object]) -> None:
    counted.judge(False, WHERE)
    assert state(counted, **more) is State.FAILING  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([True, False, None]), st.integers(0, 99))))
def test_tallies_add_up_in_any_parts(events: list[tuple[str, bool | None, int]]) -> None:
    """Call by call or all at once: the same counts, the newest test, and few enough names."""
    parts, whole = Tallies(), Tallies()
    for topic, held, at in events:
        single = Tallies()
        for into in (single, whole):
            into[topic].judge(held, Where("o", at, ""))
            into[topic].challenge(at)
        parts.add(single)
    everything = ("a", "b", "c")
    for topic in ((t,) for t in everything):
        assert dataclasses.asdict(parts.of(topic)) == dataclasses.asdict(whole.of(topic))
    total = whole.of(everything)
    assert total.population == len(events) == total.passed + total.failed + total.unexplained
    assert total.challenged_at == max((at for _, _, at in events), default=0)
    assert len(total.failures) <= NAMED and len(total.gaps) <= NAMED
