"""Back-ups of keys: what comes back, what is refused, and that no changed byte passes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import IntegrityError, OperatorError, SayError
from controls.ledger import backup
from controls.ledger.backup import make_backup, open_backup, read_backup, restore_backup, write_backup
from controls.ledger.envelope import canonical
from controls.ledger.keys import FileKeys

LOG = "o_0000000000000000"
WORDS = "correct horse battery"  # a passphrase of these tests only
NOW = 1_900_000_000
DAY = 86_400


def quick(passphrase: str, salt: bytes) -> bytes:
    """The same key derivation, a thousand times cheaper."""
    return Scrypt(salt=salt, length=32, n=2**7, r=8, p=1).derive(passphrase.encode())


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "_derive", quick)


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    found = FileKeys(tmp_path / "keys")
    found.log_signer(LOG, create=True)
    found.next_log_signer(LOG)
    found.node_signer(create=True)
    found.wrapping(create=True)
    return found


def files(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir()}


def test_every_key_comes_back_for_its_owner_only(keys: FileKeys, tmp_path: Path) -> None:
    data = make_backup(keys.directory, WORDS, now=NOW)
    assert not any(content.strip() in data for content in files(keys.directory).values())
    found = open_backup(data, WORDS, now=NOW)
    assert (found.created, found.expires) == (NOW, NOW + 400 * DAY)
    there = tmp_path / "restored"
    assert set(restore_backup(there, found).values()) == {"restored"}
    assert files(there) == files(keys.directory)
    assert there.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in there.iterdir()} == {0o600}
    assert FileKeys(there).describe()[0].vkey == keys.describe()[0].vkey
    assert "sha" not in repr(found) and WORDS not in repr(found) and "4 keys" in repr(found)


def test_a_passphrase_is_the_same_however_it_was_typed(keys: FileKeys) -> None:
    data = make_backup(keys.directory, "caf\u00e9 au lait, tard", now=NOW)
    assert open_backup(data, "cafe\u0301 au lait, tard", now=NOW).files


@pytest.mark.usefixtures("cheap")
def test_a_wrong_passphrase_is_told_from_damage(keys: FileKeys) -> None:
    data = make_backup(keys.directory, WORDS, now=NOW)
    for wrong in (WORDS + " ", "", WORDS.upper()):
        with pytest.raises(OperatorError, match="wrong passphrase"):
            open_backup(data, wrong, now=NOW)
    with pytest.raises(OperatorError, match="too short"):
        make_backup(keys.directory, "elevenchars", now=NOW)
    for nothing in (b"", b"\n", b"{}\n", b"-----BEGIN PRIVATE KEY-----\nx\n", bytes(400)):
        with pytest.raises(OperatorError, match="not a key back-up"):
            open_backup(nothing, WORDS, now=NOW)


@pytest.mark.usefixtures("cheap")
def test_a_back_up_expires_and_is_used_after_that_only_deliberately(keys: FileKeys) -> None:
    data = make_backup(keys.directory, WORDS, now=NOW, days=30)
    assert open_backup(data, WORDS, now=NOW + 30 * DAY - 1).files
    with pytest.raises(OperatorError, match="expired 2 days ago.*--even-expired"):
        open_backup(data, WORDS, now=NOW + 32 * DAY)
    assert open_backup(data, WORDS, now=NOW + 32 * DAY, even_expired=True).files


@pytest.mark.usefixtures("cheap")
def test_restoring_never_replaces_a_key(keys: FileKeys, tmp_path: Path) -> None:
    found = open_backup(make_backup(keys.directory, WORDS, now=NOW), WORDS, now=NOW)
    assert set(restore_backup(keys.directory, found).values()) == {"there already"}
    (keys.directory / "node.key").unlink()
    assert [k for k, v in restore_backup(keys.directory, found).items() if v == "restored"] == ["node.key"]
    keys.promote(LOG)  # rotated since: the back-up's present key is an old one
    before = files(keys.directory)
    with pytest.raises(OperatorError, match=rf"other keys named {LOG}.key: nothing was restored"):
        restore_backup(keys.directory, found)
    assert files(keys.directory) == before
    linked = tmp_path / "linked"
    linked.mkdir(mode=0o700)
    (linked / "node.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperatorError, match="symbolic link"):
        restore_backup(linked, found)
    assert not (tmp_path / "elsewhere").exists() and len(list(linked.iterdir())) == 1


@pytest.mark.usefixtures("cheap")
def test_a_key_that_cannot_be_read_is_told_when_the_back_up_is_made(keys: FileKeys, tmp_path: Path) -> None:
    (keys.directory / "node.key").write_text("nonsense")
    with pytest.raises(OperatorError, match="node.key is not a PEM key"):
        make_backup(keys.directory, WORDS, now=NOW)
    (tmp_path / "none").mkdir(mode=0o700)
    with pytest.raises(OperatorError, match="holds no keys"):
        make_backup(tmp_path / "none", WORDS, now=NOW)


def test_the_file_is_its_owners_and_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "keys.backup"
    write_backup(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OperatorError, match="exists already"):
        write_backup(path, b"two")
    assert read_backup(path) == b"one"
    for refused in (
        lambda: write_backup(tmp_path / "no" / "where", b""),
        lambda: read_backup(tmp_path / "missing"),
        lambda: read_backup(tmp_path),
    ):
        with pytest.raises(OperatorError, match="cannot be"):
            refused()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("made") / "keys"
    FileKeys(directory).node_signer(create=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backup, "_derive", quick)
        return make_backup(directory, WORDS, now=NOW)


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), mended=st.booleans())
def test_no_changed_byte_passes(made: bytes, place: float, bits: int, mended: bool) -> None:
    """By accident it is damage; by somebody who mends the checksum it is a wrong passphrase, or worse."""
    data = bytearray(made)
    data[int(place * len(data))] ^= bits
    if mended:
        data[-32:] = hashlib.sha256(data[:-32]).digest()
        if bytes(data) == made:  # what was changed was the checksum
            return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backup, "_derive", quick)
        with pytest.raises(SayError):
            open_backup(bytes(data), WORDS, now=NOW)


@given(length=st.floats(0, 1, exclude_max=True))
def test_no_shortened_file_passes(made: bytes, length: float) -> None:
    with pytest.raises((IntegrityError, OperatorError)):
        open_backup(made[: int(length * len(made))], WORDS, now=NOW)


def test_a_forged_header_asks_for_no_other_work(made: bytes) -> None:
    for old, new in ((b'"n":131072', b'"n":999999'), (b'"p":1', b'"p":9'), (b'"created"', b'"createe"')):
        assert old in made
        data = made[:-32].replace(old, new)
        with pytest.raises(IntegrityError, match="header"):
            open_backup(data + hashlib.sha256(data).digest(), WORDS, now=NOW)


def test_a_name_from_a_back_up_reaches_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "_derive", quick)
    (tmp_path / "keys").mkdir(mode=0o700)
    FileKeys(tmp_path / "keys").node_signer(create=True)

    def forging(value: dict[str, object]) -> bytes:
        return canonical({"keys": {"../../authorized_keys": "eA=="}} if "keys" in value else value)

    monkeypatch.setattr(backup, "canonical", forging)
    data = make_backup(tmp_path / "keys", WORDS, now=NOW)
    with pytest.raises(IntegrityError, match="content"):
        open_backup(data, WORDS, now=NOW)
    assert os.listdir(tmp_path) == ["keys"]
