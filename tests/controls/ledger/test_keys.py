"""Key files: made once, for their owner only, replaced when the next key takes over."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from controls.errors import IntegrityError, OperatorError
from controls.ids import new_id
from controls.ledger.envelope import envelope_of, statement_of, verify_envelope
from controls.ledger.keys import NODE_KEY, WRAPPING_KEY, FileKeys
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.private_files import write_private
from controls.ledger.sealed import new_key
from tests.controls.ledger.support import closed

LOG = "o_0000000000000000"


def test_key_files_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "keys")
    log, node = keys.log_signer(LOG, create=True), keys.node_signer(create=True)
    wrapped = keys.wrapping(create=True).wrap(secret := new_key(), name="c_1")
    assert keys.log_signer(LOG, create=True).verifier == log.verifier
    assert keys.node_signer(create=False).verifier == node.verifier
    assert keys.wrapping(create=False).unwrap(wrapped, name="c_1") == secret
    assert {p.stat().st_mode & 0o777 for p in keys.directory.iterdir()} == {0o600}
    assert keys.directory.stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in keys.directory.iterdir()) == [NODE_KEY, f"{LOG}.key", WRAPPING_KEY]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    keys = FileKeys(tmp_path)
    keys.wrapping(create=True)
    keys.log_signer(LOG, create=True)
    keys.next_log_signer(LOG)
    for path in tmp_path.iterdir():
        path.chmod(mode)
    for refused in (
        lambda: keys.wrapping(create=False),
        lambda: keys.log_signer(LOG, create=True),
        lambda: keys.promote(LOG),
        keys.describe,
    ):
        with pytest.raises(OperatorError, match="chmod 600"):
            refused()


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o710, 0o777])
def test_a_directory_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    keys = FileKeys(tmp_path / "keys")
    keys.wrapping(create=True)
    keys.directory.chmod(mode)
    for refused in (
        lambda: keys.wrapping(create=False),
        lambda: keys.log_signer(LOG, create=True),  # nor is a key made there
        keys.describe,
    ):
        with pytest.raises(OperatorError, match="chmod 700"):
            refused()
    assert [p.name for p in keys.directory.iterdir()] == [WRAPPING_KEY]


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = FileKeys(tmp_path / "elsewhere")
    elsewhere.wrapping(create=True)
    elsewhere.log_signer(LOG, create=True)
    keys = FileKeys(tmp_path / "keys")
    keys.directory.mkdir(mode=0o700)
    for name in (f"{LOG}.key", WRAPPING_KEY):
        (keys.directory / name).symlink_to(elsewhere.directory / name)
    (keys.directory / NODE_KEY).symlink_to(tmp_path / "to-be-made")
    for refused in (
        lambda: keys.wrapping(create=True),
        lambda: keys.log_signer(LOG, create=True),
        lambda: keys.node_signer(create=True),  # a link that leads nowhere makes no key there
        keys.describe,
    ):
        with pytest.raises(OperatorError, match="symbolic link"):
            refused()
    assert not (tmp_path / "to-be-made").exists()
    (tmp_path / "linked").symlink_to(elsewhere.directory)
    with pytest.raises(OperatorError, match="symbolic link"):
        FileKeys(tmp_path / "linked").wrapping(create=False)


def test_what_is_no_plain_file_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{LOG}.key", 0o600)  # reading it would wait for ever
    (tmp_path / WRAPPING_KEY).mkdir(mode=0o700)
    keys = FileKeys(tmp_path)
    with pytest.raises(OperatorError, match="not a key file"):
        keys.log_signer(LOG, create=False)
    with pytest.raises(OperatorError, match="not a key file"):
        keys.wrapping(create=False)


def test_a_missing_or_broken_key_is_named(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    with pytest.raises(OperatorError, match="is missing"):
        keys.wrapping(create=False)
    with pytest.raises(OperatorError, match="is missing"):
        FileKeys(tmp_path / "nowhere").describe()
    for name in (WRAPPING_KEY, f"{LOG}.key"):
        (tmp_path / name).write_text("nonsense")
        (tmp_path / name).chmod(0o600)
    with pytest.raises(OperatorError, match="not a wrapping key"):
        keys.wrapping(create=True)
    with pytest.raises(OperatorError, match="not a PEM key"):
        keys.log_signer(LOG, create=True)


@pytest.mark.parametrize(
    "origin", ["../../etc/o", "o_x", "node", "wrapping", "", f"{LOG}/..", f"{LOG}\n", "o_abcdefghijklmnop"]
)
def test_only_a_logs_name_becomes_a_files_name(tmp_path: Path, origin: str) -> None:
    keys = FileKeys(tmp_path)
    keys.node_signer(create=True)
    keys.next_node_signer()
    for refused in (
        lambda: keys.log_signer(origin, create=True),
        lambda: keys.next_log_signer(origin),
        lambda: keys.promote(origin),
    ):
        with pytest.raises(OperatorError, match="no key has such a name"):
            refused()
    assert sorted(p.name for p in tmp_path.iterdir()) == [NODE_KEY, "node.next.key"]


def test_a_key_made_by_somebody_else_first_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / WRAPPING_KEY
    assert write_private(path, b"first")
    assert not write_private(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in path.parent.iterdir()] == [WRAPPING_KEY]


def test_of_many_who_make_a_key_at_once_one_succeeds(tmp_path: Path) -> None:
    path, together = tmp_path / "keys" / WRAPPING_KEY, threading.Barrier(8)
    made: dict[bytes, bool] = {}

    def make(content: bytes) -> None:
        together.wait(20)
        made[content] = write_private(path, content)

    threads = [threading.Thread(target=make, args=(b"%d" % i * 5000,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content for content, first in made.items() if first] == [path.read_bytes()]
    assert [p.name for p in path.parent.iterdir()] == [WRAPPING_KEY]


def test_the_next_key_replaces_the_present_one(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    first = keys.log_signer(LOG, create=True).verifier
    following = keys.next_log_signer(LOG).verifier
    assert keys.next_log_signer(LOG).verifier == following != first
    assert keys.log_signer(LOG, create=False).verifier == first  # until it is promoted
    keys.promote(LOG)
    assert keys.log_signer(LOG, create=False).verifier == following
    assert [p.name for p in tmp_path.iterdir()] == [f"{LOG}.key"]  # the old private key is gone
    with pytest.raises(OperatorError, match="is missing"):
        keys.promote(LOG)
    node = keys.node_signer(create=True).verifier
    replacing = keys.next_node_signer().verifier
    keys.promote_node()
    assert keys.node_signer(create=False).verifier == replacing != node


def test_a_half_done_rewrap_still_opens_and_a_finished_one_forgets(tmp_path: Path) -> None:
    keys, secret = FileKeys(tmp_path), new_key()
    old = keys.wrapping(create=True).wrap(secret, name="c_1")
    new = keys.next_wrapping().wrap(secret, name="c_1")
    # Whichever key wrapped it, both ends open it: the crash may have come at any point.
    for wrapping in (keys.wrapping(create=False), keys.next_wrapping()):
        assert wrapping.unwrap(old, name="c_1") == wrapping.unwrap(new, name="c_1") == secret
        with pytest.raises(IntegrityError):
            wrapping.unwrap(new, name="c_2")
    # Until then new content is wrapped as before.
    keys.promote_wrapping()
    assert keys.wrapping(create=False).unwrap(new, name="c_1") == secret
    with pytest.raises(IntegrityError):
        keys.wrapping(create=False).unwrap(old, name="c_1")
    with pytest.raises(OperatorError, match="is missing"):
        keys.promote_wrapping()


def test_keys_are_described_without_their_secret_half(tmp_path: Path) -> None:
    keys, other = FileKeys(tmp_path), new_id("o")
    signer = keys.log_signer(LOG, create=True)
    following = keys.next_log_signer(LOG)
    keys.log_signer(other, create=True)
    node = keys.node_signer(create=True)
    keys.wrapping(create=True)
    keys.next_wrapping()
    (tmp_path / "notes.txt").write_text("not a key, not looked at")
    os.utime(tmp_path / NODE_KEY, (1_900_000_000, 1_900_000_000))
    found = {(x.role, x.state, x.origin): x for x in keys.describe()}
    assert len(found) == len(keys.describe()) == 6
    present = found["log", "present", LOG]
    assert (present.vkey, present.path) == (str(signer.verifier), str(tmp_path / f"{LOG}.key"))
    assert VerifierKey.parse(found["log", "next", LOG].vkey) == following.verifier
    assert found["node", "present", ""].digest == key_digest(node.verifier.public)
    assert found["node", "present", ""].created == 1_900_000_000
    wrapping, next_one = found["wrapping", "present", ""], found["wrapping", "next", ""]
    assert (wrapping.vkey, wrapping.digest != next_one.digest) == ("", True)
    secret = (tmp_path / WRAPPING_KEY).read_text().strip()
    assert not any(secret in str(x) for x in found.values())


def test_a_signer_signs_statements_and_notes(tmp_path: Path) -> None:
    signer = FileKeys(tmp_path).log_signer(LOG, create=True)
    digest = key_digest(signer.verifier.public)
    record = closed("c_0000000000000000", 3)
    payload = statement_of(record, origin=LOG, key=digest, leaf=7)
    (signature,) = signer.sign_statements([payload])
    envelope = envelope_of(payload, digest, signature)
    assert verify_envelope(envelope, signer.verifier).payload == payload
    with pytest.raises(IntegrityError):
        verify_envelope(envelope_of(payload, digest, bytes(64)), signer.verifier)
    assert signer.verifier.holds(b"text", signer.sign_note(b"text"))
