"""What calibration makes of its trials; the trials themselves need two processes and real time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controls.errors import OperatorError
from loadtests import calibrate
from loadtests.calibrate import DrawnVoice, Trial, summarise, table
from loadtests.echo_agent.agent import EchoDoors, serving
from loadtests.echo_agent.answers import voices
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite


def trial(over_ms: float | None, *, delay_ms: int = 500, phase: int = 0) -> Trial:
    return Trial("rms", "tone", phase, delay_ms, None if over_ms is None else delay_ms + over_ms)


def test_bias_is_the_median_and_the_error_is_around_it() -> None:
    found = summarise([trial(40.0) for _ in range(90)] + [trial(43.0) for _ in range(9)] + [trial(30.0)])
    assert (found.bias_ms, found.error_p50_ms, found.error_p95_ms, found.error_max_ms) == (40, 0, 3, 10)
    assert (found.n, found.delay_ms) == (100, 500)


def test_a_trial_without_an_answer_is_not_counted_as_exact() -> None:
    assert summarise([trial(40.0), trial(None)]).n == 1
    with pytest.raises(OperatorError):
        summarise([trial(None)])


def test_the_table_has_a_line_for_each_voice_answer_and_quarter_of_a_packet() -> None:
    lines = list(table([trial(40.0, phase=n) for n in range(160)]))
    assert len(lines) == 1 + 1 + 1 + 4 + 1
    assert lines[-1].startswith("all ")
    assert all(" 40.00 ms" in line for line in lines[1:])


@pytest.mark.anyio
@pytest.mark.parametrize("voice", [None, RecordedFlite("rms")])
async def test_a_drawn_voice_begins_anywhere_in_a_packet(voice: RecordedFlite | None) -> None:
    drawn = DrawnVoice(voice, random.Random(1))
    said = [await drawn.say("yes") for _ in range(20)]
    assert len({spoken.first for spoken in said}) > 10
    for spoken in said:
        edges = audible.bounds(audible.to_pcm(spoken.ulaw))
        assert edges is not None
        # the windows lie elsewhere now: an edge may be seen a window sooner or later
        assert abs(edges[0] - spoken.first) <= 40


@asynccontextmanager
async def agent_here(*, core: int | None = None) -> AsyncIterator[EchoDoors]:
    """The echo agent, in this process."""
    server = await serving(voices([await RecordedFlite("rms").say("yes")]))
    try:
        yield EchoDoors(server.sockets[0].getsockname()[1], 0)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.anyio
async def test_trials_are_of_drawn_delays_and_each_has_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "echo_agent", agent_here)
    counted: list[int] = []
    done = await calibrate.trials(2, voices=["tone"], on_trial=counted.append)
    assert counted == [1, 2]
    assert len({trial.delay_ms for trial in done}) == 2
    for trial in done:
        assert trial.measured_ms is not None
        assert trial.measured_ms > trial.delay_ms


@pytest.mark.anyio
async def test_a_call_that_goes_wrong_is_an_error_and_leaves_no_other_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def nobody(*, core: int | None = None) -> AsyncIterator[EchoDoors]:
        async with agent_here() as doors:
            gone = doors
        yield gone

    monkeypatch.setattr(calibrate, "echo_agent", nobody)
    with pytest.raises(OperatorError, match="went wrong"):
        await calibrate.trials(20, voices=["tone"])
