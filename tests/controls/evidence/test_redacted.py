"""Exports without personal data: a masked trace, and a packet that leaves sealed what it may not show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from controls.evidence import packet_files as f
from controls.evidence.container import read_zip, write_zip
from controls.evidence.packet import audit_packet
from controls.evidence.packet_check import verify_bytes
from controls.evidence.redacted import holds_personal, redacted_trace
from controls.evidence.trace import trace
from controls.ledger import records as r
from controls.ledger.keys import FileKeys
from controls.redaction.file import PATTERNS
from controls.redaction.redactor import Redactor
from tests.controls.evidence.calls import CallScript, clinic_call
from tests.controls.evidence.packets import RESOLVED, VERSION, Books, failed, released, resigned, stranger
from tests.simulators.every_record import MARK, Marks, every_record

REDACTOR = Redactor(PATTERNS)
CARD, MAIL = "4111 1111 1111 1111", "john@example.com"
ASKED, BORN = "What is your date of birth?", "May 5 1980"


def personal_call() -> CallScript:
    """The clinic's call, in which the caller gives a card and an address, and answers a question."""
    script = clinic_call()
    for n, (leaf, record, personal) in enumerate(script.opened):
        if isinstance(personal, r.SaidDetails):
            said = f"at ten, card {CARD}, {MAIL}" if record.turn == 1 else BORN
            script.opened[n] = (leaf, record, personal.model_copy(update={"text": said}))
        if isinstance(personal, r.PlayedDetails) and record.turn == 1 and personal.phrase is None:
            changed = personal.model_copy(update={"text": ASKED, "played_text": ASKED})
            script.opened[n] = (leaf, record, changed)
        if isinstance(record, r.ClauseCleared) and record.turn == 1:
            script.opened[n] = (leaf, record, personal.model_copy(update={"text": ASKED}))
        if isinstance(personal, r.ToolDetails):
            changed = personal.model_copy(update={"arguments": {"name": "A", "phone": 2025550143}})
            script.opened[n] = (leaf, record, changed)
    return script


def test_a_trace_is_masked_in_its_words_and_nowhere_else() -> None:
    whole = trace(personal_call().opened)
    shown = redacted_trace(whole, REDACTOR)
    text = shown.model_dump_json()
    assert CARD not in text and MAIL not in text and "2025550143" not in text
    first = next(t for t in shown.turns if t.said is not None and t.n == 1)
    assert first.said is not None and first.said.text == "at ten, card [card], [email]"
    second = next(t for t in shown.turns if t.said is not None and t.n == 2)
    assert second.said is not None and second.said.text == "[birth-date]", (
        "the question before says what it is"
    )
    tools = [use.arguments for t in shown.turns if t.decision for use in t.decision.tools if use.arguments]
    assert {"name": "A", "phone": "[telephone]"} in tools
    assert shown.call == whole.call
    assert shown.ledger == whole.ledger
    assert shown.artifacts == whole.artifacts
    assert [t.latency_ms for t in shown.turns] == [t.latency_ms for t in whole.turns]


def test_a_trace_without_anything_personal_stays_as_it_is() -> None:
    whole = trace(clinic_call().opened)
    kept = Redactor([r.PersonalData.CARD])
    assert redacted_trace(whole, kept) == whole


def test_no_personal_field_of_any_record_is_left_in_a_masked_trace() -> None:
    """What a person was shown, an edited use's values and a reviewer's note stood in it in clear."""
    opened = every_record()
    whole, shown = trace(opened), redacted_trace(trace(opened), REDACTOR)
    marks = set(re.findall(r"mark\d+" + MARK, whole.model_dump_json()))
    assert len(marks) > 60, "the trace shows too little to be a test"
    assert {turn.approvals[0].note for turn in whole.turns if turn.approvals} & marks
    assert MARK not in shown.model_dump_json()


@pytest.mark.parametrize("kind", sorted({k.personal for k in r.RECORDS.values() if k.personal}, key=str))
def test_each_field_of_any_content_keeps_it_sealed(kind: type[r.Personal]) -> None:
    """A promised call-back's number stood in packets that were to show nothing personal."""
    marks = Marks()
    for name, field in kind.model_fields.items():
        value = marks.field(field, personal=True)
        if name in ("salt", "statement", "signature", "public") or MARK not in repr(value):
            continue
        others = {f: i.get_default() for f, i in kind.model_fields.items()}
        assert holds_personal(kind.model_construct(**(others | {name: value})), REDACTOR, "en-US"), name


