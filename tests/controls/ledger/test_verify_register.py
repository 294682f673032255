"""A house's logs together: register, shadow logs, missing logs, rotations, and whose keys are trusted."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.findings import Findings, Report
from controls.ledger.ledger import Ledger
from controls.ledger.notes import VerifierKey
from controls.ledger.reader import Reader
from controls.ledger.trust import Trust
from controls.ledger.verify import verify_directory
from controls.ledger.verify_register import HouseChecks
from tests.controls.ledger.forged import AT, Forged, details, failures
from tests.controls.ledger.support import TENANT, open_log, opened, said, small_call, tagger

OTHER = "beta"


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if not c.ok}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tenants' logs, one of them rotated, with the register and published tiles."""
    root = tmp_path_factory.mktemp("house") / "ledger"
    ledger = Ledger.open(root, tagger=tagger, spool_bytes=65_536)
    for record, personal in small_call():
        ledger.append(record, personal).result(60)
    ledger.rotate(TENANT)
    for record, personal in small_call():
        ledger.append(record, personal).result(60)
        ledger.append(record.model_copy(update={"tenant": OTHER}), personal).result(60)
    ledger.close()
    return root


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "ledger")
    return tmp_path / "ledger"


def logs(house: Path) -> dict[str, tuple[str, list[VerifierKey]]]:
    """Tenant → origin, and every key it had."""
    found = {}
    with Reader.open(house) as reader:
        for view in reader.views():
            entries = reader.records(origin=view.origin)
            created = [e.record for e in entries if isinstance(e.record, r.KeyCreated)]
            keys = [
                VerifierKey(view.verifier.name, base64.b64decode(key.public or ""))
                for key in created
                if key.origin == view.origin
            ]
            found[view.tenant] = view.origin, keys
    return found


def test_a_house_holds(house: Path) -> None:
    report = verify_directory(house)
    assert report.ok and len(report.origins) == 3 and not report.authenticated, report.verdict
    assert all(c.detail for c in report.checks)


def test_a_house_holds_while_it_is_written(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, tagger=tagger, spool_bytes=65_536)
    for tenant in (TENANT, OTHER):
        for record, personal in small_call():
            ledger.append(record.model_copy(update={"tenant": tenant}), personal).result(60)
        report = verify_directory(tmp_path)
        assert report.ok, report.verdict
    ledger.close()


def test_the_registers_key_is_enough(house: Path) -> None:
    found = logs(house)
    register, tenant = found[r.REGISTER][1], found[TENANT][1]
    assert len(tenant) == 2
    assert verify_directory(house, Trust.of(register)).authenticated
    for keys in ([tenant[0]], [tenant[-1]], [*tenant, *found[OTHER][1]]):
        report = verify_directory(house, Trust.of(keys))
        assert failed(report).keys() == {"issuer"} and found[r.REGISTER][0] in failed(report)["issuer"]
    for key in tenant:  # the first, by rotation; the newest, because it signed the newest checkpoint
        assert verify_directory(house / found[TENANT][0], Trust.of([key])).authenticated
    assert not verify_directory(house / found[TENANT][0], Trust.of(found[OTHER][1])).ok


def test_a_shadow_log_is_named(house: Path) -> None:
    log = open_log(house / new_id("o"))
    log.append(*said(new_id("c"))).result(60)
    log.close()
    says = f"{log.origin}: not in the register (a shadow log)"
    assert failed(verify_directory(house, keys=house / "nowhere")) == {"issuer": says}


def test_a_registered_log_that_is_gone_is_named(house: Path) -> None:
    origin, _ = logs(house)[TENANT]
    shutil.rmtree(house / origin)
    says = failed(verify_directory(house))["files"]
    assert says.startswith(f"{origin}: registered, to be kept until 20") and says.endswith("not here")


def test_a_log_that_stands_twice(house: Path) -> None:
    origin, _ = logs(house)[TENANT]
    shutil.copytree(house / origin, house / "copy")
    assert failed(verify_directory(house))["files"].startswith(f"{origin} stands twice: ")


def test_a_database_that_tells_otherwise(house: Path) -> None:
    origin, keys = logs(house)[TENANT]
    with closing(sqlite3.connect(house / origin / "log.db")) as db, db:
        db.execute("UPDATE meta SET value='1' WHERE key='kept_until'")
        db.execute("UPDATE meta SET value=? WHERE key='vkey'", (str(keys[0]),))
    says = failed(verify_directory(house))["files"]
    assert "log.db: names a key that no record made valid" in says and "kept_until is not as" in says


# --- forged registers -----------------------------------------------------------------------------


class House:
    """A register and one log that stands in it, both made leaf by leaf."""

    def __init__(self, **opening: Any) -> None:
        self.register, self.log = Forged(r.REGISTER), Forged(**opening)
        self.listed = self.log.opening(**opening).model_copy(update={"tenant": r.REGISTER, "of": TENANT})

    def judged(self, trust: Trust | None = None, *, without: bool = False) -> Findings:
        findings = Findings()
        there = [self.register] if without else [self.register, self.log]
        HouseChecks(findings, [log.verified(findings) for log in there], now=AT).finish(trust)
        return findings


