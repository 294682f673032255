"""Speech over the agent: what pauses, resumptions and interruptions come to, and what never came."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.censoring import BARGE_IN_CAP_MS
from loadtests.pauses.lines import Rendered
from loadtests.pauses.overlaps import (
    FloorEvent,
    Overlap,
    figures_of,
    judge_overlap,
    summarise_overlaps,
)
from loadtests.pauses.utterances import INTERRUPTIONS, LISTENING, Interjection

PER_MS = 8
#: Speech from 1000 ms on, in a line of 4 s.
LINE = Rendered(bytes(64000), bytes(32000), ((8000, 15999),), ())
STOP = Interjection(id="stop", kind="command", text="stop")
OKAY = Interjection(id="okay", kind="backchannel", text="okay")

What = Literal["pause", "resume", "commit"]


def events(*told: tuple[int, What]) -> list[FloorEvent]:
    """Made up, with their times in ms."""
    return [FloorEvent(at * PER_MS, what) for at, what in told]


def test_delays_run_from_the_callers_first_sample() -> None:
    found = judge_overlap(STOP, LINE, events((1100, "pause"), (1400, "commit")), "slt")
    assert found == Overlap("stop", "command", 100, 400, 300, "slt")


def test_an_agent_that_is_cut_without_a_pause_falls_silent_then() -> None:
    assert judge_overlap(STOP, LINE, events((1400, "commit"))) == Overlap("stop", "command", 400, 400, 0)


def test_pauses_add_up_until_the_interruption_and_no_longer() -> None:
    told = events((1100, "pause"), (1200, "resume"), (1500, "pause"), (1540, "commit"), (1700, "pause"))
    assert judge_overlap(OKAY, LINE, told) == Overlap("okay", "backchannel", 100, 540, 140)


def test_an_agent_that_spoke_on_was_never_silent() -> None:
    assert judge_overlap(OKAY, LINE, []) == Overlap("okay", "backchannel", None, None, 0)


def test_a_pause_that_nobody_ended_lasts_to_the_end_of_the_line() -> None:
    assert judge_overlap(OKAY, LINE, events((1100, "pause"))).paused_ms == 2900


def test_a_missed_interruption_stands_at_the_cap() -> None:
    found = figures_of(
        [
            Overlap("a", "command", 90, 400, 310),
            Overlap("b", "sentence", 100, None, 500),
            Overlap("c", "sentence", None, None, 0),
        ]
    )
    assert (found.said, found.committed, found.missed, found.silenced) == (3, 1, 2, 2)
    assert found.silent_ms is not None
    assert (found.silent_ms.p50, found.silent_ms.max, found.silent_ms.censored) == (100, BARGE_IN_CAP_MS, 1)
    assert found.commit_ms is not None
    assert (found.commit_ms.p50, found.commit_ms.censored) == (BARGE_IN_CAP_MS, 2)
    assert found.audible_pause_ms is None


def test_a_cough_that_cut_the_agent_is_the_longest_pause_of_all() -> None:
    """Else a policy that interrupts itself at every hum would have the shortest pauses."""
    found = figures_of(
        [
            Overlap("a", "sound", 90, 120, 30),
            Overlap("b", "backchannel", 90, None, 400),
            Overlap("c", "backchannel", None, None, 0),
        ]
    )
    assert found.audible_pause_ms is not None
    assert (found.audible_pause_ms.p50, found.audible_pause_ms.max) == (400, BARGE_IN_CAP_MS)
    assert found.audible_pause_ms.censored == 1
    assert found.committed_percent == pytest.approx(33.3, abs=0.1)
    assert (found.silent_ms, found.commit_ms) == (None, None)


def test_an_interval_rests_on_what_is_different() -> None:
    once = [Overlap(str(n), "sound", None, 100 if n < 5 else None, 0) for n in range(50)]
    assert figures_of(4 * once).committed_ci == figures_of(once).committed_ci == (4.3, 21.4)
    assert (figures_of(4 * once).said, figures_of(4 * once).labelled) == (200, 50)


def test_interruptions_and_listening_are_never_put_together() -> None:
    both = [Overlap("a", "command", 90, 400, 310), Overlap("b", "backchannel", 90, None, 400)]
    with pytest.raises(ValueError, match="in common"):
        figures_of(both)
    with pytest.raises(ValueError, match="in common"):
        figures_of([])
    row = summarise_overlaps("ours", both, "held_out")
    assert (row.interruptions, row.listening) == (figures_of(both[:1]), figures_of(both[1:]))
    assert row.kinds == {"command": figures_of(both[:1]), "backchannel": figures_of(both[1:])}
    assert summarise_overlaps("ours", both[1:], "file").interruptions is None


# -- properties -------------------------------------------------------------------------------------------

TOLD = st.lists(
    st.tuples(st.integers(50, 199).map(lambda n: 20 * n), st.sampled_from(("pause", "resume", "commit"))),
    max_size=12,
    unique_by=lambda told: told[0],
).map(sorted)


@given(TOLD, st.sampled_from((STOP, OKAY)))
def test_silence_comes_before_the_interruption_and_lasts_no_longer_than_the_line(
    told: list[tuple[int, What]], said: Interjection
) -> None:
    found = judge_overlap(said, LINE, events(*told))
    assert 0 <= found.paused_ms <= 3000
    if found.commit_ms is not None:
        assert found.silent_ms is not None
        assert found.silent_ms <= found.commit_ms
        assert found.paused_ms <= found.commit_ms
    if found.silent_ms is None:
        assert found.paused_ms == 0


@given(st.lists(st.tuples(st.integers(0, 3), TOLD), min_size=1, max_size=30))
def test_one_more_failure_makes_no_figure_better(drawn: list[tuple[int, list[tuple[int, What]]]]) -> None:
    for kinds, failed in (
        (INTERRUPTIONS, Overlap("more", "command", None, None, 0)),
        (LISTENING, Overlap("more", "sound", 90, 100, 10)),
    ):
        found = [
            judge_overlap(
                (STOP if kinds is INTERRUPTIONS else OKAY).model_copy(update={"id": f"drawn-{n}"}),
                LINE,
                events(*told),
            )
            for n, (_, told) in enumerate(drawn)
        ]
        before, after = figures_of(found), figures_of([*found, failed])
        for name in ("silent_ms", "commit_ms", "audible_pause_ms"):
            one, other = getattr(before, name), getattr(after, name)
            assert (one is None) == (other is None)
            if one is not None:
                assert other.p50 >= one.p50
                assert other.max >= one.max
