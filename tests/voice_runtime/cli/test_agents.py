"""``sayso agents``: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.cli.agents import app
from voice_runtime.schemas import SCHEMAS

Sayso = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


@pytest.fixture
def sayso(project: Project, monkeypatch: pytest.MonkeyPatch) -> Sayso:
    monkeypatch.chdir(project.root)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


def test_validate_says_ok_with_the_digest(sayso: Sayso, project: Project) -> None:
    done = sayso("validate", "healthcare")
    assert done.exit_code == 0
    assert done.stdout == f"ok      healthcare {project.release().digest}\n"


def test_validate_prints_every_error_with_file_line_field_and_remedy(sayso: Sayso, project: Project) -> None:
    first = project.edit(AGENT, "voice: warm", "voice: velvet")
    second = project.edit(AGENT, "schedule: us-clinic", "schedule: forever")
    done = sayso("validate", "healthcare")
    assert done.exit_code == 2
    voice = f"{AGENT}:{first}: conversation.voice: profile 'offline' has no voice 'velvet' (voices there: "
    assert f"error   {voice}" in done.stderr
    assert f"error   {AGENT}:{second}: retention.schedule: " in done.stderr
    assert "2 errors" in done.stderr


def test_validate_json_is_one_object(sayso: Sayso, project: Project) -> None:
    line = project.edit(AGENT, "voice: warm", "voice: velvet")
    done = sayso("validate", "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["agents"] == {}
    (problem,) = found["problems"]
    assert (problem["file"], problem["line"], problem["field"]) == (AGENT, line, "conversation.voice")
    assert problem["remedy"]
    assert problem["severity"] == "error"


def test_a_warning_alone_is_no_failure(sayso: Sayso, project: Project) -> None:
    (project.root / "agents/healthcare/impact.md").unlink()
    done = sayso("validate")
    assert done.exit_code == 0
    assert "warning agents/healthcare/impact.md: " in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "field"),
    [
        ("configs/profiles/offline.yaml", "port: 7860", "prot: 7860", "server.prot"),
        ("configs/lines.yaml", "agent: healthcare", "agent: nobody", "lines[0].agent"),
        (
            "agents/healthcare/evals/emergency.yaml",
            "addressed: emergency",
            "addressed: nobody",
            "steps[0].expect.addressed",
        ),
        ("agents/healthcare/offline.yaml", 'say: "On which day?"', 'say: "On which {dya}?"', "patterns["),
    ],
)
def test_validate_finds_mistakes_in_what_surrounds_the_agent(
    sayso: Sayso, project: Project, file: str, old: str, new: str, field: str
) -> None:
    line = project.edit(file, old, new)
    done = sayso("validate")
    assert done.exit_code == 2
    assert f"{file}:{line}: {field}" in done.stderr


def test_validate_needs_no_secret(sayso: Sayso, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("OPENAI", "TWILIO", "APPOINTMENTS"))]:
        monkeypatch.delenv(name)
    assert sayso("validate", "--config", "configs/profiles/cloud.yaml").exit_code == 0


def test_an_unknown_agent_and_a_missing_profile_are_usage_errors(sayso: Sayso) -> None:
    done = sayso("validate", "helthcare")
    assert done.exit_code == 2
    assert "agents here: healthcare" in done.stderr
    done = sayso("list", "--config", "configs/profiles/none.yaml")
    assert done.exit_code == 2
    assert "this profile is missing" in done.stderr


def test_list_shows_digest_lines_and_errors(sayso: Sayso, project: Project) -> None:
    digest = project.release().digest
    (row,) = json.loads(sayso("list", "--json").stdout)["agents"]
    assert row == {
        "name": "healthcare", "title": "Riverside Clinic front desk (fictional clinic)", "digest": digest,
        "approved": False, "lines": ["riverside-front-desk", "riverside-web"], "errors": 0, "warnings": 0,
    }  # fmt: skip
    assert "unapproved" in sayso("list").stdout
    project.edit(AGENT, "voice: warm", "voice: velvet")
    (row,) = json.loads(sayso("list", "--json").stdout)["agents"]
    assert (row["digest"], row["errors"]) == (None, 1)
    assert "1 error" in sayso("list").stdout


def test_new_writes_an_agent_that_validates(sayso: Sayso, project: Project) -> None:
    done = sayso("new", "front-desk", "--json")
    assert done.exit_code == 0
    assert "agents/front-desk/agent.yaml" in json.loads(done.stdout)["files"]
    checked = sayso("validate", "front-desk", "--json")
    assert checked.exit_code == 0, checked.stdout
    (warning,) = json.loads(checked.stdout)["problems"]
    assert warning["message"] == "no line reaches agent 'front-desk'"
    assert sayso("list").stdout.count("unapproved") == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("healthcare", "exists already"),
        ("Front Desk", "lower-case"),
        ("../x", "lower-case"),
        ("a" * 41, "lower-case"),
    ],
)
def test_new_refuses_names_that_are_taken_or_none(
    sayso: Sayso, project: Project, name: str, words: str
) -> None:
    before = (project.root / AGENT).read_text()
    done = sayso("new", name)
    assert done.exit_code == 2
    assert words in done.stderr
    assert (project.root / AGENT).read_text() == before


def test_schema_prints_checks_and_writes(sayso: Sayso, project: Project) -> None:
    assert json.loads(sayso("schema").stdout)["title"] == "AgentFile"
    assert json.loads(sayso("schema", "profile").stdout)["title"] == "Settings"
    assert sayso("schema", "nonsense").exit_code == 2
    assert sayso("schema", "--check").exit_code == 0
    stale = next(iter(SCHEMAS))
    (project.root / stale).write_text("{}")
    assert sayso("schema", "--check").exit_code == 1
    assert stale in sayso("schema", "--write").stdout
    assert sayso("schema", "--check").exit_code == 0
