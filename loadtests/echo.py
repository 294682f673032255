"""Does an agent interrupt itself on a line that echoes, and can its caller still interrupt it?

``python -m loadtests.echo`` plays drawn lines (``loadtests.echo_lines``) through the
voice detector, the echo comparison and the turn policy, exactly as the ear does,
and prints a table. The agent speaks on whatever the turn policy wants, so every
utterance is a trial of its own. Words are not recognised: every turn ends empty.
It exits 1 when more than 1 % of utterances interrupted themselves, when a line
without echo was judged differently in a single chunk, or when a chunk costs
more than 100 µs in the mean. Not part of ``make test``: it takes some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from loadtests import markdown
from loadtests.echo_lines import VOICES, EchoPath, Line, Scenario, Sent, make
from loadtests.statistics import percentile
from voice_runtime.listen.echo import Echo
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import AskText, Commit, EndOfTurn, Floor, Output, Pause, TurnPolicy
from voice_runtime.listen.vad import Vad

_CHUNK_NS, _CHUNK_MS, _CHUNK = 20_000_000, 20, 160
#: A pause this long after the caller's speech began is late.
_LATE_MS = 300
#: The caller's own: turns and pauses up to this many chunks after an interruption's end.
_AFTER = 25
_MOST_SELF_PERCENT, _MOST_COST_US = 1.0, 100.0

ECHO_DB = (-10, -15, -20, -25, -30, -35)
DELAYS_MS = (80, 160, 300, 500)
PATHS: tuple[EchoPath, ...] = ("room", "speakerphone", "hybrid")


@dataclass(slots=True)
class Result:
    """What one line did. Counts are of the agent's utterances.

    Attributes:
        paused: paused for nothing but their own echo; ``cut``: interrupted by it.
        turns: turns that were nothing but echo and would have gone to the recogniser.
        dropped: the same, recognised as echo when they ended.
        lost: turns of the caller that were taken for echo when they ended.
        latencies_ms: from each interruption's first sample to the pause; None when none came.
        speech, changed: chunks the voice detector took for speech, and those judged otherwise.
        told: what was said of half duplex, in order.
        cost_us: processor time of a received chunk in the mean, its share of what was sent included.
    """

    scenario: Scenario
    utterances: int = 0
    paused: int = 0
    cut: int = 0
    turns: int = 0
    dropped: int = 0
    lost: int = 0
    latencies_ms: list[int | None] = field(default_factory=list)
    speech: int = 0
    changed: int = 0
    told: list[bool] = field(default_factory=list)
    cost_us: float = 0.0


class _Call:
    """One line through detector, comparison and turn policy."""

    def __init__(self, echo: Echo | None) -> None:
        self.echo = echo
        self.machine = TurnMachine(TurnPolicy(), "en-US", lambda text: False)
        self.pauses: list[int] = []
        self.cuts: list[int] = []
        self.turns: list[tuple[int, bool]] = []
        self._vad = Vad()
        self._speaks_until_ns = 0
        self._started_ms = 0
        self.cost_s = 0.0

    def sent(self, event: Sent) -> None:
        if not self._speaks_until_ns:
            self.machine.floor(Floor.SPEAKING)
        self._speaks_until_ns = max(self._speaks_until_ns, event.at_ns) + _CHUNK_NS
        if self.echo is not None:
            begun = time.thread_time()
            self.echo.on_sent(event.pcm, event.at_ns)
            self.cost_s += time.thread_time() - begun

    def received(self, pcm: bytes, at_ns: int, number: int) -> tuple[bool, bool]:
        if self._speaks_until_ns and at_ns >= self._speaks_until_ns:
            self._speaks_until_ns = 0
            self.machine.floor(Floor.IDLE)
        speech = caller = self._vad.hear(pcm)
        if self.echo is not None:
            begun = time.thread_time()
            caller = self.echo.hear(pcm, at_ns, speech)
            self.cost_s += time.thread_time() - begun
        outputs: list[Output] = self.machine.chunk(caller)
        while outputs:
            outputs = [more for output in outputs for more in self._do(output, number)]
        return speech, caller

    def _do(self, output: Output, number: int) -> list[Output]:
        match output:
            case Pause():
                self.pauses.append(number)
            case Commit():
                self.cuts.append(number)
            case EndOfTurn():
                explained = self.echo is not None and self.echo.explains(output.started_ms, output.ended_ms)
                self.turns.append((output.started_ms // _CHUNK_MS, explained))
            case AskText(pause):
                return self.machine.final(pause, "")
        return []


def play(line: Line, echo: Echo | None) -> Result:
    """Play a line through the ear's decisions, with the echo comparison or without."""
    call, result = _Call(echo), Result(line.scenario)
    received = 0
    for event in line.events:
        if isinstance(event, Sent):
            call.sent(event)
            continue
        speech, caller = call.received(event.pcm, event.at_ns, event.number)
        received += 1
        result.speech += speech
        result.changed += speech != caller
    calls = [(first // _CHUNK, last // _CHUNK) for first, last in line.caller]

    def own(chunk: int) -> bool:
        return not any(first - 1 <= chunk <= last + _AFTER for first, last in calls)

    tail = line.scenario.delay_ms // _CHUNK_MS + 8
    spans = [(first // _CHUNK, last // _CHUNK + tail) for first, last in line.agent]
    result.utterances = len(spans)
    result.paused = sum(any(own(at) and a <= at <= b for at in call.pauses) for a, b in spans)
    result.cut = sum(any(own(at) and a <= at <= b for at in call.cuts) for a, b in spans)
    result.turns = sum(own(at) for at, _ in call.turns)
    result.dropped = sum(own(at) and explained for at, explained in call.turns)
    result.lost = sum(not own(at) and explained for at, explained in call.turns)
    for first, last in calls:
        after = [at for at in call.pauses if first - 1 <= at <= last + 10]
        result.latencies_ms.append((after[0] - first + 1) * _CHUNK_MS if after else None)
    result.cost_us = call.cost_s / max(1, received) * 1e6
    return result


def run(scenario: Scenario) -> Result:
    """Draw a line and play it."""
    told: list[bool] = []
    result = play(make(scenario), Echo(on_half_duplex=told.append))
    result.told = told
    return result


def run_without(scenario: Scenario) -> Result:
    """The same without the comparison: what the voice detector alone would do."""
    return play(make(scenario), None)


# -- what is played ----------------------------------------------------------------------------------


def scenarios(seed: int, utterances: int, echo_db: Iterable[int] = ECHO_DB) -> list[Scenario]:
    """Echo at every level and delay, rooms and hybrids, voices taken in turn."""
    grid = itertools.product(echo_db, DELAYS_MS, PATHS)
    return [
        Scenario(
            db,
            delay,
            path,
            agent=VOICES[n % len(VOICES)][0],
            caller=VOICES[n % len(VOICES)][1],
            noise_rms=(15.0, 60.0)[n % 2],
            utterances=utterances,
            seed=seed + n,
        )
        for n, (db, delay, path) in enumerate(grid)
    ]


def harder(seed: int, utterances: int) -> dict[str, list[Scenario]]:
    """Lines that change or are worse than most."""
    base = scenarios(seed, utterances, (-15, -25))
    return {
        "clipping loudspeaker": [replace(s, drive=4.0) for s in base],
        "noisy microphone": [replace(s, noise_rms=200.0) for s in base],
        "clocks 200 ppm apart": [replace(s, drift_ppm=200.0) for s in base],
        "10 dB louder half-way": [replace(s, echo_db=-25, louder_db=10.0) for s in base],
        "loudspeaker on half-way": [replace(s, echo_from=utterances // 2) for s in base],
    }


# -- the table -----------------------------------------------------------------------------------------


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} %"


def _self_row(name: str, results: Sequence[Result], without: Sequence[Result] | None = None) -> list[str]:
    n = sum(x.utterances for x in results)
    bare = _percent(sum(x.paused for x in without), sum(x.utterances for x in without)) if without else ""
    return [
        name, str(n), bare, _percent(sum(x.paused for x in results), n),
        _percent(sum(x.cut for x in results), n),
        f"{sum(x.turns for x in results)} / {sum(x.dropped for x in results)}",
    ]  # fmt: skip


def _caller_row(name: str, results: Sequence[Result]) -> list[str]:
    found = [x for r in results for x in r.latencies_ms]
    times = [x for x in found if x is not None]
    p50, p95 = (f"{percentile(times, percent)} ms" if times else "–" for percent in (50, 95))
    return [
        name, str(len(found)), p50, p95,
        _percent(sum(x is not None and x <= _LATE_MS for x in found), len(found)),
        _percent(sum(x is None for x in found), len(found)),
        str(sum(r.lost for r in results)),
    ]  # fmt: skip


def _print(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("\n".join(["", title, "", *markdown.table(head, list(rows))]))


def measure(pool: ProcessPoolExecutor, utterances: int, seed: int) -> tuple[dict[str, object], list[Result]]:
    """Play everything and print it; the summary, and every result."""
    lines = scenarios(seed, utterances)
    with_echo = list(pool.map(run, lines))
    without = list(pool.map(run_without, lines[:: max(1, len(lines) // 24)]))
    rows = [
        _self_row(
            f"{db} dB",
            [r for r in with_echo if r.scenario.echo_db == db],
            [r for r in without if r.scenario.echo_db == db],
        )
        for db in ECHO_DB
    ]
    rows.append(_self_row("all", with_echo, without))
    hard = {name: list(pool.map(run, some)) for name, some in harder(seed + 1000, utterances).items()}
    rows += [_self_row(name, results) for name, results in hard.items()]
    head = ("echo", "utterances", "paused without", "paused", "interrupted", "turns of echo / dropped")
    _print("Agents that hear themselves", head, rows)
    base = [replace(s, noise_rms=15.0) for s in scenarios(seed + 2000, utterances, (-20, -25))]
    spoken = {
        f"{db:+d} dB to the echo": list(pool.map(run, [replace(s, caller_db=float(db)) for s in base]))
        for db in (0, 5, 10, 20)
    }
    silent = [replace(s, echo_db=None, caller_db=(0.0, 10.0, 20.0)[n % 3]) for n, s in enumerate(base)]
    spoken["no echo"] = list(pool.map(run, silent))
    spoken["no echo, no comparison"] = list(pool.map(run_without, silent))
    titles = ("caller", "interruptions", "pause p50", "p95", f"within {_LATE_MS} ms", "missed", "turns lost")
    _print("Callers who interrupt (echo -20 and -25 dB)", titles, [_caller_row(*x) for x in spoken.items()])
    results = [*with_echo, *itertools.chain(*hard.values()), *itertools.chain(*spoken.values())]
    n = sum(x.utterances for x in with_echo)
    summary: dict[str, object] = {
        "utterances": n,
        "paused_percent": round(100 * sum(x.paused for x in with_echo) / n, 2),
        "cut_percent": round(100 * sum(x.cut for x in with_echo) / n, 2),
        "no_echo_speech_chunks": sum(x.speech for x in spoken["no echo"]),
        "no_echo_changed_chunks": sum(x.changed for x in spoken["no echo"]),
        "cost_us": round(percentile([x.cost_us for x in with_echo], 50), 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "at": time.strftime("%Y-%m-%d"),
    }
    return summary, results


def holds(summary: dict[str, object]) -> bool:
    """Whether the three promises of the module's first lines are kept."""
    figures = {name: value for name, value in summary.items() if isinstance(value, float | int)}
    return (
        figures["paused_percent"] <= _MOST_SELF_PERCENT
        and figures["no_echo_changed_chunks"] == 0
        and figures["cost_us"] <= _MOST_COST_US
    )


def main() -> int:
    """Run, print, keep the results; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.echo", description=__doc__)
    parser.add_argument("--utterances", type=int, default=12, help="of each line")
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=None, help="folder for results.json")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        summary, results = measure(pool, options.utterances, options.seed)
    print()
    for name, value in summary.items():
        print(f"{name:<24} {value}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        content = {"summary": summary, "lines": [asdict(x) for x in results]}
        (options.out / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0 if holds(summary) else 1


if __name__ == "__main__":
    sys.exit(main())
