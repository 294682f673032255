"""One run: one system under one load, from the first intended start to ``results.Run``.

The calls are placed by generator processes (``loadtests.generator.processes``), the server's
process tree is weighed while they last, and afterwards what the callers measured is
joined with what the server keeps. Nothing here starts or stops a system.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controls.errors import OperatorError
from loadtests.censoring import never_came, spoken_through
from loadtests.cores import Cores
from loadtests.generator.job import Finished, Job
from loadtests.generator.process import script_of
from loadtests.generator.processes import Generated, generate
from loadtests.joining import call_of, turns_of
from loadtests.lateness import LoopLag
from loadtests.network.impairment import impaired
from loadtests.outcomes import awaited
from loadtests.progress import Display, Quiet
from loadtests.resources import Sampler
from loadtests.results import Beside, Environment, Generator, Network, Resources, Run, Transport, Turn
from loadtests.scenario import Scenario
from loadtests.schedule import MeantCall, Start, dealt
from loadtests.shapes import Histogram
from loadtests.steady_stretch import (
    Arrivals,
    Stretch,
    achieved,
    at_s,
    most_at_once,
    spans,
    steady_stretch,
)  # fmt: skip
from loadtests.summary import summarise
from loadtests.systems import Door, Evidence, System, TellsGovernance, TwilioDoor, WebRtcDoor
from loadtests.validity import why_invalid
from voice_runtime.caller.script import Interrupt, Say, Script
from voice_runtime.events import RATE_HZ

#: WebRTC callers for one generator process: aiortc's encryption and Opus are most of their cost.
_BROWSERS_PER_CORE = 16
#: Profiles whose voice is a tone that tells which answer it speaks.
TELLING = ("mock", "gpu")
#: A turn of a scenario nobody has yet timed: words, answer and pauses, s.
_GUESSED_TURN_S = 6.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What is asked of a system.

    Attributes:
        concurrency: calls that are meant to go on at once.
        scenario_path: of its file, for generator processes.
        starts: intended.
        arrivals: how they were drawn.
        agent_opens: see ``job.Job``.
    """

    transport: Transport
    concurrency: int
    scenario: Scenario
    scenario_path: str
    starts: tuple[Start, ...]
    seed: int
    network: Network = field(default_factory=Network)
    agent_opens: bool = True
    variant: str = ""
    longest_s: float = 600.0
    arrivals: Arrivals = "lines"

    def of(self, starts: Sequence[Start], concurrency: int) -> Offer:
        """The same with other starts."""
        return replace(self, starts=tuple(starts), concurrency=concurrency)


async def _nothing_beside() -> Sequence[Beside]:
    return ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What runs have in common: where, watched by whom, stopped by what.

    Attributes:
        beside: how late whatever works beside the server was since the last question.
    """

    cores: Cores
    environment: Environment
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    display: Display = field(default_factory=Quiet)
    beside: Callable[[], Awaitable[Sequence[Beside]]] = _nothing_beside


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The first call after a server's start: never in a summary, its first turn on its own line.

    Attributes:
        call: what calls of this scenario are taken to be like: as this one, which was cold and alone.
    """

    finished: Finished | None
    cold: Turn | None
    call: MeantCall


async def warm_up(system: System, offer: Offer, bench: Bench) -> WarmUp:
    """Place one call; how it went is how calls of this scenario are taken to go."""
    alone = offer.of((Start(0.0, 0),), 1)
    bench.display.begin(f"{system.name} {offer.transport}: first call", 1)
    async with impaired(_door(system, offer), offer.network, seed=offer.seed) as behind:
        generated = await _generate(system, alone, bench, behind)
    for failure in generated.failures:
        bench.display.say(failure)
    first = generated.calls[0] if generated.calls else None
    cold = None
    if first is not None:
        evidence = await system.evidence([first.result])
        script = _script(alone, first)
        turns = turns_of(first, script, evidence.get(first.result.call_sid, Evidence()), cold=True)
        cold = turns[0] if turns else None
    return WarmUp(first, cold, meant_call(alone, first))


