# ruff: noqa: E501 - a table of mistakes is read line by line
"""Lines and desks: who answers which entry, and when people are there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from tests.voice_runtime.project import Project, copy
from voice_runtime.desks import hours_text, load_desks, load_people
from voice_runtime.hours import Hours
from voice_runtime.lines import load_lines

FILE = "configs/lines.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


@pytest.mark.parametrize("number", ["+12025550142", "12025550142", "+1 (202) 555-0142"])
def test_a_number_is_found_however_it_is_written(project: Project, number: str) -> None:
    line = load_lines(project.root).find(number)
    assert line is not None
    assert (line.name, line.agent, line.tenant, line.region) == (
        "riverside-front-desk",
        "healthcare",
        "riverside",
        "us",
    )
    assert line.jurisdiction == "us-il"


@pytest.mark.parametrize("number", ["", "+12025550199", "anonymous", "2025550142", "٠١٢"])
def test_an_unknown_number_is_nobody_s(project: Project, number: str) -> None:
    assert load_lines(project.root).find(number) is None


def test_a_web_entry_is_found_by_its_agent(project: Project) -> None:
    lines = load_lines(project.root)
    web = lines.web("healthcare")
    assert web is not None
    assert (web.kind, web.number) == ("web", "")
    assert lines.web("nobody") is None
    assert lines.named("riverside-web") is web
    assert [line.kind for line in lines.of("healthcare")] == ["phone", "web"]
    assert lines.agents() == ("healthcare", "real_estate", "salon")


MISTAKES = [
    ('number: "+12025550142"', 'number: "202 555"', "lines[0].number", "in quotes"),
    ('    number: "+12025550142"\n', "", "lines[0]", "write number, or web: true"),
    ("agent: healthcare", "agent: helthcare", "lines[0].agent", "healthcare"),
    ("tenant: riverside", "tenant: other", "lines[1].tenant", "an agent folder of its own"),
    ("tenant: riverside", "tenant: register", "lines[0].tenant", "name the tenant otherwise"),
    ("name: riverside-web", "name: riverside-front-desk", "lines[1].name", "the first is in line"),
    ("  - name: riverside-web\n    web: true", '  - name: again\n    number: "+12025550142"', "lines[1].number", "the first is in line 6"),
    ("jurisdiction: us-il", "jurisdicton: us-il", "lines[0].jurisdicton", "did you mean 'jurisdiction'?"),
    ("region: us\n", "region: US\n", "lines[0].region", "such as us or eu"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "remedy"), MISTAKES)
def test_a_mistake_is_named_with_line_and_remedy(
    project: Project, old: str, new: str, field: str, remedy: str
) -> None:
    project.edit(FILE, old, new)
    with pytest.raises(ConfigurationError) as caught:
        load_lines(project.root)
    problem = next(p for p in caught.value.problems if p.field == field)
    assert problem.file == FILE
    assert problem.line > 3
    assert remedy in problem.remedy


def test_a_number_in_an_error_is_not_repeated(project: Project) -> None:
    project.edit(
        FILE, "  - name: riverside-web\n    web: true", '  - name: again\n    number: "+12025550142"'
    )
    with pytest.raises(ConfigurationError) as caught:
        load_lines(project.root)
    assert "5550142" not in str(caught.value)


# --- desks and hours ------------------------------------------------------------------------------

DESK_MISTAKES = [
    ("America/Chicago", "Chicago", "desks.reception.time_zone", "America/Chicago"),
    ("tue: [08:00-17:00]", "tue: [17:00-08:00]", "desks.reception.hours.tue[0]", "split a span"),
    ("tue: [08:00-17:00]", "tue: [8-17]", "desks.reception.hours.tue[0]", "08:00-17:00"),
    ("2026-12-25", "25.12.2026", "desks.reception.closed_on[0]", "2026-12-25"),
    ("    title: reception\n", "", "desks.reception.title", "what callers hear"),
]


@pytest.mark.parametrize(("old", "new", "field", "remedy"), DESK_MISTAKES)
def test_a_desk_with_a_mistake_is_refused(
    project: Project, old: str, new: str, field: str, remedy: str
) -> None:
    project.edit("configs/desks.yaml", old, new)
    with pytest.raises(ConfigurationError) as caught:
        load_desks(project.root)
    assert remedy in next(p for p in caught.value.problems if p.field == field).remedy


def test_roles_are_read(project: Project) -> None:
    roles = {"practice-manager", "compliance", "broker-in-charge", "salon-owner"}
    assert set(load_people(project.root)[0].roles) == roles


CHICAGO = "America/Chicago; mon 08:00-12:00,13:00-17:00; fri 08:00-16:00; closed 2026-11-27"


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("utc", "there"),
    [
        ("2026-11-23T13:59:59", False),  # Monday 07:59:59 in Chicago
        ("2026-11-23T14:00:00", True),
        ("2026-11-23T18:30:00", False),  # lunch
        ("2026-11-23T19:00:00", True),
        ("2026-11-23T23:00:00", False),  # the end belongs to nobody
        ("2026-11-24T15:00:00", False),  # Tuesday
        ("2026-11-27T15:00:00", False),  # a Friday, but closed
        ("2026-07-06T13:00:00", True),  # Monday in daylight saving time: 08:00
    ],
)
def test_a_desk_is_open_in_its_own_zone(utc: str, there: bool) -> None:
    assert Hours.parse(CHICAGO).open_at(_at(utc)) is there


@pytest.mark.parametrize(
    ("utc", "hours", "due"),
    [
        ("2026-11-23T14:00:00", 4, "2026-11-23T12:00:00-06:00"),  # a morning
        ("2026-11-23T17:00:00", 4, "2026-11-23T16:00:00-06:00"),  # over lunch
        ("2026-11-23T21:00:00", 4, "2026-11-30T10:00:00-06:00"),  # Friday is closed: on to Monday
        ("2026-11-21T12:00:00", 1, "2026-11-23T09:00:00-06:00"),  # at the weekend
    ],
)
def test_a_promise_counts_working_hours(utc: str, hours: float, due: str) -> None:
    found = Hours.parse(CHICAGO).after_working(_at(utc), hours)
    assert found is not None
    assert found.isoformat() == due


def test_a_desk_that_never_opens_promises_nothing() -> None:
    assert Hours.parse("").after_working(_at("2026-11-23T14:00:00"), 1) is None
    assert not Hours.parse("").open_at(0)


@given(at=st.integers(1_700_000_000, 1_900_000_000), hours=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_promise_falls_into_working_hours_and_later_never_earlier(at: int, hours: int) -> None:
    desk = Hours.parse(CHICAGO)
    due = desk.after_working(at, hours)
    later = desk.after_working(at + 3600, hours)
    assert due is not None
    assert later is not None
    assert due.timestamp() >= at + hours * 3600 - 60
    assert later >= due
    assert desk.open_at(due.timestamp() - 60)


def test_hours_survive_being_written_down(project: Project) -> None:
    desk = load_desks(project.root)[0].desks["reception"]
    hours = Hours.parse(hours_text(desk))
    assert hours.open_at(_at("2026-11-24T15:00:00"))
    assert not hours.open_at(_at("2026-12-25T16:00:00"))
