"""An agent one of whose tools takes figures by keys: resolved, part of its version, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from controls.capture import CARD, CARD_CODE, Wanted
from controls.decision import Effect, Proposal
from tests.voice_runtime.project import AGENT, Project, copy, only
from voice_runtime.agent import ByKeys, Release
from voice_runtime.lines import load_lines
from voice_runtime.phrases import CAPTURE
from voice_runtime.resolve import load_release
from voice_runtime.think.chat import tool_schemas

TOOL = """  take_deposit:
    does: Takes a deposit for an appointment.
    calls: appointments/deposit
    risk: medium
    capture: {HOW}
"""
OPERATION = """      deposit:
        does: Takes a deposit from a card.
        path: /tools/deposit
        timeout_s: 20
        arguments:
          type: object
          additionalProperties: false
          required: [day, card, amount]
          properties:
            day: {type: string, maxLength: 20}
            card: {type: string, maxLength: 19}
            amount: {type: integer}
            note: {type: string, maxLength: 19}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = copy(tmp_path)
    made.edit("configs/services.yaml", "      book:\n", f"{OPERATION}      book:\n")
    return made


def capture(project: Project, how: str, more: str = "") -> int:
    tool = TOOL.replace("HOW", how) + more
    return project.edit(AGENT, "  find_slots:\n", f"{tool}  find_slots:\n")


def keyed(release: Release) -> ByKeys | None:
    [found] = [tool for tool in release.tools if tool.name == "take_deposit"]
    return found.capture


def test_it_is_resolved_and_part_of_the_version(project: Project) -> None:
    salon = load_release(project.root, "salon", project.settings(), load_lines(project.root))
    assert not CAPTURE & salon.phrases.keys(), "who captures nothing binds none of its phrases"
    before = project.release()
    capture(project, "argument: card, what: card")
    after = project.release()
    assert keyed(after) == ByKeys("card", CARD)
    assert after.digest != before.digest
    assert after.phrases.keys() >= CAPTURE


@pytest.mark.parametrize(("how", "wanted"), [
    ("argument: card, what: card-code", CARD_CODE),
    ("argument: card, what: account", Wanted("account", 4, 20)),
    ("argument: card, what: number, digits: {least: 6, most: 6}", Wanted("number", 6, 6)),
])  # fmt: skip
def test_what_is_wanted(project: Project, how: str, wanted: Wanted) -> None:
    capture(project, how)
    assert keyed(project.release()) == ByKeys("card", wanted)


@pytest.mark.parametrize("argument", ["amount", "note", "nothing"])
def test_it_is_a_text_the_operation_always_has(project: Project, argument: str) -> None:
    line = capture(project, f"argument: {argument}, what: number")
    found = only(project.problems(), "tools.take_deposit.capture.argument")
    assert found.line == line + 4
    assert "card, day" in found.remedy


@pytest.mark.parametrize(("how", "says"), [
    ("argument: card, what: card, digits: {least: 16, most: 16}", "how long a card's figures are"),
    ("argument: card, what: number, digits: {least: 9, most: 4}", "more figures at least than at most"),
])  # fmt: skip
def test_lengths_that_cannot_be(project: Project, how: str, says: str) -> None:
    capture(project, how)
    assert says in str(only(project.problems(), "tools.take_deposit.capture"))


def test_what_only_the_caller_enters_is_not_read_back(project: Project) -> None:
    capture(
        project,
        "argument: card, what: card",
        '    read_back: [card]\n    read_back_say: {en-US: "{card}?"}\n',
    )
    assert any("entered by keys and read back" in str(problem) for problem in project.problems())


def test_the_model_is_not_told_of_it(project: Project) -> None:
    capture(project, "argument: card, what: card")
    [tool] = [tool for tool in project.release().tools if tool.name == "take_deposit"]
    [schema] = tool_schemas((tool,))
    assert isinstance(schema, FunctionSchema)
    assert set(schema.properties) == {"day", "amount", "note"}
    assert set(schema.required) == {"day", "amount"}


@pytest.mark.parametrize(("how", "instead"), [
    ("argument: card, what: card", True), ("argument: card, what: card-code", True),
    ("argument: card, what: account", False),
])  # fmt: skip
def test_who_says_a_card_is_sent_to_the_keys_where_there_are_any(
    project: Project, how: str, instead: bool
) -> None:
    staffed = project.release()
    capture(project, how)
    release = project.release()
    assert release.rules is not None
    judged = release.rules.caller(said("my card is 4111 1111 1111 1111"))
    words = release.phrases[judged.phrase]["en-US"]
    assert ("key them in on your phone" in words) is instead
    if not instead:
        assert words == staffed.phrases[judged.phrase]["en-US"]


def said(text: str) -> Proposal:
    return Proposal(Effect.SPEAK, "c_1", 1, "k_1", caller_said=text)


@pytest.mark.parametrize(("url", "ok"), [
    ("https://till.example/api", True), ("http://127.0.0.1:9000", True), ("http://localhost:9000", True),
    ("http://till.example/api", False), ("http://10.0.0.7", False),
])  # fmt: skip
def test_figures_leave_the_machine_encrypted_or_not_at_all(project: Project, url: str, ok: bool) -> None:
    capture(project, "argument: card, what: card")
    profile = "configs/profiles/offline.yaml"
    project.edit(
        profile, "appointments: {embedded: true, key: {generate: true}}",
        f"appointments: {{url: '{url}', key: {{generate: true}}}}",
    )  # fmt: skip
    found = [p for p in project.problems() if p.field == "tools.take_deposit.capture"]
    assert (found == []) is ok
    assert all("https" in p.remedy for p in found)
