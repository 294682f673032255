"""The benchmark of the callers themselves: that it counts, not how fast."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests import callers
from loadtests.callers import MOST_LATE_P99_MS, Measured, borne, measure
from loadtests.echo_agent.agent import EchoDoors, serving
from loadtests.echo_agent.answers import voices
from voice_runtime.caller.recorded import RecordedFlite

FINE = Measured(100, 30.0, 30.0, 3.0, 60.0, 0.6, 1.4, 9.0, 600, 540.0, 0, 0)


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (FINE, True),
        (replace(FINE, late_p99_ms=MOST_LATE_P99_MS), False),
        (replace(FINE, wrong=1), False),
    ],
)
def test_lateness_at_p99_and_calls_that_went_wrong_decide(found: Measured, holds: bool) -> None:
    assert found.holds is holds


LATE = replace(FINE, late_p99_ms=MOST_LATE_P99_MS)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([FINE], "one core bears 100 callers at least"),
        ([FINE, replace(FINE, calls=50)], "one core bears 100 callers at least"),
        ([replace(LATE, calls=200), FINE], "one core bears 100 callers, not 200"),
        ([LATE, replace(FINE, calls=200)], "one core bears fewer than 100 callers"),
    ],
)
def test_a_core_bears_what_held_below_the_first_that_did_not(found: list[Measured], words: str) -> None:
    assert borne(found) == words


@pytest.mark.anyio
async def test_callers_beside_each_other_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_BEGIN_S", 0.1)
    server = await serving(voices([await RecordedFlite("rms").say("yes")]), {})
    try:
        door = EchoDoors(server.sockets[0].getsockname()[1], 0).door("twilio", delays_ms="300")
        found = await measure(door, 3, 1.5)
    finally:
        server.close()
        await server.wait_closed()
    assert (found.calls, found.wrong) == (3, 0)
    assert found.cpu_us_per_tick > 0
    assert found.late_p50_ms <= found.late_p99_ms


@pytest.mark.parametrize("arguments", [["--calls", "0"], ["--calls", "8", "x"], ["--seconds", "0.5"]])
def test_numbers_that_are_none_are_refused_by_the_command_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """``--calls 0`` once was a ZeroDivisionError."""
    with pytest.raises(SystemExit) as ended:
        callers.main(arguments)
    assert ended.value.code == 2
    assert "or more, not '" in capsys.readouterr().err
