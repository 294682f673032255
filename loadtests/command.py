"""Carries out one command of the load tests: does it, writes what was found, prints it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import uvloop

from controls.errors import SayError
from loadtests.called_agent import objectives
from loadtests.compare import ORDER, compare, comparison, plan
from loadtests.cores import choose_cores
from loadtests.environment import environment
from loadtests.levels import level, steady_turns
from loadtests.merging import merged
from loadtests.options import Options
from loadtests.outputs import prepare, refused
from loadtests.progress import Display, display
from loadtests.ramp import ramp
from loadtests.reporting import terminal
from loadtests.results import (
    MIN_P95,
    Block,
    Calibration,
    Comparison,
    Environment,
    Results,
    Run,
    read_results,
    write_results,
)
from loadtests.run import Offer, run_once
from loadtests.scenario import load_scenario
from loadtests.schedule import MeantCall
from loadtests.session import Session, Up, pinned, session
from loadtests.soak import soak
from loadtests.summary import turn_values

_T = TypeVar("_T")
#: Exit codes: the test counts; it does not, or was interrupted; it could not be made; it was given up.
VALID, INVALID, UNMADE, GIVEN_UP = 0, 1, 2, 130


@dataclass(slots=True)
class Findings:
    """What was done so far: whatever happens, it is written down. ``remedy``: against too few turns."""

    runs: list[Run] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    calibrations: tuple[Calibration, ...] = ()
    comparison: Comparison | None = None
    environment: Environment | None = None
    agent: str = ""
    remedy: str = ""

    def keep(self, run: Run) -> None:
        """Keep a run, unless nothing of it was made (it was stopped before its first call)."""
        if run.offered:
            self.runs.append(run)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was told, and which levels have no p95."""
        alone = self.runs if self.comparison is None else ()  # blocks are put together
        return (*self.told, *few_turns(alone, self.remedy))


def few_turns(runs: Sequence[Run], remedy: str = "") -> tuple[str, ...]:
    """One sentence on the runs that are too short for a p95; none where all are long enough."""
    short = [run.concurrency for run in runs if len(turn_values(run.turns, "first_audio_out_ms")) < MIN_P95]
    if not short:
        return ()
    at = ", ".join(map(str, dict.fromkeys(short)))
    calls = "call" if at == "1" else "calls"
    what = f"levels of {at} {calls} have" if len(set(short)) > 1 else f"the level of {at} {calls} has"
    return (_few(what, remedy),)


def _few(what: str, remedy: str) -> str:
    return f"{what} fewer than {MIN_P95} turns: no p95" + (f"; {remedy}" if remedy else "")


def _remedy(options: Options) -> str:
    if options.soak:
        return "a longer soak gives one"
    return "" if options.turns >= MIN_P95 else f"--turns {MIN_P95} gives one"


