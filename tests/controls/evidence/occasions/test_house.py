"""What belongs to no call: faults are red until put right, and what a person or the house did is counted."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.annex_a import CONTROLS
from controls.evidence.coverage import Coverage
from controls.evidence.occasions.house import SERVES, WEAKENED
from controls.evidence.states import State
from controls.ledger import records as r
from controls.soa import SoaFile
from tests.controls.evidence.calls import CallScript
from tests.controls.evidence.counted import NOW, ORIGIN, begun, counts, ended, of, register, statement, whole

SOME_ONE = "p_0123456789ABCDEF"


def test_a_failure_found_later_is_red_until_it_is_put_right() -> None:
    script = whole()
    missed = script.add(r.ControlMissed, control="guard", annex_a=("A.9.4",), leaf=110, origin=ORIGIN)
    leaf = script.opened[-1][0]
    found = of(statement(script), "A.9.4")
    assert found.state is State.FAILING
    [fault] = found.faults
    assert fault.told_by is not None
    assert (fault.what, fault.told_by.leaf, fault.missed is not None) == ("missed", leaf, True)
    assert fault.missed is not None and (fault.missed.leaf, fault.missed.call) == (110, script.call)
    assert of(statement(script), "A.9.2").state is State.OPERATING
    assert of(statement(script, since=missed.at + 1), "A.9.4").state is State.FAILING  # old, and still open
    script.add(r.ControlCorrected, origin=ORIGIN, leaf=leaf)
    found = of(statement(script), "A.9.4")
    assert (found.state, found.faults) == (State.OPERATING, [])
    assert of(statement(script), "A.3.3").passed == 1


def test_a_correction_of_another_record_puts_nothing_right() -> None:
    script = whole()
    script.add(r.ControlMissed, annex_a=("A.9.4",), leaf=110, origin=ORIGIN)
    leaf = script.opened[-1][0]
    script.add(r.ControlCorrected, origin="o_ZZZZZZZZZZZZZZZZ", leaf=leaf)
    script.add(r.ControlCorrected, origin=ORIGIN, leaf=leaf - 1)
    assert of(statement(script), "A.9.4").state is State.FAILING


@pytest.mark.parametrize(("how", "what"), [("off", "disabled"), ("bypass", "bypass")])
def test_a_control_that_is_off_or_weakened_is_red_until_it_is_restored(how: str, what: str) -> None:
    script = whole()
    script.add(r.ControlDisabled, control="guard", how=how)
    found = statement(script)
    assert of(found, "A.9.2").state is of(found, "A.9.4").state is State.FAILING
    assert of(found, "A.9.2").faults[0].what == what
    assert not found.holds
    script.add(r.ControlDisabled, control="guard", how=how, restored=True)
    assert statement(script).holds


def test_what_broke_outside_of_a_call_is_red_until_it_is_put_right() -> None:
    script = whole()
    script.add(r.ControlFailed, call=None, control="ledger", reason="broken")
    leaf = script.opened[-1][0]
    found = statement(script)
    assert of(found, "A.6.2.8").state is of(found, "A.6.2.6").state is State.FAILING
    script.add(r.ControlCorrected, origin=ORIGIN, leaf=leaf)
    assert statement(script).holds


def test_incidents_and_concerns_are_to_be_settled_in_time() -> None:
    script = CallScript()
    script.add(r.IncidentOpened, incident="i_0123456789ABCDEF")
    at = script.opened[0][1].at
    day = 86_400
    assert counts(statement(script, now=at + 29 * day), "A.8.4") == (1, 1, 0, 0)
    assert of(statement(script, now=at + 29 * day), "A.8.4").last_challenged is None
    assert counts(statement(script, now=at + 31 * day), "A.8.4") == (1, 0, 1, 0)
    script.add(r.IncidentClosed, incident="i_0123456789ABCDEF")
    found = of(statement(script, now=at + 31 * day), "A.8.4")
    assert (found.passed, found.failed, found.last_challenged is not None) == (1, 0, True)


def test_a_call_that_was_turned_away_tests_what_turned_it_away() -> None:
    script = whole()
    script.add(r.CallRefused, reason="ledger")
    assert of(statement(script), "A.6.2.8").last_challenged is not None
    script.add(r.CallRefused, reason="capacity")
    assert of(statement(script), "A.2.2").last_challenged is None
    script.add(r.CallRefused, reason="unapproved")
    assert of(statement(script), "A.2.2").last_challenged is not None


def test_looks_name_who_and_why() -> None:
    script = whole()
    script.add(r.AccessViewed, r.AccessDetails(who="r", purpose="x"), what="audit")
    script.add(r.AccessViewed, what="trace")
    assert counts(statement(script), "A.8.5") == (2, 1, 1, 0)


def test_deployment_is_where_real_callers_are() -> None:
    assert counts(statement(whole()), "A.6.2.5") == (0, 0, 0, 0)
    scripts = [ended(begun("staging", approved)) for approved in (True, False)]
    assert counts(statement(*scripts), "A.6.2.5") == (2, 1, 1, 0)


def test_releases_that_took_calls_are_proposed_and_approved() -> None:
    script = whole()
    assert counts(statement(script, whole()), "A.6.2.4") == (1, 0, 0, 1)  # one release, two calls
    release = script.opened[0][1].release  # type: ignore[attr-defined]
    script.add(r.ReleaseApproved, release=release, by=SOME_ONE)
    found = statement(script)
    assert (counts(found, "A.6.2.4"), counts(found, "A.3.2")) == ((1, 1, 0, 0), (1, 1, 0, 0))


def test_words_do_not_put_right_what_is_still_switched_off() -> None:
    script = whole()
    script.add(r.ControlDisabled, control="guard", how="bypass")
    script.add(r.ControlCorrected, origin=ORIGIN, leaf=script.opened[-1][0])
    assert of(statement(script), "A.9.2").state is State.FAILING


# --- faults found by reading -----------------------------------------------------------------------


OTHER = "o_ZZZZZZZZZZZZZZZZ"


def weakenings(*told: tuple[str, int, bool]) -> Coverage:
    """A coverage told of these, in this order: log, time in s, restored."""
    coverage = Coverage(SoaFile(format=1), register(), now=NOW)
    for leaf, (origin, at, restored) in enumerate(told):
        record = r.ControlDisabled(tenant="clinic", control="guard", how="bypass", restored=restored, at=at)
        coverage.house(origin, leaf, record)
    return coverage


@pytest.mark.parametrize("names", [(ORIGIN, OTHER), (OTHER, ORIGIN)])
@pytest.mark.parametrize("in_force", [True, False])
def test_what_is_in_force_goes_by_time_and_not_by_the_names_of_logs(
    names: tuple[str, str], in_force: bool
) -> None:
    """A3: bypassed in one quarter's log, restored in it, bypassed again in the next one's."""
    old, new = names
    first = [(old, 100, False), (old, 200, True)]
    second = [(new, 300, False)] if in_force else [(new, 300, False), (new, 400, True)]
    for told in (first + second, second + first):
        found = of(weakenings(*told).statement({}), "A.9.2")
        assert (found.state is State.FAILING) is in_force
        assert [fault.until is None for fault in found.faults] == [False, in_force]


@given(st.permutations([(ORIGIN, 100, False), (OTHER, 200, True), (ORIGIN, 300, False), (OTHER, 400, True)]))
def test_in_whatever_order_logs_are_told(told: list[tuple[str, int, bool]]) -> None:
    found = of(weakenings(*told).statement({}), "A.9.2")
    assert [(f.at[-9:-1], (f.until or "")[-9:-1]) for f in found.faults] == [
        ("00:01:40", "00:03:20"), ("00:05:00", "00:06:40"),
    ]  # fmt: skip


def test_of_two_logs_in_one_second_the_weaker_counts() -> None:
    for told in ([(ORIGIN, 9, False), (OTHER, 9, True)], [(OTHER, 9, True), (ORIGIN, 9, False)]):
        assert of(weakenings((ORIGIN, 1, False), *told).statement({}), "A.9.2").state is State.FAILING


def test_what_was_weakened_and_put_back_within_a_second_is_told() -> None:
    """Two starts of a server fit into one second, and the weakening between them went untold."""
    for told in (
        [(ORIGIN, 9, False), (ORIGIN, 9, True)],
        [(ORIGIN, 9, False), (OTHER, 9, True), (ORIGIN, 9, True)],
    ):
        found = of(weakenings(*told).statement({}), "A.9.2")
        assert found.state is not State.FAILING
        assert [fault.until for fault in found.faults] == [found.faults[0].at]


def test_a_bypass_since_restored_is_told_and_red_for_its_period() -> None:
    script = whole()
    on = script.add(r.ControlDisabled, control="guard", how="bypass", setting="risk_limits")
    off = script.add(r.ControlDisabled, control="guard", how="bypass", setting="risk_limits", restored=True)
    now = of(statement(script), "A.9.2")
    assert now.state is State.OPERATING and now.faults[0].until is not None
    assert "restored since" in now.because[-1] and "risk score" in now.because[-1]
    period = of(statement(script, since=on.at), "A.9.2")
    assert (period.state, period.faults[0].setting) == (State.FAILING, "risk_limits")
    later = of(statement(script, since=off.at + 1), "A.9.2")
    assert later.faults == []


def test_each_control_that_may_break_serves_one_of_annex_a() -> None:
    """A4: `redaction` was in one list and not in the other."""
    assert set(SERVES) == set(get_args(r.ControlName))
    assert set(WEAKENED) == set(get_args(r.WeakenedBy))
    every = {control.id for control in CONTROLS}
    for serves in (*SERVES.values(), *WEAKENED.values()):
        assert serves and set(serves) <= every


def test_a_redaction_that_broke_counts_against_the_preparation_of_data() -> None:
    script = whole()
    script.add(r.ControlFailed, control="redaction", reason="broken")
    assert of(statement(script), "A.7.6").state is State.FAILING
    house = whole()
    house.add(r.ControlFailed, call=None, control="redaction", reason="broken")
    assert of(statement(house), "A.7.6").state is State.FAILING
    house.add(r.ControlDisabled, control="redaction", how="bypass", setting="redaction")
    assert [f.what for f in of(statement(house), "A.7.6").faults] == ["broken", "bypass"]
