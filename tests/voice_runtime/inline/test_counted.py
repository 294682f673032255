"""How many records a call has, as ``call.closed`` will say: none that failed, each that was spooled."""

from __future__ import annotations

import pytest

from controls.decision import Receipt
from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from tests.simulators.house import FakeSpool
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.inline.counted import Counted

CALL = new_id("c")
LEFT = r.PersonLeft(tenant="clinic", call=CALL)


def counted(recorder: MemoryRecorder, spool: FakeSpool | None = None) -> Counted:
    return Counted(recorder, spool, lambda record, personal: None)


def test_what_is_durable_and_what_is_on_its_way_counts() -> None:
    recorder = MemoryRecorder()
    count = counted(recorder)
    count.append(LEFT)
    recorder.delayed = True
    count.append(LEFT)
    assert count.count == 2


def test_a_record_the_ledger_lost_was_still_counted() -> None:
    """``call.closed`` named a clause that never reached the log: a loss where none was."""
    recorder = MemoryRecorder(delayed=True)
    count = counted(recorder)
    count.append(LEFT)
    recorder.failing = True
    recorder.commit()
    assert count.count == 0


def test_a_record_in_the_spool_was_not_counted_when_the_ledger_had_refused_it() -> None:
    spool = FakeSpool()
    count = counted(MemoryRecorder(refusing=True), spool)
    with pytest.raises(LedgerError):
        count.append(LEFT)
    assert count.spool is not None
    count.spool(LEFT, None)
    assert count.count == 1


def test_what_the_spool_does_not_take_either_does_not_count() -> None:
    spool = FakeSpool()
    spool.failing = True
    count = counted(MemoryRecorder(), spool)
    assert count.spool is not None
    with pytest.raises(LedgerError):
        count.spool(LEFT, None)
    assert count.count == 0
    assert counted(MemoryRecorder()).spool is None


def test_a_call_that_closed_while_a_record_went_into_the_spool_counted_one_too_few() -> None:
    seen: list[int] = []
    recorder, taken = MemoryRecorder(delayed=True), FakeSpool()
    count: Counted

    def spool(record: r.Record, personal: r.Personal | None) -> Receipt:
        seen.append(count.count)  # as call.closed would read it now, in the event loop's thread
        return taken(record, personal)

    count = Counted(recorder, spool, lambda record, personal: None)
    failing = count.append(LEFT)
    assert count.spool is not None
    failing.add_done_callback(lambda future: count.spool(LEFT, None))  # type: ignore[misc]
    recorder.failing = True
    recorder.commit()
    assert (seen, count.count) == ([1], 1)