class Interrupts:
    """Ctrl-C and SIGTERM: the first asks for an end with a report, the second gives up."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._working = asyncio.current_task()

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked)
        return self

    def __exit__(self, *exc: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _asked(self) -> None:
        if not self.stop.is_set():
            print("stopping; Ctrl-C again gives up", file=sys.stderr, flush=True)
            self.stop.set()
        elif self._working is not None:
            self._working.cancel()


async def run_command(options: Options, findings: Findings, stop: asyncio.Event, shown: Display) -> None:
    """``run``: levels, a ramp, or a soak of one system."""
    async with session(options, stop, shown) as here:
        findings.agent, findings.remedy = here.scenario.agent, _remedy(options)
        system = "remote" if options.profile == "remote" else options.system
        up = await _unless_stopped(here.up(system), stop)
        if up is None:
            return

        async def offered(concurrency: int) -> Run:
            return await _offered(here, up, _level(here, up.warm.call, concurrency))

        if options.soak:
            offer = _level(here, up.warm.call, options.calls[0])
            soaked = await soak(up.system, offer, up.warm.call, partial(_offered, here, up, offer))
            findings.keep(soaked.run)
            if soaked.run.offered:
                findings.told.append(str(soaked))
        elif options.ramp:
            allowance_ms = options.network_allowance_ms if options.transport == "twilio" else 0.0
            knee = await ramp(
                offered, options.most, stop=stop, on_run=findings.keep, allowance_ms=allowance_ms
            )
            findings.told.append(str(knee))
        else:
            for concurrency in options.calls:
                if stop.is_set():
                    return
                findings.keep(await offered(concurrency))


def _level(here: Session, call: MeantCall, concurrency: int, blocks: int = 1) -> Offer:
    """One level, a soak, or one of so many blocks a side; says how many steady turns there will be.

    Raises:
        OperatorError: not one call arrives in its time.
    """
    options = here.options
    offer = level(
        here.base, concurrency, call,
        turns=options.turns, seconds=options.soak or options.level_s,
        arrivals="poisson" if options.soak else options.arrivals,
    )  # fmt: skip
    each = steady_turns(offer.arrivals, offer.starts, call)
    what = f"{concurrency} at once: about {each} turns while the load stands"
    what += f" in each of {blocks} blocks a side" if blocks > 1 else ""
    enough = each * blocks >= MIN_P95
    here.bench.display.say(what if enough else _few(f"{what},", _remedy(options)))
    return offer


async def _offered(
    here: Session, up: Up, offer: Offer, on_begin: Callable[[], object] = lambda: None, *, block: int = 0
) -> Run:
    return await run_once(
        up.system, offer, here.bench,
        cold=up.take_cold(), idle_mb=up.idle_mb, block=block, on_begin=on_begin,
    )  # fmt: skip


async def compare_command(options: Options, findings: Findings, stop: asyncio.Event, shown: Display) -> None:
    """``compare``: ours against baselines, A B B A."""
    async with session(options, stop, shown) as here:
        findings.agent = here.scenario.agent
        blocks = plan(options.baselines, options.calls, options.rounds)
        calls: list[MeantCall] = []
        for name in dict.fromkeys(block.system for block in blocks):
            up = await _unless_stopped(here.up(name), stop)
            if up is None:
                return
            calls.append(up.warm.call)
        # By the longest of all: spaced by ours, a slower system's calls would overlap on every line.
        longest = max(calls, key=lambda call: call.length_s)
        loads = dict.fromkeys(block.concurrency for block in blocks)
        offers = {n: _level(here, longest, n, ORDER.count("ours") * options.rounds) for n in loads}

        async def make(block: Block) -> Run:
            return await _offered(here, await here.up(block.system), offers[block.concurrency], block=block.n)

        done = await compare(blocks, make, stopped=stop.is_set, on_run=findings.keep)
        findings.comparison = comparison(done, options.seed, left_out=findings.told.append)
        findings.told.append(_KEPT_UP)


_KEPT_UP = "Every server stayed up through all blocks: a restarted one would have been cold in each."


async def calibrate_command(
    options: Options, findings: Findings, stop: asyncio.Event, shown: Display
) -> None:
    """``calibrate``: the harness's own error."""
    from loadtests.calibrate import calibrate

    shown.say(f"calibrating against an echo agent, {options.trials} trials")
    cores = choose_cores()
    agent = cores.server[0] if cores.server else None
    findings.environment = await asyncio.to_thread(environment, cores)
    with pinned(cores):
        made = calibrate(
            options.trials,
            transport=options.transport,
            seed=options.seed,
            core=agent,
            calls=options.callers or None,
        )
        found = await _unless_stopped(made, stop)
    findings.calibrations = (found,) if found is not None else ()
    findings.told += why_no_calibration(findings.calibrations)


