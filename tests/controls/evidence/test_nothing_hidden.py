"""What a statement of applicability must not hide: kinds never tested, counts behind a missing document."""

from __future__ import annotations

from controls.evidence.states import State
from tests.controls.evidence.counted import (
    asked,
    begun,
    ended,
    executed,
    of,
    refused,
    spoken,
    statement,
    used,
    whole,
)


def test_one_kind_of_occasion_tested_does_not_make_the_others_green() -> None:
    """A.9.2 was green for a refused clause, though no use of a tool was ever put to the test."""
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    executed(script, used(script, 1))
    asked(script, 2)
    refused(script, 2)
    found = of(statement(ended(script)), "A.9.2")
    assert (found.state, found.last_challenged is not None) == (State.NOT_EXERCISED, True)
    assert "tool (1 occasion)" in found.because[-1]


def test_a_missing_document_hides_nothing_that_was_counted() -> None:
    found = of(statement(whole()), "A.2.4")
    assert found.state is State.DOCUMENT_MISSING
    assert found.because == [
        "the operator names no document", "of 1 occasion, no record says what was done",
    ]  # fmt: skip


def test_what_no_record_can_test_says_so() -> None:
    found = of(statement(whole()), "A.10.3")
    assert (found.tested_by, found.because[-1]) == ("", "no record can be a test of it")
