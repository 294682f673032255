# ruff: noqa: E501 - a table of mistakes is read line by line
"""An agent's own rules in a pack's form: by example, by a judge, on the caller's words, where a call ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.decision import Effect, Proposal, Verdict
from controls.errors import Problem
from controls.ids import new_id
from controls.moments import Moments
from controls.rules.judges import JudgeAnswer
from controls.rules.moments import CallFacts
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.project import Project, copy, only
from voice_runtime.agent import Release
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release, validate_agent

AGENT = "agents/real_estate/agent.yaml"
BEFORE = "    - name: offers-go-to-an-agent\n"
JUDGE = """    - name: no-promise-of-profit
      when: agent_says
      if:
        phrases: [worth, value, invest*]
        judge: {asks: Does the clause promise that the home will gain in value?, supplier: small, within_ms: 600}
      then: block
      say: {en-US: "I can't say what it will be worth."}
      risk: 60
      annex_a: [A.9.4]
      because: House rule 5 (fictional), no promise of profit
      catches: ["It will be worth twice as much."]
      lets_pass: ["The pool is open."]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def problems(project: Project) -> list[Problem]:
    return validate_agent(project.root, "real_estate", project.settings(), load_lines(project.root))


def release_of(project: Project) -> Release:
    return load_release(project.root, "real_estate", project.settings(), load_lines(project.root))


def said(text: str, **more: str) -> Proposal:
    return Proposal(Effect.SPEAK, "c", 1, "k", text=text, **more)


def test_the_shipped_ones_decide(project: Project) -> None:
    assert problems(project) == []
    release = release_of(project)
    rules = release.rules
    assert rules is not None

    hurried = rules.evaluate(said("Homes like that never last a weekend."))
    assert hurried.verdict is Verdict.BLOCK
    assert [v.rule for v in hurried.verdicts] == ["ours/no-hurry-by-example"]
    assert hurried.phrase in release.phrases
    grounds = rules.why("ours/no-hurry-by-example", said("Homes like that never last a weekend."))
    assert grounds[0].line.startswith("like hurry: ")
    assert rules.evaluate(said("The next viewing is at ten.")).verdict is Verdict.ALLOW

    offer = rules.caller(said("", caller_said="hello i want to make an offer on cedar lane"))
    assert (offer.verdict, offer.verdicts[0].rule) == (Verdict.HANDOFF, "ours/offers-go-to-an-agent")
    assert rules.caller(said("", caller_said="what do you offer")).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("facts", "person"),
    [
        (CallFacts(failed=("book_viewing",)), True),
        (CallFacts(tools=("book_viewing",)), False),
        (CallFacts(failed=("book_viewing",), person="completed"), False),
        (CallFacts(failed=("book_viewing",), ended_by="caller"), False),  # nobody is kept on the line
    ],
)
def test_a_call_whose_viewing_failed_does_not_end_without_a_person(
    project: Project, facts: CallFacts, person: bool
) -> None:
    rules = release_of(project).rules
    assert rules is not None
    recorder = MemoryRecorder()
    moments = Moments(
        recorder, rules, tenant="lake", call=new_id("c"), language="en-US", bound=lambda phrase: True
    )
    end = moments.end(facts, 3)
    assert end.person is person
    assert len(recorder.of("ending.judged")) == (
        1 if facts.failed and facts.person == "none" else 0
    )  # on record, also where the caller ended it


def test_a_judge_of_the_agents_own_is_asked_and_refuses_without_an_answer(project: Project) -> None:
    project.edit(AGENT, BEFORE, JUDGE + BEFORE)
    [warning] = problems(project)
    assert "cannot ask 'small'" in warning.message
    assert warning.severity == "warning"
    rules = release_of(project).rules
    assert rules is not None
    proposal = said("It will be worth a lot more.")
    [question] = rules.questions(proposal)
    assert question.rule == "ours/no-promise-of-profit"
    assert rules.evaluate(proposal).verdict is Verdict.BLOCK
    assert rules.evaluate(proposal, answers={question.key: JudgeAnswer(False)}).verdict is Verdict.ALLOW
    assert rules.evaluate(proposal, answers={question.key: JudgeAnswer(True)}).verdict is Verdict.BLOCK


def test_the_sentences_of_its_topics_are_part_of_the_release(project: Project) -> None:
    before = release_of(project)
    project.edit(
        "agents/real_estate/examples/hurry.en-US.txt", "+ This one", "+ That is all but sold.\n+ This one"
    )
    assert release_of(project).digest != before.digest


def test_a_topic_without_sentences_is_named(project: Project) -> None:
    (project.root / "agents/real_estate/examples/hurry.en-US.txt").unlink()
    problem = only(problems(project), "rules.ours[1].if.like")
    assert (problem.file, problem.message) == (AGENT, "no examples of hurry in en-US")
    assert "the agent's folder: examples/hurry.en-US.txt" in problem.remedy


@pytest.mark.parametrize(
    ("old", "new", "field", "message", "remedy"),
    [
        ("      when: caller_says\n", "      when: caller_sings\n", "rules.ours[2].when", "known values", "caller_says"),
        ("      when: caller_says\n", "      whn: caller_says\n", "rules.ours[2].if", "not a known key", ""),
        ("size(call.failed) > 0", "size(call.fialed) > 0", "rules.ours[3].if.cel", "holds no `fialed`", "failed"),
        ("because: Offers", "becuse: Offers", "rules.ours[2].becuse", "not a known key", "did you mean 'because'?"),
        ("what do you offer\"", "can we put in an offer now\"", "rules.ours[2].lets_pass[0]", "catches what", "own examples"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_is_named(
    project: Project, old: str, new: str, field: str, message: str, remedy: str
) -> None:
    line = project.edit(AGENT, old, new)
    problem = only([p for p in problems(project) if p.severity == "error"], field)
    assert problem.file == AGENT
    assert message in problem.message
    assert remedy in problem.remedy
    assert abs(problem.line - line) <= 2
