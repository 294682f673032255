"""Whether a caller may be called back: asked by the way to a person, kept by the opening."""

from __future__ import annotations

import pytest

from controls.opening import Answered, Asked, CallbackAnswered, Opening, RecordConsent, RecordWithdrawal
from tests.controls.test_opening import DIGEST, FULL, run


def test_a_call_back_is_agreed_to_and_taken_back() -> None:
    opening, _ = run(Opening(), Answered(), FULL)
    opening, outputs = run(opening, CallbackAnswered(True, "voice", DIGEST, 9))
    assert outputs == [RecordConsent("callback", True, "voice", DIGEST, 9)]
    assert run(opening, CallbackAnswered(False, "default", DIGEST, 12))[1] == []  # silence takes nothing back
    _, outputs = run(opening, CallbackAnswered(False, "keypad", DIGEST, 14))
    assert outputs == [RecordWithdrawal("callback", "keypad", 14)]


def test_no_call_back_is_a_refusal_and_may_be_changed() -> None:
    opening, outputs = run(Opening(), Answered(), FULL, CallbackAnswered(False, "voice", DIGEST))
    assert outputs[-1] == RecordConsent("callback", False, "voice", DIGEST)
    _, outputs = run(opening, CallbackAnswered(True, "voice", DIGEST))
    assert outputs == [RecordConsent("callback", True, "voice", DIGEST)]


@pytest.mark.parametrize("opening", [Opening(opted_out=True), Opening()])
def test_who_opted_out_agrees_to_no_call_back(opening: Opening) -> None:
    opening, _ = run(opening, Answered(), FULL)
    if not opening.opted_out:
        opening, _ = run(opening, CallbackAnswered(True, "voice", DIGEST), Asked("opt_out"))
    opening, outputs = run(opening, CallbackAnswered(True, "voice", DIGEST))
    assert outputs == []
    assert not opening.consents.given("callback")
