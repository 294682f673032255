"""One run: one system under one load, from the first intended start to ``results.Run``.

The calls are placed by generator processes (``loadtests.generator.processes``), the server's
process tree is weighed while they last, and afterwards what the callers measured is
joined with what the server keeps. Nothing here starts or stops a system.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from controls.errors import OperatorError
from loadtests.cores import Cores
from loadtests.generator.job import Finished, Job
from loadtests.generator.process import script_of
from loadtests.generator.processes import Generated, generate
from loadtests.joining import call_of, turns_of
from loadtests.network.impairment import impaired
from loadtests.outcomes import awaited
from loadtests.progress import Display, Quiet
from loadtests.resources import Sampler
from loadtests.results import Environment, Generator, Network, Resources, Run, Transport, Turn
from loadtests.scenario import Scenario
from loadtests.schedule import GAP_SHARE, Start, at_zero, dealt, lines
from loadtests.summary import summarise
from loadtests.systems import Door, Evidence, System, TwilioDoor, WebRtcDoor
from loadtests.validity import why_invalid
from voice_runtime.caller.script import Script
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

    def of(self, starts: Sequence[Start], concurrency: int) -> Offer:
        """The same with other starts."""
        return replace(self, starts=tuple(starts), concurrency=concurrency)


@dataclass(frozen=True, slots=True)
class Bench:
    """What runs have in common: where, watched by whom, stopped by what."""

    cores: Cores
    environment: Environment
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    display: Display = field(default_factory=Quiet)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The first call after a server's start: never in a summary, its first turn on its own line."""

    finished: Finished | None
    cold: Turn | None
    call_s: float


async def warm_up(system: System, offer: Offer, bench: Bench) -> WarmUp:
    """Place one call; how long it took is how long calls of this scenario are taken to last."""
    alone = offer.of((Start(0.0, 0),), 1)
    bench.display.begin(f"{system.name} {offer.transport}: first call", 1)
    generated = await _generate(system, alone, bench)
    first = generated.calls[0] if generated.calls else None
    cold = None
    if first is not None:
        evidence = await system.evidence([first.result])
        script = _script(alone, first)
        turns = turns_of(first, script, evidence.get(first.result.call_sid, Evidence()), cold=True)
        cold = turns[0] if turns else None
    return WarmUp(first, cold, _call_length_s(offer.scenario, first))


async def run_once(
    system: System, offer: Offer, bench: Bench, *, cold: Turn | None = None, block: int = 0
) -> Run:
    """Offer one load to a system that is up, and sum up what came of it.

    Args:
        cold: the first turn the server ever answered, if this run follows it.
        block: position in a comparison.

    Raises:
        OperatorError: the load cannot be made at all (flite is missing).
    """
    await system.loop_lag_p99_ms()  # what it tells next counts from here
    bench.display.begin(f"{system.name} {offer.transport} {offer.concurrency} at once", len(offer.starts))
    with ExitStack() as stack:
        sampler = Sampler(system.pid, cores=bench.cores.generator, server_cores=bench.cores.server)
        generated = await _generate(system, offer, bench, lambda: stack.enter_context(sampler))
        sampler.stop()
    lag = await system.loop_lag_p99_ms()
    calls = generated.calls
    spoken_s = sum(call.result.sent_samples for call in calls) / RATE_HZ
    resources = sampler.resources(spoken_s, most_at_once(calls), loop_lag_p99_ms=lag)
    evidence = await system.evidence([call.result for call in calls])
    return run_of(system, offer, bench.environment, generated, evidence, resources, cold=cold, block=block)


def run_of(
    system: System,
    offer: Offer,
    environment: Environment,
    generated: Generated,
    evidence: Mapping[str, Evidence],
    resources: Resources,
    *,
    cold: Turn | None = None,
    block: int = 0,
) -> Run:
    """What was told, kept and weighed, as one run. Pure."""
    calls, turns = [], []
    for finished in generated.calls:
        mine = evidence.get(finished.result.call_sid, Evidence())
        calls.append(call_of(finished, offer.scenario.name, mine))
        turns += turns_of(finished, _script(offer, finished), mine)
    generator = generator_of(generated)
    invalid = why_invalid(generator, resources, failures=generated.failures)
    outcomes = Counter(call.outcome for call in calls)
    seconds = max((done.seconds for done in generated.done), default=0.0)
    lost = bool(generated.failures)
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
        resources=resources,
        outcomes=dict(outcomes),
        summary=summarise(turns, calls),
        cold=cold,
        calls=tuple(calls),
        turns=tuple(turns),
    )


def generator_of(generated: Generated) -> Generator | None:
    """The worst of the generator processes; None when one did not tell."""
    if not generated.done or generated.failures:
        return None
    late = [call.result.late_worst_ms for call in generated.calls]
    return Generator(
        cpu_percent=max(done.cpu_percent for done in generated.done),
        tick_late_p99_ms=max(done.tick_late_p99_ms for done in generated.done),
        tick_late_max_ms=max([*late, *(done.tick_late_max_ms for done in generated.done)]),
    )


def most_at_once(calls: Sequence[Finished]) -> int:
    """The most calls that were in progress at one time."""
    edges = []
    for call in calls:
        if call.answered_ms is not None:
            began = call.start.at_s + call.answered_ms / 1000
            edges += [(began, 1), (max(began, call.ended_at_s), -1)]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def calls_each(lines_at_once: int, call_s: float, turns_per_call: int, *, turns: int, seconds: float) -> int:
    """How many calls a line takes: so many that all lines have ``turns``, or last ``seconds``; at least one.

    ``turns`` 0: by time.
    """
    if turns:
        return max(1, math.ceil(turns / (lines_at_once * max(1, turns_per_call))))
    return max(1, math.ceil(seconds / (call_s * (1 + GAP_SHARE))))


def level(base: Offer, concurrency: int, call_s: float, *, turns: int = 0, seconds: float = 30.0) -> Offer:
    """An offer of so many calls at once."""
    each = calls_each(concurrency, call_s, turns_in(base.scenario), turns=turns, seconds=seconds)
    return base.of(at_zero(lines(concurrency, call_s, each, base.seed)), concurrency)


def turns_in(scenario: Scenario) -> int:
    """Turns of one call whose answer is waited for."""
    return len(awaited(scenario.script_for(0)))


# -- how the load is made -------------------------------------------------------------------------


async def _generate(
    system: System, offer: Offer, bench: Bench, on_begin: Callable[[], object] = lambda: None
) -> Generated:
    door = system.doors.get(offer.transport)
    if door is None:
        raise OperatorError(f"{system.name} takes no calls by {offer.transport}")

    def over(finished: Finished) -> None:
        bench.display.call(finished.outcome)

    async with impaired(door, offer.network, seed=offer.seed) as behind:
        jobs = jobs_for(offer, behind, bench.cores.generator, answers=system.profile in TELLING)
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


def _call_length_s(scenario: Scenario, first: Finished | None) -> float:
    """How long a call lasts: as the first one did if it went by its script, else a guess from its steps."""
    if first is not None and first.outcome == "completed" and first.result.sent_samples:
        return first.result.sent_samples / RATE_HZ
    return max(1.0, _GUESSED_TURN_S * turns_in(scenario))
