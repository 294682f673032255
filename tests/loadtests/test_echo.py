"""The echo table's figures; what lines do is in tests/voice_runtime/listen/test_echo.py."""

from __future__ import annotations

import pytest

from loadtests.echo import DELAYS_MS, ECHO_DB, PATHS, Result, _caller_row, _self_row, holds, scenarios
from loadtests.echo_lines import Scenario

LINE = Scenario(-20, 160)


def test_every_level_delay_and_path_is_played_with_a_seed_of_its_own() -> None:
    lines = scenarios(7, 12)
    assert len({(x.echo_db, x.delay_ms, x.path) for x in lines}) == len(ECHO_DB) * len(DELAYS_MS) * len(PATHS)
    assert len({x.seed for x in lines}) == len(lines)
    assert lines == scenarios(7, 12)


def test_latencies_are_nearest_rank_and_misses_are_counted_beside_them() -> None:
    times = [20, 40, 60, 80, 320, None, None, None]
    row = _caller_row("caller", [Result(LINE, latencies_ms=times, lost=2)])
    assert row == ["caller", "8", "60 ms", "320 ms", "50.0 %", "37.5 %", "2"]
    assert _caller_row("nobody", [Result(LINE)]) == ["nobody", "0", "–", "–", "0.0 %", "0.0 %", "0"]


def test_shares_are_of_utterances_of_all_lines() -> None:
    results = [Result(LINE, utterances=6, paused=3, cut=1, turns=2, dropped=1), Result(LINE, utterances=4)]
    assert _self_row("-20 dB", results) == ["-20 dB", "10", "", "30.0 %", "10.0 %", "2 / 1"]
    assert _self_row("-20 dB", results, results)[2] == "30.0 %"


@pytest.mark.parametrize(
    ("paused", "changed", "cost_us", "kept"),
    [(1.0, 0, 100.0, True), (1.1, 0, 50.0, False), (0.5, 1, 50.0, False), (0.5, 0, 100.1, False)],
)
def test_three_promises(paused: float, changed: int, cost_us: float, kept: bool) -> None:
    summary: dict[str, object] = {
        "paused_percent": paused,
        "no_echo_changed_chunks": changed,
        "cost_us": cost_us,
        "machine": "any",
    }
    assert holds(summary) is kept
