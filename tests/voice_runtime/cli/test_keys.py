"""`sayso keys` on real logs: made, listed, rotated with or without a server, backed up, restored."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controls.ids import new_id
from controls.ledger import backup as key_backup
from controls.ledger.keys import FileKeys
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.ledger.records import REGISTER
from controls.ledger.trust import Trust
from controls.ledger.verify import verify_directory
from controls.ledger.witness_logs import parse_logs
from tests.controls.ledger.support import TENANT, faulty, said, small_call, tagger
from tests.voice_runtime.cli.records_house import serving
from voice_runtime.cli import keys as command
from voice_runtime.cli.app import run

ROOT = Path(__file__).resolve().parents[3]
WORDS = "correct horse battery"  # a passphrase of these tests only


@dataclass
class House:
    """A profile whose records lie in a folder of the test's own."""

    profile: Path
    data_dir: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def ledger(self) -> Path:
        return self.data_dir / "ledger"

    @property
    def keys(self) -> FileKeys:
        return FileKeys(self.ledger / "keys")

    def fill(self) -> str:
        """One short call on record; returns its id."""
        call = new_id("c")
        ledger = Ledger.open(self.ledger, tagger=tagger, publish=False)
        try:
            for future in [ledger.append(record, personal) for record, personal in small_call(call)]:
                future.result(timeout=60)
        finally:
            ledger.close()
        return call

    def sayso(self, *args: str) -> tuple[int, str, str]:
        code = run(["keys", *args, "--config", str(self.profile)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *args: str) -> Any:
        code, out, err = self.sayso(*args, "--json")
        assert code == 0, err
        return json.loads(out)

    def opened(self, call: str) -> list[object]:
        """What was sealed in a call."""
        with Reader.open(self.ledger) as reader:
            return [entry.personal for entry in reader.opened(call) if entry.record.sealed is not None]

    def trust(self) -> Trust:
        code, out, err = self.sayso("list", "--trust")
        assert code == 0, err
        return Trust.parse(out.encode())

    def holds(self, trust: Trust) -> None:
        report = verify_directory(self.ledger, trust)
        assert (report.ok, report.authenticated) == (True, True), report.verdict

    @contextmanager
    def serving(self) -> Iterator[Ledger]:
        """A server that also takes operations on keys."""
        with serving(self, keys=self.keys, publish=False) as ledger:
            yield ledger


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> House:
    monkeypatch.chdir(ROOT)
    data_dir = tmp_path / "data"
    text = (ROOT / "configs/profiles/offline.yaml").read_text()
    assert "data_dir: .sayso" in text
    profile = tmp_path / "profile.yaml"
    profile.write_text(text.replace("data_dir: .sayso", f"data_dir: {data_dir}"))
    return House(profile, data_dir, capsys)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase becomes a key at once here; tests/controls/ledger/test_backup.py takes the real time."""
    monkeypatch.setattr(
        key_backup, "_derive", lambda text, salt: hashlib.sha256(text.encode() + salt).digest()
    )


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(WORDS + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "words",
    [[], ["create"], ["list"], ["rotate"], ["rotate", "log"], ["rotate", "node"], ["rotate", "wrapping"],
     ["backup"], ["restore"]],
    ids=" ".join,
)  # fmt: skip
def test_every_command_explains_itself_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(["keys", *words, "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Example: sayso keys {' '.join(words)}".strip() in out


# --- create and list --------------------------------------------------------------------------------


def test_keys_are_made_once_ahead_of_the_first_start(house: House):
    assert house.json("create")["made"] == ["node", "wrapping"]
    before = house.keys.describe()
    assert (house.ledger / "keys").stat().st_mode & 0o777 == 0o700
    code, out, _ = house.sayso("create")
    assert (code, "nothing to make" in out) == (0, True)
    call = house.fill()
    assert (
        house.keys.describe("node", "wrapping") == before
    )  # the first start takes those, and makes the logs' own
    assert len(house.opened(call)) == 4


def test_no_new_wrapping_key_is_made_over_content_another_one_sealed(house: House):
    house.fill()
    house.keys.path("wrapping").unlink()
    code, _, err = house.sayso("create")
    assert (code, "sayso keys restore" in err) == (2, True)
    assert not house.keys.path("wrapping").exists()


def test_what_is_listed_is_what_an_auditor_needs_and_nothing_secret(house: House):
    assert house.json("list") == {"keys": [], "trust": [], "witness": []}
    assert "sayso keys create" in house.sayso("list")[1]
    house.fill()
    found = house.json("list")
    assert sorted((x["role"], x["tenant"]) for x in found["keys"] if x["role"] == "log") == [
        ("log", TENANT), ("log", REGISTER),
    ]  # fmt: skip
    assert {x["state"] for x in found["keys"]} == {"present"}
    register = next(x for x in found["keys"] if x["tenant"] == REGISTER)
    assert found["trust"] == [register["vkey"]]  # all others follow from it
    house.holds(house.trust())
    code, out, _ = house.sayso("list")
    assert (code, register["vkey"] in out, TENANT in out) == (0, True, True)
    for path in (house.ledger / "keys").iterdir():
        secret = path.read_text().splitlines()[min(1, len(path.read_text().splitlines()) - 1)]
        assert secret not in out and secret not in json.dumps(found)


def test_keys_open_to_others_are_refused_with_the_remedy(house: House):
    house.sayso("create")
    house.keys.path("node").chmod(0o644)
    code, _, err = house.sayso("list")
    assert (code, "chmod 600" in err) == (2, True)
    house.keys.path("node").chmod(0o600)
    (house.ledger / "keys").chmod(0o755)
    code, _, err = house.sayso("list")
    assert (code, "chmod 700" in err) == (2, True)


# --- rotate -----------------------------------------------------------------------------------------


def test_a_logs_new_key_is_on_record_and_an_old_trust_file_holds(house: House):
    house.fill()
    trust, before = house.trust(), {k.origin: k.vkey for k in house.keys.describe("log")}
    [rotated] = house.json("rotate", "log", "--tenant", TENANT)["rotated"]
    after = {k.origin: k.vkey for k in house.keys.describe("log")}
    assert rotated == {"tenant": TENANT, "origin": rotated["origin"], "vkey": after[rotated["origin"]]}
    assert {o for o in after if after[o] != before[o]} == {rotated["origin"]}
    call = house.fill()
    house.holds(trust)
    assert len(house.opened(call)) == 4
    code, out, _ = house.sayso("rotate", "log", "--all")
    assert (code, REGISTER in out, TENANT in out, "new back-up" in out) == (0, True, True, True)
    house.holds(trust)  # the register's old key announced the new one
    assert len(house.trust().logs) == 2  # an auditor who comes now needs the one before, too
    house.holds(house.trust())


@pytest.mark.parametrize("words", [(), ("--all", "--tenant", TENANT)], ids=["neither", "both"])
def test_no_log_is_rotated_by_leaving_something_out(house: House, words: tuple[str, ...]):
    house.fill()
    before = house.keys.describe()
    code, out, err = house.sayso("rotate", "log", *words)
    assert (code, out, f"--tenant T ({TENANT}, {REGISTER}), or --all" in err) == (2, "", True)
    assert house.keys.describe() == before


def test_a_witness_that_begins_after_a_rotation_gets_every_key(house: House):
    house.fill()
    before = {k.origin: k.vkey for k in house.keys.describe("log")}
    house.sayso("rotate", "log", "--all")
    after = {k.origin: k.vkey for k in house.keys.describe("log")}
    code, out, _ = house.sayso("list", "--witness")
    assert code == 0
    assert sorted(out.splitlines()) == sorted([*before.values(), *after.values()])
    for origin in before:
        assert out.index(before[origin]) < out.index(after[origin])  # the newest last
    assert len(parse_logs(out, "logs.keys")) == len(before)
    assert house.json("list")["witness"] == out.splitlines()
    code, _, err = house.sayso("list", "--witness", "--trust")
    assert (code, "--trust or --witness" in err) == (2, True)


def test_keys_are_listed_and_rotated_under_a_profile_that_may_not_serve(house: House):
    text = house.profile.read_text()
    house.profile.write_text(text.replace("environment: demo", "environment: staging"))
    house.fill()
    assert house.sayso("list")[0] == 0
    assert house.sayso("rotate", "log", "--tenant", TENANT)[0] == 0


def test_a_tenant_nobody_knows_gets_no_log(house: House):
    code, _, err = house.sayso("rotate", "log", "--all")
    assert (code, "no key to rotate" in err) == (2, True)
    house.fill()
    logs = sorted(p.name for p in house.ledger.iterdir())
    code, _, err = house.sayso("rotate", "log", "--tenant", "clinnic")
    assert (code, "there is no log of clinnic" in err) == (2, True)
    assert sorted(p.name for p in house.ledger.iterdir()) == logs
    assert house.sayso("rotate", "log", "--tenant", "No Such")[0] == 2


def test_the_nodes_new_key_stands_in_the_register(house: House):
    house.fill()
    old = house.keys.node_signer(create=False).verifier
    code, out, _ = house.sayso("rotate", "node")
    new = house.keys.node_signer(create=False).verifier
    assert (code, str(new) in out, new != old) == (0, True, True)
    from controls.ledger.notes import key_digest
    from controls.ledger.reader import LogView
    from controls.ledger.register import read_register
    from controls.ledger.tenant_logs import find_logs

    view = LogView(next(x.directory for x in find_logs(house.ledger) if x.tenant == REGISTER))
    known = read_register(view)
    view.close()
    assert {k for k, v in known.keys.items() if v.role == "node"} == {
        key_digest(old.public), key_digest(new.public)
    }  # fmt: skip
    assert known.retired == {key_digest(old.public)}
    house.holds(house.trust())


def test_everything_opens_under_the_new_wrapping_key_alone(house: House, tmp_path: Path):
    calls = [house.fill(), house.fill()]
    before = [house.opened(call) for call in calls]
    shutil.copy(house.keys.path("wrapping"), tmp_path / "old.key")
    code, out, _ = house.sayso("rotate", "wrapping")
    assert (code, "keys wrapped anew" in out) == (0, True)
    assert (tmp_path / "old.key").read_bytes() != house.keys.path("wrapping").read_bytes()
    assert not house.keys.path("wrapping", "next").exists()
    assert [house.opened(call) for call in calls] == before
    assert house.json("rotate", "wrapping")["subjects"] > 0
    assert house.opened(house.fill())


def test_what_a_crash_left_in_a_spool_is_not_lost_to_a_new_wrapping_key(house: House):
    call = house.fill()
    made, make = faulty()
    ledger = Ledger.open(house.ledger, tagger=tagger, publish=False, storage=make)
    ledger.prepare(TENANT)
    for storage in made:
        storage.full()
    ledger.append_spooled(*said(call, 7))
    ledger.close()
    code, _, err = house.sayso("rotate", "wrapping")  # how long it is kept, only the server knows
    assert (code, "start the server once" in err) == (1, True)
    assert house.sayso("rotate", "log", "--tenant", TENANT)[0] == 0
    with house.serving():
        assert house.sayso("rotate", "wrapping")[0] == 0
    assert len(house.opened(call)) == 5
    house.holds(house.trust())


def test_beside_a_running_server_it_is_the_server_that_rotates(house: House):
    house.fill()
    trust = house.trust()
    with house.serving() as ledger:
        ledger.prepare(TENANT)
        [rotated] = house.json("rotate", "log", "--tenant", TENANT)["rotated"]
        assert str(ledger.prepare(TENANT).verifier) == rotated["vkey"]
        for record, personal in small_call():
            ledger.append(record, personal).result(timeout=60)  # it goes on with the new key
        assert house.sayso("rotate", "node")[0] == 0
        assert house.sayso("rotate", "wrapping")[0] == 0
        code, _, err = house.sayso("rotate", "log", "--tenant", "clinnic")
        assert (code, "there is no log of clinnic" in err) == (2, True)
    house.holds(trust)


def test_a_writer_without_a_socket_is_not_worked_around(house: House):
    house.fill()
    before = house.keys.describe()
    ledger = Ledger.open(house.ledger, tagger=tagger, publish=False)
    try:
        for words in (("rotate", "log", "--all"), ("rotate", "node"), ("rotate", "wrapping")):
            code, out, err = house.sayso(*words)
            assert (code, out, "another process" in err) == (2, "", True)
    finally:
        ledger.close()
    assert house.keys.describe() == before


# --- back-ups ---------------------------------------------------------------------------------------


def test_a_lost_directory_of_keys_comes_back(house: House, passphrase: Path, tmp_path: Path):
    call, file = house.fill(), tmp_path / "keys.backup"
    told = house.json("backup", str(file), "--passphrase-file", str(passphrase))
    assert len(told["keys"]) == 4 and file.stat().st_mode & 0o777 == 0o600
    before, content = house.keys.describe(), house.opened(call)
    shutil.rmtree(house.ledger / "keys")
    code, out, _ = house.sayso("restore", str(file), "--passphrase-file", str(passphrase))
    assert (code, out.count("restored")) == (0, 4)
    assert [k.digest for k in house.keys.describe()] == [k.digest for k in before]
    assert house.opened(call) == content
    house.holds(house.trust())
    done = house.json("restore", str(file), "--passphrase-file", str(passphrase))["keys"]
    assert set(done.values()) == {"there already"}
    house.sayso("rotate", "node")
    code, _, err = house.sayso("restore", str(file), "--passphrase-file", str(passphrase))
    assert (code, "node.key" in err, "nothing was restored" in err) == (2, True, True)


def test_what_is_wrong_with_a_back_up_is_said(
    house: House, passphrase: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, given = tmp_path / "keys.backup", ("--passphrase-file", str(passphrase))
    assert house.sayso("backup", str(file), *given)[0] == 2  # no keys yet
    house.sayso("create")
    assert house.sayso("backup", str(file), "--days", "30", *given)[0] == 0
    code, _, err = house.sayso("backup", str(file), *given)
    assert (code, "exists already" in err) == (2, True)
    monkeypatch.setattr(command.time, "time", lambda: 4_000_000_000.0)
    code, _, err = house.sayso("restore", str(file), *given)
    assert (code, "--even-expired" in err) == (2, True)
    assert house.sayso("restore", str(file), "--even-expired", *given)[0] == 0
    passphrase.write_text("another horse battery\n")
    code, _, err = house.sayso("restore", str(file), *given)
    assert (code, "wrong passphrase" in err) == (2, True)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, _, err = house.sayso("restore", str(file), *given)
    assert (code, "damaged" in err) == (1, True)
    passphrase.chmod(0o640)
    code, _, err = house.sayso("restore", str(file), *given)
    assert (code, "chmod 600" in err) == (2, True)
    assert house.sayso("restore", str(tmp_path / "no-such"), *given)[0] == 2


def test_a_passphrase_is_asked_for_twice_and_never_without_a_terminal(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    house.sayso("create")
    file = tmp_path / "keys.backup"
    monkeypatch.setattr(command, "_terminal", lambda: False)
    code, _, err = house.sayso("backup", str(file))
    assert (code, "--passphrase-file" in err) == (2, True)
    monkeypatch.setattr(command, "_terminal", lambda: True)
    typed = [WORDS, WORDS + "?", WORDS, WORDS, WORDS]
    monkeypatch.setattr(getpass, "getpass", lambda prompt: typed.pop(0))
    code, _, err = house.sayso("backup", str(file))
    assert (code, "two passphrases" in err, file.exists()) == (2, True, False)
    assert house.sayso("backup", str(file))[0] == 0
    assert house.sayso("restore", str(file))[0] == 0  # asked once
    assert typed == []
