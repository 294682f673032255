"""Emergencies in the record: one holds only where a person was fetched for it, or the number was said."""

from __future__ import annotations

import pytest

from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.evidence.calls import CallScript, played
from tests.controls.evidence.counted import Spoil, asked, begun, counts, ended, of, refused, statement


def _emergency(script: CallScript) -> None:
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="x", said="help"), turn=1)


def _fetched(script: CallScript, by: str = "caller_voice") -> str:
    handoff = new_id("h")
    script.add(r.HandoffRequested, r.HandoffDetails(), handoff=handoff, requested_by=by)
    return handoff


def _came_to_nothing(script: CallScript, handoff: str, reason: str) -> None:
    script.add(r.HandoffFailed, r.HandoffDetails(), handoff=handoff, reason=reason, waited_s=0)


def _an_earlier_handoff_was_over(script: CallScript) -> None:
    _came_to_nothing(script, _fetched(script), "no_answer")
    _emergency(script)


def _a_call_back_was_promised_before(script: CallScript) -> None:
    script.add(
        r.CallbackPromised,
        r.CallbackDetails(number="1", reason="", summary="", desk="", due_at=""),
        handoff=_fetched(script), number_confirmed=True, within_working_h=4,
    )  # fmt: skip
    _emergency(script)


def _given_up_and_nobody_fetched_instead(script: CallScript) -> None:
    handoff = _fetched(script)
    _emergency(script)
    _came_to_nothing(script, handoff, "overtaken")


def _overtaken_and_fetched(script: CallScript) -> None:
    _given_up_and_nobody_fetched_instead(script)
    _came_to_nothing(script, _fetched(script, "emergency"), "outside_hours")


def _said_again_while_fetched(script: CallScript) -> None:
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _emergency(script)
    script.add(r.HandoffAccepted, handoff=handoff, mode="blind", waited_s=3)


def _said_while_fetched_and_the_caller_went(script: CallScript) -> None:
    handoff = _fetched(script)
    _emergency(script)
    _came_to_nothing(script, handoff, "hung_up")


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (_an_earlier_handoff_was_over, (2, 1, 1, 0)),
        (_a_call_back_was_promised_before, (2, 1, 1, 0)),
        (_given_up_and_nobody_fetched_instead, (2, 1, 1, 0)),
        (_overtaken_and_fetched, (3, 3, 0, 0)),
        (_said_again_while_fetched, (3, 3, 0, 0)),
        (_said_while_fetched_and_the_caller_went, (2, 2, 0, 0)),
        (_emergency, (1, 0, 1, 0)),
    ],
)
def test_an_emergency_holds_only_where_a_person_was_fetched_for_it(
    story: Spoil, expected: tuple[int, int, int, int]
) -> None:
    """Once anybody had been fetched, every later emergency was green, with nobody fetched for it."""
    quiet, script = begun(), begun()
    before = counts(statement(ended(quiet)), "A.9.2")
    story(script)
    found = counts(statement(ended(script)), "A.9.2")
    assert tuple(now - then for now, then in zip(found, before, strict=True)) == expected


def _asked_back(script: CallScript) -> None:
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="x", said="help"), turn=1, asked_back=True)


def _asked_back_aloud(script: CallScript) -> None:
    _asked_back(script)
    played(script, 1, new_id("k"), "Dial 9 1 1.", phrase="rule.x.y")


@pytest.mark.parametrize(("story", "held"), [(_asked_back, 0), (_asked_back_aloud, 1)])
def test_an_emergency_that_was_asked_back_holds_where_the_number_was_said(story: Spoil, held: int) -> None:
    quiet, script = begun(), begun()
    before = counts(statement(ended(quiet)), "A.9.2")
    story(script)
    found = statement(ended(script))
    counted = [now - then for now, then in zip(counts(found, "A.9.2"), before, strict=True)]
    assert counted[2] == 1 - held
    assert (of(found, "A.9.2").challenged["emergency"] is not None) == bool(held)


def test_an_emergency_whose_handoff_has_no_outcome_is_unexplained() -> None:
    quiet, script = begun(), begun()
    before = counts(statement(ended(quiet)), "A.9.2")
    _fetched(script)
    _emergency(script)
    found = counts(statement(ended(script)), "A.9.2")
    assert tuple(now - then for now, then in zip(found, before, strict=True)) == (2, 0, 0, 2)


def test_each_kind_of_occasion_says_when_it_was_last_put_to_the_test() -> None:
    """A refused clause made the whole control look tested, its emergencies and handoffs as well."""
    script = whole_but_open()
    script.add(r.HandoffCompleted, handoff=_fetched(script), mode="blind", waited_s=1)
    found = of(statement(ended(script)), "A.9.2")
    assert found.challenged["clause"] == found.last_challenged is not None
    assert found.challenged["person"] is None
    assert "approval" not in found.challenged
    _said_again_while_fetched(script := begun())
    assert of(statement(ended(script)), "A.9.2").challenged["emergency"] is not None


def whole_but_open() -> CallScript:
    script = begun()
    asked(script, 1)
    refused(script, 1)
    return script
