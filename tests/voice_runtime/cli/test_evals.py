"""``sayso evals``: what it refuses before a conversation is had; the conversations are journeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voice_runtime.project import Project, copy
from voice_runtime.cli.app import run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    return made


def test_an_unknown_agent_or_conversation_names_those_there_are(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evals", "run", "helthcare"]) == 2
    assert "agents here: healthcare, real_estate, salon" in capsys.readouterr().err
    assert run(["evals", "run", "salon", "--case", "emergency", "--case", "emergncy"]) == 2
    shown = capsys.readouterr()
    assert "agent salon has no conversation emergncy: it has a-group" in shown.err
    assert shown.out == ""


def test_a_conversation_that_cannot_hold_is_a_mistake_of_its_file(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = "agents/salon/evals/emergency-in-spanish.yaml"
    line = project.edit(file, "language: es-US", "language: fr-FR")
    assert run(["evals", "run", "salon"]) == 2
    assert f"{file}:{line}: language: this agent does not serve fr-FR" in capsys.readouterr().err


def test_an_agent_without_conversations_is_told_where_they_go(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (project.root / "agents/salon/evals").iterdir():
        path.unlink()
    assert run(["evals", "run", "salon"]) == 2
    assert "write one in agents/salon/evals" in capsys.readouterr().err


def test_a_real_service_is_never_booked_at(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    profile = "configs/profiles/offline.yaml"
    project.edit(profile, "salon: {embedded: true, ", 'salon: {url: "http://127.0.0.1:9", ')
    assert run(["evals", "run", "salon", "--case", "emergency"]) == 2
    assert "service salon of this profile is a real one" in capsys.readouterr().err
