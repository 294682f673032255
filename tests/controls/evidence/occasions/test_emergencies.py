"""Emergencies in the record: one holds only where a person was fetched for it, or the number was said."""

from __future__ import annotations

import pytest

from controls.evidence.occasions.actions import Actions
from controls.evidence.occasions.tally import Call, Tallies, Terms
from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.evidence.calls import CallScript, played
from tests.controls.evidence.counted import (
    NOW,
    ORIGIN,
    Spoil,
    asked,
    begun,
    counts,
    ended,
    of,
    refused,
    register,
    statement,
)


def judged(script: CallScript) -> tuple[int, int, int, int]:
    """A call's emergencies alone: population, passed, failed, unexplained."""
    actions, tallies = Actions(Call(ORIGIN, script.call, Terms(register(), 70, NOW, 3600))), Tallies()
    for leaf, record, _ in script.opened:
        actions.add(leaf, record)
    actions.finish(tallies)
    tally = tallies["emergency"]
    return tally.population, tally.passed, tally.failed, tally.unexplained


def _emergency(script: CallScript) -> None:
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="x", said="help"), turn=1)


def _fetched(script: CallScript, by: str = "caller_voice") -> str:
    handoff = new_id("h")
    script.add(r.HandoffRequested, r.HandoffDetails(), handoff=handoff, requested_by=by)
    return handoff


def _came_to_nothing(script: CallScript, handoff: str, reason: str) -> None:
    script.add(r.HandoffFailed, r.HandoffDetails(), handoff=handoff, reason=reason, waited_s=0)


def _told(script: CallScript, samples: int = 16_000, turn: int = 1) -> None:
    """The emergency's words sound, or so much of them."""
    played(
        script, turn, new_id("k"), "Dial 9 1 1.", phrase="rule.x.y", samples=samples,
        script_of_emergency=True,
    )  # fmt: skip


def _goodbye(script: CallScript, turn: int = 1) -> None:
    played(script, turn, new_id("k"), "Goodbye.", phrase="goodbye")


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
    handoff = _fetched(script, "emergency")
    _told(script)
    _came_to_nothing(script, handoff, "outside_hours")


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
        (_overtaken_and_fetched, (4, 4, 0, 0)),  # the words that sounded are an occasion of their own
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
    _told(script)


def _asked_back_and_cut(script: CallScript) -> None:
    _asked_back(script)
    _told(script, 900)
    _goodbye(script)


@pytest.mark.parametrize(
    ("story", "held"), [(_asked_back, 0), (_asked_back_aloud, 1), (_asked_back_and_cut, 0)]
)
def test_an_emergency_that_was_asked_back_holds_where_the_number_was_said(story: Spoil, held: int) -> None:
    quiet, script = begun(), begun()
    before = counts(statement(ended(quiet)), "A.9.2")
    story(script)
    found = statement(ended(script, "agent", "too_long"))
    counted = [now - then for now, then in zip(counts(found, "A.9.2"), before, strict=True)]
    assert counted[2] == 1 - held
    assert (of(found, "A.9.2").challenged["emergency"] is not None) == bool(held)


def _cut_by_the_goodbye(script: CallScript) -> None:
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _told(script, 900)
    _goodbye(script)
    _came_to_nothing(script, handoff, "hung_up")


def _cut_and_then_reached(script: CallScript) -> None:
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _told(script, 900)
    script.add(r.HandoffCompleted, handoff=handoff, mode="blind", waited_s=3)


def _cut_and_said_once_more(script: CallScript) -> None:
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _told(script, 900)
    _came_to_nothing(script, handoff, "no_answer")
    _told(script)


def _never_said(script: CallScript) -> None:
    _emergency(script)
    _came_to_nothing(script, _fetched(script, "emergency"), "no_answer")
    _goodbye(script)


def _cut_as_the_caller_went(script: CallScript) -> None:
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _told(script, 900)
    _came_to_nothing(script, handoff, "hung_up")


def _said_again_while_the_number_was_said(script: CallScript) -> None:
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _told(script)
    _came_to_nothing(script, handoff, "no_answer")
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="x", said="help"), turn=2)
    _told(script, turn=2)


def _said_again_behind_a_transfer_that_became_the_emergency_s(script: CallScript) -> None:
    handoff = _fetched(script)
    _emergency(script)
    _told(script)
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="x", said="help"), turn=2)
    _came_to_nothing(script, handoff, "no_answer")


def _a_doubt_said_the_number_and_the_emergency_behind_it_was_cut(script: CallScript) -> None:
    _asked_back_aloud(script)
    _emergency(script)
    handoff = _fetched(script, "emergency")
    _told(script, 900)
    _goodbye(script)
    _came_to_nothing(script, handoff, "no_answer")


@pytest.mark.parametrize(
    ("story", "by", "expected"),
    [
        (_cut_by_the_goodbye, ("agent", "too_long"), (1, 0, 1, 0)),
        (_cut_by_the_goodbye, ("caller", "hung_up"), (1, 0, 1, 0)),
        (_cut_and_then_reached, ("person", "transferred"), (1, 1, 0, 0)),
        (_cut_and_said_once_more, ("agent", "too_long"), (1, 1, 0, 0)),
        (_never_said, ("agent", "too_long"), (1, 0, 1, 0)),
        (_never_said, ("caller", "hung_up"), (1, 0, 1, 0)),
        (_cut_as_the_caller_went, ("caller", "hung_up"), (1, 1, 0, 0)),
        (_cut_as_the_caller_went, ("operator", "drained"), (1, 0, 1, 0)),
        (_said_again_while_the_number_was_said, ("caller", "hung_up"), (2, 2, 0, 0)),
        (_said_again_behind_a_transfer_that_became_the_emergency_s, ("operator", "drained"), (2, 2, 0, 0)),
        (_a_doubt_said_the_number_and_the_emergency_behind_it_was_cut, ("agent", "too_long"), (2, 1, 1, 0)),
    ],
)
def test_an_emergency_holds_only_where_its_words_sounded_in_full_or_a_person_was_reached(
    story: Spoil, by: tuple[str, str], expected: tuple[int, int, int, int]
) -> None:
    """900 ms of the script, then "Goodbye.", were green: any record of a handoff was enough."""
    script = begun()
    story(script)
    assert judged(ended(script, *by)) == expected


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
