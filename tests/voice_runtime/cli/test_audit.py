"""`sayso audit` and `sayso receipt`: who asks is on record first, and anybody can check what is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controls.evidence.container import read_zip, write_zip
from controls.evidence.packet_check import verify_bytes, verify_packet
from controls.evidence.rebuild import record_of
from controls.ledger import records as r
from controls.ledger.keys import FileKeys
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.ledger.trust import Trust
from tests.controls.evidence.calls import CallScript, clinic_call
from tests.controls.evidence.packets import RELEASE, RESOLVED, released, resigned
from tests.voice_runtime.cli.records_house import ROOT, House, serving, tagger
from voice_runtime.key_operations import rotate_node
from voice_runtime.release_archive import archive_releases, archived_release

WHO = ("--as", "r.okafor", "--purpose", "complaint 17")


def trust(house: House) -> Path:
    """The register's key, as an auditor got it by another way."""
    path = house.profile.with_name("auditor.keys")
    with Reader.open(house.ledger) as reader:
        path.write_text("".join(f"{v.vkey}\n" for v in reader.views() if v.tenant == r.REGISTER))
    return path


def archive(house: House) -> None:
    folder = house.data_dir / "releases"
    folder.mkdir(parents=True)
    (folder / f"{RELEASE.removeprefix('sha256:')}.json").write_bytes(RESOLVED)


def test_a_packet_is_written_holds_and_is_for_its_owner_only(house: House, tmp_path: Path):
    script = released(clinic_call())
    house.fill(script)
    archive(house)
    out = tmp_path / "call.zip"
    found = house.json("audit", script.call, "-o", str(out), *WHO)
    assert (found["call"], found["holds"], found["release_archived"]) == (script.call, True, True)
    assert found["verdict"] == "self-consistent, issuer not authenticated"
    assert out.stat().st_mode & 0o777 == 0o600 and not list(tmp_path.glob(".*"))
    assert verify_packet(out, Trust.read(trust(house))).verdict == "holds, issuer authenticated"
    files = read_zip(out.read_bytes())
    assert files["release.json"] == RESOLVED
    assert "is this rash serious" in files["index.html"].decode()
    [(record, details)] = house.access()
    assert (record.call, record.what, details.who, details.purpose) == (
        script.call, "audit", "r.okafor", "complaint 17",
    )  # fmt: skip
    assert any(isinstance(record_of(d), r.AccessViewed) for n, d in files.items() if n.startswith("leaves/"))


