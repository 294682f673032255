"""Packets of real ledgers: what is in them, what is not, and under which checkpoint."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.evidence import packet_files as f
from controls.evidence.container import read_zip, write_zip
from controls.evidence.packet import covered, find_receipt
from controls.evidence.packet_check import verify_bytes
from controls.evidence.packet_files import Place
from controls.evidence.rebuild import record_of
from controls.ledger import records as r
from controls.ledger.envelope import pae
from controls.ledger.ledger import Ledger
from controls.ledger.notes import (
    COSIGNER,
    VerifierKey,
    cosignature_line,
    parse_checkpoint,
    parse_note,
    with_signatures,
)
from controls.ledger.proof_file import ProofFile, verify_proof
from controls.ledger.reader import Reader
from controls.ledger.trust import Trust
from tests.controls.evidence import calls
from tests.controls.evidence.packets import RESOLVED, Books, failed, names, one_call, released
from tests.controls.ledger.support import Clock

WORDS = (
    "at ten",
    "is this rash serious",
    "It is probably just eczema.",
    "+12025550142",
    "r.okafor",
    "complaint 17",
)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Books, str, dict[str, bytes]]:
    books, call = one_call(tmp_path_factory.mktemp("audited") / "ledger")
    return books, call, read_zip(books.audit(call).data)


def whole(files: dict[str, bytes]) -> bytes:
    return b"\n".join(files.values())


# --- what is in it ----------------------------------------------------------------------------------


def test_every_record_of_the_call_is_there_with_its_proof_under_one_checkpoint(
    audited: tuple[Books, str, dict[str, bytes]],
):
    books, call, files = audited
    with Reader.open(books.root) as reader:
        stored = {f"leaves/{row.leaf}.json": row.envelope for row in reader.view_of(call).rows(call)}
    assert {n: files[n] for n in names(files, "leaves/")} == stored
    checkpoint = parse_checkpoint(files["checkpoint"])
    for name, envelope in stored.items():
        proof = ProofFile.parse(files[name.replace("leaves", "proofs").replace(".json", ".tlog-proof")])
        assert verify_proof(proof, envelope) == checkpoint
    newest = record_of(stored[max(stored, key=lambda n: int(n.split("/")[1][:-5]))])
    assert isinstance(newest, r.AccessViewed) and newest.what == "audit"


def test_what_was_opened_is_what_was_sealed_with_the_salt_of_its_hmac(
    audited: tuple[Books, str, dict[str, bytes]],
):
    _, _, files = audited
    opened = json.loads(files["opened.json"])["opened"]
    text = files["opened.json"].decode()
    assert all(word in text for word in WORDS)
    refs = {x.sealed.artifact: x.sealed for n in names(files, "leaves/") if (x := record_of(files[n])).sealed}
    assert {o["artifact"] for o in opened} == refs.keys()
    for entry in opened:
        ref = refs[entry["artifact"]]
        made = hmac.new(bytes.fromhex(entry["salt"]), entry["plaintext"].encode(), hashlib.sha256)
        assert ref.hmac == "hmac-sha256:" + made.hexdigest()
        blob = files[f"sealed/{entry['artifact']}.bin"]
        assert ref.digest == "sha256:" + hashlib.sha256(blob).hexdigest()


def test_the_manifest_is_a_plain_in_toto_statement_over_every_other_file(
    audited: tuple[Books, str, dict[str, bytes]],
):
    _, call, files = audited
    envelope = json.loads(files["manifest.json"])
    payload = base64.b64decode(envelope["payload"])
    statement = json.loads(payload)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://sayso.dev/packet/v1"
    listed = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    assert listed == {n: hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "manifest.json"}
    predicate = statement["predicate"]
    assert (predicate["call"], predicate["kind"], predicate["signer"]["role"]) == (call, "audit", "node")
    key = VerifierKey("node", base64.b64decode(predicate["public"]))
    assert key.holds(pae(payload), base64.b64decode(envelope["signatures"][0]["sig"]))
    assert not any(word.encode() in payload for word in (*WORDS, "Riverside", "front-desk"))


def test_the_register_vouches_for_the_log_and_the_node(audited: tuple[Books, str, dict[str, bytes]]):
    _, _, files = audited
    register = [record_of(files[n]) for n in names(files, "register/leaves/")]
    manifest = f.read_manifest(files["manifest.json"]).manifest
    assert [x.origin for x in register if isinstance(x, r.OriginOpened)] == [manifest.origin]
    keys = {x.role: x for x in register if isinstance(x, r.KeyCreated)}
    assert keys["node"].key == manifest.signer.key and keys["log"].origin == manifest.origin
    assert isinstance(record_of(files["log/leaves/0.json"]), r.OriginOpened)
    assert isinstance(record_of(files["register/log/leaves/0.json"]), r.OriginOpened)


def test_nothing_of_another_call_is_in_it(tmp_path: Path):
    books, one, two = Books(tmp_path / "ledger"), released(calls.clinic_call()), released(calls.clinic_call())
    books.fill(one, two)
    books.erase(two.call, r.CallerSaid)
    made = whole(read_zip(books.audit(one.call).data))
    assert two.call.encode() not in made
    with Reader.open(books.root) as reader:
        theirs = [e.record.sealed.artifact for e in reader.records(two.call) if e.record.sealed]
    assert not any(artifact.encode() in made for artifact in theirs)


def test_release_page_and_texts_are_there(audited: tuple[Books, str, dict[str, bytes]]):
    _, _, files = audited
    assert files["release.json"] == RESOLVED
    page = files["index.html"].decode()
    assert "health-boundaries/no-diagnosis" in page and "A.9.4" in page and "is this rash serious" in page
    assert "sha256:" + "ab" * 32 in page and "r.okafor" in page
    assert b"cannot prove" in files["LIMITS.md"] and b"securesystemslib" in files["VERIFY.md"]
    assert json.loads(files["trace.json"])["ledger"]["verified"] is None


# --- erased -----------------------------------------------------------------------------------------


def test_what_was_erased_is_nowhere_in_it_and_it_holds(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    before = read_zip(books.audit(call).data)
    assert "is this rash serious" in before["index.html"].decode()
    books.erase(call, r.CallerSaid, r.TurnDecided, r.ClauseRefused)
    made = books.audit(call)
    files = read_zip(made.data)
    gone = f.read_opened(before["opened.json"]).keys() - f.read_opened(files["opened.json"]).keys()
    assert len(gone) == 7
    assert b"is this rash serious" not in whole(files) and b"eczema." not in files["opened.json"]
    assert not any(artifact in name for artifact in gone for name in files)
    report = verify_bytes(made.data, books.trust("register"))
    assert report.verdict == "holds, issuer authenticated"
    details = {c.name: c.detail for c in report.checks}
    assert "7 erased, not checkable" in details["opened"]
    page = files["index.html"].decode()
    assert "(erased)" in page and "7 of" in page
    assert verify_bytes(write_zip(before), books.trust("register")).ok  # the older packet stays valid


# --- checkpoints, witnesses, periods, rotations -------------------------------------------------------


def test_before_a_checkpoint_covers_who_asked_there_is_no_packet(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    place = books.ask(call)
    with Reader.open(books.root) as reader:
        assert covered(reader, place)
        assert not covered(reader, Place(origin=place.origin, leaf=place.leaf + 1000))
        assert not covered(reader, Place(origin="o_0000000000000000", leaf=0))


def test_a_call_that_goes_on_is_audited_as_far_as_a_checkpoint_covers_it(tmp_path: Path):
    books, script = Books(tmp_path / "ledger"), released(calls.clinic_call())
    script.opened = script.opened[:9]
    books.fill(script)
    ledger = books.writing()
    try:
        log, covers = ledger.prepare("clinic"), threading.Event()
        asked = r.AccessViewed(tenant="clinic", call=script.call, what="audit")
        place = ledger.append(asked, r.AccessDetails(who="r.okafor", purpose="p")).result(60)
        log.on_checkpoint(lambda checkpoint: checkpoint.size > place.leaf and covers.set())
        ledger.append(r.TurnWithdrawn(tenant="clinic", call=script.call, turn=1, reason="eager")).result(60)
        assert covers.wait(20)
        for turn in range(2, 5):
            late = r.TurnWithdrawn(tenant="clinic", call=script.call, turn=turn, reason="eager")
            ledger.append(late).result(60)
        made = books.audit(script.call, access=Place(origin=place.origin, leaf=place.leaf))
    finally:
        ledger.close()
    assert verify_bytes(made.data, books.trust("register")).verdict == "holds, issuer authenticated"
    assert "still open" in read_zip(made.data)["index.html"].decode()


WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WITNESS_KEY = VerifierKey("witness.example", WITNESS.public_key().public_bytes_raw(), COSIGNER)


def cosign(books: Books, tenant: str = "clinic") -> int:
    """Have a witness cosign the newest checkpoint of a log; returns its size."""
    sizes: list[int] = []

    def add(ledger: Ledger) -> None:
        ledger.prepare("clinic")
        log = next(log for log in ledger.logs() if log.tenant == tenant)
        checkpoint = log.checkpoint()
        line = cosignature_line(parse_note(checkpoint.note)[0], WITNESS_KEY, 1_790_000_999, WITNESS)
        log.add_cosigned(with_signatures(checkpoint, line)).result(60)
        sizes.append(checkpoint.size)

    books.do(add)
    return sizes[0]


def test_a_cosigned_checkpoint_that_covers_the_call_is_proven_a_prefix(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    size = cosign(books)
    cosign(books, "register")
    made = books.audit(call)
    files = read_zip(made.data)
    assert parse_checkpoint(files["cosigned"]).size == size < parse_checkpoint(files["checkpoint"]).size
    assert f"consistency/{size}.txt" in files
    assert "witness.example at 2026-09-21" in files["index.html"].decode()
    trust = Trust.of([*books.trust("register").logs, WITNESS_KEY])
    report = verify_bytes(made.data, trust)
    assert report.verdict == "holds, issuer authenticated"
    assert "quorum reached" in report.checks[11].detail
    other = VerifierKey("witness.example", bytes(32), COSIGNER)
    assert "witness" in failed(verify_bytes(made.data, Trust.of([*trust.logs, other])))
    for name in ("cosigned", f"consistency/{size}.txt"):
        for place in range(0, len(files[name]), 7):
            changed = files[name][:place] + bytes([files[name][place] ^ 1]) + files[name][place + 1 :]
            assert not verify_bytes(write_zip({**files, name: changed})).ok


def test_the_register_needs_the_quorum_too_where_the_logs_key_rests_on_it(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    cosign(books)
    made = books.audit(call)
    register = Trust.of([*books.trust("register").logs, WITNESS_KEY])
    report = verify_bytes(made.data, register)
    assert failed(report) == {"witness": "register: no cosignature"} and not report.authenticated
    node = f.read_manifest(read_zip(made.data)[f.MANIFEST]).manifest.key
    itself = verify_bytes(made.data, Trust.of([*books.trust("clinic").logs, node, WITNESS_KEY]))
    assert itself.authenticated and "register: not asked for" in itself.checks[11].detail
    cosign(books, "register")
    again = verify_bytes(books.audit(call).data, register)
    assert again.authenticated and "register: quorum reached" in again.checks[11].detail
    other = VerifierKey("witness.example", bytes(32), COSIGNER)
    short = Trust.of([*books.trust("register").logs, other])
    assert "register: no cosignature" in failed(verify_bytes(made.data, short))["witness"]


def test_a_trusted_key_from_behind_a_rotation_is_told_so(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    before = books.audit(call)
    node = f.read_manifest(read_zip(before.data)[f.MANIFEST]).manifest.key
    books.do(lambda ledger: ledger.rotate("clinic"))
    newer = Trust.of([*books.trust("clinic").logs, node])
    told = failed(verify_bytes(before.data, newer))
    assert set(told) == {"issuer"}
    assert "signed before a rotation: the earlier key is needed too" in told["issuer"]


def test_a_call_says_which_checkpoint_was_there_before_it(tmp_path: Path):
    books, first = one_call(tmp_path / "ledger")
    cosign(books)
    with Reader.open(books.root) as reader:
        note = reader.view_of(first).cosigned()[-1][1]
    script = released(calls.clinic_call())
    leaf, opening, personal = script.opened[0]
    embedded = opening.model_copy(update={"checkpoint": base64.b64encode(note).decode()})
    script.opened[0] = (leaf, embedded, personal)
    books.fill(script)
    made = books.audit(script.call)
    files = read_zip(made.data)
    assert "cosigned" not in files  # it is from before this call
    assert len(names(files, "consistency/")) == 1
    report = verify_bytes(made.data, books.trust("register"))
    assert report.ok and report.checks[10].detail == "1 checked"


def test_records_in_a_later_periods_log_come_with_that_log(tmp_path: Path):
    clock = Clock()
    books = Books(tmp_path / "ledger", {"clock": clock})
    script = released(calls.clinic_call())
    books.fill(script)
    clock.now_s += 100 * 86_400
    books.do(lambda ledger: ledger.prepare("clinic"))  # the next period's log begins
    books.do(lambda ledger: [ledger.prepare("clinic"), ledger.keep()])  # and the old one is closed
    books.erase(script.call, r.CallerSaid)
    made = books.audit(script.call)
    files = read_zip(made.data)
    later = {n.split("/")[1] for n in names(files, "later/")}
    assert len(later) == 1 and later != {made.origin}
    kinds = {record_of(files[n]).type for n in names(files, f"later/{later.pop()}/leaves/")}
    assert kinds == {"erasure.done", "access.viewed"}
    report = verify_bytes(made.data, books.trust("register"))
    assert report.verdict == "holds, issuer authenticated", report.verdict
    trace = json.loads(files["trace.json"])
    assert sum(a["erased_at"] is not None for a in trace["artifacts"]) == 3
    assert [a["what"] for a in trace["access"]] == ["audit"]
    assert trace["ledger"]["gaps"] == trace["ledger"]["repeated"] == []


def test_a_rotated_key_keeps_old_records_and_new_ones(tmp_path: Path):
    books, first = one_call(tmp_path / "ledger")
    old = books.trust("clinic")
    books.do(lambda ledger: ledger.rotate("clinic"))
    script = released(calls.clinic_call())
    books.fill(script)
    node = f.read_manifest(read_zip(books.audit(first).data)["manifest.json"]).manifest.key
    for call in (first, script.call):
        made = books.audit(call)
        assert verify_bytes(made.data, books.trust("register")).verdict == "holds, issuer authenticated"
        assert verify_bytes(made.data, Trust.of([*old.logs, node])).authenticated
        log = [record_of(d).type for n, d in read_zip(made.data).items() if n.startswith("log/leaves/")]
        assert sorted(log) == ["key.created", "key.created", "key.retired", "origin.opened"]


# --- refused ----------------------------------------------------------------------------------------


def test_a_packet_is_not_made_of_what_is_not_there_or_not_right(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    with pytest.raises(OperatorError, match="no such call"):
        books.audit("c_0000000000000000")
    with pytest.raises(IntegrityError, match="not the one the call was bound to"):
        books.audit(call, release=b"{}")
    access = books.ask(call)
    books.root.joinpath("keys", "wrapping.key").unlink()
    with pytest.raises(OperatorError, match="is missing; restore it"):
        books.audit(call, access=access)


def test_without_a_record_of_who_asks_there_is_no_packet(tmp_path: Path):
    books, call = one_call(tmp_path / "ledger")
    with Reader.open(books.root) as reader:
        origin = reader.view_of(call).origin
    for leaf in (0, 2):  # the log's own leaf, the call's first
        with pytest.raises(LedgerError, match="not on record"):
            books.audit(call, access=Place(origin=origin, leaf=leaf))


# --- a caller's receipt -------------------------------------------------------------------------------


CODE = "7K2-M9Q-X4R"


def with_receipt() -> calls.CallScript:
    script = released(calls.clinic_call())
    end = script.opened.pop()[1]
    assert isinstance(end, r.CallClosed)
    for how in ("spoken", "shown"):
        script.add(r.ReceiptIssued, r.ReceiptDetails(code=CODE), turn=3, how=how)
    script.add(r.CallClosed, ended_by="agent", reason="callback", duration_s=61, records=end.records + 2)
    return script


def test_a_receipt_shows_the_call_and_nothing_else(tmp_path: Path):
    books, script, other = Books(tmp_path / "ledger"), with_receipt(), released(calls.clinic_call())
    books.fill(other, script)
    with Reader.open(books.root) as reader:
        assert find_receipt(reader, CODE, tenant="clinic") == script.call
        assert find_receipt(reader, "000-000-000", tenant="clinic") is None
        assert find_receipt(reader, CODE, tenant="another") is None
    made = books.receipt(script.call, CODE)
    files = read_zip(made.data)
    kinds = [record_of(files[n]).type for n in names(files, "leaves/")]
    assert sorted(kinds) == ["call.closed", "call.opened", "receipt.issued"]
    assert not any(word.encode() in whole(files) for word in (*WORDS, "Riverside", "healthcare", other.call))
    assert CODE in files["index.html"].decode() and "trace.json" not in files
    assert not names(files, "sealed/")
    report = verify_bytes(made.data, books.trust("register"))
    assert report.verdict == "holds, issuer authenticated"
    assert f"call {script.call} is in log {made.origin}" in report.checks[9].detail
    assert "does not hold the whole call" in report.checks[5].detail


def test_a_receipt_with_more_or_other_things_in_it_is_refused(tmp_path: Path):
    books, script = Books(tmp_path / "ledger"), with_receipt()
    books.fill(script)
    files = read_zip(books.receipt(script.call, CODE).data)
    audit = read_zip(books.audit(script.call).data)
    for name in names(files, ""):
        changed = files[name][:-1] + bytes([files[name][-1] ^ 1])
        assert not verify_bytes(write_zip({**files, name: changed})).ok, name
    for added in ("opened.json", "trace.json", names(audit, "sealed/")[0], names(audit, "leaves/")[3]):
        assert not verify_bytes(write_zip({**files, added: audit[added]})).ok
    with pytest.raises(OperatorError, match="no receipt with this code"):
        books.receipt(script.call, "000-000-000")


def test_a_receipt_whose_code_was_erased_is_not_found(tmp_path: Path):
    books, script = Books(tmp_path / "ledger"), with_receipt()
    books.fill(script)
    books.erase(script.call, r.ReceiptIssued)
    with Reader.open(books.root) as reader:
        assert find_receipt(reader, CODE, tenant="clinic") is None
