"""Limits of the risk score: the profile's, tightened by an agent, on the release that takes calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.risk import NEVER, Limits
from tests.voice_runtime.project import AGENT, Project, copy, only
from voice_runtime.risk_limits import DEFAULT_LIMITS, RISK_FILE, RiskLimits

PROFILE = "configs/profiles/offline.yaml"
LIMIT = st.none() | st.integers(1, 100)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def limits(project: Project) -> Limits:
    risk = project.release().risk
    assert risk is not None
    return risk.limits


def test_a_profile_that_says_nothing_has_limits(project: Project) -> None:
    assert limits(project) == Limits(95, 80, "practice-manager")


def test_an_agent_lowers_what_it_names(project: Project) -> None:
    project.edit(AGENT, "retention: {schedule", "risk: {approve_at: 70}\n\nretention: {schedule")
    assert limits(project) == Limits(95, 70, "practice-manager")


def test_a_profile_can_have_its_own(project: Project) -> None:
    project.edit(PROFILE, "desks: nobody_there ", "risk: {block_at: 60}\ndesks: nobody_there ")
    assert limits(project) == Limits(60, NEVER, "practice-manager")


@pytest.mark.parametrize("profile", [PROFILE, None])
def test_an_agent_never_raises_a_limit(project: Project, profile: str | None) -> None:
    if profile:
        project.edit(profile, "desks: nobody_there ", "risk: {block_at: 60}\ndesks: nobody_there ")
    line = project.edit(AGENT, "retention: {schedule", "risk:\n  block_at: 96\n\nretention: {schedule")
    problem = only(project.problems(), "risk.block_at")
    assert (problem.line, problem.file) == (line + 1, AGENT)
    assert f"is above {60 if profile else 95}" in problem.message


def test_features_with_an_error_are_no_release(project: Project) -> None:
    line = project.edit(RISK_FILE.as_posix(), "points: 30\n    shares: {low", "points: 300\n    shares: {low")
    problem = only(project.problems(), "features[1].points")
    assert (problem.file, problem.line) == (RISK_FILE.as_posix(), line)


def test_without_its_features_an_agent_is_not_served(project: Project) -> None:
    (project.root / RISK_FILE).unlink()
    assert [p.file for p in project.problems() if p.severity == "error"] == [RISK_FILE.as_posix()]


@given(LIMIT, LIMIT, LIMIT, LIMIT)
def test_no_agent_gets_round_the_profile(a: int | None, b: int | None, c: int | None, d: int | None) -> None:
    """Accepted or not, what an agent writes never loosens what is enforced."""
    profile, agent = RiskLimits(block_at=a, approve_at=b), RiskLimits(block_at=c, approve_at=d)
    enforced = profile.limits().tightened(agent.block_at, agent.approve_at)
    assert enforced.block_at <= (a or NEVER) and enforced.approve_at <= (b or NEVER)
    if not agent.looser_than(profile):
        assert enforced.block_at == (c or a or NEVER) and enforced.approve_at == (d or b or NEVER)


def test_a_clause_of_ordinary_words_is_far_from_the_default_limits(project: Project) -> None:
    """What the shipped agents say and do in their own evals must not come near."""
    assert DEFAULT_LIMITS.block_at is not None and DEFAULT_LIMITS.approve_at is not None
    risk = project.release().risk
    assert risk is not None
    from controls.decision import Effect, Proposal

    facts = (project.root / "agents" / "healthcare" / "facts.md").read_text().splitlines()
    clauses = [line for line in facts if line and not line.startswith("#")]
    assert clauses
    worst = max(
        risk.score(Proposal(Effect.SPEAK, "c", 1, "k", text=text, caller_said="on Tuesday please"), 0).points
        for text in clauses
    )
    assert worst <= DEFAULT_LIMITS.block_at // 2
