"""Disclosure rules around an agent: dates, reviewers, jurisdictions, and what an agent that records asks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from controls.errors import ConfigurationError, Problem
from controls.jurisdiction import Jurisdictions
from tests.voice_runtime.project import AGENT, ROOT, Project, copy, only
from voice_runtime.agent import Release
from voice_runtime.inline.opening import opening_of
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release, resolve
from voice_runtime.settings import load_settings

TODAY = date(2026, 11, 22)
DISCLOSURE = "disclosure:                          # the"
ASKS = "disclosure:\n  recording: ask\n  # the"
ALL_PARTY = "configs/disclosures/us-all-party.yaml"
DATE = "effective: 2024-08-01"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def problems(project: Project, today: date = TODAY) -> list[Problem]:
    return resolve(project.root, "healthcare", project.settings(), load_lines(project.root), today=today)[1]


def shipped(agent: str) -> Release:
    settings = load_settings(ROOT / "configs/profiles/offline.yaml", environ={})
    return load_release(ROOT, agent, settings, load_lines(ROOT))


# --- dates and reviewers -------------------------------------------------------------------------------


def test_past_its_last_day_no_agent_is_served_and_the_file_is_named(project: Project) -> None:
    line = project.edit(ALL_PARTY, "expires: 2027-12-31", "expires: 2026-11-21")
    assert problems(project, date(2026, 10, 1)) == []
    [warning] = problems(project, date(2026, 11, 21))
    assert (warning.severity, warning.file) == ("warning", ALL_PARTY)
    assert "from the next day on no agent is served" in warning.message
    [problem] = problems(project)
    assert (problem.file, problem.line, problem.field) == (ALL_PARTY, line, "expires")
    assert "2026-11-21" in problem.message
    assert "compliance" in problem.remedy
    project.edit(ALL_PARTY, "expires: 2026-11-21", "expires: 2001-01-01")
    project.edit(ALL_PARTY, DATE, "effective: 2000-01-01")
    with pytest.raises(ConfigurationError, match="us-all-party.yaml"):  # today, whenever that is
        project.release()


def test_a_file_that_is_not_effective_yet_does_not_count(project: Project) -> None:
    project.edit("configs/disclosures/us-health.yaml", DATE, "effective: 2026-11-23")
    found = problems(project)
    warning = only([p for p in found if p.severity == "warning"], "disclosure.meets[0]")
    assert "does not count before 2026-11-23" in warning.message
    error = only([p for p in found if p.severity == "error"], "disclosure.meets")
    assert "none of these speaks for 'us-il'" in error.message
    assert problems(project, date(2026, 11, 23)) == []


def test_an_agent_whose_rules_are_all_of_the_future_is_not_served(project: Project) -> None:
    for name in ("us-health", "eu-ai-act"):
        project.edit(f"configs/disclosures/{name}.yaml", DATE, "effective: 2027-01-01")
    errors = [p for p in problems(project) if p.severity == "error"]
    assert "none of these counts today" in only(errors, "disclosure.meets").message


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("reviewer: compliance ", "reviewer: nobody ", "reviewer", "there is no role 'nobody'"),
        ("disclosure: us-all-party", "disclosure: us-some", "disclosure", "not the file's own name"),
    ],
)
def test_a_file_names_itself_and_a_role_that_exists(
    project: Project, old: str, new: str, field: str, message: str
) -> None:
    line = project.edit(ALL_PARTY, old, new)
    problem = only(problems(project), field)
    assert (problem.file, problem.line) == (ALL_PARTY, line)
    assert message in problem.message


# --- jurisdictions -------------------------------------------------------------------------------------


def test_in_an_unknown_jurisdiction_every_file_counts(project: Project) -> None:
    project.edit("configs/lines.yaml", "jurisdiction: us-il", "jurisdiction: br")
    # the clinic's words happen to meet all of them; that no pack has its emergency numbers is another matter
    assert {p.field for p in problems(project)} == {"rules.packs"}
    project.edit(AGENT, "Say 'person' or press 0 for our staff.", "Ask me for our staff.")
    found = [p for p in problems(project) if "no file speaks for 'br'" in p.message]
    assert any("us-general: it must say how to reach a person" in p.message for p in found)


def test_an_agent_that_records_may_not_where_recording_is_forbidden(project: Project) -> None:
    project.edit(AGENT, DISCLOSURE, ASKS)
    assert problems(project) == []
    project.edit(ALL_PARTY, "recording: all_party ", "recording: not_recorded ")
    problem = only(problems(project), "disclosure.recording")
    assert "calls are not recorded in 'us-il' of line riverside-front-desk" in problem.message


def test_a_question_nobody_worded_in_a_language_of_the_agent(project: Project) -> None:
    salon = "agents/salon/agent.yaml"
    project.edit(salon, DISCLOSURE, ASKS)
    for name in ("us-all-party", "us-one-party", "us-ca"):
        path = project.root / f"configs/disclosures/{name}.yaml"
        kept = [x for x in path.read_text(encoding="utf-8").splitlines() if not x.startswith("      es-US:")]
        text = "\n".join(kept).replace("languages: [en-US, es-US]", "languages: [en-US]")
        path.write_text(text + "\n", encoding="utf-8")
    found = resolve(project.root, "salon", project.settings(), load_lines(project.root), today=TODAY)[1]
    problem = only(found, "disclosure.recording")
    assert "nobody worded the question on record in es-US, for line copper-and-clay-desk" in problem.message


def test_a_question_that_the_rules_would_refuse_is_named(project: Project) -> None:
    project.edit(AGENT, DISCLOSURE, ASKS)
    old = 'en-US: "May this call be recorded and its text kept?'
    project.edit(ALL_PARTY, old, 'en-US: "It is probably just eczema. May this call be recorded?')
    problem = only(problems(project), "disclosure.recording.en-US")
    assert "health-boundaries/no-diagnosis" in problem.message


# --- what is asked -------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["healthcare", "real_estate", "salon"])
def test_the_shipped_agents_ask_nothing_and_say_nothing_clinical(agent: str) -> None:
    release = shipped(agent)
    assert not [name for name in release.phrases if name.startswith(("ask.", "clinical"))]
    for line in load_lines(ROOT).of(agent):
        opening = opening_of(release, line.jurisdiction, release.language, spoken={}, outside=False)
        assert opening.questions == ()
        assert opening.consents.allows("transcript")
        assert not opening.consents.allows("record")


def test_an_agent_that_records_asks_in_the_words_of_its_jurisdiction(project: Project) -> None:
    before = project.release().digest
    project.edit(AGENT, DISCLOSURE, ASKS)
    release = project.release()
    assert release.digest != before
    opening = opening_of(release, "us-il", "en-US", spoken=release.phrases, outside=False)
    [question] = opening.questions
    assert question.phrase == "ask.us-all-party.record"
    assert release.phrases[question.phrase]["en-US"].startswith("May this call be recorded")
    assert opening.consents.required == {"record", "transcript"}
    unknown = opening_of(release, "", "en-US", spoken=release.phrases, outside=False)
    assert unknown.questions[0].phrase in release.phrases  # a rehearsed call can ask as well


def test_what_the_law_asks_is_part_of_the_version(project: Project) -> None:
    before = project.release()
    assert {f["disclosure"] for f in json.loads(before.resolved)["jurisdictions"]} >= {
        "us-ca",
        "us-all-party",
    }
    project.edit(ALL_PARTY, "recording: all_party ", "recording: not_recorded ")
    assert project.release().digest != before.digest


def test_a_clinical_agent_has_its_disclaimers(project: Project) -> None:
    project.edit(AGENT, DISCLOSURE, "disclosure:\n  clinical: true\n  # the")
    release = project.release()
    assert release.clinical
    assert {"clinical-start", "clinical-end"} <= set(release.phrases)


# --- what is kept without a question ---------------------------------------------------------------------


def test_who_is_asked_nothing_about_recording_is_told_that_text_is_kept_and_how_to_object(
    project: Project,
) -> None:
    said = project.release().phrases["disclosure"]["en-US"]
    assert said.startswith("Riverside Clinic. I'm an AI assistant.")
    assert said.endswith("I keep this call as text. Say so or press 2 if you object.")
    project.edit(AGENT, DISCLOSURE, ASKS)
    assert "as text" not in project.release().phrases["disclosure"]["en-US"]  # the question says it


def test_each_language_says_so_in_its_own_words() -> None:
    said = shipped("salon").phrases["disclosure"]
    assert "I keep this call as text" in said["en-US"]
    assert "Guardo esta llamada como texto" in said["es-US"]


def test_where_nobody_may_be_recorded_an_agent_that_would_ask_keeps_no_text(project: Project) -> None:
    project.edit(AGENT, DISCLOSURE, ASKS)
    project.edit(ALL_PARTY, "recording: all_party", "recording: not_recorded")
    release = shipped("healthcare")
    assert release.jurisdictions is not None
    made = resolve(project.root, "healthcare", project.settings(), load_lines(project.root), today=TODAY)
    law = release.jurisdictions
    strict = [
        rule.model_copy(update={"consent": rule.consent.model_copy(update={"recording": "not_recorded"})})
        if rule.consent is not None and rule.consent.recording
        else rule
        for rule in law.rules
    ]
    asks = replace(release, recording="ask", jurisdictions=Jurisdictions(tuple(strict)))
    opening = opening_of(asks, "us-il", "en-US", spoken=asks.phrases, outside=False)
    assert opening.questions == ()
    assert not opening.consents.allows("transcript")
    assert made[1]  # and validation says so before
