"""A wall clock that jumps, both ways: records go on, numbers hold, receipts stay in order, tags stay sane."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.ledger.records import OriginOpened
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, Clock, closed, faulty, open_log, opened, said, tagger

_HOUR, _YEAR = 3600, 366 * 86_400
#: Unix times in s a computer's clock may show: from a dead battery's 1970 to long after us.
TIMES = st.integers(0, 2**33)


def open_house(root: Path, clock: Clock) -> Ledger:
    return Ledger.open(root, tagger=tagger, clock=clock, spool_bytes=65_536)


@settings(max_examples=8, deadline=None)
@given(times=st.lists(TIMES, min_size=2, max_size=8), again=st.booleans())
def test_any_times(tmp_path_factory: pytest.TempPathFactory, times: list[int], again: bool) -> None:
    """``again``: the log is closed and opened at each jump."""
    root = tmp_path_factory.mktemp("clock")
    clock, call, receipts, spooled = Clock(), new_id("c"), [], []
    clock.now_s = times[0]
    log = open_log(root / "log", clock=clock)
    for turn, now in enumerate(times):
        clock.now_s = now
        if again:
            log.close()
            log = open_log(root / "log", clock=clock)
        receipts.append(log.append(*said(call, 2 * turn)).result(60))
        spooled.append(log.append_spooled(*said(call, 2 * turn + 1)))
    log.close()
    report = verify_directory(root)
    assert report.ok, report.verdict
    with Reader.open(root) as reader:
        records = [e.record for e in reader.records(call)]
    assert [x.n for x in records] == list(range(2 * len(times)))
    by_turn = {x.turn: x for x in records}  # type: ignore[attr-defined]
    for turn, now in enumerate(times):
        for record in (by_turn[2 * turn], by_turn[2 * turn + 1]):
            assert record.at == now, "when it was said, also for what was spooled"
            assert record.sealed is not None
            assert record.sealed.tag.expires_at == now + _HOUR
    assert all(a.durable_at_ns < b.durable_at_ns for a, b in pairwise(receipts))
    assert all(a.durable_at_ns < b.durable_at_ns for a, b in zip(receipts, spooled, strict=True))
    assert [x.leaf for x in receipts] == sorted(x.leaf for x in receipts)


def test_a_clock_set_back_is_noted(tmp_path: Path) -> None:
    clock = Clock()
    log = open_log(tmp_path / "log", clock=clock)
    for step in (0, 10, -_HOUR):
        clock.now_s += step
        log.append(*said(new_id("c"))).result(60)
    log.close()
    report = verify_directory(tmp_path)
    assert report.ok
    [order] = [c for c in report.checks if c.name == "order"]
    assert "clock was set back" in order.detail


def test_an_orderly_clock_is_not(tmp_path: Path) -> None:
    clock = Clock()
    log = open_log(tmp_path / "log", clock=clock)
    for _ in range(3):
        clock.now_s += 10
        log.append(*said(new_id("c"))).result(60)
    log.close()
    assert "set back" not in str(verify_directory(tmp_path).checks)


@pytest.mark.parametrize(
    "jumps", [(_YEAR, -_YEAR), (-_YEAR, _YEAR), (40 * _YEAR, -40 * _YEAR), (-63 * _YEAR,)]
)
def test_a_house_whose_clock_jumps_over_periods(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    """A call that runs meanwhile stays in its log; no period comes twice; nothing is refused."""
    clock = Clock()
    ledger = open_house(tmp_path, clock)
    ledger.prepare(TENANT)
    running = new_id("c")
    began = ledger.append(*opened(running)).result(60).origin
    origins = []
    for turn, jump in enumerate(jumps):
        clock.now_s = max(0.0, clock.now_s + jump)
        ledger.prepare(TENANT)  # looks at the calendar
        where = [ledger.append(*said(running, turn)).result(60).origin for _ in range(2)]
        assert where == [began, began]
        other = new_id("c")
        origins.append(ledger.append(*opened(other)).result(60).origin)
        ledger.append(closed(other, 1)).result(60)
    ledger.append(closed(running, 1 + 2 * len(jumps))).result(60)
    ledger.close()
    ledger = open_house(tmp_path, clock)
    assert ledger.prepare(TENANT).origin
    ledger.append(*said(new_id("c"))).result(60)
    ledger.close()
    report = verify_directory(tmp_path)
    assert report.ok, report.verdict
    with Reader.open(tmp_path) as reader:
        assert len({e.record.n for e in reader.records(running)}) == 2 + 2 * len(jumps)
        periods = sorted(
            (e.record.period_from, e.record.period_to)
            for view in reader.views()
            if view.tenant == TENANT
            for e in reader.records(origin=view.origin)
            if isinstance(e.record, OriginOpened)
        )
    assert all(start < end for start, end in periods)
    assert all(one[1] <= other[0] for one, other in pairwise(periods)), "periods do not overlap"
    assert len(set(origins)) <= len(periods)


def test_the_spool_is_taken_up_after_the_clock_went_back(tmp_path: Path) -> None:
    made, make = faulty()
    clock, call = Clock(), new_id("c")
    log = open_log(tmp_path / "log", clock=clock, storage=make)
    log.append(*said(call, 0)).result(60)
    made[0].full()
    log.append_spooled(*said(call, 1))
    clock.now_s -= 10 * _YEAR
    log.append_spooled(*said(call, 2))
    log.close()
    log = open_log(tmp_path / "log", clock=clock)
    assert log.spooled == 0
    log.close()
    assert verify_directory(tmp_path).ok
    with Reader.open(tmp_path) as reader:
        found = {e.record.turn: e.record.at for e in reader.records(call)}  # type: ignore[attr-defined]
    assert found == {0: 1_900_000_000, 1: 1_900_000_000, 2: 1_900_000_000 - 10 * _YEAR}