def test_what_holds_personal_data() -> None:
    def holds(personal: r.Personal) -> bool:
        return holds_personal(personal, REDACTOR, "en-US")

    details = {
        "agent": "a",
        "line": "l",
        "operator_of_record": "o",
        "opened_at": "2026-11-22T06:47:58.123456Z",
    }
    assert not holds(r.CallDetails(**details))
    assert holds(r.CallDetails(**details, caller="+12025550143"))
    times = {"receipt_at_ns": 4111111111111111, "first_sample_at_ns": 4111111111111112, "started_s": 1.5}
    assert not holds(r.PlayedDetails(text="Yes.", played_text="Yes.", **times)), (
        "our clocks are nobody's card"
    )
    assert holds(r.ToolDetails(name="pay", arguments={"n": CARD}))
    assert holds(r.ToolDetails(name="pay", arguments={"date of birth": "1980"})), "its name says what it is"


def withheld_packet(root: Path) -> tuple[Books, str, bytes, int]:
    books, script = Books(root), released(personal_call())
    books.fill(script)
    signer = FileKeys(books.root / "keys").node_signer(create=True)
    made = audit_packet(
        books.root, script.call, access=books.ask(script.call), release=RESOLVED, signer=signer,
        version=VERSION,
        withhold=lambda personal: holds_personal(personal, REDACTOR, "en-US"),
    )  # fmt: skip
    return books, script.call, made.data, made.withheld


def test_a_packet_leaves_sealed_what_is_personal_and_holds(tmp_path: Path) -> None:
    books, _, data, withheld = withheld_packet(tmp_path)
    files = read_zip(data)
    clear = b"".join(content for name, content in files.items() if not name.startswith("sealed/"))
    for secret in (CARD, MAIL, "2025550143"):
        assert secret.encode() not in clear
    assert withheld > 0
    manifest = f.read_manifest(files[f.MANIFEST]).manifest
    assert len(manifest.withheld) == withheld
    opened = f.read_opened(files[f.OPENED])
    assert opened and not opened.keys() & set(manifest.withheld)
    assert all(f"sealed/{artifact}.bin" in files for artifact in manifest.withheld), (
        "their ciphertext is proven"
    )
    report = verify_bytes(data, books.trust(r.REGISTER))
    assert report.verdict == "holds, issuer authenticated"
    notes = " ".join(c.detail for c in report.checks)
    assert f"{withheld} pieces of content are withheld" in notes
    page = files[f.INDEX].decode()
    assert f"{withheld} pieces of content left sealed" in page


def test_a_packet_without_it_is_as_it_always_was(tmp_path: Path) -> None:
    books, script = Books(tmp_path), released(clinic_call())
    books.fill(script)
    files = read_zip(books.audit(script.call).data)
    assert b"withheld" not in files[f.MANIFEST]
    assert b"left sealed" not in files[f.INDEX]


def test_content_may_not_be_left_out_silently(tmp_path: Path) -> None:
    """Whoever takes opened content out without saying so in the manifest is found out."""
    _, _, data, _ = withheld_packet(tmp_path)
    files = read_zip(data)
    old = f.read_manifest(files.pop(f.MANIFEST)).manifest
    fields = old.model_dump(exclude={"format", "signer", "public", "withheld"})
    signer = stranger()
    files[f.MANIFEST] = f.write_manifest(files, f.unsigned_manifest(fields, signer.verifier.public), signer)
    found = failed(verify_bytes(write_zip(files)))
    assert "its content is not in opened.json, and it is not erased" in found["opened"]


def test_what_is_said_to_be_withheld_may_not_be_there(tmp_path: Path) -> None:
    books, script = Books(tmp_path), released(clinic_call())
    books.fill(script)
    files = read_zip(books.audit(script.call).data)
    artifact = json.loads(files[f.OPENED])["opened"][0]["artifact"]
    old = f.read_manifest(files.pop(f.MANIFEST)).manifest
    fields = old.model_dump(exclude={"format", "signer", "public"}) | {"withheld": (artifact,)}
    signer = stranger()
    files[f.MANIFEST] = f.write_manifest(files, f.unsigned_manifest(fields, signer.verifier.public), signer)
    found = failed(verify_bytes(write_zip(resigned(files, signer))))
    assert "the manifest says that it is withheld" in found["opened"]
