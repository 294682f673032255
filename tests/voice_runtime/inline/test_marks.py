"""From marks to ``latency_ms``: parts that are never longer than the whole, whenever the model was asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.inline.marks import ClauseMarks, TurnMarks, latency

MS = 1_000_000


def marks(*, ended: int, asked: int, first_token: int) -> TurnMarks:
    """Marks in ms after the last speech sample, which is at 1 s."""
    t0 = 1000 * MS
    return TurnMarks(
        t0=t0, ended=t0 + ended * MS, recognised=t0 + 200 * MS, asked=t0 + asked * MS,
        first_token=t0 + first_token * MS,
    )  # fmt: skip


def test_a_token_after_what_was_said_had_no_part_in_it() -> None:
    """A turn that the phrase for an earlier answer's failure answered had more parts than it was long."""
    turn = TurnMarks(t0=1000 * MS, asked=1001 * MS, first_token=1860 * MS)
    found = latency(turn, ClauseMarks(cleared=1014 * MS), 1020 * MS)
    assert (found.first_token, found.asr_to_first_token, found.first_audio_out) == (None, None, 20.0)


@pytest.mark.parametrize(
    ("asked", "first_token", "left", "before"),
    [
        (460, 660, 200.0, None),  # asked once it was over
        (250, 660, 210.0, 200.0),  # asked at a pause; the answer came after the end
        (250, 400, 0.0, 150.0),  # and before it
    ],
)
def test_the_models_time_is_parted_at_the_end_of_the_turn(
    asked: int, first_token: int, left: float, before: float | None
) -> None:
    turn = marks(ended=450, asked=asked, first_token=first_token)
    found = latency(turn, ClauseMarks(cleared=1800 * MS), 1900 * MS)
    assert (found.first_token, found.eager) == (left, before)
    assert found.asr_to_first_token == first_token
    assert found.endpointing == 450


def test_typed_words_are_never_begun_early() -> None:
    turn = TurnMarks(t0=5, asked=10 * MS, first_token=20 * MS)
    assert latency(turn, ClauseMarks(cleared=30 * MS), 40 * MS).eager is None


def test_a_model_that_was_asked_early_and_never_answered_has_neither() -> None:
    turn = TurnMarks(t0=5, ended=20 * MS, asked=10 * MS)
    found = latency(turn, ClauseMarks(cleared=30 * MS), 40 * MS)
    assert (found.first_token, found.eager, found.asr_to_first_token) == (None, None, None)


@given(
    st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 3000), st.integers(0, 50), st.integers(0, 50),
    st.integers(0, 50),
)  # fmt: skip
def test_parts_are_never_longer_than_the_whole(
    ended: int, asked: int, thinking: int, verdict: int, durable: int, egress: int
) -> None:
    turn = marks(ended=ended, asked=asked, first_token=asked + thinking)
    judged = max(turn.ended, turn.first_token) + verdict * MS
    clause = ClauseMarks(cleared=judged, verdict_ms=float(verdict), durable=judged + durable * MS)
    found = latency(turn, clause, judged + (durable + egress) * MS)
    parts = [found.endpointing, found.first_token, found.verdict, found.durable, found.egress]
    assert all(part is not None and part >= 0 for part in parts)
    assert found.first_audio_out is not None
    assert sum(part or 0 for part in parts) <= found.first_audio_out + 0.06
    assert (found.eager is not None) == (asked < ended)
    if found.eager is not None:
        assert found.first_token is not None
        assert found.eager + found.first_token == pytest.approx(thinking, abs=0.02)