def test_anybody_can_check_it_with_the_verifier_alone(house: House, tmp_path: Path):
    script = released(clinic_call())
    house.fill(script)
    out = tmp_path / "call.zip"
    assert house.sayso("audit", script.call, "-o", str(out))[0] == 0
    command = [
        sys.executable,
        "-m",
        "controls.ledger",
        "verify",
        "--json",
        str(out),
        "--trust",
        str(trust(house)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["authenticated"] is True
    whole = out.read_bytes()
    out.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False


def test_a_file_that_is_there_is_not_replaced_unless_told_to(house: House, tmp_path: Path):
    script = released(clinic_call())
    house.fill(script)
    out = tmp_path / "call.zip"
    out.write_text("mine")
    code, _, err = house.sayso("audit", script.call, "-o", str(out))
    assert (code, "--force" in err, out.read_text()) == (2, True, "mine")
    assert house.access() == []
    code, printed, _ = house.sayso("audit", script.call, "-o", str(out), "--force")
    assert code == 0 and "archive lacks it" in printed and verify_packet(out).ok
    code, _, err = house.sayso("audit", script.call, "-o", str(tmp_path / "nowhere" / "call.zip"))
    assert code == 2 and "is not a folder" in err


@pytest.mark.parametrize("given", [[], ["--as", "r.okafor"], ["--purpose", "complaint 17"]])
def test_outside_demo_nobody_gets_one_without_name_and_purpose(
    house: House, given: list[str], tmp_path: Path
):
    script = released(clinic_call())
    house.fill(script)
    house.environment("staging")
    out = tmp_path / "call.zip"
    code, _, err = house.sayso("audit", script.call, "-o", str(out), *given)
    assert (code, out.exists(), house.access()) == (2, False, [])
    assert "--as NAME and --purpose WHY" in err


def test_an_unknown_call_writes_nothing(house: House, tmp_path: Path):
    out = tmp_path / "call.zip"
    assert house.sayso("audit", "c_0000000000000000", "-o", str(out))[0] == 2
    house.fill(released(clinic_call()))
    code, _, err = house.sayso("audit", "c_0000000000000000", "-o", str(out))
    assert (code, "no such call" in err, out.exists(), house.access()) == (2, True, False, [])


def test_beside_a_running_server_it_waits_for_the_next_checkpoint(house: House, tmp_path: Path):
    script = released(clinic_call())
    house.fill(script)
    out = tmp_path / "call.zip"
    with serving(house):
        found = house.json("audit", script.call, "-o", str(out), *WHO)
    assert found["holds"] and [d.who for _, d in house.access()] == ["r.okafor"]
    assert verify_packet(out, Trust.read(trust(house))).authenticated


def test_when_asking_cannot_be_recorded_nothing_is_written(house: House, tmp_path: Path):
    script = released(clinic_call())
    house.fill(script)
    out = tmp_path / "call.zip"
    ledger = Ledger.open(house.ledger, tagger=tagger)  # a writer without a socket
    try:
        assert house.sayso("audit", script.call, "-o", str(out))[0] == 2
    finally:
        ledger.close()
    assert not out.exists() and house.access() == []


def test_an_archived_release_that_was_changed_is_refused(house: House, tmp_path: Path):
    script = released(clinic_call())
    house.fill(script)
    archive(house)
    [file] = (house.data_dir / "releases").iterdir()
    file.write_bytes(file.read_bytes() + b" ")
    code, _, err = house.sayso("audit", script.call, "-o", str(tmp_path / "call.zip"))
    assert code == 1 and "is not the release its name says" in err


def test_a_damaged_leaf_stops_it(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script = released(clinic_call())
    house.fill(script)
    from controls.evidence import packet

    made: list[Any] = []
    real = packet.audit_packet

    def damaged(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        made.append(found)
        data = bytearray(found.data)
        data[len(data) // 2] ^= 1
        return packet.Made(bytes(data), found.call, found.origin, found.leaves, found.size, found.released)

    monkeypatch.setattr(packet, "audit_packet", damaged)
    code, out, _ = house.sayso("audit", script.call, "-o", str(tmp_path / "call.zip"))
    assert code == 1 and "does not hold" in out and made


def test_after_the_nodes_key_is_rotated_old_and_new_packets_hold_and_the_old_key_makes_none(
    house: House, tmp_path: Path
):
    script = released(clinic_call())
    house.fill(script)
    before, after = tmp_path / "before.zip", tmp_path / "after.zip"
    assert house.sayso("audit", script.call, "-o", str(before))[0] == 0
    keys = FileKeys(house.ledger / "keys")
    retired = keys.node_signer(create=False)
    ledger = Ledger.open(house.ledger, tagger=tagger)
    try:
        rotate_node(ledger, keys)
    finally:
        ledger.close()
    assert house.sayso("audit", script.call, "-o", str(after))[0] == 0
    known = Trust.read(trust(house))
    assert verify_packet(before, known).authenticated and verify_packet(after, known).authenticated
    files = read_zip(after.read_bytes())
    forged = write_zip(resigned(files, retired))
    report = verify_bytes(forged, known)
    assert not report.ok and not report.authenticated
    assert "manifest.json" in next(c.detail for c in report.checks if c.name == "issuer")


# --- receipt ------------------------------------------------------------------------------------------


def with_receipt(code: str) -> CallScript:
    script = released(clinic_call())
    end = script.opened.pop()[1]
    assert isinstance(end, r.CallClosed)
    script.add(r.ReceiptIssued, r.ReceiptDetails(code=code), turn=3, how="spoken")
    script.add(r.CallClosed, ended_by="agent", reason="callback", duration_s=61, records=end.records + 1)
    return script


def real_code() -> str:
    from controls.receipt_code import new_code

    return new_code()


def test_a_receipt_finds_its_call_however_it_was_written_down(house: House, tmp_path: Path):
    code = real_code()
    script = with_receipt(code)
    house.fill(with_receipt(real_code()), script, released(clinic_call()))
    out = tmp_path / "receipt.zip"
    written = code.lower().replace("-", " ")
    found = house.json("receipt", written, "-o", str(out), *WHO)
    assert (found["call"], found["holds"]) == (script.call, True)
    report = verify_packet(out, Trust.read(trust(house)))
    assert report.verdict == "holds, issuer authenticated"
    files = read_zip(out.read_bytes())
    assert "rash" not in b"".join(files.values()).decode("utf-8", "replace")
    [(record, details)] = house.access()
    assert (record.what, record.call, details.purpose) == ("receipt", None, "complaint 17")


def test_a_code_nobody_was_given_finds_nothing_and_who_looked_is_on_record(house: House, tmp_path: Path):
    house.fill(with_receipt(real_code()))
    out = tmp_path / "receipt.zip"
    code, _, err = house.sayso("receipt", real_code(), "-o", str(out))
    assert (code, out.exists()) == (2, False)
    assert "no call with this receipt code" in err
    assert [record.what for record, _ in house.access()] == ["receipt"]


def test_what_is_no_code_opens_nothing(house: House, tmp_path: Path):
    house.fill(with_receipt(real_code()))
    code, _, err = house.sayso("receipt", "hello", "-o", str(tmp_path / "receipt.zip"))
    assert code == 2 and "hello" not in err
    assert house.access() == []


def test_a_receipt_is_written_under_a_profile_that_may_not_serve(house: House, tmp_path: Path):
    code, out = real_code(), tmp_path / "receipt.zip"
    house.fill(with_receipt(code))
    house.profile.write_text(house.profile.read_text().replace("environment: demo", "environment: staging"))
    exit_code, _, err = house.sayso("receipt", code, "-o", str(out))
    assert (exit_code, "--as NAME and --purpose WHY" in err, out.exists()) == (2, True, False)
    assert house.sayso("receipt", code, "-o", str(out), *WHO)[0] == 0


def test_where_nobody_ever_got_a_receipt_nothing_is_opened(house: House, tmp_path: Path):
    house.fill(released(clinic_call()))
    assert house.sayso("receipt", real_code(), "-o", str(tmp_path / "receipt.zip"))[0] == 2
    assert house.access() == []


# --- the archive of releases --------------------------------------------------------------------------


def test_what_a_server_archives_is_what_an_audit_finds(tmp_path: Path):
    release = _release()
    archive_releases(tmp_path, [release])
    archive_releases(tmp_path, [release])
    [file] = (tmp_path / "releases").iterdir()
    assert file.name == release.digest.removeprefix("sha256:") + ".json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert archived_release(tmp_path, release.digest) == release.resolved
    assert archived_release(tmp_path, "sha256:" + "0" * 64) is None


def _release() -> Any:
    from voice_runtime.lines import load_lines
    from voice_runtime.resolve import load_release
    from voice_runtime.settings import load_settings

    settings = load_settings(ROOT / "configs/profiles/offline.yaml")
    return load_release(settings.root, "healthcare", settings, load_lines(settings.root))


def test_a_redacted_packet_leaves_personal_content_sealed_and_holds(house: House, tmp_path: Path):
    script = released(clinic_call())
    for n, (leaf, record, personal) in enumerate(script.opened):
        if isinstance(personal, r.SaidDetails):
            changed = personal.model_copy(update={"text": "write to maria@example.com"})
            script.opened[n] = (leaf, record, changed)
    house.fill(script)
    archive(house)
    out = tmp_path / "call.zip"
    found = house.json("audit", script.call, "-o", str(out), "--redact", *WHO)
    assert found["holds"] is True
    assert found["withheld"] > 0
    files = read_zip(out.read_bytes())
    assert not any(b"maria@example.com" in data for data in files.values())
    assert verify_packet(out, Trust.read(trust(house))).verdict == "holds, issuer authenticated"
    code, text, _ = house.sayso("audit", script.call, "-o", str(tmp_path / "b.zip"), "--redact", *WHO)
    assert code == 0
    assert "pieces of content are left sealed" in text
    told = house.of(r.RedactionCounted)
    assert {record.what.value for _, record in told} == {"email", "telephone"}, "the call-back's number too"
    assert {record.sink for _, record in told} == {"export"}
    assert {record.leaf for _, record in told} == {leaf for leaf, _ in house.of(r.AccessViewed)}
