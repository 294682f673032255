"""The fallback spool: durable at once while storage fails, in the log exactly once afterwards."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import IntegrityError, LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.log import Log
from controls.ledger.reader import Reader
from controls.ledger.spool import Spool
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, Clock, faulty, open_log, said

HEADER = 16


def wait_until_empty(log: Log) -> None:
    deadline = time.monotonic() + 60
    while log.spooled:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_spooled_record_survives_and_is_appended_as_recovered(tmp_path: Path) -> None:
    made, make = faulty()
    clock, call = Clock(), new_id("c")
    log = open_log(tmp_path / "log", storage=make, clock=clock, checkpoint_every_s=0.01)
    log.append(*said(call, text="before")).result(60)
    made[0].full()
    record, personal = said(call, text="during")
    with pytest.raises(LedgerError):
        log.append(record, personal).result(60)
    receipt = log.append_spooled(record, personal)
    assert (receipt.leaf, receipt.spooled, receipt.origin) == (-1, True, log.origin)
    assert log.spooled == 1
    spooled_at = int(clock.now_s)
    clock.now_s += 100
    made[0].fault = None
    wait_until_empty(log)  # by itself, without another append
    log.append(*said(call, text="after")).result(60)
    log.close()
    with Reader.open(tmp_path) as reader:
        found = reader.opened(call)
    assert [(o.record.n, o.record.recovered, o.personal.text) for o in found] == [  # type: ignore[union-attr]
        (0, False, "before"), (1, True, "during"), (2, False, "after")
    ]  # fmt: skip
    assert [o.record.at - spooled_at for o in found] == [0, 0, 100]
    assert verify_directory(tmp_path).ok


def test_what_was_spooled_before_the_end_is_taken_up_at_the_next_start(tmp_path: Path) -> None:
    made, make = faulty()
    call = new_id("c")
    log = open_log(tmp_path / "log", storage=make)
    made[0].full()
    for turn in range(3):
        log.append_spooled(*said(call, turn))
    log.append_spooled(r.ControlFailed(tenant=TENANT, control="ledger", reason="disk"))
    log.close()
    for _ in range(2):  # a second start finds nothing left to take up
        log = open_log(tmp_path / "log")
        assert log.spooled == 0
        log.close()
    with Reader.open(tmp_path) as reader:
        turns = [o.record.turn for o in reader.opened(call)]  # type: ignore[attr-defined]
        failed = [x for _, x, _ in reader.records() if isinstance(x, r.ControlFailed)]
    assert turns == [0, 1, 2]
    assert len(failed) == 1 and failed[0].recovered
    assert verify_directory(tmp_path).ok


def test_a_crash_between_append_and_clear_does_not_append_twice(tmp_path: Path) -> None:
    made, make = faulty()
    call, path = new_id("c"), tmp_path / "log" / "spool"
    log = open_log(tmp_path / "log", storage=make)
    made[0].full()
    log.append_spooled(*said(call))
    log.close()
    spooled = path.read_bytes()
    open_log(tmp_path / "log").close()
    assert path.read_bytes() != spooled
    path.write_bytes(spooled)  # as if the clearing had never reached the disk
    log = open_log(tmp_path / "log")
    assert log.spooled == 0
    log.close()
    with Reader.open(tmp_path) as reader:
        assert len(list(reader.records(call))) == 1


def test_a_damaged_entry_is_on_record_and_the_others_are_taken_up(tmp_path: Path) -> None:
    made, make = faulty()
    call, path = new_id("c"), tmp_path / "log" / "spool"
    log = open_log(tmp_path / "log", storage=make)
    made[0].full()
    for turn in range(3):
        log.append_spooled(*said(call, turn))
    log.close()
    data = bytearray(path.read_bytes())
    second = data.index(b"\xf5SP\x1e", HEADER + 4)
    data[second + 200] ^= 1
    path.write_bytes(data)
    open_log(tmp_path / "log").close()
    with Reader.open(tmp_path) as reader:
        assert [o.record.turn for o in reader.opened(call)] == [0, 2]  # type: ignore[attr-defined]
        (failed,) = [x for _, x, _ in reader.records() if isinstance(x, r.ControlFailed)]
    assert (failed.control, failed.reason, failed.attempt) == ("ledger", "broken", 1)


def test_an_entry_somebody_else_signed_is_not_taken_up(tmp_path: Path) -> None:
    made, make = faulty()
    call = new_id("c")
    other = open_log(tmp_path / "other", storage=make)
    made[0].full()
    other.append_spooled(*said(call))
    other.close()
    open_log(tmp_path / "log").close()
    (tmp_path / "log" / "spool").write_bytes((tmp_path / "other" / "spool").read_bytes())
    open_log(tmp_path / "log").close()
    with Reader.open(tmp_path / "log") as reader:
        assert list(reader.records(call)) == []


def test_a_full_spool_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make)
    made[0].full()
    written = 0
    with pytest.raises(LedgerError, match="full"):
        while written < 1000:
            log.append_spooled(*said(new_id("c")))
            written += 1
    assert log.spooled == written > 10
    made[0].fault = None
    log.close()
    open_log(tmp_path / "log").close()
    with Reader.open(tmp_path) as reader:
        assert sum(x.recovered for _, x, _ in reader.records()) == written


def test_wrong_content_and_another_tenant_are_refused(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    record, _ = said(new_id("c"))
    with pytest.raises(LedgerError, match="wrong kind"):
        log.append_spooled(record, r.AccessDetails(who="x", purpose="y"))
    with pytest.raises(LedgerError):
        log.append_spooled(record.model_copy(update={"tenant": "another"}))
    log.close()
    with pytest.raises(LedgerError, match="closed"):
        log.append_spooled(record)


def test_the_file_has_its_size_from_the_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", size=8192)
    blocks = (tmp_path / "spool").stat().st_blocks
    assert (tmp_path / "spool").stat().st_size == 8192 and blocks * 512 >= 8192
    spool.write(b"x" * 4000)
    assert (tmp_path / "spool").stat().st_blocks == blocks
    spool.close()


bodies = st.lists(st.binary(min_size=1, max_size=60) | st.just(b"\xf5SP\x1e" * 3), max_size=6)


@settings(max_examples=40)
@given(bodies, st.data())
def test_frames_survive_a_torn_write_and_damage(
    tmp_path_factory: pytest.TempPathFactory, written: list[bytes], draw: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool = Spool(path, size=2048)
    for body in written:
        spool.write(body)
    spool.close()
    again = Spool(path)
    assert (again.bodies(), again.damaged) == (written, 0)
    again.close()
    used = HEADER + sum(12 + len(b) for b in written)
    torn = draw.draw(st.integers(HEADER, used))
    path.write_bytes(path.read_bytes()[:torn].ljust(2048, b"\0"))
    again = Spool(path)
    # Zeros may complete a frame that ended in zeros; what is found is a prefix of what was written.
    assert again.bodies() == written[: len(again.bodies())]
    again.write(b"later")
    assert again.bodies()[-1] == b"later"
    again.close()
    last = Spool(path)
    assert last.bodies()[-1] == b"later"
    assert last.clear(len(last.bodies())) and last.pending == 0
    last.close()
    assert set(path.read_bytes()[HEADER:]) <= {0}


def test_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"somebody's notes")
    with pytest.raises(IntegrityError):
        Spool(tmp_path / "spool")
    assert (tmp_path / "spool").read_bytes() == b"somebody's notes"


def test_a_torn_frame_that_ends_in_the_magic_is_not_completed_by_the_next(tmp_path: Path) -> None:
    """Found by Hypothesis: the next frame's magic stood where the torn body's last bytes were missing."""
    from controls.ledger.spool import _FRAME, _MAGIC, Spool

    path = tmp_path / "spool"
    Spool(path, size=4096).close()
    body = b"x" * 20 + _MAGIC
    frame = _FRAME.pack(_MAGIC, len(body), zlib.crc32(body)) + body
    with path.open("r+b") as file:
        file.seek(16)
        file.write(frame[: -len(_MAGIC)])  # the write stopped before its last four bytes
    spool = Spool(path, size=4096)
    spool.write(b"a whole entry")
    spool.close()
    again = Spool(path, size=4096)
    assert again.bodies() == [b"a whole entry"]
    again.close()
