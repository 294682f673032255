"""Calls arriving at random for a long time: does the server still stand as it did at the beginning?

Arrivals are a Poisson process whose rate keeps about ``concurrency`` calls going. Memory, threads and loop
lag are looked at over the first tenth of the time in which the load stands, and over its last tenth: as the
load builds up memory grows, and as it falls memory shrinks, whatever leaks. What is open (tasks,
descriptors) is counted before the first call and after the last. The clock is that of the calls: it begins
when every generator is ready. What all this has to come to: ``loadtests.steadiness``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import psutil

from loadtests.resources import Tree
from loadtests.results import Gate, Run
from loadtests.run import Offer
from loadtests.schedule import MeantCall
from loadtests.statistics import percentile
from loadtests.steadiness import Edge, Footprint, gates
from loadtests.steady_stretch import Span, Stretch, steady_stretch
from loadtests.systems import Stalls, System

#: Share of the standing load, at its beginning and its end, in which memory and lag are looked at.
_EDGE = 0.1
#: Looks at memory over one of them, at most; each walks the server's page tables.
_LOOKS = 10
#: And no oftener than this, s.
_EVERY_S = 1.0
#: A server may take so long to close what its last calls had open: looks, and the time between two, s.
_SETTLING_LOOKS, _SETTLING_S = 30, 1.0

#: Makes the soak's run; told what to call when its clock begins.
Make = Callable[[Callable[[], object]], Awaitable[Run]]
#: Waits until so many seconds since it was made.
Until = Callable[[float], Awaitable[object]]
#: Waits for so many seconds.
Sleep = Callable[[float], Awaitable[object]]


@runtime_checkable
class TellsTasks(Protocol):
    """A system that counts the tasks of its event loop."""

    async def tasks(self) -> int | None:
        """How many there are now; None: it cannot be asked."""
        ...


@runtime_checkable
class TellsStalls(Protocol):
    """A system that counts how it stands still."""

    async def stalls(self) -> Stalls | None:
        """Since it came up; None: it cannot be asked."""
        ...


def begun() -> Until:
    """A clock of the event loop that begins now."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def until(at_s: float) -> None:
        await asyncio.sleep(max(0.0, began_s + at_s - loop.time()))

    return until


@dataclass(frozen=True, slots=True)
class Soak:
    """A soak's run, and the server at both ends of its standing load, meant to last ``standing_s``."""

    run: Run
    first: Edge
    last: Edge
    standing_s: float

    def __str__(self) -> str:
        """One sentence for people, and one for the gates if there are any."""
        told = (
            f"soak: memory {_shown(self.first.memory_mb, 'MB')} → {_shown(self.last.memory_mb, 'MB')}, "
            f"loop lag p99 {_shown(self.first.loop_lag_p99_ms, 'ms')} → "
            f"{_shown(self.last.loop_lag_p99_ms, 'ms')}, "
            f"first and last tenth of the {self.standing_s:.0f} s in which the load stood"
        )
        return "; ".join([told, *map(gate_words, self.run.gates)])


def gate_words(gate: Gate) -> str:
    """One gate for people."""
    verdict = {True: "met", False: "MISSED", None: "not told"}[gate.met]
    held_to = f"; {gate.tolerance}" if gate.tolerance else ""
    return f"{gate.name} {verdict} ({gate.found}{held_to})"


