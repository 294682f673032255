"""An agent that asks, on the real parts: release, synthesised questions, ledger, model and record."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

import pytest

from controls.bound_phrases import phrase_digest
from controls.ledger import records as r
from controls.ledger.reader import Opened, Reader
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import unhurried
from tests.simulators.tone import ToneSynthesiser
from tests.voice_runtime.project import AGENT, copy
from voice_runtime.eval_file import EvalFile
from voice_runtime.evals import run_eval
from voice_runtime.house import Facts
from voice_runtime.rehearsal import Rehearsal, rehearsing

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.leaves("socket", why="the rehearsal's clients keep connections between calls"),
]

ASK = "ask.us-all-party.record"
REFUSES = EvalFile.model_validate({
    "format": 1, "title": "Recording is refused by key, and the call goes on", "about": ["consent"],
    "opening": {"phrase": ASK},
    "steps": [
        {"key": "2", "expect": {"phrase": "greeting"}},
        {"caller": "are you a robot", "expect": {"addressed": "ai_question", "says": ["AI assistant"]}},
        {"caller": "do not record this call", "expect": {"addressed": "consent", "phrase": "not-recorded"}},
    ],
    "outcome": {"ended_by": "caller", "records": ["consent.recorded"]},
})  # fmt: skip


def _on_record(parts: Rehearsal, call: str) -> list[Opened]:
    with Reader.open(parts.ledger.root) as reader:
        return reader.opened(call)


async def test_recording_is_asked_for_refused_and_nothing_the_caller_said_is_kept(tmp_path: Path) -> None:
    project = copy(tmp_path / "project")
    comment = "disclosure:                          # the"
    project.edit(AGENT, comment, "disclosure:\n  recording: ask\n  clinical: true\n  # the")
    voice = None if find_spec("espeakng_loader") else ToneSynthesiser()
    settings = unhurried(project.settings())
    async with rehearsing(settings, "healthcare", tmp_path / "rehearsal", synthesiser=voice) as parts:
        assert parts.jurisdiction == "us-il"
        release = parts.agent.release
        facts = Facts(release.tenant, "rehearsal", parts.region, "webrtc", jurisdiction=parts.jurisdiction)
        result = await run_eval("refuses", REFUSES, parts.agent, parts.house, facts=facts)
        assert result.failures == ()
        opened = await asyncio.to_thread(_on_record, parts, result.call)
        report = await asyncio.to_thread(verify_directory, parts.ledger.root)
        assert report.ok, report.verdict
    consents = [o.record for o in opened if isinstance(o.record, r.ConsentRecorded)]
    assert [(c.scope, c.given, c.how) for c in consents] == [
        ("record", False, "keypad"), ("transcript", False, "keypad"),
    ]  # fmt: skip
    assert {c.asked for c in consents} == {phrase_digest(parts.agent.said[ASK]["en-US"])}
    said = [o.personal for o in opened if isinstance(o.record, r.CallerSaid)]
    assert [p.text for p in said if isinstance(p, r.SaidDetails)] == ["", ""]
    played = [o.personal.phrase for o in opened if isinstance(o.personal, r.PlayedDetails)]
    assert played[:4] == ["disclosure", "clinical-start", ASK, "greeting"]
