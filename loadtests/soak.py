"""Calls arriving at random for a long time: does the server still stand as it did at the beginning?

Arrivals are a Poisson process whose rate keeps about ``concurrency`` calls going.
Memory and loop lag are looked at over the first and the last tenth of the time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from loadtests.resources import Tree
from loadtests.results import Run, Turn
from loadtests.run import Bench, Offer, run_once
from loadtests.schedule import poisson
from loadtests.systems import System

#: Share of the time, at its beginning and its end, in which memory and lag are looked at.
_EDGE = 0.1


@dataclass(frozen=True, slots=True)
class Edge:
    """The server at one end of a soak: memory of its process tree, MB, and loop lag, ms."""

    memory_mb: float | None
    loop_lag_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Soak:
    """A soak's run, and the server at both of its ends."""

    run: Run
    first: Edge
    last: Edge

    def __str__(self) -> str:
        """One sentence for people."""
        return (
            f"soak: memory {_shown(self.first.memory_mb, 'MB')} → {_shown(self.last.memory_mb, 'MB')}, "
            f"loop lag p99 {_shown(self.first.loop_lag_p99_ms, 'ms')} → "
            f"{_shown(self.last.loop_lag_p99_ms, 'ms')}, first and last tenth of {self.run.seconds:.0f} s"
        )


def arrivals(base: Offer, concurrency: int, call_s: float, seconds: float) -> Offer:
    """An offer of Poisson arrivals that keeps about ``concurrency`` calls of ``call_s`` going."""
    return base.of(poisson(concurrency / call_s, seconds, base.seed), concurrency)


async def soak(
    system: System, offer: Offer, bench: Bench, seconds: float, *, cold: Turn | None = None
) -> Soak:
    """Offer ``offer`` (of ``arrivals``) and look at both ends of it.

    The run's own loop lag is the worst of its three parts.

    Raises:
        OperatorError: the load cannot be made at all.
    """
    looking = asyncio.create_task(_look(system, seconds), name="soak-edges")
    try:
        run = await run_once(system, offer, bench, cold=cold)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    last = Edge(_memory_mb(system), run.resources.loop_lag_p99_ms)
    first, middle_ms = (Edge(None, None), None) if looking.cancelled() else looking.result()
    lags = [lag for lag in (first.loop_lag_p99_ms, middle_ms, last.loop_lag_p99_ms) if lag is not None]
    resources = run.resources.model_copy(update={"loop_lag_p99_ms": max(lags, default=None)})
    return Soak(run.model_copy(update={"resources": resources}), first, last)


async def _look(system: System, seconds: float) -> tuple[Edge, float | None]:
    """The first tenth, and the lag of what lies between it and the last."""
    await asyncio.sleep(_EDGE * seconds)
    first = Edge(await asyncio.to_thread(_memory_mb, system), await system.loop_lag_p99_ms())
    await asyncio.sleep((1 - 2 * _EDGE) * seconds)
    return first, await system.loop_lag_p99_ms()


def _memory_mb(system: System) -> float | None:
    return Tree(system.pid).read(memory=True).memory_mb if system.pid is not None else None


def _shown(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.1f} {unit}"