async def soak(
    system: System,
    offer: Offer,
    call: MeantCall,
    make: Make,
    *,
    clock: Callable[[], Until] = begun,
    sleep: Sleep = asyncio.sleep,
) -> Soak:
    """Have one run of ``offer`` made, and look at the server at both ends of its load, before and after.

    The run's own loop lag is the worst of all its parts. An end that was not reached, because the test was
    interrupted or the server was gone, is unknown.

    Args:
        system: is up, and idle.
        offer: of Poisson arrivals (``levels.level``).
        call: what its calls are taken to be like.
        make: makes the run.
        clock: begins when it is called.
        sleep: waits between two looks at a server that settles.

    Raises:
        OperatorError: the load cannot be made at all.
    """
    meant = [Span(start, start.at_s, start.at_s + call.length_s) for start in offer.starts]
    stretch = steady_stretch("poisson", offer.starts, meant)
    looks = _Looks(system, stretch)
    looking: list[asyncio.Task[None]] = []
    before, stood_before = await footprint(system), await _stalls(system)
    try:
        run = await make(lambda: looking.append(asyncio.create_task(looks.look(clock()), name="soak-edges")))
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    after = await _settled(system, before, sleep)
    lags = [lag for lag in (*looks.lags, run.resources.loop_lag_p99_ms) if lag is not None]
    resources = run.resources.model_copy(update={"loop_lag_p99_ms": max(lags, default=None)})
    whole = run.model_copy(update={"resources": resources})
    stood = (stood_before, await _stalls(system))
    judged = gates(whole, stretch, (looks.first, looks.last), (before, after), stood)
    whole = whole.model_copy(update={"gates": judged})
    return Soak(whole, looks.first, looks.last, stretch.to_s - stretch.from_s)


async def footprint(system: System) -> Footprint:
    """What a server has open now."""
    tasks = await system.tasks() if isinstance(system, TellsTasks) else None
    threads, descriptors = await asyncio.to_thread(_open, system.pid)
    return Footprint(tasks, threads, descriptors)


async def _stalls(system: System) -> Stalls | None:
    return await system.stalls() if isinstance(system, TellsStalls) else None


async def _settled(system: System, before: Footprint, sleep: Sleep) -> Footprint:
    """What is open once the last calls are put away, or when there was time enough for that."""
    after = await footprint(system)
    for _ in range(_SETTLING_LOOKS):
        if not _more(after.tasks, before.tasks) and not _more(after.descriptors, before.descriptors):
            break
        await sleep(_SETTLING_S)
        after = await footprint(system)
    return after


def _more(after: int | None, before: int | None) -> bool:
    return after is not None and before is not None and after > before


class _Looks:
    """The two looks at a server, from the moment its calls begin."""

    def __init__(self, system: System, stretch: Stretch) -> None:
        self._system = system
        self._stretch = stretch
        self.first, self.last = Edge(), Edge()
        #: What the event loop told of each part of the time.
        self.lags: list[float | None] = []

    async def look(self, until: Until) -> None:
        """Wait for each end, and look."""
        from_s, to_s = self._stretch.from_s, self._stretch.to_s
        tenth_s = _EDGE * (to_s - from_s)
        self.first = await self._edge(until, from_s, from_s + tenth_s)
        self.last = await self._edge(until, to_s - tenth_s, to_s)

    async def _edge(self, until: Until, from_s: float, to_s: float) -> Edge:
        await until(from_s)
        self.lags.append(await self._system.loop_lag_p99_ms())  # what it tells next counts from here
        looks = max(1, min(_LOOKS, int((to_s - from_s) / _EVERY_S)))
        memory: list[float | None] = []
        for n in range(1, looks + 1):
            await until(from_s + n * (to_s - from_s) / looks)
            memory.append(await asyncio.to_thread(_memory_mb, self._system))
        threads, _ = await asyncio.to_thread(_open, self._system.pid)
        self.lags.append(await self._system.loop_lag_p99_ms())
        return Edge(_median(memory), self.lags[-1], threads)


def _memory_mb(system: System) -> float | None:
    """Of the server's process tree now; None where there is none, or no longer."""
    try:
        return Tree(system.pid).read(memory=True).memory_mb if system.pid is not None else None
    except psutil.NoSuchProcess:
        return None


def _open(pid: int | None) -> tuple[int | None, int | None]:
    """Threads and descriptors of a process tree now; None where there is none, or no longer."""
    if pid is None:
        return None, None
    threads = descriptors = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                threads += process.num_threads()
                descriptors += process.num_fds()
            except psutil.Error:
                if process == root:
                    raise
    except psutil.Error:
        return None, None
    return threads, descriptors


def _median(found: Sequence[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return percentile(known, 50) if known else None


def _shown(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.1f} {unit}"
