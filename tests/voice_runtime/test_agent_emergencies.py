"""What an agent's parts must agree on for an emergency: a number of the place, and somebody at any hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voice_runtime.project import AGENT, Project, copy, only
from voice_runtime.lines import load_lines

ON_CALL = (
    "    - {desk: on-call, during: emergencies, wait_s: 20}             # at any hour, for nobody but them\n"
)
LINE = "jurisdiction: us-il"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def test_an_agent_whose_emergencies_reach_nobody_at_night_is_warned_of(project: Project) -> None:
    assert project.problems() == []
    project.edit(AGENT, ON_CALL, "")
    problem = only(project.problems(), "handoff.to")
    assert problem.severity == "warning"
    assert "an emergency reaches nobody" in problem.message
    assert "during: emergencies" in problem.remedy
    project.edit(AGENT, "during: opening-hours", "during: always")
    assert project.problems() == []


def irish(project: Project) -> Project:
    """The agent's telephone line is one in Ireland."""
    project.edit("configs/lines.yaml", LINE, "jurisdiction: eu-ie")
    return project


def test_a_line_in_a_place_whose_number_no_pack_names_is_refused(project: Project) -> None:
    """The Irish line of an agent that speaks American English told callers to dial nine one one."""
    problem = only(irish(project).problems(), "rules.packs")
    assert problem.severity == "error"
    assert "emergencies in 'eu-ie', where line riverside-front-desk is" in problem.message
    assert "emergency-eu" in problem.remedy


def test_with_the_place_s_pack_the_agent_names_its_number_and_serves_its_language(project: Project) -> None:
    irish(project).edit(AGENT, "emergency-us", "emergency-us, emergency-eu")
    assert [p for p in project.problems() if p.field == "rules.packs"] == []
    from voice_runtime.resolve import load_release

    release = load_release(project.root, "healthcare", project.settings(), load_lines(project.root))
    assert release.languages == ("en-US",)
    assert release.rules is not None
    assert "en-US" in release.rules.languages
    found = release.rules.emergency("i have chest pain", "en-US")
    assert found is not None
    phrase = release.rules.script(found.rule, "en-US", "eu-ie")
    assert release.phrases[phrase] == {"en-US": "If this is an emergency, hang up and dial 1 1 2 now."}


def test_a_place_s_pack_without_words_in_the_agent_s_language_is_refused(project: Project) -> None:
    pack = project.root / "configs/rules/emergency-eu.yaml"
    text = pack.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("      en-US: ")]
    pack.write_text("\n".join(kept) + "\n", encoding="utf-8")
    irish(project).edit(AGENT, "emergency-us", "emergency-us, emergency-eu")
    problem = only(project.problems(), "rules.packs")
    assert "speaks en-US" in problem.message