async def run_once(
    system: System,
    offer: Offer,
    bench: Bench,
    *,
    cold: Turn | None = None,
    block: int = 0,
    idle_mb: float | None = None,
    on_begin: Callable[[], object] = lambda: None,
) -> Run:
    """Offer one load to a system that is up, and sum up what came of it.

    Args:
        cold: the first turn the server ever answered, if this run follows it.
        block: position in a comparison.
        idle_mb: of the server before any load; None: as it is when this run begins.
        on_begin: called when every generator is ready, just before second zero.

    Raises:
        OperatorError: the load cannot be made at all (flite is missing).
    """
    bench.display.begin(f"{system.name} {offer.transport} {offer.concurrency} at once", len(offer.starts))
    sampler = Sampler(system.pid, cores=bench.cores.generator, server_cores=bench.cores.server)
    opening: list[asyncio.Task[None]] = []
    proxy = LoopLag()
    async with impaired(_door(system, offer), offer.network, seed=offer.seed, lag=proxy) as behind:

        async def late() -> tuple[float | None, tuple[Beside, ...]]:
            through = proxy.told()  # nothing where no proxy stands between
            others = await bench.beside()
            return await system.loop_lag_p99_ms(), (*others, *([through.beside("proxy")] if through else ()))

        async def from_here() -> None:
            # Not on this loop, on which a proxy may run: a look at memory takes as long as several packets.
            await asyncio.to_thread(sampler.__enter__)
            await late()  # generators that got ready took time from everybody: that is thrown away
            await governed(system)

        def begin() -> None:
            opening.append(asyncio.create_task(from_here(), name="weighing"))
            on_begin()

        try:
            generated = await _generate(system, offer, bench, behind, begin)
            await asyncio.gather(*opening)
            lag, beside = await late()
            governance = await governed(system)
        finally:
            await asyncio.gather(*opening, return_exceptions=True)
            await asyncio.to_thread(sampler.stop)
    told = spans(generated.calls)
    spoken_s = sum(call.result.sent_samples for call in generated.calls) / RATE_HZ
    resources = sampler.resources(spoken_s, most_at_once(told), loop_lag_p99_ms=lag, idle_mb=idle_mb)
    evidence = await system.evidence([call.result for call in generated.calls])
    return run_of(
        system, offer, bench.environment, generated, evidence, resources,
        beside=beside, cold=cold, block=block, governance=governance,
    )  # fmt: skip


async def governed(system: System) -> Histogram | None:
    """What each clause's verdict and record took since this was last asked, where a system tells."""
    return await system.governance() if isinstance(system, TellsGovernance) else None


def run_of(
    system: System,
    offer: Offer,
    environment: Environment,
    generated: Generated,
    evidence: Mapping[str, Evidence],
    resources: Resources,
    *,
    beside: tuple[Beside, ...] = (),
    cold: Turn | None = None,
    block: int = 0,
    governance: Histogram | None = None,
) -> Run:
    """What was told, kept and weighed, as one run. Pure."""
    told = spans(generated.calls)
    stretch = steady_stretch(offer.arrivals, offer.starts, told)
    calls, turns = [], []
    for finished in generated.calls:
        mine = evidence.get(finished.result.call_sid, Evidence())
        calls.append(call_of(finished, offer.scenario.name, mine))
        script = _script(offer, finished)
        said = spoken_through(finished, turns_of(finished, script, mine))
        turns += [*_edged(finished, said, stretch), *never_came(finished, script, stretch)]
    generator = generator_of(generated)
    late_ms = [call.started_late_ms for call in calls]
    invalid = why_invalid(
        generator, resources, failures=generated.failures, beside=beside, started_late_ms=late_ms
    )
    outcomes = Counter(call.outcome for call in calls)
    seconds = max((done.seconds for done in generated.done), default=0.0)
    lost = bool(generated.silent)
    return Run(
        valid=not invalid,
        invalid_because=invalid,
        system=system.name,
        profile=system.profile,
        tier=system.tier,
        transport=offer.transport,
        network=offer.network,
        engines=system.engines,
        variant=offer.variant,
        concurrency=offer.concurrency,
        block=block,
        # cut short, calls that were not yet due were never offered
        offered=len(calls) if generated.cut_short and not lost else len(offer.starts),
        completed=outcomes["completed"],
        seconds=seconds,
        seed=offer.seed,
        environment=environment,
        generator=generator,
        beside=beside,
        achieved=achieved(told, stretch),
        resources=resources,
        outcomes=dict(outcomes),
        summary=summarise(turns, calls),
        governance=governance,
        cold=cold,
        calls=tuple(calls),
        turns=tuple(turns),
    )


