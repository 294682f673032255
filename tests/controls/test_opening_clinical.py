"""The clinical disclaimer: said at the start and at the end, or a person is fetched."""

from __future__ import annotations

from controls.opening import (
    CLINICAL_END,
    CLINICAL_START,
    Answered,
    Back,
    Ending,
    Opening,
    Played,
    Proceed,
    RecordFailure,
    Say,
    ToPerson,
)
from tests.controls.test_opening import FULL, run


def test_the_clinical_disclaimer_frames_the_conversation() -> None:
    opened, outputs = run(Opening(clinical=True), Answered(), FULL, Played(CLINICAL_START, True, 1, 1))
    assert outputs[-2:] == [Say(CLINICAL_START, 1), Proceed(recorded=False)]
    ended, outputs = run(opened, Ending(), Ending())
    assert outputs == [Say(CLINICAL_END, 1)]
    assert ended.finished  # the caller may come back from the goodbye
    assert run(run(Opening(), Answered(), FULL)[0], Ending())[1] == []


def test_a_disclaimer_that_cannot_be_played_leads_to_a_person() -> None:
    cut = Played(CLINICAL_START, False, 0, 1)
    failed, outputs = run(Opening(clinical=True, attempts_max=2), Answered(), FULL, cut, cut)
    assert outputs[-3:] == [Say(CLINICAL_START, 2), RecordFailure(2), ToPerson("failure")]
    assert run(failed, Back())[1] == []
