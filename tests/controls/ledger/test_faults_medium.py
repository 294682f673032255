"""A disk that turns read-only, or cannot sync any more, while the log is written: the kernel's own errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from controls.errors import LedgerError, SayError
from controls.ids import new_id
from controls.ledger.log import Log
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import open_log, said
from tests.controls.ledger.syscalls import TurningStorage, cannot_sync, needs_seccomp, read_only


def turning(tmp_path: Path) -> tuple[Log, list[TurningStorage]]:
    made: list[TurningStorage] = []

    def make(directory: Path) -> TurningStorage:
        made.append(TurningStorage(directory))
        return made[-1]

    return open_log(tmp_path / "log", storage=make, checkpoint_every_s=0.02), made


def in_thread(does: Callable[[], object]) -> object:
    """Run in a thread of its own, which takes its filter with it when it ends; its result or error."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(does())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return found[0]


@pytest.mark.parametrize("fault", [read_only, cannot_sync])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large blob"])
def test_a_disk_that_fails_under_the_writer(tmp_path: Path, fault: Callable[[], None], large: bool) -> None:
    needs_seccomp()
    log, [storage] = turning(tmp_path)
    call, text = new_id("c"), "word " * (5000 if large else 1)
    acknowledged = {log.append(*said(call, turn, text)).result(60).leaf: turn for turn in range(20)}
    storage.then = fault
    for turn in range(20, 30):
        with pytest.raises(LedgerError, match="not durable"):
            log.append(*said(call, turn, text)).result(60)
        assert not log.healthy
    # The spool is another file of the same disk: another thread's writes still go through here.
    assert log.append_spooled(*said(call, 30)).spooled
    log.close()
    assert verify_directory(tmp_path).ok, "read as the fault left it"

    log = open_log(tmp_path / "log")  # mounted again, in a thread without the filter
    acknowledged[log.append(*said(call, 31)).result(60).leaf] = 31
    log.close()
    report = verify_directory(tmp_path)
    assert report.ok, report.verdict
    with Reader.open(tmp_path) as reader:
        found = {e.leaf: e.record for e in reader.records(call)}
    turns = [x.turn for x in found.values() if isinstance(x, CallerSaid)]
    assert len(turns) == len(set(turns)), "a record stands twice"
    for leaf, turn in acknowledged.items():
        record = found[leaf]
        assert isinstance(record, CallerSaid)
        assert record.turn == turn
    [spooled] = [x for x in found.values() if isinstance(x, CallerSaid) and x.turn == 30]
    assert spooled.recovered
    if fault is read_only:  # nothing could be written, so nothing of what failed is there
        assert not set(turns) & set(range(20, 30))


@pytest.mark.parametrize("fault", [read_only, cannot_sync])
def test_a_spool_that_cannot_be_written_refuses_and_keeps_what_it_took(
    tmp_path: Path, fault: Callable[[], None]
) -> None:
    needs_seccomp()
    log, [storage] = turning(tmp_path)
    call = new_id("c")
    storage.then = cannot_sync
    with pytest.raises(LedgerError):
        log.append(*said(call, 0)).result(60)
    assert log.append_spooled(*said(call, 1)).spooled

    def spool_after_fault() -> None:
        fault()
        log.append_spooled(*said(call, 2))

    refused = in_thread(spool_after_fault)
    assert isinstance(refused, LedgerError)
    assert "spool" in str(refused)
    assert log.append_spooled(*said(call, 3)).spooled, "one failure does not spoil the next"
    log.close()
    log = open_log(tmp_path / "log")
    log.close()
    with Reader.open(tmp_path) as reader:
        turns = [e.record.turn for e in reader.records(call) if isinstance(e.record, CallerSaid)]
    assert {1, 3} <= set(turns)
    assert len(turns) == len(set(turns))
    assert verify_directory(tmp_path).ok


@pytest.mark.parametrize("fault", [read_only, cannot_sync])
@pytest.mark.parametrize("fresh", [True, False], ids=["a new log", "a log that was there"])
def test_a_start_on_such_a_disk_refuses_loudly(
    tmp_path: Path, fault: Callable[[], None], fresh: bool
) -> None:
    needs_seccomp()
    if not fresh:
        open_log(tmp_path / "log").close()

    def start() -> None:
        fault()
        log = open_log(tmp_path / "log")  # its writer thread inherits the filter
        try:
            log.append(*said(new_id("c"))).result(60)
        finally:
            log.close()

    refused = in_thread(start)
    assert isinstance(refused, SayError), refused
    log = open_log(tmp_path / "log")
    assert log.append(*said(new_id("c"))).result(60).leaf >= 2
    log.close()
    assert verify_directory(tmp_path).ok


def test_a_log_on_a_read_only_medium_can_be_verified_and_read(tmp_path: Path) -> None:
    needs_seccomp()
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call)).result(60)
    log.close()

    def look() -> tuple[bool, int]:
        read_only()
        with Reader.open(tmp_path) as reader:
            return verify_directory(tmp_path).ok, len(reader.opened(call))

    assert in_thread(look) == (True, 1)
