"""Virtual time: the same call from the same seed; when a delay is back; what the command holds us to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests import jitter
from loadtests.jitter import Row, holds

CLEAN = Row("clean", "ours", 40.0, 45.0, 50.0, 0.0, 0.0, 0.0, None, ends=False)
STALL = Row("a stall of 300 ms", "ours", 60.0, 300.0, 340.0, 0.0, 0.0, 1.0, 1.5, ends=True)


@pytest.mark.parametrize("through", [jitter._ours, jitter._theirs])
def test_a_call_is_drawn_from_its_seed(through, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jitter, "_CALL_S", 5)
    one, again, other = (through(jitter._jitter, seed) for seed in (1, 1, 2))
    assert one == again
    assert one.delays != other.delays
    assert 0 <= one.unplayed < 0.1


def test_on_a_clean_network_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jitter, "_CALL_S", 5)
    found = jitter._ours(jitter._clean, 0)
    assert found.unplayed == 0
    assert max(ms for _, ms in found.delays) < jitter._MOST_P50_MS


@pytest.mark.parametrize(
    ("after", "back_s"),
    [
        ([], 0.0),  # never away
        ([(25.5, 100.0), (26.0, 59.0)], 0.5),  # within 20 ms of 40 from then on
        ([(25.5, 100.0), (26.0, 50.0), (30.0, 90.0), (31.0, 40.0)], 5.0),  # back is back for good
        ([(59.0, 100.0)], None),  # and not shortly before the call is over
    ],
)
def test_back_is_within_20_ms_and_stays_there(after: list[tuple[float, float]], back_s: float | None) -> None:
    before = [(at / 50, 40.0) for at in range(1000)]
    assert jitter._back_s([*before, *after], 20.0, 25.0) == back_s


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([CLEAN, STALL], True),
        ([replace(CLEAN, p50_ms=60.1), STALL], False),
        ([CLEAN, replace(STALL, back_s=3.1)], False),
        ([CLEAN, replace(STALL, back_s=None)], False),
        ([CLEAN, STALL, replace(STALL, buffer="aiortc", back_s=None)], True),
    ],
)
def test_the_command_promises_a_short_delay_and_the_way_back(rows: list[Row], kept: bool) -> None:
    assert holds(rows) is kept


def test_percentiles_of_a_row_are_delays_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = [(0.0, float(ms)) for ms in (5, 1, 4, 2, 3)]
    monkeypatch.setattr(jitter, "_CONDITIONS", [("clean", lambda: jitter._clean, None)])
    monkeypatch.setattr(jitter, "_ours", lambda network, seed: jitter._Result(delays, 0.0, 0.0, 0.0))
    monkeypatch.setattr(jitter, "_theirs", lambda network, seed: jitter._Result(delays, 0.5))
    ours, theirs = jitter.measure(calls=1)
    assert (ours.p50_ms, ours.p95_ms, ours.max_ms) == (3, 5, 5)
    assert (theirs.buffer, theirs.unplayed_percent, theirs.concealed_percent) == ("aiortc", 50.0, None)
