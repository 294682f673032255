"""A soak looks at a server over the first and the last tenth of its standing load, and says what it saw."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest

from loadtests import soak as under_test
from loadtests.levels import level
from loadtests.reporting import terminal
from loadtests.resources import Reading
from loadtests.results import Gate, Resources, Run
from loadtests.run import Offer
from loadtests.scenario import load_scenario
from loadtests.schedule import MeantCall
from loadtests.soak import Soak, Until, soak
from loadtests.steadiness import Edge
from loadtests.systems import Stalls
from tests.loadtests import made_up

pytestmark = pytest.mark.anyio

CALL = MeantCall(20.0, (5.0,))
OFFER = level(
    Offer("twilio", 1, load_scenario("short"), "short", (), seed=3), 10, CALL,
    seconds=1000.0, arrivals="poisson",
)  # fmt: skip
#: The load stands from one call length on until nobody calls any more.
FROM_S, TO_S = CALL.length_s, OFFER.starts[-1].at_s
TENTH_S = (TO_S - FROM_S) / 10


class Acted:
    """A server and a run on one virtual clock: memory and loop lag are what the time of the look says.

    Generators take ``ready_s`` to get ready, and the run's last call is over at ``over_s`` of its own clock.
    """

    def __init__(self, *, pid: int | None = os.getpid(), over_s: float = TO_S + 30.0, ready_s: float = 60.0):
        self.pid = pid
        self.over_s, self.ready_s = over_s, ready_s
        self.began_s: float | None = None
        self.now_s = 0.0
        self.looks: list[float] = []
        self.lags: list[float] = []
        self._over = asyncio.Event()
        self.slept = 0

    async def loop_lag_p99_ms(self) -> float | None:
        """As ms, when on the calls' clock it was asked."""
        assert self.began_s is not None
        self.lags.append(self.now_s - self.began_s)
        return round(self.lags[-1], 3)

    async def sleep(self, seconds: float) -> None:
        self.slept += 1

    def clock(self) -> Until:
        began_s = self.now_s

        async def until(at_s: float) -> None:
            if at_s >= self.over_s:
                self._over.set()
                await asyncio.Event().wait()  # the run ends first
            self.now_s = max(self.now_s, began_s + at_s)

        return until

    async def make(self, on_begin: Callable[[], object]) -> Run:
        self.now_s += self.ready_s
        self.began_s = self.now_s
        on_begin()
        if self.over_s > TO_S:
            while len(self.lags) < 4:
                await asyncio.sleep(0)  # until both ends were looked at: reading is in a thread of its own
        else:
            await self._over.wait()
        return made_up.run(calls=2, resources=Resources(loop_lag_p99_ms=7.0, peak_mb=900.0))

    def read(self, *, memory: bool) -> Reading:
        assert memory
        assert self.began_s is not None
        self.looks.append(self.now_s - self.began_s)
        return Reading(self.now_s, 0.0, 100.0 + self.looks[-1], 1)


async def soaked(acted: Acted, monkeypatch: pytest.MonkeyPatch) -> Soak:
    monkeypatch.setattr(under_test, "Tree", lambda pid: acted)
    return await soak(acted, OFFER, CALL, acted.make, clock=acted.clock, sleep=acted.sleep)  # type: ignore[arg-type]


async def test_both_ends_are_of_the_standing_load_on_the_calls_own_clock(monkeypatch: pytest.MonkeyPatch):
    acted = Acted()
    found = await soaked(acted, monkeypatch)
    first, last = acted.looks[:10], acted.looks[10:]
    assert (len(first), len(last)) == (10, 10)
    assert first == pytest.approx([FROM_S + n * TENTH_S / 10 for n in range(1, 11)])
    assert last == pytest.approx([TO_S - (10 - n) * TENTH_S / 10 for n in range(1, 11)])
    assert found.first.memory_mb == 100.0 + first[4]  # the median of ten, nearest rank
    assert found.last.memory_mb == 100.0 + last[4]
    # each end's lag is what was told since it began
    assert acted.lags == pytest.approx([FROM_S, FROM_S + TENTH_S, TO_S - TENTH_S, TO_S])
    assert found.first.loop_lag_p99_ms == pytest.approx(FROM_S + TENTH_S, abs=0.001)
    assert found.last.loop_lag_p99_ms == pytest.approx(TO_S, abs=0.001)


async def test_the_runs_own_lag_is_the_worst_of_all_its_parts(monkeypatch: pytest.MonkeyPatch):
    found = await soaked(Acted(), monkeypatch)
    assert found.run.resources.loop_lag_p99_ms == pytest.approx(TO_S, abs=0.001)
    assert found.run.resources.peak_mb == 900.0


