"""A verifier nobody here wrote accepts a real call's log, and no altered copy of it.

``stranger/main.go`` stands on golang.org/x/mod/sumdb/note and tlog, which check
Go's own module database.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.ledger.notes import VerifierKey, parse_checkpoint, sign_checkpoint
from controls.ledger.proof_file import ProofFile
from controls.ledger.prover import FolderTiles, Prover
from controls.ledger.publish import Publisher
from controls.ledger.reader import LogView
from tests.controls.ledger.support import open_log, small_call
from tests.needs import needs_go

SOURCE = Path(__file__).parent / "stranger" / "main.go"
#: One file of each kind a log of several hundred leaves publishes.
KINDS = [
    "checkpoint", "cosigned", "tile/0/000", "tile/0/002.p/*", "tile/1/000.p/*", "tile/entries/001",
    "tile/entries/002.p/*",
]  # fmt: skip


class Published(NamedTuple):
    """A published log, its key as text, an older checkpoint of it, and a proof of one of its leaves."""

    directory: Path
    vkey: str
    older: Path
    proof: Path


def build_stranger(built: Path) -> Path:
    """Compile the program into ``built``; skips by name without Go."""
    gopath = needs_go("golang.org/x/mod/sumdb/tlog")
    settings = {
        "GO111MODULE": "off", "GOPATH": str(gopath), "GOCACHE": str(built / "cache"), "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }  # fmt: skip
    subprocess.run(
        ["go", "build", "-o", str(built / "stranger"), str(SOURCE)],
        env=os.environ | settings,
        check=True,
        timeout=110,
    )
    return built / "stranger"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_stranger(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    root = tmp_path_factory.mktemp("published")
    log = open_log(root / "log", checkpoint_every_s=0.0)
    for _ in range(130):
        futures = [log.append(record, personal) for record, personal in small_call()]
        futures[-1].result()
    log.close()
    view = LogView(log.directory)
    rows, newest = view.checkpoints(), view.checkpoint()
    assert newest is not None and len(rows) > 3
    vkey = str(view.verifier)
    view.close()
    publisher = Publisher(log.directory)
    assert publisher.wait(newest.size, 60.0), publisher.problem
    publisher.close()
    tlog = log.directory / "tlog"
    (tlog / "cosigned").write_bytes(rows[len(rows) // 2].note)
    older, proof = root / "older", root / "leaf.tlog-proof"
    older.write_bytes(rows[0].note)
    path = Prover(FolderTiles(tlog), newest.size).inclusion(300)
    proof.write_bytes(ProofFile(300, path, newest.note, b"anything").to_bytes())
    return Published(tlog, vkey, older, proof)


def run(stranger: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [stranger, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


@pytest.fixture
def copy(published: Published, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published.directory, tmp_path / "tlog"))


def test_it_accepts_the_log_its_proofs_and_its_past(stranger: Path, published: Published) -> None:
    code, said = run(
        stranger, "-older", published.older, "-proof", published.proof, published.directory, published.vkey
    )
    assert code == 0, said
    size = parse_checkpoint((published.directory / "checkpoint").read_bytes()).size
    assert f"entries: {size}, each proven" in said and "proof: leaf 300" in said
    assert "cosigned: " in said and "older: " in said and said.endswith("holds\n")


@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_it_refuses_one_changed_byte(
    stranger: Path, published: Published, copy: Path, kind: str, where: float
) -> None:
    assert run(stranger, copy, published.vkey)[0] == 0
    (path, *_) = sorted(copy.glob(kind))
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    code, said = run(stranger, copy, published.vkey)
    assert code == 1 and "does not hold" in said


@pytest.mark.parametrize("kind", KINDS[2:])
def test_it_refuses_a_file_cut_off(stranger: Path, published: Published, copy: Path, kind: str) -> None:
    (path, *_) = sorted(copy.glob(kind))
    path.write_bytes(path.read_bytes()[:-1])
    assert run(stranger, copy, published.vkey)[0] == 1


def test_it_refuses_a_changed_proof(stranger: Path, published: Published, tmp_path: Path) -> None:
    text = published.proof.read_text()
    for old, new in (("index 300", "index 301"), ("\n\n", "\n" + "A" * 43 + "=\n\n")):
        changed = tmp_path / "changed.tlog-proof"
        changed.write_text(text.replace(old, new, 1))
        code, said = run(stranger, "-proof", changed, published.directory, published.vkey)
        assert code == 1 and "proof: " in said


def test_it_refuses_another_key_and_a_fork(stranger: Path, published: Published, tmp_path: Path) -> None:
    name = published.vkey.split("+")[0]
    other = Ed25519PrivateKey.generate()
    theirs = VerifierKey(name, other.public_key().public_bytes_raw())
    assert run(stranger, published.directory, theirs)[0] == 1
    # The same log under another key, and an older checkpoint with another root than it had.
    forked = Path(shutil.copytree(published.directory, tmp_path / "forked"))
    newest = parse_checkpoint((forked / "checkpoint").read_bytes())
    (forked / "cosigned").unlink()
    (forked / "checkpoint").write_bytes(sign_checkpoint(name, newest.size, newest.root, other).note)
    assert run(stranger, forked, theirs)[0] == 0
    older = tmp_path / "older"
    older.write_bytes(sign_checkpoint(name, 100, bytes(32), other).note)
    code, said = run(stranger, "-older", older, forked, theirs)
    assert code == 1 and "older checkpoint" in said
