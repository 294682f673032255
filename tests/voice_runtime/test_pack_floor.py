"""Packs no agent goes without, and what it takes to leave one out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.bypasses import weakened
from voice_runtime.lines import load_lines
from voice_runtime.pack_floor import EVERYBODY, HEALTH, LEFT_OUT_FILE
from voice_runtime.resolve import load_release, validate_agent

FIELD = "rules.packs"
SALON = "agents/salon/agent.yaml"
ENTRY = """format: 1
left_out:
  - agent: AGENT
    pack: payment
    because: This desk takes no money at all; house rule 9 (fictional) says so to staff and callers.
    decided_by: compliance
    until: 2999-12-31
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def errors(project: Project, agent: str = "healthcare") -> list[str]:
    found = validate_agent(project.root, agent, project.settings(), load_lines(project.root))
    return [str(p) for p in found if p.severity == "error"]


def without(project: Project, pack: str, file: str = AGENT) -> None:
    path = project.root / file
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("  packs: [")
    named, _, tail = rest.partition("]")
    kept = [name.strip() for name in named.split(",") if name.strip() != pack]
    assert len(kept) < named.count(",") + 1
    path.write_text(f"{head}  packs: [{', '.join(kept)}]{tail}", encoding="utf-8")


def leave_out(project: Project, text: str = ENTRY, agent: str = "healthcare") -> None:
    (project.root / LEFT_OUT_FILE).write_text(text.replace("AGENT", agent), encoding="utf-8")


def test_truthful_and_emergencies_alone_are_no_agent(project: Project) -> None:
    """Found by reading: `packs: [truthful-ai, emergency-us]` resolved."""
    for pack in ("out-of-scope", *EVERYBODY[1:], *HEALTH):
        without(project, pack)
    found = errors(project)
    for pack in (*EVERYBODY[1:], *HEALTH):
        assert any(f"pack '{pack}' is missing" in line and "rules.packs" in line for line in found), found


@pytest.mark.parametrize("pack", EVERYBODY)
def test_every_agent_names_it(project: Project, pack: str) -> None:
    without(project, pack, SALON)
    [found] = errors(project, "salon")
    assert f"pack '{pack}' is missing" in found
    assert (LEFT_OUT_FILE.as_posix() in found) is (pack != "truthful-ai")


def test_a_health_agent_keeps_to_what_a_front_desk_may_say_of_health(project: Project) -> None:
    without(project, "health-boundaries", SALON)
    assert errors(project, "salon") == []
    without(project, "health-boundaries")
    [found] = errors(project)
    assert "every health agent has it" in found


def test_the_clinical_disclaimer_makes_a_health_agent_too(project: Project) -> None:
    project.edit(AGENT, "meets: [us-health, eu-ai-act]", "meets: [us-general]\n  clinical: true")
    without(project, "health-boundaries")
    assert any("'health-boundaries' is missing" in line for line in errors(project))


def test_an_operators_reason_lets_it_be_left_out_and_is_a_bypass(project: Project) -> None:
    before = project.release()
    assert before.left_out == ()
    without(project, "payment")
    leave_out(project)
    release = project.release()
    assert release.left_out == ("payment",)
    assert b'"left_out":[{"agent":"healthcare"' in release.resolved
    gone = ("rules", "goes without the pack payment")
    for known, expected in ((release, True), (before, False)):
        weaker = weakened(project.settings(), [known])["riverside"]
        assert (gone in {(one.setting, one.what) for one in weaker}) is expected
    [warning] = [p for p in project.problems() if p.file == LEFT_OUT_FILE.as_posix()]
    assert warning.severity == "warning"
    assert "a bypass, and red" in warning.message


def test_nobody_elses_exception_counts(project: Project) -> None:
    without(project, "payment")
    leave_out(project, agent="salon")
    assert any("pack 'payment' is missing" in line for line in errors(project))


def test_an_exception_has_its_last_day(project: Project) -> None:
    without(project, "payment")
    leave_out(project, ENTRY.replace("2999-12-31", "2026-01-31"))
    [found] = errors(project)
    assert "leaving it out ended on 2026-01-31" in found


def test_an_exception_for_a_pack_that_is_named_changes_nothing(project: Project) -> None:
    before = project.release()
    leave_out(project)
    assert project.release().digest == before.digest
    assert any("names 'payment' all the same" in p.message for p in project.problems())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pack: payment", "pack: truthful-ai", "'truthful-ai' cannot be left out"),
        ("pack: payment", "pack: emergency-us", "no agent has to name 'emergency-us'"),
        ("decided_by: compliance", "decided_by: somebody", "there is no role 'somebody'"),
        ("because: This desk takes no money at all; house rule 9 (fictional) says so to staff and callers.",
         "because: we like it so", "at least 20 characters"),
        ("    until: 2999-12-31\n", "", "is missing"),
        ("    pack: payment", "    pack: payment\n    quietly: true", "is not a known key"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_exception_is_said(project: Project, old: str, new: str, message: str) -> None:
    without(project, "payment")
    assert old in ENTRY
    leave_out(project, ENTRY.replace(old, new, 1))
    found = errors(project)
    assert any(message in line and LEFT_OUT_FILE.as_posix() in line for line in found), found


def test_an_emergency_pack_is_the_places(project: Project) -> None:
    path = project.root / "configs/lines.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("jurisdiction: us-il", "jurisdiction: eu-ie", 1), encoding="utf-8")
    found = [line for line in errors(project) if "emergencies in 'eu-ie'" in line]
    assert len(found) == 1
    assert "line riverside-front-desk" in found[0]
    assert "add emergency-eu" in found[0]


def test_a_place_nobody_wrote_a_pack_for_is_said(project: Project) -> None:
    path = project.root / "configs/lines.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("jurisdiction: us-il", "jurisdiction: jp", 1), encoding="utf-8")
    assert any("write a pack with `kind: emergency`" in line for line in errors(project))


def test_a_shipped_agent_leaves_nothing_out(project: Project) -> None:
    for agent in ("healthcare", "real_estate", "salon"):
        release = load_release(project.root, agent, project.settings(), load_lines(project.root))
        assert release.left_out == ()
