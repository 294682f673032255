"""How many real-time callers one core can be: lateness of their ticks, and what each costs.

``python -m loadtests.callers --calls 100 --seconds 30`` places calls from one process on one
core to an echo agent on another, and prints a table. The callers talk and are
talked to without end: 2 s of speech, 0.5 s, 2 s of an answer, 0.8 s, and so on. Calls begin
at drawn times of the first seconds; what is measured begins when all of them are answered. CPU is
the process's own, so it means the same on a busy machine; lateness does not. ``--calls 8 16 32
--transport webrtc`` finds how many a core bears (a browser's caller has Opus, SRTP and aiortc to pay for).
Exits 1 when ticks were 5 ms late or more at p99, or a call went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import uvloop

from controls.errors import SayError
from loadtests.arguments import Parser, count, seconds
from loadtests.doors import make_caller
from loadtests.echo_agent.agent import echo_agent
from loadtests.generator import beat
from loadtests.statistics import percentile
from loadtests.systems import Door
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import Say, Script
from voice_runtime.caller.ticker import Lateness, shared_ticker

_SENTENCE = "can i see doctor patel on tuesday"
#: The calls begin within so many s.
_BEGIN_S = 2.0
#: What is measured begins when all calls talk, and ends before the first is over, s.
_SHORTEST_S = 2.0
MOST_LATE_P99_MS = 5.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What ``calls`` callers in one process did, and cost.

    Attributes:
        cpu_percent: of one core, while all of them talked.
        cpu_ms_per_call_s: CPU per second of one call, ms.
        cpu_us_per_tick: the same per 20 ms that were done, which callers that fall behind cannot hide in, µs.
        late_p50_ms, late_p99_ms, late_max_ms: of their ticks.
        gaps: in the agent's audio, at the callers.
        wrong: calls that did not go as they should.
    """

    calls: int
    seconds: float
    cpu_percent: float
    cpu_ms_per_call_s: float
    cpu_us_per_tick: float
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    answers: int
    answer_p50_ms: float | None
    gaps: int
    wrong: int

    @property
    def holds(self) -> bool:
        """The generator's promise."""
        return self.late_p99_ms < MOST_LATE_P99_MS and not self.wrong


async def measure(door: Door, calls: int, seconds: float, *, seed: int = 0) -> Measured:
    """Place ``calls`` calls at ``door``, an echo agent's, that talk beside each other for ``seconds``."""
    drawn = random.Random(seed)
    voice = RecordedFlite("rms")
    await voice.say(_SENTENCE)
    turns = tuple(Say(text=_SENTENCE) for _ in range(int(seconds) + 2))

    async def call(begins_s: float) -> CallResult:
        await asyncio.sleep(begins_s)
        longest_s = seconds + _BEGIN_S - begins_s
        return await make_caller(door, voice=voice, longest_s=longest_s).run(Script(steps=turns))

    placed = [asyncio.create_task(call(drawn.uniform(0, _BEGIN_S))) for _ in range(calls)]
    await asyncio.sleep(_BEGIN_S + 0.5)
    ticker = shared_ticker()
    ticker.lateness = Lateness()  # from here on
    cpu_s, began = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds - 1.0)
    cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - began
    lateness = ticker.lateness
    results = await asyncio.gather(*placed)
    answers = [t.first_audio_out_ms for r in results for t in r.turns if t.first_audio_out_ms is not None]
    return Measured(
        calls,
        round(took_s, 1),
        round(100 * cpu_s / took_s, 1),
        round(1000 * cpu_s / took_s / calls, 2),
        round(1e6 * cpu_s / max(1, lateness.ticks), 1),
        lateness.at_ms(50),
        lateness.at_ms(99),
        round(lateness.worst_ms, 1),
        len(answers),
        round(percentile(answers, 50), 1) if answers else None,
        sum(len(r.gaps) for r in results),
        sum(bool(r.bad_messages) or r.error != "the call took too long" for r in results),
    )


async def _run(options: argparse.Namespace, agents_core: int | None) -> list[Measured]:
    found = []
    async with echo_agent(core=agents_core) as doors:
        door = doors.door(options.transport, delays_ms="500", answer="speech", answer_ms="2000")
        gc.collect()
        gc.freeze()  # what is there already is not looked through again while calls run
        for calls in options.calls:
            found.append(await measure(door, calls, options.seconds, seed=options.seed))
            print(_line(found[-1]), flush=True)
    gc.unfreeze()
    return found


def borne(found: Sequence[Measured]) -> str:
    """How many callers a core bears, of the numbers that were tried: up to the first that did not hold."""
    most = 0
    for measured in sorted(found, key=lambda m: m.calls):
        if not measured.holds:
            how_many = (
                f"{most} callers, not {measured.calls}" if most else f"fewer than {measured.calls} callers"
            )
            return f"one core bears {how_many}"
        most = measured.calls
    return f"one core bears {most} callers at least"


_HEADING = (
    f"{'calls':>5} {'CPU':>7} {'a call':>9} {'a tick':>7} {'late p50':>9} {'p99':>7} {'max':>8}"
    f" {'answers':>8} {'p50':>8} {'gaps':>5} {'wrong':>6}"
)


def _line(m: Measured) -> str:
    return (
        f"{m.calls:5} {m.cpu_percent:5.1f} % {m.cpu_ms_per_call_s:4.2f} ms/s {m.cpu_us_per_tick:4.0f} µs"
        f" {m.late_p50_ms:6.1f} ms {m.late_p99_ms:4.1f} ms {m.late_max_ms:5.1f} ms"
        f" {m.answers:8} {m.answer_p50_ms or 0:5.0f} ms"
        f" {m.gaps:5} {m.wrong:6}"
    )


def _measured_s(text: str) -> float:
    value = seconds(text)
    if value < _SHORTEST_S:
        raise argparse.ArgumentTypeError(f"takes {_SHORTEST_S:.0f} seconds or more, not '{text}'")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when the promise is not kept, 2 when it could not be tried."""
    parser = Parser(prog="python -m loadtests.callers", description=__doc__)
    parser.add_argument("--calls", type=count, nargs="+", default=[100], help="callers at a time")
    parser.add_argument("--transport", choices=("twilio", "webrtc"), default="twilio")
    parser.add_argument("--seconds", type=_measured_s, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="also print the figures as a JSON line")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    print(_HEADING, flush=True)
    try:
        run = uvloop.run if options.transport == "webrtc" else beat.run
        found = run(_run(options, cores[-1] if len(cores) > 1 else None))
    except SayError as error:
        print(f"callers: {error}", file=sys.stderr)
        return 2
    print(
        f"one process on one core of {os.cpu_count()}, Python {platform.python_version()};"
        f" the agent on {'another' if len(cores) > 1 else 'the same'}"
    )
    print(f"{options.transport}: {borne(found)}")
    if options.json:
        print(json.dumps([asdict(m) for m in found]))
    return 0 if all(m.holds for m in found) else 1


if __name__ == "__main__":
    sys.exit(main())
