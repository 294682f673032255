"""A packet holds until anything in it is changed, and nothing in it makes itself trusted."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.evidence import packet_files as f
from controls.evidence.container import read_zip, write_zip
from controls.evidence.packet_check import verify_bytes, verify_packet
from controls.evidence.rebuild import record_of
from controls.ledger import records as r
from controls.ledger.findings import Report
from controls.ledger.trust import Trust
from tests.controls.evidence import calls
from tests.controls.evidence.packets import Books, failed, names, released, resigned, stranger

Files = dict[str, bytes]


@dataclass(frozen=True)
class House:
    """Two short calls, audited; and what an auditor trusts."""

    files: Files
    other: Files
    trust: Trust
    log_trust: Trust


def short_call() -> calls.CallScript:
    script = calls.CallScript()
    calls.opening(script)
    calls.said(script, 1, "a quiet word")
    clause = calls.cleared(script, 1, "Good morning.")
    calls.played(script, 1, clause, "Good morning.")
    records = len(script.opened)
    script.add(r.CallClosed, ended_by="caller", reason="hung_up", duration_s=9, records=records)
    return released(script)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    books, one, two = Books(tmp_path_factory.mktemp("packets") / "ledger"), short_call(), short_call()
    books.fill(one, two)
    first, second = books.audit(one.call), books.audit(two.call)
    return House(read_zip(first.data), read_zip(second.data), books.trust("register"), books.trust("clinic"))


@pytest.fixture(scope="module")
def forged(house: House) -> Files:
    return resigned(house.files, stranger())


def check(files: Files, trust: Trust | None = None) -> Report:
    return verify_bytes(write_zip(files), trust)


def found(files: Files, trust: Trust | None = None) -> dict[str, str]:
    return failed(check(files, trust))


# --- what holds -------------------------------------------------------------------------------------


def test_an_untouched_packet_holds_and_says_what_that_rests_on(house: House, tmp_path: Path):
    report = check(house.files)
    assert report.verdict == "self-consistent, issuer not authenticated"
    assert [c.number for c in report.checks] == list(range(1, 22))
    details = {c.name: c.detail for c in report.checks}
    assert details["manifest"] == f"{len(house.files) - 1} checked"
    assert details["issuer"] == "not authenticated: no trust file"
    assert "holds proofs" in details["root"]
    assert int(details["opened"].split()[0]) == len(f.read_opened(house.files[f.OPENED]))
    packet = tmp_path / "packet.zip"
    packet.write_bytes(write_zip(house.files))
    assert verify_packet(packet, house.trust).verdict == "holds, issuer authenticated"
    with pytest.raises(OperatorError):
        verify_packet(tmp_path / "nowhere.zip")


def test_the_registers_key_is_all_an_auditor_needs(house: House):
    assert check(house.files, house.trust).authenticated
    node = f.read_manifest(house.files[f.MANIFEST]).manifest.key
    assert check(house.files, Trust.of([*house.log_trust.logs, node])).authenticated


@pytest.mark.parametrize("keys", ["none", "log", "node"])
def test_with_half_of_the_keys_it_is_not_authenticated(house: House, keys: str):
    node = f.read_manifest(house.files[f.MANIFEST]).manifest.key
    trust = {"none": Trust(), "log": house.log_trust, "node": Trust.of([node])}[keys]
    report = check(house.files, trust)
    assert not report.ok and not report.authenticated and set(failed(report)) == {"issuer"}


# --- any byte ---------------------------------------------------------------------------------------


def flipped(data: bytes, at: int, bit: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_changed_byte_of_any_file_is_found(house: House, data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(house.files)))
    place, bit = data.draw(st.integers(0, len(house.files[name]) - 1)), data.draw(st.integers(0, 7))
    changed = {**house.files, name: flipped(house.files[name], place, bit)}
    assert not check(changed).ok, (name, place, bit)


def test_every_file_is_covered_at_its_first_and_its_last_byte(house: House):
    for name, whole in house.files.items():
        for place in (0, len(whole) - 1):
            told = found({**house.files, name: flipped(whole, place, 0)})
            assert told, (name, place)
            if name != f.MANIFEST:
                assert f"{name}: digest" in told["manifest"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 7))
def test_any_changed_byte_of_the_zip_itself_is_found(house: House, place: int, bit: int):
    whole = write_zip(house.files)
    assert not verify_bytes(flipped(whole, place, bit)).ok


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_stranger_who_signs_a_manifest_anew_still_cannot_change_a_byte(
    house: House, forged: Files, data: st.DataObject
):
    name = data.draw(st.sampled_from(sorted(forged.keys() - {f.MANIFEST})))
    place, bit = data.draw(st.integers(0, len(forged[name]) - 1)), data.draw(st.integers(0, 7))
    changed = {**forged, name: flipped(forged[name], place, bit)}
    told = found(resigned(changed, stranger(), again=False))
    assert set(told) - {"issuer"}, (name, place, bit)


# --- a stranger's manifest --------------------------------------------------------------------------


def test_a_strangers_manifest_is_never_authenticated(house: House, forged: Files):
    for trust in (None, house.trust, house.log_trust):
        report = check(forged, trust)
        assert not report.ok and not report.authenticated
        assert f.MANIFEST in failed(report)["issuer"] and set(failed(report)) == {"issuer"}
    # Without the register beside it, it agrees with itself, and that is all.
    bare = {n: d for n, d in forged.items() if not n.startswith("register/")}
    assert check(resigned(bare, stranger())).verdict == "self-consistent, issuer not authenticated"
    assert set(found(resigned(bare, stranger()), house.trust)) == {"issuer"}


def test_a_manifest_with_somebody_elses_signature(house: House):
    manifest = f.read_manifest(house.files[f.MANIFEST]).manifest
    files = {n: d for n, d in house.files.items() if n != f.MANIFEST}
    files[f.MANIFEST] = f.write_manifest(files, manifest, stranger())
    assert found(files) == {"signature": "manifest.json: signature"}


# --- another program's container --------------------------------------------------------------------


def zipped(files: Files, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as container:
        for name, data in files.items():
            container.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_container_made_anew_fails_alone_when_its_content_holds(house: House, how: int):
    report = verify_bytes(zipped(house.files, how), house.trust)
    assert failed(report) == {"files": "the container was made anew; the contents hold"}
    assert report.records and not report.authenticated


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_container_made_anew_with_another_file_in_it_names_the_file(house: House, how: int):
    edited = {**house.files, f.TRACE: house.files[f.TRACE].replace(b"clinic", b"klinik", 1)}
    told = failed(verify_bytes(zipped(edited, how)))
    assert told["files"] == "the container was changed, cut off or added to"
    assert told["manifest"] == "trace.json: digest" and told["trace"].startswith("trace.json: not what")
    assert set(told) == {"files", "manifest", "trace"}


def test_a_byte_changed_inside_a_leaf_in_the_container_names_the_leaf(house: House):
    name = names(house.files, "leaves/")[1]
    whole = write_zip(house.files)
    place = whole.index(house.files[name]) + 40
    told = failed(verify_bytes(flipped(whole, place, 0)))
    assert f"{name}: not what its check sum in the container says" in told["files"]
    assert told["manifest"] == f"{name}: digest" and set(told) - {"files", "manifest"}


# --- a damaged checkpoint ---------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "register/"])
@pytest.mark.parametrize("what", ["size", "origin", "junk"])
def test_a_damaged_checkpoint_is_told_once_and_no_leaf_is_blamed(house: House, prefix: str, what: str):
    name = f"{prefix}checkpoint"
    note = house.files[name]
    origin, size, rest = note.split(b"\n", 2)
    damaged = {
        "size": b"\n".join([origin, b"%d" % (int(size) + 1), rest]),
        "origin": b"\n".join([origin[:-1] + (b"0" if origin[-1:] != b"0" else b"1"), size, rest]),
        "junk": b"junk",
    }[what]
    check_named = ("parse", f"{name}: malformed signed note")
    if what != "junk":
        check_named = ("signature", f"{name}: signature does not hold")
    for trust in (None, house.trust):
        report = check({**house.files, name: damaged}, trust)
        told = failed(report)
        assert told == {"manifest": f"{name}: digest", check_named[0]: check_named[1]}
        unchecked = {c.name for c in report.checks if not c.checked}
        assert {"trace", "page", "consistency"} <= unchecked
        proof = report.checks[9]
        assert "not checkable: the checkpoint" in proof.detail and not proof.checked
        assert not report.authenticated


def test_without_a_trust_file_the_witnesses_are_not_said_to_be_missing_from_it(house: House):
    report = check(house.files)
    witness, issuer = report.checks[11], report.checks[19]
    assert witness.detail == "not checked: no trust file"
    assert not witness.checked and not issuer.checked and witness.ok
    trusted = check(house.files, house.trust)
    assert "the trust file names none" in trusted.checks[11].detail and trusted.checks[19].checked


# --- files removed, added, swapped ------------------------------------------------------------------


def test_a_file_removed_is_named(house: House):
    for name in house.files:
        told = found({n: d for n, d in house.files.items() if n != name})
        assert name in " ".join(told.values()), name
        if name != f.MANIFEST:
            kept = {n: d for n, d in house.files.items() if n != name}
            assert found(resigned(kept, stranger(), again=False)).keys() - {"issuer"}, name


@pytest.mark.parametrize(
    "name", ["extra.txt", "leaves/99.json", "sealed/a_0000000000000000.bin", "leaves/1.txt"]
)
def test_a_file_added_is_named(house: House, name: str):
    added = {**house.files, name: b"{}"}
    assert f"{name}: not in the manifest" in found(added)["manifest"]
    told = found(resigned(added, stranger(), again=False))
    assert told.keys() & {"files", "parse", "sealed"}, told


@pytest.mark.parametrize("folder", ["leaves/", "proofs/", "sealed/", "log/leaves/", "register/leaves/"])
def test_two_files_swapped_are_found(house: House, folder: str):
    one, two = names(house.files, folder)[:2]
    swapped = {**house.files, one: house.files[two], two: house.files[one]}
    assert f"{one}: digest" in found(swapped)["manifest"]
    assert found(resigned(swapped, stranger(), again=False)).keys() & {
        "order",
        "proof",
        "sealed",
        "signature",
    }


def test_the_leaves_of_another_call_are_found(house: House):
    mixed = dict(house.files)
    for name in names(mixed, "leaves/") + names(mixed, "proofs/") + ["checkpoint"]:
        del mixed[name]
    mixed |= {n: d for n, d in house.other.items() if n.split("/")[0] in ("leaves", "proofs", "checkpoint")}
    mixed |= {n: house.other[n] for n in names(house.other, "log/")}
    told = found(resigned(mixed, stranger(), again=False))
    assert "does not belong here" in told["order"]
    assert {"trace", "page", "sealed"} & told.keys()


def test_one_record_left_out_leaves_a_gap(house: House):
    leaves = names(house.files, "leaves/")
    said = next(n for n in leaves if isinstance(record_of(house.files[n]), r.CallerSaid))
    proof = said.replace("leaves", "proofs").replace(".json", ".tlog-proof")
    left = {n: d for n, d in house.files.items() if n not in (said, proof)}
    told = found(resigned(left, stranger(), again=False))
    assert "expected" in told["numbers"]


# --- opened content ---------------------------------------------------------------------------------


def reopened(files: Files, change: Callable[[f.OpenedContent], f.OpenedContent | None]) -> Files:
    opened = [x for content in f.read_opened(files[f.OPENED]).values() if (x := change(content)) is not None]
    return resigned({**files, f.OPENED: f.write_opened(opened)}, stranger(), again=False)


def test_other_words_are_not_what_the_leaf_was_made_of(house: House):
    def lie(content: f.OpenedContent) -> f.OpenedContent:
        words = content.plaintext.replace("a quiet word", "a loud words")
        return content.model_copy(update={"plaintext": words})

    assert "hmac" in found(reopened(house.files, lie))["opened"]


def test_words_held_back_are_missed(house: House):
    told = found(reopened(house.files, lambda content: None if "quiet" in content.plaintext else content))
    assert "not in opened.json, and it is not erased" in told["opened"]


def test_words_and_blob_held_back_need_a_tombstone(house: House):
    artifact = next(a for a, c in f.read_opened(house.files[f.OPENED]).items() if "quiet" in c.plaintext)
    files = {n: d for n, d in house.files.items() if artifact not in n}
    told = found(reopened(files, lambda content: None if content.artifact == artifact else content))
    assert "erased without a tombstone" in told["sealed"]


def test_content_of_no_record_is_named(house: House):
    def lie(content: f.OpenedContent) -> f.OpenedContent:
        return content.model_copy(update={"leaf": content.leaf + 1})

    assert "not of the record it names" in found(reopened(house.files, lie))["opened"]


# --- proofs, checkpoint, release, hostile files -------------------------------------------------------


def test_a_release_that_is_not_the_calls(house: House):
    told = found(resigned({**house.files, f.RELEASE: b"{}"}, stranger()))
    assert told["files"] == "release.json: not the release that the call was bound to"


def test_without_its_release_it_holds_and_says_so(house: House):
    files = resigned({n: d for n, d in house.files.items() if n != f.RELEASE}, stranger())
    report = check(files)
    assert set(failed(report)) == {"issuer"}  # only the stranger's key
    assert "only its digest" in report.checks[0].detail
    assert b"was not archived on this machine" in files[f.INDEX]


def test_a_page_of_another_format_is_not_called_checked(house: House):
    files = dict(house.files)
    old = f.read_manifest(files.pop(f.MANIFEST)).manifest
    newer = f.unsigned_manifest(
        {**old.model_dump(exclude={"format", "signer", "public"}), "page": 99}, stranger().verifier.public
    )
    files[f.MANIFEST] = f.write_manifest(files, newer, stranger())
    assert "use its version" in found(files)["page"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"\x00" * 5000,
        b"PK\x05\x06" + bytes(18),
        b"{" * 100_000,
        write_zip({}),
        write_zip({"a": b""}),
    ],
)
def test_what_cannot_be_parsed_is_damage_not_a_traceback(data: bytes):
    report = verify_bytes(data)
    assert not report.ok and "files" in failed(report)


@pytest.mark.parametrize(
    "name", [f.MANIFEST, f.OPENED, f.TRACE, f.RELEASE, "checkpoint", "register/checkpoint"]
)
@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"[" * 20_000, b"null", base64.b64encode(b"x" * 999)])
def test_junk_in_a_file_is_a_finding(house: House, name: str, junk: bytes):
    told = found({**house.files, name: junk})
    assert told and "cannot be read (" not in told.get("files", "")
