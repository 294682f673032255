"""The register of logs, keys and routes: written before use, nothing twice, the rest of the world sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.ids import new_id
from controls.ledger.keys import FileKeys
from controls.ledger.log import Log
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.reader import LogView
from controls.ledger.records import REGISTER
from controls.ledger.register import Register, read_register
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import open_log, tagger

NUMBER = "+1 202 555 0143"


def opened(directory: Path) -> tuple[Log, Register]:
    log = Log.open(directory / "log", tenant=REGISTER, tagger=tagger, spool_bytes=65_536)
    view = LogView(log.directory)
    try:
        return log, Register(log, read_register(view, routes=True))
    finally:
        view.close()


def a_key(directory: Path, origin: str) -> VerifierKey:
    return FileKeys(directory / "other").log_signer(origin, create=True).verifier


def test_what_is_registered_is_found_again_and_nothing_twice(tmp_path: Path) -> None:
    origin = new_id("o")
    key = a_key(tmp_path, origin)
    period = {"period_from": 100, "period_to": 200, "kept_until": 900}
    log, register = opened(tmp_path)
    for _ in range(2):
        register.origin_opened(origin=origin, key=key, of="clinic", **period)
    log.close()
    size = log.checkpoint().size
    log, register = opened(tmp_path)  # and after a restart
    register.origin_opened(origin=origin, key=key, of="clinic", **period)
    register.origin_closed(origin=origin, size=12, root=bytes(32))
    register.origin_closed(origin=origin, size=12, root=bytes(32))
    register.key_retired(key, origin=origin)
    register.key_retired(key, origin=origin)
    log.close()
    assert log.checkpoint().size == size + 2
    view = LogView(log.directory)
    known = read_register(view)
    view.close()
    found = known.opened[origin]
    assert (found.of, found.period_from, found.period_to, found.kept_until) == ("clinic", 100, 200, 900)
    assert known.keys[key_digest(key.public)].origin == origin
    assert known.closed[origin].size == 12 and known.retired == {key_digest(key.public)}
    assert verify_directory(log.directory).ok


def test_a_route_is_sealed_and_ends_when_it_is_no_longer_named(tmp_path: Path) -> None:
    first, second = new_id("o"), new_id("o")
    log, register = opened(tmp_path)
    register.routed({("clinic", first, NUMBER, "desk"), ("salon", second, "/call/salon", "web")})
    register.routed({("clinic", first, NUMBER, "desk")})
    log.close()
    view = LogView(log.directory)
    assert NUMBER.encode() not in b"".join(row.envelope for row in view.rows())
    assert read_register(view).routes == {}  # not opened unless asked for
    known = read_register(view, routes=True)
    view.close()
    assert known.routes == {
        ("clinic", first, NUMBER, "desk"): True, ("salon", second, "/call/salon", "web"): False,
    }  # fmt: skip


def test_another_tenants_log_is_no_register(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    view = LogView(log.directory)
    with pytest.raises(ValueError, match="register"):
        Register(log, read_register(view))
    view.close()
    log.close()
