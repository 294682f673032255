"""The resolved release: what is in it, and that its digest covers all of it and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.ledger.records import PersonalData
from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.agent import DeskRoute, Release
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release
from voice_runtime.settings import may_serve

OFFLINE = "configs/profiles/offline.yaml"
CLOUD_SECRETS = {
    "OPENAI_API_KEY": "k", "TWILIO_ACCOUNT_SID": "a", "TWILIO_AUTH_TOKEN": "t", "APPOINTMENTS_KEY": "x",
    "VIEWINGS_KEY": "y", "SALON_KEY": "z",
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Not to be edited."""
    return copy(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def release(shipped: Project) -> Release:
    return shipped.release()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def test_the_release_holds_what_a_call_needs(release: Release) -> None:
    assert (release.name, release.tenant, release.language) == ("healthcare", "riverside", "en-US")
    assert release.phrases["disclosure"]["en-US"].startswith("Riverside Clinic. I'm an AI assistant.")
    assert release.phrases["no-one-free"]["en-US"] == "Nobody is free. Our staff can call you back."
    assert (
        release.phrases["rule.health-boundaries.no-diagnosis"]["en-US"]
        == "I can't judge that. Our staff can call you back."
    )
    assert "rule.ours.no-waiting-times" in release.phrases
    assert "rule.emergency-us.danger-to-life" in release.phrases
    book = next(t for t in release.tools if t.name == "book_appointment")
    assert book.read_back == ("doctor", "day", "time")
    assert book.per_call == 2
    assert book.url == "http://appointments.invalid/tools/book"
    said = book.read_back_say["en-US"].format(doctor="Patel", day="Tuesday", time="ten")
    assert said == "Doctor Patel, Tuesday at ten. Shall I book it?"
    assert release.longest_call_s == 720
    assert release.handoff_after_s == 600
    assert release.retention_days["transcripts"] == 90
    assert release.retention_days["emergencies"] == 730
    assert release.pronunciations["okafor"] == "OW K AH F ER"
    assert release.rules is not None


def test_the_prompt_holds_purpose_refusals_and_facts(release: Release) -> None:
    for part in ("Books and cancels appointments", "- billing disputes", "twelve Mill Street"):
        assert part in release.prompt


def test_resolving_twice_gives_the_same_digest(shipped: Project, release: Release) -> None:
    again = shipped.release()
    assert again.digest == release.digest
    assert again.known_phrases == release.known_phrases


def test_the_digest_is_that_of_the_resolved_bytes(release: Release) -> None:
    assert release.digest == "sha256:" + hashlib.sha256(release.resolved).hexdigest()
    assert json.loads(release.resolved)["name"] == "healthcare"


def test_no_secret_is_in_the_resolved_bytes(project: Project) -> None:
    from voice_runtime.settings import load_settings

    profile = load_settings(
        project.root / "configs/profiles/cloud.yaml", environ=dict.fromkeys(CLOUD_SECRETS, "hush-hush")
    )
    found = load_release(project.root, "healthcare", profile, load_lines(project.root))
    assert b"hush-hush" not in found.resolved
    assert found.model == "gpt-4o-mini"
    assert found.tools[0].url == "https://appointments.example.com/tools/find_slots"


#: Every change that can alter what a caller hears or what happens must alter the digest.
COVERED = [
    (AGENT, "title: Riverside", "title: Riverbank"),
    (AGENT, "Books and cancels", "Cancels and books"),
    (AGENT, "test results, prescriptions", "test results"),
    (AGENT, "Riverside Clinic. I'm an AI assistant.", "Riverside Clinic. I am an AI assistant."),
    (AGENT, "patience: unhurried", "patience: quick"),
    (AGENT, "voice: warm", "voice: clear"),
    (AGENT, "longest_call_min: 12", "longest_call_min: 13"),
    (AGENT, "ask_after_s: 8", "ask_after_s: 9"),
    (AGENT, "OW K AH F ER", "OW K AA F ER"),
    (AGENT, "Nobody is free.", "Nobody's free."),
    (AGENT, "risk: low", "risk: medium"),
    (AGENT, "at_most: {per_call: 2}", "at_most: {per_call: 3}"),
    (AGENT, "Shall I book it?", "Shall I book this?"),
    (AGENT, "misheard_in_a_row: 2", "misheard_in_a_row: 3"),
    (AGENT, "wait_s: 40", "wait_s: 41"),
    (AGENT, "within_working_h: 4", "within_working_h: 5"),
    (AGENT, "I can't promise a waiting time.", "I can't promise any waiting time."),
    (AGENT, "transcripts: 90", "transcripts: 91"),
    (AGENT, "asr_to_first_token_p95_ms: 800", "asr_to_first_token_p95_ms: 801"),
    (AGENT, "  pass_on: [reason, summary,", "  pass_on: [summary, reason,"),
    ("agents/healthcare/prompt.md", "You never guess", "Never guess"),
    ("agents/healthcare/facts.md", "half an hour", "forty minutes"),
    ("configs/phrases/en-US.yaml", "Are you still there?", "Are you there?"),
    ("configs/phrases/en-US.yaml", "Is that right?", "Right?"),
    ("configs/rules/health-boundaries.yaml", "cradle cap", "boil"),
    ("configs/rules/intents.yaml", "[um, uh,", "[umm, um, uh,"),
    ("configs/disclosures/us-health.yaml", "reviewed: 20", "reviewed: 19"),
    ("configs/services.yaml", "timeout_s: 2", "timeout_s: 2.5"),
    ("configs/services.yaml", "maxLength: 40", "maxLength: 41"),
    ("configs/desks.yaml", "+12025550177", "+12025550178"),
    ("configs/desks.yaml", "08:00-16:00", "08:00-15:00"),
    ("configs/lines.yaml", "tenant: riverside\n", "tenant: river\n"),
    ("configs/retention.yaml", "days: 730", "days: 731"),
    ("configs/risk.yaml", "points: 30", "points: 31"),
    ("configs/risk.yaml", "- in a hurry", "- in some hurry\n        - in a hurry"),
    (AGENT, "retention: {schedule", "risk: {block_at: 90}\n\nretention: {schedule"),
    (OFFLINE, "desks: nobody_there ", "risk: {block_at: 90}\ndesks: nobody_there "),
    (OFFLINE, "rate_wpm: 165", "rate_wpm: 166"),
    (OFFLINE, "vad_stop_ms: 200", "vad_stop_ms: 201"),
    (OFFLINE, "vad_stop_ms: 200", "vad_stop_ms: 200, eager: 'off'"),
    (OFFLINE, "first_token_s: 2", "first_token_s: 2.1"),
    (OFFLINE, "receipt_deadline_ms: 1000", "receipt_deadline_ms: 1001"),
    (OFFLINE, "deadline_s: 3", "deadline_s: 4"),
    (OFFLINE, "  standin: true ", "  endpoints: [{name: a, base_url: 'http://127.0.0.1:1/v1', model: m}] "),
    (OFFLINE, "appointments: {embedded: true, ", "appointments: {url: 'http://127.0.0.1:9', "),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new"), COVERED)
def test_a_change_of_anything_resolved_changes_the_digest(
    project: Project, release: Release, file: str, old: str, new: str
) -> None:
    project.edit(file, old, new)
    if "tenant: river\n" in new:
        project.edit("configs/lines.yaml", "tenant: riverside", "tenant: river")
    assert project.release().digest != release.digest


#: And what is outside must not, or an approval would expire for nothing.
OUTSIDE = [
    ("agents/healthcare/offline.yaml", "I'm an AI assistant, not a person.", "I'm an AI assistant."),
    ("agents/healthcare/evals/emergency.yaml", "title: Chest", "title: A chest"),
    ("agents/healthcare/impact.md", "Residual risk", "Remaining risk"),
    (AGENT, "# a role in configs/people.yaml, not a name", "# a role"),
    (
        AGENT,
        "languages: {first: en-US, any_other: handoff}",
        "languages:\n  first: en-US\n  any_other: handoff",
    ),
    (OFFLINE, "port: 7860", "port: 7861"),
    (OFFLINE, "admission: {calls: 4}", "admission: {calls: 5}"),
    (OFFLINE, "desks: nobody_there ", "desks: by_hours "),
    (OFFLINE, "processes: 2", "processes: 1"),
    ("configs/people.yaml", "Owns the front desk agent", "Owns the agent"),
    ("configs/lines.yaml", "+12025550142", "+12025550143"),
]


@pytest.mark.parametrize(("file", "old", "new"), OUTSIDE)
def test_what_is_outside_leaves_the_digest_alone(
    project: Project, release: Release, file: str, old: str, new: str
) -> None:
    project.edit(file, old, new)
    assert project.release().digest == release.digest


def test_where_the_project_lies_leaves_the_digest_alone(project: Project, release: Release) -> None:
    elsewhere = project.root.parent / "elsewhere"
    shutil.copytree(project.root, elsewhere)
    assert Project(elsewhere).release().digest == release.digest


def _leaves(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from _leaves(value, (*path, i))
    else:
        yield path


def test_every_field_of_the_release_is_covered_or_named_as_outside(release: Release) -> None:
    """A field added to Release must be thought about here: is it in the digest?"""
    derived = {"digest", "resolved", "known_phrases", "known", "nobody_there"}
    in_agent = {
        "title", "operator_of_record", "purpose", "refuses", "owner", "objectives", "pass_on", "patience",
        "voice", "silence", "longest_call_s", "known_words", "pronunciations", "misheard_in_a_row",
        "handoff_after_s", "moment_after_s", "language", "languages", "say_as", "disclosure_meets",
        "retention_shorter", "retention_schedule", "recording", "asks", "clinical",
    }  # fmt: skip
    by_name = {
        "name",
        "tenant",
        "prompt",
        "phrases",
        "templates",
        "rules",
        "risk",
        "redaction",
        "tools",
        "handoff",
        "facts",
        "engines",
        "retention",
        "jurisdictions",
        "intents",
        "left_out",
    }
    of_those = {"retention_days", "model", "context_tokens"}  # retention with shorter; models; thresholds
    assert {f.name for f in fields(release)} == derived | in_agent | by_name | of_those
    assert by_name <= set(json.loads(release.resolved))


@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_word_of_facts_counts(
    shipped: Project, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = data.draw(
        st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
    )
    other = data.draw(
        st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
    )
    root = tmp_path_factory.mktemp("facts")
    (root / "agents").mkdir()
    shutil.copytree(shipped.root / "agents/healthcare", root / "agents/healthcare")
    for other in ("real_estate", "salon"):
        (root / "agents" / other).symlink_to(shipped.root / "agents" / other)
    (root / "configs").symlink_to(shipped.root / "configs")
    digests = []
    for facts in (text, other, text):
        (root / "agents/healthcare/facts.md").write_text(facts, encoding="utf-8")
        digests.append(Project(root).release().digest)
    assert digests[0] == digests[2]
    assert (digests[0] == digests[1]) == (text == other)


# --- routes ---------------------------------------------------------------------------------------


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_desk_is_open_in_its_hours_and_a_promise_always(project: Project) -> None:
    project.edit(OFFLINE, "desks: nobody_there", "desks: by_hours")
    release = project.release()
    open_ = [(r.desk, r.open_now) for r in release.routes_at(_at("2026-11-24T15:00:00"))]  # 09:00 in Chicago
    closed = [(r.desk, r.open_now) for r in release.routes_at(_at("2026-11-24T13:59:00"))]  # 07:59
    holiday = [(r.desk, r.open_now) for r in release.routes_at(_at("2026-12-25T16:00:00"))]
    assert open_ == [("reception", True), ("on-call", True), ("reception", True)]
    assert closed == holiday == [("reception", False), ("on-call", True), ("reception", True)]
    assert [r.urgent_only for r in release.handoff] == [False, True, False]
    assert [r.kind for r in release.handoff] == ["desk", "desk", "callback"]


def test_where_nobody_is_there_only_promises_are_open(release: Release) -> None:
    assert [r.open_now for r in release.routes_at(_at("2026-11-24T15:00:00"))] == [False, False, True]


def test_a_desk_that_is_always_manned_is_open_at_night(project: Project) -> None:
    project.edit(AGENT, "during: opening-hours", "during: always")
    project.edit(OFFLINE, "desks: nobody_there", "desks: by_hours")
    desk: DeskRoute = project.release().routes_at(_at("2026-11-24T08:00:00"))[0]
    assert desk.open_now


def test_production_refuses_to_serve_what_nobody_approved(project: Project) -> None:
    from voice_runtime.settings import load_settings

    project.edit("configs/profiles/cloud.yaml", "environment: staging", "environment: production")
    profile = load_settings(project.root / "configs/profiles/cloud.yaml", environ=CLOUD_SECRETS)
    release = load_release(project.root, "healthcare", profile, load_lines(project.root))
    with pytest.raises(OperatorError, match="production refuses"):
        may_serve(profile, release)
    may_serve(project.settings(), release)


def test_what_an_agent_masks_besides_is_in_its_release_and_digest(project: Project) -> None:
    plain = project.release()
    assert plain.redaction is not None
    project.edit(AGENT, "conversation:\n", "redaction: {model: [birth-date]}\nconversation:\n")
    strict = project.release()
    assert strict.redaction is not None
    assert strict.digest != plain.digest
    assert strict.redaction.types["model"] - plain.redaction.types["model"] == {PersonalData.BIRTH_DATE}
    project.edit("configs/redaction.yaml", "regions: [us, gb, es, de]", "regions: [us]")
    assert project.release().digest != strict.digest


def test_a_house_without_its_redaction_file_is_refused(project: Project) -> None:
    (project.root / "configs" / "redaction.yaml").unlink()
    assert [p.file for p in project.problems()] == ["configs/redaction.yaml"]