def test_the_register_and_the_log_agree() -> None:
    house = House(period_to=10, kept_until=20)
    house.register.add(house.listed)
    assert not failures(house.judged())
    gone = house.judged(without=True)
    assert not failures(gone) and "its time of keeping is over" in details(gone)["files"]


@pytest.mark.parametrize(("field", "value"), [("of", "beta"), ("kept_until", 5), ("period_from", 1)])
def test_the_register_says_otherwise(field: str, value: object) -> None:
    house = House()
    house.register.add(house.listed.model_copy(update={field: value}))
    says = f"{house.log.origin}: the register says otherwise ({field})"
    assert failures(house.judged()) == {"issuer": says}


def test_a_key_the_register_does_not_know() -> None:
    """Whoever stole a log's key can announce a successor in the log, not in the register."""
    house = House()
    house.register.add(house.listed)
    house.log.rotate()
    house.log.add(r.CallRefused(tenant=TENANT, reason="capacity"))
    says = f"{house.log.origin}: the key of record 1 is not registered"
    assert failures(house.judged()) == {"issuer": says}
    created = house.log.created(house.log.key).model_copy(update={"tenant": r.REGISTER})
    house.register.add(created)
    assert not failures(house.judged())
    assert not failures(house.judged(Trust.of([house.register.verifier()])))


def test_closings_match() -> None:
    house = House()
    house.register.add(house.listed)
    size = house.log.add(r.OriginClosed(tenant=TENANT, origin=house.log.origin, size=2)) + 1
    assert "not yet so in the register" in details(house.judged())["issuer"]
    closing = r.OriginClosed(tenant=r.REGISTER, origin=house.log.origin, size=size)
    house.register.add(closing.model_copy(update={"root": "sha256:" + house.log.tree.root().hex()}))
    assert not failures(house.judged())
    house.log.cut()
    assert "the register closed it at 2 records, 1 are left" in failures(house.judged())["root"]


def test_a_second_register_is_named() -> None:
    findings, one, two = Findings(), Forged(r.REGISTER), Forged(r.REGISTER)
    HouseChecks(findings, [log.verified(findings) for log in (one, two)]).finish(None)
    assert f"{two.origin}: a second register" in failures(findings)["issuer"]


def test_a_register_nobody_trusts_vouches_for_nothing() -> None:
    house = House()
    house.register.add(house.listed)
    assert failures(house.judged(Trust.of([house.log.verifier()]))) == {
        "issuer": f"{house.register.origin}: its key is not in the trust file"
    }
    assert failures(house.judged(Trust.of([Forged().verifier()]))).keys() == {"issuer"}


def test_naming_a_trusted_key_is_not_being_signed_by_it() -> None:
    """A forger's log announces the real key, and goes on with its own."""
    real = Ed25519PrivateKey.generate()
    log, findings = Forged(), Findings()
    log.add(log.created(real))
    log.add(r.CallRefused(tenant=TENANT, reason="capacity"))
    HouseChecks(findings, [log.verified(findings)]).finish(Trust.of([log.verifier(real)]))
    assert failures(findings) == {"issuer": f"{log.origin}: its key is not in the trust file"}


def test_leaves_behind_the_newest_checkpoint_need_a_trusted_key_too() -> None:
    real = Ed25519PrivateKey.generate()
    log = Forged()
    log.add(log.created(real))
    signed = log.checkpoint(key=real)
    trust = Trust.of([log.verifier(real)])
    findings = Findings()
    HouseChecks(findings, [log.verified(findings, signed)]).finish(trust)
    assert not failures(findings)
    log.add(r.CallRefused(tenant=TENANT, reason="capacity"))
    HouseChecks(findings, [log.verified(findings, signed)]).finish(trust)
    assert "issuer" in failures(findings)


# --- erasure across logs --------------------------------------------------------------------------


def test_a_tombstone_in_a_later_log_of_the_tenant(tmp_path: Path) -> None:
    """An artefact of a closed period; what another tenant says does not count."""
    log, call = open_log(tmp_path / "one"), new_id("c")
    log.append(*opened(call)).result(60)
    log.close()
    with closing(sqlite3.connect(tmp_path / "one" / "log.db")) as db, db:
        (artifact,) = db.execute("SELECT artifact FROM blobs").fetchone()
        db.execute("UPDATE blobs SET wrapped=NULL, ciphertext=NULL")
    assert failed(verify_directory(tmp_path)) == {"sealed": "record 2: erased without a tombstone"}
    later = open_log(tmp_path / "two")
    later.append(r.ErasureDone(tenant=TENANT, artifact=artifact, ground="request")).result(60)
    later.close()
    assert verify_directory(tmp_path).ok
    assert not verify_directory(tmp_path / "one").ok