def generator_of(generated: Generated) -> Generator | None:
    """The worst of the generator processes; None when one did not tell."""
    if not generated.done or generated.silent:
        return None
    late = [call.result.late_worst_ms for call in generated.calls]
    return Generator(
        cpu_percent=max(done.cpu_percent for done in generated.done),
        tick_late_p99_ms=max(done.tick_late_p99_ms for done in generated.done),
        tick_late_max_ms=max([*late, *(done.tick_late_max_ms for done in generated.done)]),
    )


def _edged(finished: Finished, turns: Sequence[Turn], stretch: Stretch) -> list[Turn]:
    """One call's turns, in order; those that began before the load stood, or as it fell, are marked."""
    begun = [at_s(finished, turn.first_sample) for turn in finished.result.turns]
    return [
        turn.model_copy(update={"edge": at is not None and at not in stretch})
        for turn, at in zip(turns, begun, strict=True)
    ]


def turns_in(script: Script) -> frozenset[int]:
    """Steps of a call that are spoken and whose answer is waited for: what a p95 counts."""
    return frozenset(n for n in awaited(script) if isinstance(script.steps[n], Say | Interrupt))


# -- how the load is made -------------------------------------------------------------------------


def _door(system: System, offer: Offer) -> Door:
    door = system.doors.get(offer.transport)
    if door is None:
        raise OperatorError(f"{system.name} takes no calls by {offer.transport}")
    return door


async def _generate(
    system: System, offer: Offer, bench: Bench, door: Door, on_begin: Callable[[], object] = lambda: None
) -> Generated:
    def over(finished: Finished) -> None:
        bench.display.call(finished.outcome)

    jobs = jobs_for(offer, door, bench.cores.generator, answers=system.profile in TELLING)
    return await generate(jobs, stop=bench.stop, on_begin=on_begin, on_call=over)


def jobs_for(offer: Offer, door: Door, cores: Sequence[int], *, answers: bool) -> list[Job]:
    """One job, or several where browsers need more than a core and there are more; each on one core."""
    hands = 1
    if offer.transport == "webrtc":
        hands = max(1, min(len(cores), math.ceil(offer.concurrency / _BROWSERS_PER_CORE)))
    return [
        Job(
            transport=offer.transport,
            twilio=door if isinstance(door, TwilioDoor) else None,
            webrtc=door if isinstance(door, WebRtcDoor) else None,
            scenario=offer.scenario_path,
            starts=starts,
            cores=(cores[i % len(cores)],) if cores else (),
            answers=answers,
            agent_opens=offer.agent_opens,
            longest_s=offer.longest_s,
        )
        for i, starts in enumerate(dealt(offer.starts, hands))
    ]


def _script(offer: Offer, finished: Finished) -> Script:
    return script_of(offer.scenario, finished.start.n, agent_opens=offer.agent_opens)


def meant_call(offer: Offer, first: Finished | None) -> MeantCall:
    """What calls are taken to be like: the first, if it went by its script; else a guess from its steps."""
    if first is not None and first.outcome == "completed" and first.result.sent_samples:
        wanted = turns_in(_script(offer, first))
        begun = [at_s(first, turn.first_sample) for turn in first.result.turns if turn.step in wanted]
        return MeantCall(first.result.sent_samples / RATE_HZ, tuple(at for at in begun if at is not None))
    turns = len(turns_in(offer.scenario.script_for(0)))
    return MeantCall(max(1.0, _GUESSED_TURN_S * turns), tuple(_GUESSED_TURN_S * n for n in range(turns)))
