"""Carries out one command of the load tests: does it, writes what was found, prints it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import uvloop

from controls.errors import SayError
from loadtests.called_agent import objectives
from loadtests.compare import compare, comparison, plan
from loadtests.cores import choose_cores
from loadtests.merging import merged
from loadtests.options import Options
from loadtests.progress import Display, display
from loadtests.ramp import ramp
from loadtests.reporting import outcome_table
from loadtests.results import (
    Block,
    Calibration,
    Comparison,
    Results,
    Run,
    read_results,
    write_results,
)
from loadtests.run import level, run_once
from loadtests.session import pinned, session
from loadtests.soak import arrivals, soak

_T = TypeVar("_T")
#: Exit codes: the test counts; it does not; it could not be made.
VALID, INVALID, UNMADE = 0, 1, 2


@dataclass(slots=True)
class Findings:
    """What was done so far: whatever happens, it is written down."""

    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    calibrations: tuple[Calibration, ...] = ()
    comparison: Comparison | None = None
    agent: str = ""

    def keep(self, run: Run) -> None:
        """Keep a run, unless nothing of it was made (it was stopped before its first call)."""
        if run.offered:
            self.runs.append(run)


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
        findings.agent = here.scenario.agent
        system = "remote" if options.profile == "remote" else options.system
        up = await _unless_stopped(here.up(system), stop)
        if up is None:
            return
        if options.soak:
            offer = arrivals(here.base, options.calls[0], up.warm.call_s, options.soak)
            soaked = await soak(up.system, offer, here.bench, options.soak, cold=up.take_cold())
            findings.keep(soaked.run)
            findings.notes.append(str(soaked))
            return

        async def offered(concurrency: int) -> Run:
            offer = level(
                here.base, concurrency, up.warm.call_s, turns=options.turns, seconds=options.level_s
            )
            return await run_once(up.system, offer, here.bench, cold=up.take_cold())

        if options.ramp:
            knee = await ramp(offered, options.most, stop=stop, on_run=findings.keep)
            findings.notes.append(str(knee))
            return
        for concurrency in options.calls:
            if stop.is_set():
                return
            findings.keep(await offered(concurrency))


async def compare_command(options: Options, findings: Findings, stop: asyncio.Event, shown: Display) -> None:
    """``compare``: ours against baselines, A B B A."""
    async with session(options, stop, shown) as here:
        findings.agent = here.scenario.agent
        blocks = plan(options.baselines, options.calls)
        for name in dict.fromkeys(block.system for block in blocks):
            if await _unless_stopped(here.up(name), stop) is None:
                return
        call_s = (await here.up("ours")).warm.call_s

        async def make(block: Block) -> Run:
            up = await here.up(block.system)
            offer = level(here.base, block.concurrency, call_s, turns=options.turns, seconds=options.level_s)
            return await run_once(up.system, offer, here.bench, cold=up.take_cold(), block=block.n)

        done = await compare(blocks, make, stopped=stop.is_set, on_run=findings.keep)
        findings.comparison = comparison(done, options.seed)
        findings.notes.append(_KEPT_UP)


_KEPT_UP = "Every server stayed up through all blocks: a restarted one would have been cold in each."


async def calibrate_command(
    options: Options, findings: Findings, stop: asyncio.Event, shown: Display
) -> None:
    """``calibrate``: the harness's own error."""
    from loadtests.calibrate import calibrate

    shown.say(f"calibrating against an echo agent, {options.trials} trials")
    cores = choose_cores()
    agent = cores.server[0] if cores.server else None
    with pinned(cores):
        made = calibrate(options.trials, transport=options.transport, core=agent)
        found = await _unless_stopped(made, stop)
    findings.calibrations = (found,) if found is not None else ()


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
            interrupted=interrupted,
            network_allowance_ms=options.network_allowance_ms,
            agent=findings.agent,
            objectives=objectives(findings.agent),
            calibrations=findings.calibrations,
            runs=tuple(findings.runs),
            comparison=findings.comparison,
            notes=tuple(findings.notes),
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
    from loadtests.reporting.report import write_report

    return [write_results(results, folder), write_report(results, folder)]


def _pauses(options: Options, command: str) -> Results:
    """``pauses``: turn policies on labelled pauses, in processes of their own."""
    from loadtests.pauses import policies
    from loadtests.pauses.lines import VOICES
    from loadtests.pauses.measure import Settings

    voices = tuple(VOICES)[: options.voices or None]
    began = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        found = policies(Settings(voices=voices))
    except KeyboardInterrupt:
        return Results(command=command, started_at=began, interrupted=True)
    spoken = f"Turn policies on lines spoken by {len(voices)} of {len(VOICES)} synthetic voices."
    return Results(command=command, started_at=began, pauses=found, notes=(spoken,))


def _merged_results(options: Options, command: str) -> Results:
    return merged([read_results(folder) for folder in options.out], command)


def exit_code(results: Results, options: Options) -> int:
    """0 when the test itself counts; a missed target only with ``--strict`` makes it 1."""
    if options.command in ("calibrate", "pauses"):
        return INVALID if results.interrupted else VALID
    if not outcome_table.valid(results) or (options.strict and outcome_table.missed(results)):
        return INVALID
    return VALID


def carry_out(options: Options, command: str) -> int:
    """Do one command, write what was found, print it; the exit code.

    Args:
        command: reruns it.
    """
    try:
        if options.command == "report":
            results = _merged_results(options, command)
        elif options.command == "pauses":
            results = _pauses(options, command)
        else:
            results = uvloop.run(measured(options, command))
        written = _write(results, options.folder)
    except SayError as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return UNMADE
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("loadtests: given up", file=sys.stderr)
        return INVALID
    print(outcome_table.table(results))
    print()
    for path in written:
        print(path)
    return exit_code(results, options)
