"""A short soak, whole: real generators call a real media socket, and both ends of the load are looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from loadtests.cores import Cores
from loadtests.echo_agent.agent import echo_agent
from loadtests.environment import environment
from loadtests.levels import POISSON, level
from loadtests.results import Beside, Profile, SystemName, Tier, Transport
from loadtests.run import Bench, Offer, run_once
from loadtests.scenario import load_scenario
from loadtests.schedule import MeantCall
from loadtests.soak import soak
from loadtests.systems import Door, Evidence
from voice_runtime.caller.results import CallResult

QUICK = str(Path(__file__).parent / "loadtest_quick.yaml")
CALL = MeantCall(2.0, (0.1,))
SECONDS = 5.0

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


class Echoing:
    """The echo agent as a system under test; what is weighed is this test's own process."""

    name: SystemName = "remote"
    profile: Profile = "remote"
    tier: Tier = "real"
    engines: tuple[str, ...] = ()
    server_cores: tuple[int, ...] = ()
    pid: int | None = os.getpid()

    def __init__(self, door: Door) -> None:
        self.doors: Mapping[Transport, Door] = {"twilio": door}
        self.asked = 0

    async def start(self) -> None:
        """It is up."""

    async def stop(self) -> None:
        """Its test stops it."""

    async def evidence(self, calls: Sequence[CallResult]) -> Mapping[str, Evidence]:
        return {}

    async def loop_lag_p99_ms(self) -> float | None:
        self.asked += 1
        return float(self.asked)


async def test_a_soak_tells_of_both_ends_and_of_how_many_calls_there_were():
    asked: list[Beside] = []

    async def beside() -> Sequence[Beside]:
        asked.append(Beside(what="suppliers", late_p99_ms=1.0 + len(asked), late_max_ms=9.0))
        return asked[-1:]

    base = Offer("twilio", 1, load_scenario(QUICK), QUICK, (), seed=4, agent_opens=False)
    offer = level(base, 3, CALL, seconds=SECONDS, arrivals="poisson")
    bench = Bench(Cores(), environment(), beside=beside)
    async with echo_agent() as doors:
        system = Echoing(doors.door("twilio", delays_ms="300", answer="tone", answer_ms="300"))
        make = partial(_made, system, offer, bench)
        found = await soak(system, offer, CALL, make)
    run = found.run
    assert run.offered == len(offer.starts) == len(run.calls) > 2
    assert run.outcomes == {"completed": run.offered}, [call.error for call in run.calls]
    assert run.variant == POISSON
    assert run.achieved is not None
    assert 0 < run.achieved.mean <= run.achieved.most <= run.offered
    assert run.achieved.to_s == offer.starts[-1].at_s
    steady = sum(not turn.edge for turn in run.turns)
    assert run.summary["first_audio_out_ms"].n == steady < len(run.turns)

    assert found.first.memory_mb
    assert found.last.memory_mb
    # asked as the calls began, twice at each end, and when they were over
    assert (found.first.loop_lag_p99_ms, found.last.loop_lag_p99_ms) == (3.0, 5.0)
    assert run.resources.loop_lag_p99_ms == system.asked == 6
    assert run.resources.idle_mb == 50.0
    assert len(asked) == 2  # as the calls began, which is thrown away, and when they were over
    assert run.beside == (asked[1],)


async def _made(system, offer, bench, on_begin):
    return await run_once(system, offer, bench, idle_mb=50.0, on_begin=on_begin)
