"""An agent that has a person decide on a tool: resolved, part of its version, and never against the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.decision import Ask
from tests.voice_runtime.project import AGENT, Project, copy, only

BOOKING = "    at_most: {per_call: 2}\n    undo_with: cancel_appointment\n"
RULE = """  - name: bookings-are-decided
    when: tool
    tools: [book_appointment]
    if: {cel: args.day == "friday"}
    then: approve
    ask: {role: compliance, within_s: 60, else: refuse}
    risk: 40
    annex_a: [A.9.2]
    because: a person decides on Fridays, says the test
    catches: [{tool: book_appointment, args: {day: friday}}]
    lets_pass: [{tool: book_appointment, args: {day: monday}}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def ask(project: Project, how: str) -> int:
    return project.edit(AGENT, BOOKING, f"{BOOKING}    approval: {{{how}}}\n")


def rule(project: Project, **changes: str) -> None:
    text = RULE
    for old, new in changes.items():
        text = text.replace(f"{old}: compliance", f"{old}: {new}")
    path = project.root / "configs/rules/abuse.yaml"
    path.write_text(path.read_text(encoding="utf-8").rstrip() + "\n\n" + text, encoding="utf-8")


def test_it_is_resolved_and_part_of_the_version(project: Project) -> None:
    before = project.release()
    assert all(tool.approval is None for tool in before.tools)
    ask(project, "by: practice-manager, within_s: 45, else: handoff")
    after = project.release()
    [tool] = [tool for tool in after.tools if tool.name == "book_appointment"]
    assert tool.approval == Ask("practice-manager", 45, "handoff")
    assert after.digest != before.digest
    assert {"waiting-for-approval", "still-waiting-for-approval", "stopped"} <= after.phrases.keys()


def test_what_is_left_out_has_a_default(project: Project) -> None:
    ask(project, "by: compliance")
    [tool] = [tool for tool in project.release().tools if tool.approval is not None]
    assert tool.approval == Ask("compliance", 60, "refuse")


def test_whoever_is_asked_has_a_role(project: Project) -> None:
    line = ask(project, "by: nobody-known")
    problem = only(project.problems(), "tools.book_appointment.approval.by")
    assert problem.message == "there is no role 'nobody-known'"
    assert "compliance" in problem.remedy
    assert problem.line > line


def test_it_may_ask_besides_the_rules_but_not_somebody_else(project: Project) -> None:
    rule(project)
    ask(project, "by: compliance, within_s: 20")
    assert [p for p in project.problems() if p.severity == "error"] == []
    project.edit(AGENT, "by: compliance, within_s: 20", "by: practice-manager")
    problem = only(project.problems(), "tools.book_appointment.approval.by")
    assert problem.message == "the rule abuse/bookings-are-decided asks 'compliance' about this tool"
    assert problem.remedy == "write by: compliance"


def test_a_rule_that_asks_nobody_known_is_named(project: Project) -> None:
    rule(project, role="somebody")
    problem = only(project.problems(), "tools.book_appointment")
    assert "asks 'somebody' about this tool, which is no role" in problem.message
