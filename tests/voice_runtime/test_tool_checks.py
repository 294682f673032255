"""What takes a tool back, and the form of its result, are checked before a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voice_runtime.project import Project, copy

SERVICES = "configs/services.yaml"
CANCEL = "does: Cancels one booked appointment."
#: The end of the last argument of the clinic's ``cancel``.
TIME = 'description: "time of the appointment"}\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def cancel_needs(project: Project, argument: str, schema: str) -> None:
    """The clinic's ``cancel`` (the first in the file) needs one argument more."""
    path = project.root / SERVICES
    before, cancel, after = path.read_text().partition(CANCEL)
    after = after.replace("required: [doctor, day, time]", f"required: [doctor, day, time, {argument}]", 1)
    after = after.replace(TIME, f"{TIME}            {argument}: {schema}\n", 1)
    path.write_text(before + cancel + after)


def undo_problems(project: Project) -> list[str]:
    return [str(p) for p in project.problems() if p.field == "tools.book_appointment.undo_with"]


def test_what_the_undo_needs_may_come_from_the_declared_result(project: Project) -> None:
    cancel_needs(project, "row", "{type: integer}")
    assert undo_problems(project) == []


def test_what_neither_arguments_nor_result_have_is_named(project: Project) -> None:
    cancel_needs(project, "code", "{type: string}")
    [problem] = undo_problems(project)
    assert "'code', which 'cancel_appointment' needs, is neither an argument nor a result of it" in problem
    assert "what appointments/book always has: doctor, day, time, row" in problem


def test_a_value_of_another_type_is_named(project: Project) -> None:
    cancel_needs(project, "row", "{type: string}")
    [problem] = undo_problems(project)
    assert "'row' is of type integer here, and string for 'cancel_appointment'" in problem


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("{type: array}", "is not a JSON Schema of an object"),
        ("{type: object, properties: {row: {type: whatever}}}", "is not a valid JSON Schema"),
    ],
)
def test_a_result_that_is_no_schema_is_named(project: Project, result: str, words: str) -> None:
    path = project.root / SERVICES
    text = path.read_text()
    at = text.index("        result:\n")
    end = text.index("      book:", at)
    path.write_text(f"{text[:at]}        result: {result}\n{text[end:]}")
    [problem] = [str(p) for p in project.problems() if p.severity == "error"]
    assert "services.appointments.operations.find_slots.result" in problem
    assert words in problem
