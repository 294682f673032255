"""How evenly audio arrives: what keeps pace has no jitter, however far ahead it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.caller.arrivals import Arrivals

MS = 1_000_000


def noted(*pieces: tuple[float, int]) -> Arrivals:
    """Pieces of (ms at which it came, samples)."""
    arrivals = Arrivals()
    for at_ms, samples in pieces:
        arrivals.note(round(at_ms * MS), samples)
    return arrivals


def paced(late_ms: list[float], begin_ms: float = 1000.0) -> list[tuple[float, int]]:
    return [(begin_ms + 20 * n + late, 160) for n, late in enumerate(late_ms)]


def test_nothing_has_no_jitter() -> None:
    assert Arrivals().jitter_ms is None
    assert noted((5, 0)).jitter_ms is None


@given(st.integers(1, 200), st.integers(0, 400))
def test_audio_that_keeps_pace_has_none(count: int, ahead: int) -> None:
    burst = [(1000.0, 160)] * ahead
    rest = [(1000.0 + 20 * (n + 1), 160) for n in range(count)]
    assert noted(*burst, *rest).jitter_ms == 0.0


@given(st.lists(st.floats(0, 150), min_size=1, max_size=100))
def test_jitter_is_the_95th_percentile_of_how_late_pieces_are(late: list[float]) -> None:
    found = noted(*paced([0.0, *late])).jitter_ms  # the first sets the pace
    wanted = sorted([0.0, *late])[-(-(len(late) + 1) * 95 // 100) - 1]
    assert found is not None
    assert abs(found - wanted) <= 0.051


def test_a_single_late_piece_in_twenty_is_in_the_95th_percentile_only_when_there_are_two() -> None:
    assert noted(*paced([0.0] * 19 + [80.0])).jitter_ms == 0.0
    assert noted(*paced([0.0] * 18 + [80.0, 90.0])).jitter_ms == 80.0


def test_a_pause_or_a_clear_begins_a_new_stretch() -> None:
    first = paced([0.0] * 50)
    assert noted(*first, *paced([0.0] * 50, begin_ms=1000 + 50 * 20 + 201)).jitter_ms == 0.0
    assert noted(*first, *paced([0.0] * 50, begin_ms=1000 + 50 * 20 + 150)).jitter_ms == 150.0
    arrivals = noted(*first)
    arrivals.cleared()
    for at_ms, samples in paced([0.0] * 50, begin_ms=1000 + 50 * 20 + 150):
        arrivals.note(round(at_ms * MS), samples)
    assert arrivals.jitter_ms == 0.0


@given(st.sets(st.integers(1, 90), max_size=30), st.integers(0, 2**32 - 1))
def test_a_lost_packet_makes_none_behind_it_late(lost: set[int], begins: int) -> None:
    arrivals = Arrivals()
    for n in range(100):
        if n not in lost:
            arrivals.note(n * 20 * MS, 160, rtp=(begins + n * 960) % 2**32)
    assert arrivals.jitter_ms == 0.0


def test_an_overtaken_packet_is_late_by_its_own_place() -> None:
    arrivals = Arrivals()
    order = [0, 1, 3, 2, 4, 5, 7, 6, 8, 9]  # 2 and 6 come when 3 and 7 are due, behind them
    for at, n in enumerate(order):
        arrivals.note(max(at, n) * 20 * MS, 160, rtp=n * 960)
    assert arrivals.jitter_ms == 20.0
