"""Controls off: everything is cleared, nothing is kept, and no setting of the product leads there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from controls.decision import Effect, Proposal, Verdict
from controls.errors import OperatorError
from controls.evidence.turns import Opened
from controls.ledger import records as r
from controls.rules.engine import Rules
from loadtests.ours.controls_off import Note, noted_turns
from loadtests.ours.controls_off_server import NoRecord, NoRules, settings_of
from loadtests.ours.evidence_join import server_turns
from loadtests.ours.system import ROOT
from loadtests.systems import ServerTurn
from voice_runtime.caller.results import CallResult

CALL, TENANT = "c_0000000000000001", "riverside"


def test_whatever_is_proposed_is_allowed_unseen():
    rules = NoRules(Rules(()))
    spoken = Proposal(Effect.SPEAK, CALL, 1, "k_1", text="Take forty tablets.", language="xx")
    decision = rules.evaluate(spoken)
    assert (decision.verdict, decision.text) == (Verdict.ALLOW, "Take forty tablets.")
    assert rules.caller(spoken).verdict is Verdict.ALLOW
    assert rules.emergency("I cannot breathe", "en-US") is None
    assert rules.evaluate(Proposal(Effect.TOOL, CALL, 1, "u_1", tool="book")).verdict is Verdict.ALLOW


def records() -> list[tuple[r.CallRecord, r.Personal | None]]:
    """A call of one turn, as far as its turns go."""
    common = {"tenant": TENANT, "call": CALL}
    return [
        (
            r.CallOpened.model_validate({
                **common, "release": "sha256:" + "0" * 64, "environment": "demo", "approved": False,
                "ingress": "twilio", "region": "us", "language": "en-US",
            }),
            r.CallDetails(
                agent="a", line="l", operator_of_record="o", carrier_call="CA1",
                opened_at="2026-11-21T10:00:00Z",
            ),
        ),
        (
            r.CallerSaid.model_validate({**common, "turn": 1, "engine": "e"}),
            r.SaidDetails(text="hello", confidence=1, started_s=1.0, ended_s=2.5),
        ),
        (
            r.AgentPlayed.model_validate({
                **common, "turn": 1, "clause": "k_0000000000000001", "samples": 800, "of_samples": 800,
                "rate_hz": 8000, "interrupted": False, "evidence": "carrier_mark",
            }),
            r.PlayedDetails(
                text="Good day.", played_text="Good day.",
                latency_ms=r.Latency(
                    verdict=1.0, durable=2.0, asr_to_first_token=400.0, first_audio_out=700.0
                ),
            ),
        ),
        (
            r.CallClosed.model_validate({
                **common, "ended_by": "caller", "reason": "completed", "duration_s": 3, "records": 3
            }),
            None,
        ),
    ]  # fmt: skip


def test_receipts_are_there_at_once_and_turns_are_noted_when_the_call_is_over(tmp_path: Path):
    path = tmp_path / "turns.jsonl"
    record = NoRecord(path)
    record.start()
    receipts = [record.append(*each) for each in records()]
    assert all(receipt.done() for receipt in receipts)
    record.close()
    found = noted_turns(path, [CallResult("CA1", answered_ns=1)])
    (turn,) = found["CA1"].turns
    assert (turn.said_ended_ms, turn.first_token_at_ms, turn.governance_ms) == (2500.0, 2900.0, 3.0)
    assert turn.played == "Good day."
    assert found["CA1"].completeness is None


def test_its_turns_are_those_a_ledger_would_give():
    opened: list[Opened] = [(n, record, personal) for n, (record, personal) in enumerate(records())]
    (turn,) = server_turns(opened)
    assert turn.stages is not None
    assert turn.stages["first_audio_out"] == 700.0


def test_notes_of_other_calls_and_half_lines_are_passed_over(tmp_path: Path):
    path = tmp_path / "turns.jsonl"
    whole = Note(call_sid="CA1", turns=(ServerTurn(1.0),)).model_dump_json()
    other = Note(call_sid="CA2", turns=()).model_dump_json()
    path.write_text(f"{whole}\n{other}\n{whole[:20]}")
    calls = [CallResult("CA1", answered_ns=1), CallResult("CA3", answered_ns=1), CallResult("CA2")]
    assert list(noted_turns(path, calls, settle_s=0)) == ["CA1"]
    assert noted_turns(tmp_path / "nothing", calls, settle_s=0) == {}


def test_only_demo_and_development_are_served_without_controls(monkeypatch: pytest.MonkeyPatch):
    profiles = ROOT / "configs" / "profiles"
    assert settings_of(profiles / "offline.yaml").environment is r.Environment.DEMO
    text = (profiles / "cloud.yaml").read_text(encoding="utf-8")
    assert "environment: staging" in text
    for name in re.findall(r"env: (\w+)", text):
        monkeypatch.setenv(name, "x")
    with pytest.raises(OperatorError, match="takes no real calls"):
        settings_of(profiles / "cloud.yaml")


def test_nothing_in_the_product_knows_of_it():
    sources = [p for folder in ("controls", "voice_runtime") for p in (ROOT / folder).rglob("*.py")]
    assert sources
    assert not [p for p in sources if "loadtests" in _imports(p) or "controls_off" in p.read_text("utf-8")]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_no_field_of_a_profile_switches_controls_off():
    """Whoever adds one finds this test, and the reason against it in ``controls_off_server``."""
    schema = (ROOT / "configs" / "schemas" / "profile.schema.json").read_text(encoding="utf-8")
    assert '"receipt_deadline_ms"' in schema
    assert not [word for word in ("controls", "unrecorded", "norules") if word in schema.lower()]
