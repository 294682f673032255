"""`sayso calls`, `trace` and `ledger` on a real log: who looks is on record first, and damage is named."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from controls.errors import LedgerError
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.notes import Checkpoint, VerifierKey, parse_checkpoint, verify_checkpoint
from controls.ledger.reader import LogView, Reader
from controls.ledger.verify import verify_directory
from tests.controls.evidence.calls import clinic_call
from tests.voice_runtime.cli.records_house import House, serving, tagger
from voice_runtime.cli import records

# --- calls ------------------------------------------------------------------------------------------


def test_no_calls_yet_is_an_empty_list_not_an_error(house: House):
    assert house.json("calls") == {"calls": []}
    code, out, _ = house.sayso("calls")
    assert (code, "no calls on record yet" in out) == (0, True)


def test_calls_are_newest_first_and_open_nothing(house: House):
    first, second = clinic_call(), clinic_call()
    house.fill(first, second)
    calls = house.json("calls")["calls"]
    assert [c["call"] for c in calls] == [second.call, first.call]
    assert (calls[0]["turns"], calls[0]["handoff"], calls[0]["ended_by"]) == (3, True, "agent")
    assert (calls[0]["environment"], calls[0]["approved"], calls[0]["duration_s"]) == ("demo", False, 61)
    assert [c["call"] for c in house.json("calls", "--limit", "1")["calls"]] == [second.call]
    assert house.access() == []
    code, out, _ = house.sayso("calls")
    assert code == 0
    assert first.call in out and "demo, unapproved" in out


def test_a_call_still_open_is_listed_as_such(house: House):
    script = clinic_call()
    script.opened.pop()
    house.fill(script)
    assert house.json("calls")["calls"][0]["ended_by"] is None
    assert "still open" in house.sayso("calls")[1]


def test_a_limit_of_none_is_a_usage_error(house: House):
    assert house.sayso("calls", "--limit", "0")[0] == 2


# --- trace ------------------------------------------------------------------------------------------


def test_a_trace_is_rebuilt_from_the_leaves_and_verified(house: House):
    script = clinic_call()
    house.fill(script)
    found = house.json("trace", script.call)
    assert found["call"]["agent"] == "healthcare"
    assert [turn["n"] for turn in found["turns"]] == [0, 1, 2, 3]
    assert found["turns"][2]["decision"]["verdicts"][0]["rule"] == "health-boundaries/no-diagnosis"
    assert found["handoff"]["outcome"] == "callback_promised"
    assert found["ledger"]["gaps"] == []
    assert found["ledger"]["verified"] is True
    assert found["ledger"]["checkpoint"]["size"] > found["ledger"]["first_leaf"]
    assert found["artifacts"][0]["class"] == "transcripts"
    code, out, _ = house.sayso("trace", script.call, "--no-verify")
    assert code == 0
    assert "✗ It is probably just eczema.   never spoken" in out
    assert "not verified here" in out


def test_who_looked_is_on_record_before_anything_is_opened(house: House, monkeypatch: pytest.MonkeyPatch):
    script = clinic_call()
    house.fill(script)
    seen_before: list[int] = []
    opened = Reader.opened

    def spy(reader: Reader, call: str) -> Any:
        seen_before.append(len(house.access()))
        return opened(reader, call)

    monkeypatch.setattr(Reader, "opened", spy)
    assert house.sayso("trace", script.call, "--as", "r.okafor", "--purpose", "complaint 17")[0] == 0
    assert seen_before == [1]
    [(record, details)] = house.access()
    assert (record.call, record.what) == (script.call, "trace")
    assert (details.who, details.purpose) == ("r.okafor", "complaint 17")


def test_in_demo_the_account_looks_for_local_review(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("getpass.getuser", lambda: "somebody")
    script = clinic_call()
    house.fill(script)
    house.json("trace", script.call)
    assert [(d.who, d.purpose) for _, d in house.access()] == [("somebody", "local review")]


@pytest.mark.parametrize("given", [[], ["--as", "r.okafor"], ["--purpose", "complaint 17"]])
def test_outside_demo_nobody_looks_without_name_and_purpose(house: House, given: list[str]):
    script = clinic_call()
    house.fill(script)
    house.environment("staging")
    code, out, err = house.sayso("trace", script.call, *given)
    assert (code, out) == (2, "")
    assert "--as NAME and --purpose WHY" in err
    assert house.access() == []


def test_a_real_calls_record_needs_a_name_under_a_demo_profile_too(house: House):
    script = clinic_call()
    leaf, opening, personal = script.opened[0]
    script.opened[0] = (leaf, opening.model_copy(update={"environment": r.Environment.PRODUCTION}), personal)
    house.fill(script)
    assert house.sayso("trace", script.call)[0] == 2
    assert house.access() == []


def test_an_unknown_call_and_no_records_are_usage_errors(house: House):
    code, _, err = house.sayso("trace", "c_0000000000000000")
    assert (code, "no records yet" in err) == (2, True)
    house.fill(clinic_call())
    code, _, err = house.sayso("trace", "c_0000000000000000")
    assert (code, "no such call" in err) == (2, True)


def test_erased_words_read_erased(house: House):
    script = clinic_call()
    house.fill(script)
    ledger = Ledger.open(house.ledger, tagger=tagger)
    with Reader.open(house.ledger) as reader:
        said = [e.record for e in reader.records(script.call) if isinstance(e.record, r.CallerSaid)]
    for record in said:
        assert record.sealed is not None
        ledger.erase("clinic", record.sealed.artifact, ground="request").result(timeout=60)
    ledger.close()
    found = house.json("trace", script.call)
    assert [turn["said"] and turn["said"]["text"] for turn in found["turns"]] == [None] * 4
    assert sum(a["erased_at"] is not None for a in found["artifacts"]) == 3
    assert "caller   (erased)" in house.sayso("trace", script.call)[1]


# --- through the running server -----------------------------------------------------------------------


def test_beside_a_running_server_the_record_goes_through_its_socket(house: House):
    script = clinic_call()
    house.fill(script)
    with serving(house):
        found = house.json("trace", script.call, "--as", "r.okafor", "--purpose", "complaint 17")
        assert found["call"]["id"] == script.call
        assert [d.who for _, d in house.access()] == ["r.okafor"]


def test_when_looking_cannot_be_recorded_nothing_is_opened(house: House):
    script = clinic_call()
    house.fill(script)
    ledger = Ledger.open(house.ledger, tagger=tagger)  # a writer without a socket
    try:
        code, out, err = house.sayso("trace", script.call)
        assert (code, out) == (2, "")
        assert "sayso:" in err
    finally:
        ledger.close()
    with serving(house) as running:
        running.close()  # it answers, but its ledger takes nothing
        code, out, err = house.sayso("trace", script.call)
        assert (code, out) == (1, "")
        assert "did not append access.viewed" in err
    assert house.access() == []


# --- ledger -------------------------------------------------------------------------------------------


def test_a_whole_log_verifies_and_says_what_that_rests_on(house: House):
    house.fill(clinic_call())
    code, out, _ = house.sayso("ledger", "verify")
    assert code == 0
    assert "self-consistent, issuer not authenticated" in out
    report = house.json("ledger", "verify")
    assert (report["ok"], report["authenticated"]) == (True, False)
    assert house.sayso("ledger", "verify", str(house.ledger))[0] == 0


def test_one_flipped_byte_in_a_copy_is_found_by_every_command(house: House, tmp_path: Path):
    script = clinic_call()
    house.fill(script)
    copy = tmp_path / "copy"
    shutil.copytree(house.data_dir, copy)
    with Reader.open(copy / "ledger") as reader:
        log = reader.view_of(script.call).directory / "log.db"
    with sqlite3.connect(log) as db:
        envelope = bytearray(db.execute("SELECT envelope FROM leaves WHERE leaf=21").fetchone()[0])
        envelope[len(envelope) // 2] ^= 1
        db.execute("UPDATE leaves SET envelope=? WHERE leaf=21", (bytes(envelope),))
    db.close()
    code, out, _ = house.sayso("ledger", "verify", str(copy / "ledger"))
    assert code == 1
    assert "record 21" in out
    assert house.sayso("ledger", "verify")[0] == 0
    shutil.rmtree(house.data_dir)
    shutil.copytree(copy, house.data_dir)
    assert house.sayso("trace", script.call)[0] == 1


def test_a_directory_without_a_log_is_a_usage_error(house: House, tmp_path: Path):
    code, _, err = house.sayso("ledger", "verify", str(tmp_path))
    assert code == 2
    assert err
    assert house.sayso("ledger", "verify")[0] == 2
    assert house.sayso("ledger", "checkpoint")[0] == 2


def test_a_checkpoint_is_printed_as_it_was_signed(house: House):
    house.fill(clinic_call())
    entries = {entry["tenant"]: entry for entry in house.json("ledger", "checkpoint")["checkpoints"]}
    code, out, _ = house.sayso("ledger", "checkpoint")
    assert code == 0
    assert all(entry["note"] in out for entry in entries.values())
    assert entries["clinic"]["size"] >= len(clinic_call().opened)  # and the log's own first records
    trust = house.profile.with_name("auditor.keys")
    trust.write_text(entries["register"]["key"] + "\n")
    assert "holds, issuer authenticated" in house.sayso("ledger", "verify", "--trust", str(trust))[1]


def test_a_rotated_key_goes_on_holding_for_the_checkpoint_it_signed(house: House):
    house.fill(clinic_call())
    [before] = [e for e in house.json("ledger", "checkpoint")["checkpoints"] if e["tenant"] == "clinic"]
    house.cosign("clinic")
    assert house.sayso("keys", "rotate", "log", "--tenant", "clinic")[0] == 0  # without a server
    assert house.sayso("ledger", "checkpoint")[0] == 0
    [after] = [e for e in house.json("ledger", "checkpoint")["checkpoints"] if e["tenant"] == "clinic"]
    old, new = (VerifierKey.parse(e["key"]) for e in (before, after))
    assert (before["keys"], after["keys"]) == ([str(old)], [str(old), str(new)])
    verify_checkpoint(parse_checkpoint(after["note"].encode()), old)  # the rotation's end is still its own
    [cosigned] = house.json("ledger", "checkpoint", "--cosigned")["checkpoints"]
    assert cosigned["size"] == before["size"]
    house.fill(clinic_call())
    [later] = [e for e in house.json("ledger", "checkpoint")["checkpoints"] if e["tenant"] == "clinic"]
    assert (later["key"], later["keys"]) == (str(new), after["keys"])
    verify_checkpoint(parse_checkpoint(later["note"].encode()), new)


def test_a_checkpoint_that_no_key_of_the_log_signed_is_not_printed(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    house.fill(clinic_call())
    real = LogView.checkpoint

    def altered(view: LogView) -> Checkpoint | None:
        found = real(view)
        return found and parse_checkpoint(with_another_signature(found.note))

    monkeypatch.setattr(LogView, "checkpoint", altered)
    code, out, err = house.sayso("ledger", "checkpoint")
    assert (code, out, "checkpoint signature does not hold" in err) == (1, "", True)


def with_another_signature(note: bytes) -> bytes:
    """The same note; the last bytes of its first signature are others."""
    head, _, line = note.partition(b"\n\n")
    name, _, coded = line.splitlines()[0].rpartition(b" ")
    raw = bytearray(base64.b64decode(coded))
    raw[-1] ^= 1
    return head + b"\n\n" + name + b" " + base64.b64encode(raw) + b"\n"


#: What opens something personal, and what it is called with before --as and --purpose.
OPENING = {
    "trace": lambda call, folder: [call],
    "audit": lambda call, folder: [call, "-o", str(folder / "call.zip")],
    "reconcile": lambda call, folder: [str(folder / "calls.csv")],
}


@pytest.mark.parametrize("command", OPENING)
def test_a_profile_that_may_not_serve_is_enough_to_review(house: House, command: str, tmp_path: Path):
    script = clinic_call()
    house.fill(script)
    staging = house.profile.read_text().replace("environment: demo", "environment: staging")
    house.profile.write_text(staging)
    assert house.sayso("calls")[0] == 0
    assert house.sayso("ledger", "checkpoint")[0] == 0
    assert house.sayso("ledger", "verify")[0] == 0
    (tmp_path / "calls.csv").write_text("Call Sid,Start Time,Direction,Status,Duration\n")
    code, out, err = house.sayso(command, *OPENING[command](script.call, tmp_path))
    assert (code, out, "--as NAME and --purpose WHY" in err) == (2, "", True), err
    assert house.access() == []


@pytest.mark.parametrize("command", [["serve"], ["demo"]], ids=" ".join)
def test_a_stand_in_still_takes_no_call_in_staging(house: House, command: list[str]):
    house.profile.write_text(house.profile.read_text().replace("environment: demo", "environment: staging"))
    code, _, err = house.sayso(*command)
    assert (code, "for demo and development only" in err) == (2, True)


def test_a_cosigned_checkpoint_is_shown_with_its_witness(house: House):
    script = clinic_call()
    house.fill(script)
    code, out, _ = house.sayso("ledger", "checkpoint", "--cosigned")
    assert (code, out) == (0, "no witness has cosigned a checkpoint yet\n")
    assert house.json("trace", script.call)["ledger"]["witnessed"] is None
    house.cosign("clinic")
    [entry] = house.json("ledger", "checkpoint", "--cosigned")["checkpoints"]
    assert "witness.example" in entry["note"]
    assert (
        "leaves cosigned by witness.example at 2026-09-21T14:29:59Z" in house.sayso("trace", script.call)[1]
    )
    found = house.json("trace", script.call)["ledger"]["witnessed"]
    assert found["cosigned"] == [{"witness": "witness.example", "at": "2026-09-21T14:29:59Z"}]


def test_a_broken_profile_is_named_with_file_and_line(house: House):
    house.profile.write_text(house.profile.read_text() + "\nno_such_thing: 1\n")
    code, out, err = house.sayso("calls")
    assert (code, out) == (2, "")
    assert "profile.yaml:" in err and "no_such_thing" in err


def test_a_trace_can_be_masked_for_whoever_needs_no_names_or_numbers(house: House):
    script = clinic_call()
    for n, (leaf, record, personal) in enumerate(script.opened):
        if isinstance(personal, r.SaidDetails):
            said = "my number is 202 555 0143, card 4111 1111 1111 1111"
            script.opened[n] = (leaf, record, personal.model_copy(update={"text": said}))
    house.fill(script)
    masked = house.json("trace", script.call, "--redact")
    assert "0143" not in json.dumps(masked) and "1111 1111" not in json.dumps(masked)
    assert masked["turns"][1]["said"]["text"] == "my number is [telephone], card [card]"
    assert house.json("trace", script.call)["turns"][1]["said"]["text"].endswith("1111")
    assert len(house.access()) == 2, "masked or not, who looked is on record"
    told = house.of(r.RedactionCounted)
    found = {record.what.value: record.found for _, record in told}
    assert found.keys() == {"card", "telephone"}
    assert all(found.values())
    [looked, _] = [leaf for leaf, _ in house.of(r.AccessViewed)]
    assert {(record.sink, record.leaf) for _, record in told} == {("export", looked)}
    assert verify_directory(house.ledger).ok


def test_an_export_whose_masking_cannot_be_told_is_not_handed_out(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    script = clinic_call()
    for n, (leaf, record, personal) in enumerate(script.opened):
        if isinstance(personal, r.SaidDetails):
            changed = personal.model_copy(update={"text": "write to maria@example.com"})
            script.opened[n] = (leaf, record, changed)
    house.fill(script)
    whole = records.append

    def refusing(settings: Any, region: str, record: r.Record, details: Any) -> Any:
        if isinstance(record, r.RedactionCounted):
            raise LedgerError("the disk is full")
        return whole(settings, region, record, details)

    monkeypatch.setattr(records, "append", refusing)
    code, out, _ = house.sayso("trace", script.call, "--redact")
    assert code != 0
    assert out == ""
