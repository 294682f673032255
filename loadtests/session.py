"""Everything of one load test that is up at once: suppliers, systems under test, and on which cores.

One session, one profile. Suppliers are one process for every system that is
compared. Systems start when they are first asked for and stay up until the session
ends: a server that was restarted between blocks would be cold in each of them, and
memory per call could not be told from filling caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from controls.errors import OperatorError
from loadtests.called_agent import disclosure, known_agent
from loadtests.cores import Cores, available_cores, choose_cores, pin_thread
from loadtests.environment import environment
from loadtests.generator.voices import every_sentence
from loadtests.network.netem import available as netem_available
from loadtests.options import Options
from loadtests.ours.profiles import make_system, recipe_of
from loadtests.progress import Display
from loadtests.remote import remote_system
from loadtests.resources import idle_mb
from loadtests.results import Beside, Network, SystemName, Turn
from loadtests.run import Bench, Offer, WarmUp, warm_up
from loadtests.scenario import Scenario, load_scenario
from loadtests.supply import Supply, supply
from loadtests.systems import System

#: Cores from which on browsers' generators get more than one.
_MANY_CORES = 6


@dataclass(slots=True)
class Up:
    """A system that is up.

    Attributes:
        cold: its first turn ever, until a run has taken it.
        idle_mb: what it held after its first call and before any load, MB: the same in all its runs, since
            what one load leaves behind must not make the next look cheap.
    """

    system: System
    warm: WarmUp
    cold: Turn | None
    idle_mb: float | None = None

    def take_cold(self) -> Turn | None:
        """The cold turn, once."""
        cold, self.cold = self.cold, None
        return cold


class Session:
    """Use as ``async with session(options, …)``."""

    def __init__(self, options: Options, scenario: Scenario, bench: Bench, stack: AsyncExitStack) -> None:
        self.options = options
        self.scenario = scenario
        self.bench = replace(bench, beside=self._beside)
        self.base = Offer(
            transport=options.transport,
            concurrency=1,
            scenario=scenario,
            scenario_path=options.scenario,
            starts=(),
            seed=options.seed,
            network=network_of(options),
            agent_opens=options.wait_first,
            variant=variant_of(options, scenario),
        )
        self._stack = stack
        self._supply: Supply | None = None
        self._up: dict[SystemName, Up] = {}

    async def up(self, name: SystemName) -> Up:
        """A system, started and with its first call behind it.

        Raises:
            OperatorError: it does not come up, or cannot be made.
        """
        if name not in self._up:
            system = await self._make(name)
            self.bench.display.say(f"starting {name} ({self.options.profile})")
            self._stack.push_async_callback(system.stop)
            await system.start()
            warm = await warm_up(system, self.base, self.bench)
            idle = await asyncio.to_thread(idle_mb, system.pid)
            self._up[name] = Up(system, warm, warm.cold, idle)
        return self._up[name]

    async def _beside(self) -> Sequence[Beside]:
        """How late the suppliers were since the last question, where they are a process of their own."""
        told = await self._supply.lateness() if self._supply is not None else None
        return (told,) if told is not None else ()

    async def _make(self, name: SystemName) -> System:
        options, cores = self.options, self.bench.cores
        if options.profile == "remote":
            return remote_system(options, self.scenario.agent)
        if self._supply is None:
            self._supply = await supply(options, self.scenario, cores, self._stack)
        told = self._supply
        if name in ("ours", "controls_off"):
            return make_system(
                options.profile,
                name,
                self.scenario,
                calls=self._most(),
                cores=cores,
                suppliers=told.address,
                engine_lines=told.lines,
                engines=told.engines,
                shape=options.whisper_shape,
                headroom=options.headroom,
                spoken=await every_sentence(self.scenario) if options.profile == "cpu-whisper" else (),
            )
        if not told.address:
            raise OperatorError(f"bare pipecat needs engines behind a protocol: no {options.profile} profile")
        from loadtests.baseline.silence import shortest_wait_ms
        from loadtests.baseline.system import BarePipecat

        recipe = recipe_of(
            options.profile,
            self.scenario,
            suppliers=told.address,
            engine_lines=told.lines,
            engines=told.engines,
        )
        return BarePipecat(
            "equal_silence" if name == "equal_silence" else "defaults",
            suppliers=told.address,
            greeting=disclosure(self.scenario.agent),
            silence_ms=shortest_wait_ms(recipe, self.scenario.agent),
            profile=options.profile,
            tier="mock" if options.profile == "mock" else "real",
            engines=told.outside_lines,
            cores=cores.server,
        )

    def _most(self) -> int:
        """Calls our house must take: in an open loop more than are meant to be at once may overlap."""
        options = self.options
        return 2 * max(*options.calls, options.most if options.ramp else 1) + 4


@asynccontextmanager
async def session(options: Options, stop: asyncio.Event, display: Display) -> AsyncIterator[Session]:
    """A session; everything it started is stopped at its end, whatever happened.

    Raises:
        OperatorError: the scenario is broken, or something does not start.
    """
    scenario = load_scenario(options.scenario)
    if options.profile != "remote":  # whom a deployment elsewhere has is its own business
        known_agent(scenario.agent, options.scenario)
    cores = cores_for(options)
    here = await asyncio.to_thread(environment, cores)
    async with AsyncExitStack() as stack:
        stack.enter_context(pinned(cores))
        yield Session(options, scenario, Bench(cores, here, stop, display), stack)


@contextmanager
def pinned(cores: Cores) -> Iterator[None]:
    """Keep this process's own work off the server's cores; who is started says where it runs."""
    before = available_cores()
    pin_thread(cores.generator)
    try:
        yield
    finally:
        pin_thread(before)


def cores_for(options: Options, choose: Callable[[], Cores] = choose_cores) -> Cores:
    """Who computes where; a third of many server cores go to browsers, who cost the generator most."""
    cores = choose()
    spare = len(cores.server) // 3
    if options.transport == "webrtc" and len(cores.server) >= _MANY_CORES and spare:
        return replace(
            cores, generator=(*cores.generator, *cores.server[-spare:]), server=cores.server[:-spare]
        )
    return cores


def variant_of(options: Options, scenario: Scenario) -> str:
    """What tells this load from others of the same profile."""
    shapes = {
        "cpu-whisper": options.whisper_shape,
        "gpu": f"{options.engines_shape} shapes on {options.device}",
        "remote": options.url or options.stream_url,
    }
    told = [
        shapes.get(options.profile, ""),
        "" if scenario.name == "short" else scenario.name,
        "admission by headroom" if options.headroom else "",
    ]
    return ", ".join(part for part in told if part)


def network_of(options: Options) -> Network:
    """The network asked for: by the kernel where it allows that, by proxies elsewhere."""
    if not (options.loss or options.delay or options.jitter):
        return Network()
    return Network(
        by="netem" if options.profile != "remote" and netem_available() else "proxy",  # netem: loopback
        loss_percent=options.loss,
        delay_ms=options.delay,
        jitter_ms=options.jitter,
    )
