"""``sayso agents``: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime import reference
from voice_runtime.cli.agents import app
from voice_runtime.eval_file import evals_of
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release
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
    assert set(found["agents"]) == {"real_estate", "salon"}
    (problem,) = [p for p in found["problems"] if p["severity"] == "error"]
    assert (problem["file"], problem["line"], problem["field"]) == (AGENT, line, "conversation.voice")
    assert problem["remedy"]


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
    assert "agents here: healthcare, real_estate, salon" in done.stderr
    done = sayso("list", "--config", "configs/profiles/none.yaml")
    assert done.exit_code == 2
    assert "this profile is missing" in done.stderr


def test_list_shows_digest_lines_and_errors(sayso: Sayso, project: Project) -> None:
    digest = project.release().digest
    row, estate, salon = json.loads(sayso("list", "--json").stdout)["agents"]
    assert (estate["name"], estate["warnings"]) == ("real_estate", 0)
    assert (salon["name"], salon["warnings"]) == ("salon", 1), "es-US needs another recogniser"
    assert row == {
        "name": "healthcare", "title": "Riverside Clinic front desk (fictional clinic)", "digest": digest,
        "approved": False, "lines": ["riverside-front-desk", "riverside-web"], "errors": 0, "warnings": 0,
    }  # fmt: skip
    assert "unapproved" in sayso("list").stdout
    project.edit(AGENT, "voice: warm", "voice: velvet")
    row = json.loads(sayso("list", "--json").stdout)["agents"][0]
    assert (row["digest"], row["errors"]) == (None, 1)
    assert "1 error" in sayso("list").stdout


def test_new_writes_an_agent_that_validates_but_for_who_is_on_call(sayso: Sayso, project: Project) -> None:
    done = sayso("new", "front-desk", "--json")
    assert done.exit_code == 0, done.stdout
    made = json.loads(done.stdout)
    assert "agents/front-desk/agent.yaml" in made["files"]
    assert made["lines"] == ["front-desk", "front-desk-web"]
    [nobody] = made["problems"]  # whom an emergency reaches at night is the operator's to say
    assert (nobody["severity"], nobody["field"]) == ("warning", "handoff.to")
    checked = sayso("validate", "front-desk", "--json")
    assert checked.exit_code == 0, checked.stdout
    assert json.loads(checked.stdout) == {
        "ok": True, "problems": [nobody], "agents": {"front-desk": made["digest"]}
    }  # fmt: skip
    lines = load_lines(project.root)
    assert [line.kind for line in lines.of("front-desk")] == ["phone", "web"]
    assert lines.of("front-desk")[0].number.startswith("+12025550")


@pytest.mark.parametrize("source", ["healthcare", "real_estate", "salon"])
def test_new_copies_an_agent_with_everything_it_can_do(sayso: Sayso, project: Project, source: str) -> None:
    done = sayso("new", "my_own", "--from", source)
    assert done.exit_code == 0, done.stderr
    assert "sayso evals run my_own" in done.stdout
    original = load_release(project.root, source, project.settings(), load_lines(project.root))
    copy = load_release(project.root, "my_own", project.settings(), load_lines(project.root))
    assert copy.title == f"My own (draft, copied from {source})"
    assert copy.tenant == "my-own"
    assert copy.languages == original.languages
    assert copy.tools == original.tools
    assert copy.phrases == original.phrases
    assert copy.digest != original.digest
    cases = {p.name for p in (project.root / f"agents/{source}/evals").iterdir()}
    assert {p.name for p in (project.root / "agents/my_own/evals").iterdir()} == cases
    assert f"validate {source}" not in (project.root / "agents/my_own/agent.yaml").read_text()


def test_new_copies_one_language_alone(sayso: Sayso, project: Project) -> None:
    done = sayso("new", "corte", "--from", "salon", "--language", "es-US")
    assert done.exit_code == 0, done.stderr
    assert "es-US is not served by this profile's recogniser" in done.stdout
    assert "configs/lines.yaml" in done.stdout, "no line is added that could not be served"
    lines = load_lines(project.root)
    assert lines.of("corte") == ()
    release = load_release(project.root, "corte", project.settings(), lines)
    assert release.languages == ("es-US",)
    assert all(set(said) == {"es-US"} for said in release.phrases.values())
    assert release.known_in("es-US").words == ("mechas", "rayitos", "tinte")
    cases, problems = evals_of(project.root, release)
    assert problems == []
    assert {case.language for case in cases.values()} == {None}
    assert len(cases) == 8


def test_new_turns_languages_round(sayso: Sayso, project: Project) -> None:
    done = sayso("new", "dos", "--from", "salon", "--language", "es-US", "--language", "en-US")
    assert done.exit_code == 0, done.stderr
    release = load_release(project.root, "dos", project.settings(), load_lines(project.root))
    assert release.languages == ("es-US", "en-US")
    cases, problems = evals_of(project.root, release)
    assert problems == []
    assert {case.language for case in cases.values()} == {None, "en-US"}
    assert {p.name for p in (project.root / "agents/dos").glob("offline*")} == {
        "offline.yaml", "offline.en-US.yaml"
    }  # fmt: skip


@pytest.mark.parametrize("languages", [("es-US",), ("en-US", "es-US")])
def test_a_blank_agent_speaks_the_languages_asked_for(
    sayso: Sayso, project: Project, languages: tuple[str, ...]
) -> None:
    chosen = [word for language in languages for word in ("--language", language)]
    done = sayso("new", "blank", *chosen)
    assert done.exit_code == 0, done.stderr
    release = load_release(project.root, "blank", project.settings(), load_lines(project.root))
    assert release.languages == languages
    cases, problems = evals_of(project.root, release)
    assert problems == []
    assert len(cases) == 4 * len(languages)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "helthcare"], "there is no agent helthcare: copy one of healthcare, real_estate, salon"),
        (["--from", "healthcare", "--language", "es-US"], "does not serve es-US: it serves en-US"),
        (["--language", "fr-FR"], "there is no fresh agent in fr-FR"),
    ],
)
def test_new_says_what_cannot_be_copied(
    sayso: Sayso, project: Project, options: list[str], words: str
) -> None:
    done = sayso("new", "mine", *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (project.root / "agents/mine").exists()


def test_new_leaves_a_list_of_lines_alone_that_it_cannot_add_to(sayso: Sayso, project: Project) -> None:
    line = "{name: a, web: true, agent: healthcare, tenant: a, region: us, jurisdiction: us-il}"
    (project.root / "configs/lines.yaml").write_text(f"format: 1\nlines: [{line}]\n")
    before = (project.root / "configs/lines.yaml").read_text()
    done = sayso("new", "front-desk")
    assert done.exit_code == 0
    assert (project.root / "configs/lines.yaml").read_text() == before
    assert "add a line" in done.stdout


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
    assert json.loads(sayso("schema", "rules").stdout)["title"] == "Pack"
    assert sayso("schema", "--markdown").stdout == reference.page()
    assert sayso("schema", "nonsense").exit_code == 2
    assert sayso("schema", "--check").exit_code == 0
    stale = next(iter(SCHEMAS))
    (project.root / stale).write_text("{}")
    assert sayso("schema", "--check").exit_code == 1
    assert stale in sayso("schema", "--write").stdout
    assert sayso("schema", "--check").exit_code == 0
