"""The carrier's list against ours: what is missing on either side is named, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.evidence.reconcile import CarrierCall, OurCall, read_carrier_list, reconcile

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ours(sid: str | None, at: datetime = NOON, call: str = "", **more: str) -> OurCall:
    return OurCall(call or f"c_{sid}", sid, int(at.timestamp()), **more)  # type: ignore[arg-type]


def test_a_call_that_was_never_recorded_is_named() -> None:
    found = reconcile([CarrierCall("CA1", NOON), CarrierCall("CA2", NOON)], [ours("CA1")], DAY)
    assert (found.matched, found.unrecorded, found.unknown_to_carrier) == (1, ["CA2"], [])
    assert not found.holds


def test_a_call_the_carrier_does_not_know_is_named_by_our_id() -> None:
    found = reconcile([], [ours("CA1", call="c_X"), ours("CA9", call="", outcome="refused")], DAY)
    assert found.unknown_to_carrier == ["c_CA9", "c_X"]


def test_a_refused_call_is_on_record_too_and_an_erased_one_is_not_comparable() -> None:
    carrier = [CarrierCall("CA1", NOON), CarrierCall("CA2")]
    found = reconcile(carrier, [ours("CA1", outcome="refused"), ours("CA2"), ours(None)], DAY)
    assert found.holds and (found.matched, found.refused, found.erased) == (1, 1, 1)


def test_a_call_at_midnight_may_stand_on_another_day_in_the_other_list() -> None:
    before = datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC)
    after = before + timedelta(seconds=2)
    assert reconcile([CarrierCall("CA1", before)], [ours("CA1", after)], DAY).holds
    assert reconcile([CarrierCall("CA1", after)], [ours("CA1", before)], DAY).holds
    assert reconcile([CarrierCall("CA1", before)], [ours("CA2", before)], DAY).holds  # another day's matter


def test_csv_as_twilio_exports_it_and_json_as_its_interface_answers() -> None:
    text = (
        "Call Sid,Type,Direction,Start Time,Status\n"
        "CA1,Phone,Incoming,2026-11-20T12:00:00Z,completed\n"
        "CA2,Phone,Outbound Dial,2026-11-20T12:01:00Z,completed\n"
    )
    assert read_carrier_list(text, "list.csv") == [
        CarrierCall("CA1", NOON)
    ]  # our own leg to a person is none
    text = (
        '{"calls": [{"sid": "CA1", "start_time": "Fri, 20 Nov 2026 12:00:00 +0000", "direction": "inbound"}]}'
    )
    assert read_carrier_list(text, "calls.json") == [CarrierCall("CA1", NOON)]
    assert read_carrier_list("", "empty.csv") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Number,Start\n+1,2026-11-20\n", "list:2: no call id"),
        ("sid,start\nCA1,yesterday\n", "list:2: 'yesterday' is no time"),
        ('{"calls": 3}', "list: JSON without a list of calls"),
        ("{broken", "list: neither CSV nor JSON"),
    ],
)
def test_a_bad_list_is_named_by_line(text: str, named: str) -> None:
    with pytest.raises(OperatorError, match=named.replace("'", ".")):
        read_carrier_list(text, "list")


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_the_difference_is_exactly_the_difference(theirs: set[int], mine: set[int]) -> None:
    found = reconcile([CarrierCall(f"CA{i}", NOON) for i in theirs], [ours(f"CA{i}") for i in mine], DAY)
    assert found.unrecorded == sorted(f"CA{i}" for i in theirs - mine)
    assert found.unknown_to_carrier == sorted(f"c_CA{i}" for i in mine - theirs)
    assert found.matched == len(theirs & mine)


@given(st.text(max_size=300))
def test_any_text_is_a_list_or_a_named_error(text: str) -> None:
    with suppress(OperatorError):
        read_carrier_list(text, "list")