async def _unless_stopped(work: Awaitable[_T], stop: asyncio.Event) -> _T | None:
    """The work's result; None, and the work cancelled, when it is interrupted first."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.create_task(stop.wait(), name="interrupted")
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


Command = Callable[[Options, Findings, asyncio.Event, Display], Awaitable[None]]
COMMANDS: dict[str, Command] = {
    "run": run_command,
    "compare": compare_command,
    "calibrate": calibrate_command,
}


async def measured(options: Options, command: str) -> Results:
    """Do what was asked; what was done until an interruption or an error of ours comes back or is written.

    Raises:
        SayError: it could not be made; what was done until then is written all the same.
    """
    findings = Findings()
    began = datetime.now(UTC).isoformat(timespec="seconds")

    def results(*, interrupted: bool) -> Results:
        return Results(
            command=command,
            started_at=began,
            environment=findings.environment,
            interrupted=interrupted,
            network_allowance_ms=options.network_allowance_ms,
            agent=findings.agent,
            objectives=objectives(findings.agent),
            calibrations=findings.calibrations,
            runs=tuple(findings.runs),
            comparison=findings.comparison,
            notes=findings.notes,
        )

    with display() as shown, Interrupts() as interrupts:
        try:
            if options.calibrate:
                await calibrate_command(options, findings, interrupts.stop, shown)
            await COMMANDS[options.command](options, findings, interrupts.stop, shown)
        except BaseException:  # whatever it was, what was measured is not lost with it
            if findings.runs:
                _write(results(interrupted=True), options.folder)
            raise
    return results(interrupted=interrupts.stop.is_set())


def _write(results: Results, folder: Path) -> list[Path]:
    """Write results and report; their paths.

    Raises:
        OperatorError: the folder takes them no more.
    """
    from loadtests.reporting.report import write_report

    try:
        return [write_results(results, folder), write_report(results, folder)]
    except OSError as error:
        raise refused(folder, error) from error


def _pauses(options: Options, command: str) -> Results:
    """``pauses``: turn policies on labelled speech, in processes of their own; prints what is not kept."""
    from loadtests.pauses.results import measured as compared

    with display() as shown:
        scored = compared(
            options.pauses, command, lambda done, of: shown.say(f"labelled pauses: {done} of {of} parts")
        )
    if scored.cut:
        print("\n".join((*scored.cut, "")))
    return scored.results


def _merged_results(options: Options, command: str) -> Results:
    return merged([read_results(folder) for folder in options.out], command)


def why_no_calibration(found: Sequence[Calibration]) -> tuple[str, ...]:
    """Why calibrations just made do not count, such as trials that were never answered; () when they do."""
    from loadtests.calibrate import counts

    return tuple(why for made in found for why in counts(made))


def exit_code(results: Results, options: Options) -> int:
    """0 when the test itself counts and was made to its end; ``--strict`` makes a missed target 1."""
    if results.interrupted:
        return INVALID
    if options.command == "pauses":
        return VALID
    if options.command == "calibrate":
        return INVALID if why_no_calibration(results.calibrations) else VALID
    if not terminal.valid(results) or (options.strict and terminal.missed(results)):
        return INVALID
    return VALID


def carry_out(options: Options, command: str) -> int:
    """Do one command, print what was found, write it; the exit code.

    What was measured is printed first: a disk that fills up meanwhile must not take that, too.

    Args:
        command: reruns it.
    """
    try:
        _ready(options)
        if options.command == "report":
            results = _merged_results(options, command)
        elif options.command == "pauses":
            results = _pauses(options, command)
        else:
            results = uvloop.run(measured(options, command))
        print(terminal.table(results))
        print()
        if _anything(results, options.command):
            for path in _write(results, options.folder):
                print(path)
        else:
            print(f"loadtests: nothing was measured, {options.folder} is as it was", file=sys.stderr)
    except SayError as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return UNMADE
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("loadtests: given up", file=sys.stderr)
        return GIVEN_UP
    return exit_code(results, options)


def _ready(options: Options) -> None:
    """Refuse at once what would otherwise come to light when everything is up, or over.

    Raises:
        OperatorError: the scenario cannot be acted out, or the folder takes no results.
    """
    if options.command in ("run", "compare"):
        load_scenario(options.scenario, options.transport)
    if options.command != "report":  # which takes no time, and may have nothing to read
        prepare(options.folder)


def _anything(results: Results, command: str) -> bool:
    """Whether there is something that an older ``results.json`` may be overwritten with."""
    if command == "report":
        return True
    made: dict[str, Sequence[object]] = {
        "calibrate": results.calibrations,
        "pauses": (*results.pauses, *results.barge_in),
    }
    return bool(made.get(command, results.runs))
