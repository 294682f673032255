"""A tenant's logs over the turn of a period: calls finish where they began, new ones begin in the next."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.notes import key_digest
from controls.ledger.reader import LogView, Reader
from controls.ledger.register import read_register
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, Clock, FaultyStorage, closed, faulty, opened, said, tagger

#: A log's own first records.
OWN = 2


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class House:
    """A ledger on a clock set by hand."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock = root, Clock()
        self.clock.now_s = moment("2026-03-30T10:00:00")
        self.made, self.storage = faulty()
        self.records: Counter[str] = Counter()
        self.ledger = self.start()

    def start(self) -> Ledger:
        self.ledger = Ledger.open(
            self.root, tagger=tagger, clock=self.clock, storage=self.storage, spool_bytes=65_536,
            period="quarter", kept_months=6, publish=False,
        )  # fmt: skip
        return self.ledger

    def restart(self) -> Log:
        self.ledger.close()
        self.start()
        return self.ledger.prepare(TENANT)

    def call(self) -> str:
        call = new_id("c")
        self.ledger.append(*opened(call)).result(60)
        self.records[call] += 1
        return call

    def origin(self, call: str) -> str:
        """Where the next record of a call lands."""
        self.records[call] += 1
        return self.ledger.append(*said(call)).result(60).origin

    def hang_up(self, call: str) -> None:
        self.ledger.append(closed(call, self.records[call])).result(60)

    def finish(self, log: Log) -> None:
        """Wait for the log's last leaf."""
        wait([log.finished], 10)
        assert log.finished.done()
        self.ledger.keep()

    def log(self, origin: str) -> Log:
        (log,) = (log for log in self.ledger.logs() if log.origin == origin)
        return log

    def types(self, origin: str) -> list[str]:
        with Reader.open(self.root) as reader:
            return [e.record.type for e in reader.records(origin=origin)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_call_finishes_in_the_log_it_began_in(house: House) -> None:
    before, old_call = house.ledger.prepare(TENANT), house.call()
    house.clock.now_s = moment("2026-04-01T00:00:00")
    assert house.origin(old_call) == before.origin  # as long as nothing else is open
    house.ledger.keep()
    new_call = house.call()
    after = house.log(house.origin(new_call))
    assert after.origin != before.origin and house.origin(old_call) == before.origin
    refused = r.CallRefused(tenant=TENANT, reason="capacity")
    assert house.ledger.append(refused).result(60).origin == after.origin
    assert not before.finished.done()
    house.hang_up(old_call)
    house.finish(before)
    view = r.AccessViewed(tenant=TENANT, call=old_call, what="trace")
    receipt = house.ledger.append(view).result(60)  # about a call of a closed log
    assert receipt.origin == after.origin
    with pytest.raises(LedgerError, match="last leaf"):
        before.append(view).result(0)
    house.ledger.close()
    assert house.types(before.origin)[-2:] == ["call.closed", "origin.closed"]
    assert verify_directory(house.root).ok
    with Reader.open(house.root) as reader:
        numbers = [(e.record.type, e.record.n) for e in reader.records(old_call, origin=after.origin)]
    assert numbers == [("access.viewed", 0)]


def test_leaf_0_and_the_register_tell_the_periods(house: House) -> None:
    before = house.ledger.prepare(TENANT)
    house.clock.now_s = moment("2026-04-02T00:00:00")
    house.ledger.keep()
    after = house.ledger.prepare(TENANT)
    house.finish(before)
    house.ledger.close()
    with Reader.open(house.root) as reader:
        views = {view.origin: view for view in reader.views()}
        (register,) = (v for v in views.values() if v.tenant == r.REGISTER)
        known = read_register(register)
        for log, previous, start, end, kept in (
            (before, None, "2026-01-01", "2026-04-01", "2026-10-01"),
            (after, before.origin, "2026-04-01", "2026-07-01", "2027-01-01"),
        ):
            first = next(iter(reader.records(origin=log.origin))).record
            assert isinstance(first, r.OriginOpened)
            for found in (first, known.opened[log.origin]):
                assert (found.period_from, found.period_to) == (moment(start), moment(end))
                assert (found.kept_until, found.previous) == (moment(kept), previous)
            assert known.keys[key_digest(log.verifier.public)].origin == log.origin
        end_of = known.closed[before.origin]
        newest = views[before.origin].checkpoint()
        assert newest is not None and end_of.size == newest.size and end_of.root == newest.root_digest
    assert list(known.closed) == [before.origin] and known.opened[after.origin].of == TENANT


def test_routes_lead_to_the_present_log(house: House) -> None:
    before = house.ledger.prepare(TENANT)
    house.ledger.route([(TENANT, "+12025550143", "front-desk")])
    house.clock.now_s = moment("2026-04-02T00:00:00")
    house.ledger.keep()
    after = house.ledger.prepare(TENANT)
    house.finish(before)
    house.ledger.close()
    assert not (before.directory / "spool").exists() and (after.directory / "spool").exists()
    with Reader.open(house.root) as reader:
        (register,) = (v for v in reader.views() if v.tenant == r.REGISTER)
        routes = read_register(register, routes=True).routes
    assert routes == {
        (TENANT, before.origin, "+12025550143", "front-desk"): False,
        (TENANT, after.origin, "+12025550143", "front-desk"): True,
    }


def test_nothing_serves_before_it_stands_in_the_register(house: House) -> None:
    ledger = house.ledger
    ledger.prepare("first-tenant")
    (register,) = (s for s in house.made if _tenant_of(s) == r.REGISTER)
    register.full()
    future = ledger.append(*opened(new_id("c")))
    with pytest.raises(LedgerError, match="cannot be opened|No space left"):
        future.result(60)
    with pytest.raises(LedgerError):
        ledger.prepare(TENANT)
    register.fault = None
    origin = ledger.prepare(TENANT).origin
    ledger.close()
    view = LogView(register.directory)
    assert origin in read_register(view).opened
    view.close()


def _tenant_of(storage: FaultyStorage) -> str:
    with_view = LogView(storage.directory)
    with_view.close()
    return with_view.tenant


def test_a_clock_that_jumps_back_opens_nothing_older(house: House) -> None:
    first = house.ledger.prepare(TENANT)
    house.clock.now_s = moment("2026-08-01")
    house.ledger.keep()
    second = house.ledger.prepare(TENANT)
    house.finish(first)
    for back in ("2026-03-01", "2020-01-01", "1999-01-01"):
        house.clock.now_s = moment(back)
        house.ledger.keep()
        assert house.ledger.prepare(TENANT) is second
    assert house.restart().origin == second.origin  # nor after a restart
    house.ledger.close()
    assert len(list(house.root.glob("o_*"))) == 3  # both, and the register


def test_a_clock_that_jumps_forward_opens_one_log(house: House) -> None:
    house.ledger.prepare(TENANT)
    house.clock.now_s = moment("2031-12-31T23:59:59")
    house.ledger.keep()
    house.ledger.keep()
    period = house.ledger.prepare(TENANT).period
    assert (period.start, period.end) == (moment("2031-10-01"), moment("2032-01-01"))
    house.ledger.close()
    assert len(list(house.root.glob("o_*"))) == 3


def test_an_open_call_is_found_again_after_a_restart(house: House) -> None:
    before, call = house.ledger.prepare(TENANT), house.call()
    house.clock.now_s = moment("2026-04-01T00:00:01")
    house.ledger.keep()
    after = house.restart()
    assert after.origin != before.origin and house.origin(call) == before.origin
    ending = house.log(before.origin)
    house.hang_up(call)
    house.finish(ending)
    assert house.restart().origin == after.origin
    assert [log.origin for log in house.ledger.logs()][1:] == [after.origin]  # the closed one stays closed
    house.ledger.close()
    with pytest.raises(LedgerError, match="last leaf"):
        Log.open(ending.directory, tenant=TENANT, tagger=tagger, keys=house.ledger._keys)
    assert verify_directory(house.root).ok


def test_a_period_that_ended_while_nothing_ran(house: House) -> None:
    before, call = house.ledger.prepare(TENANT), house.call()
    house.clock.now_s = moment("2026-05-01")
    after = house.restart()
    assert after.origin != before.origin and after.period.start == moment("2026-04-01")
    assert house.origin(call) == before.origin
    # What recovery after a crash writes: both, one after the other, without waiting.
    recovered = house.ledger.append(r.CallRecovered(tenant=TENANT, call=call, last_n=1))
    ended = house.ledger.append(closed(call, 3))
    assert {recovered.result(60).origin, ended.result(60).origin} == {before.origin}
    house.finish(house.log(before.origin))
    house.ledger.close()
    assert verify_directory(house.root).ok


def test_a_crash_between_last_leaf_and_register(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = house.ledger.prepare(TENANT)
    house.clock.now_s = moment("2026-04-01")
    house.ledger.prepare(TENANT)
    wait([before.finished], 10)
    monkeypatch.setattr(house.ledger, "keep", lambda: None)
    house.restart()
    house.ledger.prepare(r.REGISTER)
    house.ledger.close()
    with Reader.open(house.root) as reader:
        (register,) = (v for v in reader.views() if v.tenant == r.REGISTER)
        assert before.origin in read_register(register).closed


def test_a_next_log_that_cannot_be_opened_leaves_the_old_one_at_work(house: House) -> None:
    before = house.ledger.prepare(TENANT)
    house.clock.now_s = moment("2026-04-01")
    failing = True

    def storage(directory: Path) -> FaultyStorage:
        made = FaultyStorage(directory)
        if failing:
            made.full()
        return made

    house.ledger._storage = storage
    house.ledger.keep()
    assert house.ledger.prepare(TENANT) is before and house.origin(house.call()) == before.origin
    failing = False
    house.ledger.keep()
    assert house.ledger.prepare(TENANT) is not before
    house.ledger.close()
    assert len(list(house.root.glob("o_*"))) == 3  # the one that failed was tried again
    assert verify_directory(house.root).ok


def test_a_last_leaf_that_fails_is_written_when_there_is_space(house: House) -> None:
    before = house.ledger.prepare(TENANT)
    (storage,) = (s for s in house.made if s.directory == before.directory)
    storage.full()
    house.clock.now_s = moment("2026-04-01")
    house.ledger.keep()
    assert house.origin(house.call()) != before.origin
    assert not before.finished.done()
    storage.fault = None
    house.finish(before)
    house.ledger.close()
    assert house.types(before.origin)[-1] == "origin.closed"
    assert verify_directory(house.root).ok


def test_many_threads_over_the_turn_lose_nothing(house: House) -> None:
    before = house.ledger.prepare(TENANT)
    start = threading.Barrier(5)
    receipts: dict[str, list[str]] = {}

    def talk() -> None:
        start.wait(60)
        for _ in range(25):
            call = new_id("c")
            futures = [house.ledger.append(*opened(call))]
            futures += [house.ledger.append(*said(call, turn)) for turn in range(4)]
            futures.append(house.ledger.append(closed(call, 5)))
            receipts[call] = [future.result(60).origin for future in futures]

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    start.wait(60)
    house.clock.now_s = moment("2026-04-01")
    house.ledger.keep()
    for thread in threads:
        thread.join()
    house.finish(before)
    house.ledger.close()
    assert len(receipts) == 100 and all(len(set(origins)) == 1 for origins in receipts.values())
    assert verify_directory(house.root).ok
    with Reader.open(house.root) as reader:
        for call, (origin, *_) in receipts.items():
            assert len(list(reader.records(call, origin=origin))) == 6


def test_erasing_in_a_closed_log(house: House) -> None:
    before, call = house.ledger.prepare(TENANT), house.call()
    house.origin(call)
    house.hang_up(call)
    house.clock.now_s = moment("2026-04-01")
    after = house.ledger.prepare(TENANT)
    house.finish(before)
    with Reader.open(house.root) as reader:
        artifact = reader.opened(call)[1].record.sealed.artifact  # type: ignore[union-attr]
    receipt = house.ledger.erase(TENANT, artifact, ground="request").result(60)
    assert receipt.origin == after.origin
    with pytest.raises(LedgerError, match="erased already"):
        house.ledger.erase(TENANT, artifact, ground="request").result(60)
    house.ledger.close()
    with Reader.open(house.root) as reader:
        assert [o.personal is None for o in reader.opened(call)][:2] == [False, True]
