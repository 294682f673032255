"""VERIFY.md, step by step, with none of our code: zip, SHA-256, HMAC, Ed25519 and in-toto's own library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from tests.controls.evidence.packets import one_call

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("stranger")
    books, call = one_call(folder / "ledger")
    path = folder / "packet.zip"
    path.write_bytes(books.audit(call).data)
    return unpacked(path)


def unpacked(path: Path) -> Files:
    with zipfile.ZipFile(path) as found:
        return {name: found.read(name) for name in found.namelist()}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def signed(envelope: bytes, public: bytes) -> dict[str, Any]:
    """A DSSE envelope's statement, once in-toto's library has verified it by this key."""
    keyid = "sha256:" + sha256(public).hex()
    found = Envelope.from_dict(json.loads(envelope))
    found.verify([SSlibKey(keyid, "ed25519", "ed25519", {"public": public.hex()})], 1)
    statement: dict[str, Any] = json.loads(found.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    return statement


def unsigned(envelope: bytes) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return statement


def numbered(files: Files, folder: str) -> Iterator[tuple[int, bytes]]:
    names = [n for n in files if n.startswith(folder)]
    yield from sorted((int(n.removeprefix(folder).split(".")[0]), files[n]) for n in names)


def first_key(files: Files, prefix: str) -> bytes:
    record = unsigned(files[f"{prefix}log/leaves/0.json"])["predicate"]["record"]
    return base64.b64decode(record["public"])


def checkpoint(note: bytes, public: bytes) -> tuple[int, bytes]:
    """Size and root of a C2SP checkpoint, after its first signature was verified."""
    text, _, lines = note.partition(b"\n\n")
    text += b"\n"
    origin, size, root = text.decode().splitlines()
    dash, name, blob = lines.decode().splitlines()[0].split(" ")
    assert (dash, name) == ("\u2014", origin)
    data = base64.b64decode(blob)
    assert data[:4] == sha256(name.encode() + b"\n\x01" + public)[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(data[4:], text)
    return int(size), base64.b64decode(root)


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2."""
    node, last, found = index, size - 1, sha256(b"\0" + leaf)
    for step in path:
        if node % 2 or node == last:
            found = sha256(b"\1" + step + found)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            found = sha256(b"\1" + found + step)
        node, last = node >> 1, last >> 1
    assert last == 0
    return found


def test_step_1_every_file_is_in_the_signed_manifest(files: Files):
    public = base64.b64decode(unsigned(files["manifest.json"])["predicate"]["public"])
    statement = signed(files["manifest.json"], public)
    listed = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    assert listed == {n: sha256(d).hex() for n, d in files.items() if n != "manifest.json"}
    nodes = [unsigned(e)["predicate"]["record"] for _, e in numbered(files, "register/leaves/")]
    assert public in [base64.b64decode(x["public"]) for x in nodes if x.get("role") == "node"]


@pytest.mark.parametrize("prefix", ["", "register/"])
def test_steps_2_to_5_every_leaf_is_signed_and_under_its_signed_checkpoint(files: Files, prefix: str):
    public = first_key(files, prefix)
    size, root = checkpoint(files[f"{prefix}checkpoint"], public)
    for own in ("", "log/"):
        proofs = dict(numbered(files, f"{prefix}{own}proofs/"))
        for index, envelope in numbered(files, f"{prefix}{own}leaves/"):
            assert signed(envelope, public)["predicate"]["leaf"] == index
            head, _, note = proofs[index].partition(b"\n\n")
            header, place, *path = head.decode().splitlines()
            assert (header, place) == ("c2sp.org/tlog-proof@v1", f"index {index}")
            assert note == files[f"{prefix}checkpoint"]
            assert root_from(envelope, index, size, [base64.b64decode(x) for x in path]) == root


def test_the_log_of_the_call_stands_in_the_register_with_its_key(files: Files):
    opened = [unsigned(e)["predicate"]["record"] for _, e in numbered(files, "register/leaves/")]
    origin = unsigned(files["manifest.json"])["predicate"]["origin"]
    keys = [base64.b64decode(x["public"]) for x in opened if x.get("origin") == origin]
    assert keys and set(keys) == {first_key(files, "")}


def test_step_6_opened_words_are_what_the_leaves_were_made_of(files: Files):
    sealed = {}
    for _, envelope in numbered(files, "leaves/"):
        ref = unsigned(envelope)["predicate"]["record"].get("sealed")
        if ref:
            sealed[ref["artifact"]] = ref
    opened = json.loads(files["opened.json"])["opened"]
    assert {o["artifact"] for o in opened} == set(sealed)
    for entry in opened:
        ref = sealed[entry["artifact"]]
        made = hmac.new(bytes.fromhex(entry["salt"]), entry["plaintext"].encode(), hashlib.sha256)
        assert ref["hmac"] == "hmac-sha256:" + made.hexdigest()
        assert ref["digest"] == "sha256:" + sha256(files[f"sealed/{entry['artifact']}.bin"]).hex()


def test_steps_7_and_8_release_and_numbers(files: Files):
    leaves = [unsigned(e) for _, e in numbered(files, "leaves/")]
    bound = next(x for x in leaves if x["predicateType"].endswith("/release.bound"))["predicate"]["record"]
    assert bound["release"] == "sha256:" + sha256(files["release.json"]).hex()
    assert [x["predicate"]["record"]["n"] for x in leaves] == list(range(len(leaves)))


def test_a_stranger_finds_a_change_too(files: Files):
    public = first_key(files, "")
    index, envelope = next(numbered(files, "leaves/"))
    changed = json.loads(envelope)
    payload = base64.b64decode(changed["payload"])
    changed["payload"] = base64.b64encode(payload.replace(b'"n":0', b'"n":1')).decode()
    with pytest.raises(VerificationError):
        signed(json.dumps(changed).encode(), public)
    size, root = checkpoint(files["checkpoint"], public)
    proof = dict(numbered(files, "proofs/"))[index].partition(b"\n\n")[0].decode().splitlines()[2:]
    assert root_from(envelope + b" ", index, size, [base64.b64decode(x) for x in proof]) != root