async def test_an_end_that_was_not_reached_is_unknown(monkeypatch: pytest.MonkeyPatch):
    found = await soaked(Acted(over_s=TO_S / 2), monkeypatch)
    assert found.first.memory_mb is not None
    assert found.last == Edge()
    assert "unknown, loop lag" in str(found)


async def test_a_server_elsewhere_is_not_weighed_and_one_that_has_gone_is_no_exception():
    elsewhere = Acted(pid=None)
    found = await soak(elsewhere, OFFER, CALL, elsewhere.make, clock=elsewhere.clock, sleep=elsewhere.sleep)  # type: ignore[arg-type]
    assert (found.first.memory_mb, found.last.memory_mb) == (None, None)
    assert found.first.loop_lag_p99_ms is not None
    gone = Acted(pid=2**22 + 1)  # beyond what Linux numbers processes with
    found = await soak(gone, OFFER, CALL, gone.make, clock=gone.clock, sleep=gone.sleep)  # type: ignore[arg-type]
    assert found.first.memory_mb is None


async def test_a_run_that_cannot_be_made_leaves_nothing_behind():
    acted = Acted()

    async def broken(on_begin: Callable[[], object]) -> Run:
        acted.began_s = 0.0
        on_begin()
        raise RuntimeError("made up")

    with pytest.raises(RuntimeError, match="made up"):
        await soak(acted, OFFER, CALL, broken, clock=acted.clock, sleep=acted.sleep)  # type: ignore[arg-type]


def test_both_ends_are_told():
    told = str(Soak(made_up.run(calls=2), Edge(210.04, 1.5), Edge(213.0, 2.0), 540.0))
    assert told == (
        "soak: memory 210.0 MB → 213.0 MB, loop lag p99 1.5 ms → 2.0 ms, "
        "first and last tenth of the 540 s in which the load stood"
    )


class Counting(Acted):
    """A server that counts its tasks: so many at each question, the last ones for good."""

    def __init__(self, *tasks: int | None, pid: int | None = None) -> None:
        super().__init__(pid=pid)
        self._tasks = list(tasks)

    async def tasks(self) -> int | None:
        return self._tasks.pop(0) if len(self._tasks) > 1 else self._tasks[0]


def gate(found: Soak, name: str) -> Gate:
    return next(gate for gate in found.run.gates if gate.name == name)


async def test_a_server_is_given_time_to_put_its_last_calls_away(monkeypatch: pytest.MonkeyPatch):
    acted = Counting(40, 52, 44, 40)
    found = await soaked(acted, monkeypatch)
    assert gate(found, "tasks").found.startswith("40 → 40")
    assert acted.slept == 2
    assert [gate.name for gate in found.run.gates] == [
        "memory", "tasks", "threads", "descriptors", "p95", "ledger",
        "loop lag", "garbage", "gaps", "underruns",
    ]  # fmt: skip


async def test_what_is_never_put_away_is_missed_after_a_while(monkeypatch: pytest.MonkeyPatch):
    acted = Counting(40, 52)
    found = await soaked(acted, monkeypatch)
    assert gate(found, "tasks").met is False
    assert acted.slept == 30
    assert "tasks MISSED (40 → 52; at most 3 more)" in str(found)
    assert terminal.missed(made_up.results([found.run]))


async def test_a_server_that_tells_no_tasks_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    found = await soaked(Counting(None, pid=os.getpid()), monkeypatch)
    assert gate(found, "tasks") == Gate(name="tasks", found="unknown", tolerance="at most 3 more")
    assert gate(found, "threads").found.split(" ")[0].isdigit(), "those of this process"


class Standing(Acted):
    """A server that tells how it stood still: before the first call, and after the last."""

    def __init__(self, *told: Stalls | None) -> None:
        super().__init__(pid=None)
        self._told = list(told)

    async def stalls(self) -> Stalls | None:
        return self._told.pop(0)


async def test_a_soak_judges_the_budget_of_stalls_and_prints_what_it_allows(monkeypatch: pytest.MonkeyPatch):
    found = await soaked(Standing(Stalls(0.0, 5), Stalls(0.03, 9)), monkeypatch)
    assert gate(found, "garbage").met is False
    assert "garbage MISSED (30 ms longer; no pause longer than what was sent ahead)" in str(found)
    assert gate(found, "underruns").found.startswith("4 in ")
    assert gate(found, "loop lag").found == f"p99 {found.run.resources.loop_lag_p99_ms:.1f} ms"


async def test_a_server_that_tells_nothing_of_its_stalls_is_not_judged(monkeypatch: pytest.MonkeyPatch):
    found = await soaked(Standing(None, None), monkeypatch)
    assert (gate(found, "garbage").met, gate(found, "underruns").met) == (None, None)
