"""The harness's own error: callers against an echo agent whose delay is known, in every trial.

``python -m loadtests.calibrate --trials 200`` places calls from this process to an echo agent in
another (``loadtests.echo_agent.agent``), reads its answers as any agent's are read
(``caller.measure``), and holds each figure against the delay the agent really had: which
sample of which packet its answer began with, when that packet left it (``loadtests.echo_agent.account``), and
when the caller's last sample really reached it: a caller whose tick is late blames the agent for that.
Delays are drawn, so are the samples of a packet at which the caller's speech begins and ends, voices and
kinds of answers take turns: what depends on where in a packet speech lies, or on where the windows of 5 ms
lie, is in the error; what an agent on a busy machine is late by is not.

An answer is due in the caller's next tick, by the caller's own rules (``Account.due``): the error tells how
exactly a caller reads what it was played, and not where between two ticks a packet came. A second error is
told beside it, around the time at which the agent handed the packet over, whatever the caller's ticks. This
agent answers in step with the caller's packets, so the time to the next tick hardly varies here. One with a
clock of its own is read up to 10 ms sooner or later, by where between two ticks it sends: in neither error.

The bias is that of any agent on this wire, at least ``BIAS_MS``: a packet leaves when its last
sample has been spoken, and the playout has its tick and, in a browser, its buffer; what is more,
over WebRTC, is the codec's. It is part of what a caller waits for and never taken off a
figure. The error stated is around the median.

``--calls 32`` says how many callers this process is meanwhile: so a busy generator's error is known.
Exits 1 when it is 5 ms or more at p95, or more than 1 % of the trials had no answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import uvloop

from controls.errors import OperatorError, SayError
from loadtests.arguments import Parser
from loadtests.calibrate_options import add_options
from loadtests.doors import make_caller
from loadtests.echo_agent.account import Account
from loadtests.echo_agent.agent import EchoDoors, echo_agent
from loadtests.echo_agent.answers import TWILIO_BIAS_MS
from loadtests.echo_agent.peer import WEBRTC_BIAS_MS
from loadtests.generator import beat
from loadtests.results import Calibration, Transport
from loadtests.statistics import percentile
from voice_runtime.caller import audible, measure
from voice_runtime.caller.results import CallerEvent, CallResult, played_at_ms, sent_at_ms
from voice_runtime.caller.script import HangUp, Say, Script
from voice_runtime.caller.speech import Flite, Spoken, sound
from voice_runtime.caller.ticker import Lateness, shared_ticker
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

MOST_ERROR_P95_MS = 5.0
MOST_UNANSWERED_PERCENT = 1.0
#: What packets and playout alone add to an agent's delay, ms.
BIAS_MS: dict[Transport, float] = {"twilio": TWILIO_BIAS_MS, "webrtc": WEBRTC_BIAS_MS}
#: Delays drawn, ms: any number of samples' worth of the grid, and longer than pauses between words.
_SHORTEST_MS, _LONGEST_MS = 300, 1200
_SENTENCES = ("yes please", "at ten", "no thank you", "my name is alice", "a moment")
_VOICES = ("slt", "awb", "rms", "kal")
_ANSWERS = ("tone", "speech")
#: Calls at a time; one over WebRTC costs some ten times as much.
AT_ONCE: dict[Transport, int] = {"twilio": 20, "webrtc": 5}


@dataclass(frozen=True, slots=True)
class Trial:
    """One utterance and its answer.

    Attributes:
        phase: sample of its packet in which the caller's speech ended.
        known_ms: the agent's delay, by its own account, since the caller's last sample really left;
            None: it never answered.
        measured_ms: first audio out, as any agent's; None: no answer.
        handed_over_ms: as ``known_ms``, to when the agent handed the answer over: no tick is in it.
    """

    voice: str
    answer: str
    phase: int
    known_ms: float | None
    measured_ms: float | None
    handed_over_ms: float | None = None

    @property
    def over_ms(self) -> float | None:
        """How much later than it was due the answer was read."""
        if self.known_ms is None or self.measured_ms is None:
            return None
        return self.measured_ms - self.known_ms

    @property
    def over_handed_ms(self) -> float | None:
        """How much later than it was handed over the answer was read."""
        if self.handed_over_ms is None or self.measured_ms is None:
            return None
        return self.measured_ms - self.handed_over_ms


class EachTick(Lateness):
    """Remembers how late each tick of a call was, too, ns, by its number.

    Args:
        until_now: whose place it takes.
    """

    def __init__(self, until_now: Lateness) -> None:
        super().__init__()
        self.late_ns: dict[int, int] = {}
        self._first = until_now.ticks

    def note(self, late_ns: int) -> None:
        """As ``Lateness.note``."""
        self.late_ns[self._first + self.ticks] = late_ns
        super().note(late_ns)


class DrawnVoice(Flite):
    """One call's voice, whose sentences begin at a drawn sample of a packet. It beeps where it has no other.

    Args:
        voice: speaks, for many calls.
    """

    def __init__(self, voice: Flite | None, drawn: random.Random) -> None:
        super().__init__()
        self._voice = voice
        self._drawn = drawn

    async def say(self, text: str) -> Spoken:
        """As ``Flite.say``, behind some silence."""
        said = sound("tone", self._drawn.uniform(0.2, 0.6))
        if self._voice is not None:
            said = await self._voice.say(text)
        late = self._drawn.randrange(CHUNK_SAMPLES)
        return Spoken(audible.ULAW_SILENCE * late + said.ulaw, said.first + late, said.last + late, text)


async def trials(
    n: int, *, transport: Transport = "twilio", seed: int = 0, calls: int | None = None,
    voices: Sequence[str] = (), core: int | None = None,
    on_trial: Callable[[int], None] = lambda done: None,
) -> list[Trial]:  # fmt: skip
    """Make ``n`` trials (five in a call, some calls beside each other).

    Args:
        calls: beside each other in this process; by default ``AT_ONCE``.
        voices: of ``speech.VOICES``, or "tone"; by default every one that can be had.
        core: the agent is pinned to.
        on_trial: told how many are done.

    Raises:
        OperatorError: the agent did not come up, or a call to it failed.
    """
    drawn = random.Random(seed)
    voices = voices or ("tone", *(_VOICES if shutil.which("flite") else ()))
    speakers = {voice: None if voice == "tone" else Flite(voice) for voice in voices}
    for speaker in speakers.values():
        if speaker is not None:
            for text in _SENTENCES:
                await speaker.say(text)  # before any call: flite takes a core from them
    done: dict[int, tuple[str, str, CallResult, EachTick]] = {}
    gate = asyncio.Semaphore(calls or AT_ONCE[transport])

    async def call(doors: EchoDoors, n: int, turns: int) -> None:
        voice, answer = voices[n % len(voices)], _ANSWERS[n // len(voices) % len(_ANSWERS)]
        delays = [drawn.randint(_SHORTEST_MS, _LONGEST_MS) for _ in range(turns)]
        asked = ",".join(map(str, delays))
        door = doors.door(transport, delays_ms=asked, answer=answer, answer_ms="300", call=str(n))
        speaker = DrawnVoice(speakers[voice], random.Random(drawn.random()))
        ticks = EachTick(Lateness())

        async def on_event(event: CallerEvent) -> None:
            nonlocal ticks
            if event.kind == "answered" and caller.stream is not None:
                caller.stream.lateness = ticks = EachTick(caller.stream.lateness)

        async with gate:
            caller = make_caller(door, voice=speaker, on_event=on_event)
            steps = (*(Say(text=text, quiet_ms=250, timeout_s=10) for text in _SENTENCES[:turns]), HangUp())
            result = await caller.run(Script(steps=steps))
        if result.ended_by != "caller" or result.error:
            raise OperatorError(f"a call to the echo agent went wrong: {result.error or result.ended_by}")
        done[n] = (voice, answer, result, ticks)
        on_trial(sum(len(result.turns) for _, _, result, _ in done.values()))

    each = len(_SENTENCES)
    async with echo_agent(core=core) as doors:
        # what is imported with a process's first call would make others' ticks late
        await make_caller(doors.door(transport), voice=speakers[voices[0]]).run(Script(steps=(HangUp(),)))
        placed = [
            asyncio.create_task(call(doors, i, min(each, n - first)), name=f"calibrating-{i}")
            for i, first in enumerate(range(0, n, each))
        ]
        try:
            await asyncio.gather(*placed)
            found: list[Trial] = []
            for n, (voice, answer, result, ticks) in done.items():  # now: nobody is measured any more
                account = await doors.account(str(n))
                found += read(result, account, transport, ticks.late_ns, voice, answer)
        finally:
            for one in placed:
                one.cancel()
            await asyncio.gather(*placed, return_exceptions=True)
    return found


def read(
    result: CallResult,
    account: Account,
    transport: Transport,
    late_ns: Mapping[int, int],
    voice: str = "",
    answer: str = "",
) -> list[Trial]:
    """What was read in each turn of a call, beside what the agent's account says of it.

    Args:
        late_ns: how late the caller's ticks were, by number; a packet leaves in the tick of its number.
    """
    due = account.due(result.answered_ns, transport)
    begins = [measure.place(turn.first_sample) for turn in result.turns[1:]]
    found = []
    for turn, until in zip(result.turns, [*begins, None], strict=True):
        answers = (
            answer for answer in due
            if answer.sample > measure.place(turn.last_sample) and (until is None or answer.sample < until)
        )  # fmt: skip
        answer_due = next(answers, None)
        known_ms: float | None = None
        handed_over_ms: float | None = None
        if answer_due is not None:
            late_ms = late_ns.get(turn.last_sample // CHUNK_SAMPLES, 0) / 1e6
            left_ms = sent_at_ms(turn.last_sample) + late_ms
            known_ms = played_at_ms(answer_due.sample) - left_ms - BIAS_MS[transport]
            handed_over_ms = answer_due.handed_over_ms - left_ms
        phase = turn.last_sample % CHUNK_SAMPLES
        found.append(Trial(voice, answer, phase, known_ms, turn.first_audio_out_ms, handed_over_ms))
    return found


def summarise(done: Sequence[Trial], transport: Transport = "twilio") -> Calibration:
    """Bias and error of the trials that were answered.

    Raises:
        OperatorError: none was.
    """
    overs = [trial.over_ms for trial in done if trial.over_ms is not None]
    if not overs:
        raise OperatorError("the echo agent answered nothing")
    bias = percentile(overs, 50)
    errors = [abs(over - bias) for over in overs]
    handed = [trial.over_handed_ms for trial in done if trial.over_handed_ms is not None]
    between = percentile(handed, 50) if handed else 0.0
    spread = percentile([abs(over - between) for over in handed], 95) if handed else None
    return Calibration(
        transport=transport,
        delay_ms=round(percentile([trial.known_ms for trial in done if trial.known_ms is not None], 50), 3),
        bias_ms=round(bias, 3),
        error_p50_ms=round(percentile(errors, 50), 3),
        error_p95_ms=round(percentile(errors, 95), 3),
        error_max_ms=round(max(errors), 3),
        n=len(errors),
        unanswered=len(done) - len(errors),
        handed_over_p95_ms=round(spread, 3) if spread is not None else None,
    )


def counts(calibration: Calibration) -> tuple[str, ...]:
    """Why a calibration does not count; () when it does."""
    reasons = []
    if calibration.error_p95_ms >= MOST_ERROR_P95_MS:
        reasons.append(
            f"the harness's error is {calibration.error_p95_ms:.1f} ms at p95 ({calibration.transport});"
            f" it must be below {MOST_ERROR_P95_MS:.0f} ms"
        )
    asked = calibration.n + calibration.unanswered
    if calibration.unanswered * 100 > MOST_UNANSWERED_PERCENT * asked:
        reasons.append(
            f"{calibration.unanswered} of {asked} trials had no answer ({calibration.transport});"
            f" at most {MOST_UNANSWERED_PERCENT:.0f} % may have none"
        )
    return tuple(reasons)


async def calibrate(
    n: int,
    *,
    transport: Transport = "twilio",
    seed: int = 0,
    core: int | None = None,
    calls: int | None = None,
) -> Calibration:
    """The callers' bias and error, of ``n`` trials.

    Raises:
        OperatorError: as ``trials`` and ``summarise`` do.
    """
    return summarise(await trials(n, transport=transport, seed=seed, core=core, calls=calls), transport)


_WHICH_IS_WHICH = (
    "error: around the caller's next tick; handed over: around when the packet left this agent. It keeps\n"
    "step with the caller; one that does not is read up to 10 ms sooner or later: its place between ticks"
)
_HEADING = (
    f"{'trials':28} {'n':>5} {'bias':>10} {'error p50':>10} {'p95':>9} {'max':>9} {'handed over p95':>16}"
)


def table(done: Sequence[Trial]) -> Iterable[str]:
    """Lines: by voice, by answer, by quarter of the packet in which the speech ended, and all."""
    quarter = CHUNK_SAMPLES // 4
    groups: dict[str, list[Trial]] = {}
    for trial in done:
        span = trial.phase // quarter * quarter * 1000 // RATE_HZ
        groups.setdefault(f"caller: {trial.voice}", []).append(trial)
        groups.setdefault(f"answer: {trial.answer}", []).append(trial)
        groups.setdefault(f"speech ends at {span:2} to {span + 5} ms", []).append(trial)
    yield _HEADING
    for name, group in [*sorted(groups.items()), ("all", list(done))]:
        if any(trial.over_ms is not None for trial in group):
            yield _line(name, summarise(group))


def _line(name: str, c: Calibration) -> str:
    spread = f"{c.handed_over_p95_ms:.2f} ms" if c.handed_over_p95_ms is not None else "–"
    return (
        f"{name:28} {c.n:5} {c.bias_ms:7.2f} ms {c.error_p50_ms:7.2f} ms"
        f" {c.error_p95_ms:6.2f} ms {c.error_max_ms:6.2f} ms {spread:>16}"
    )


async def _run(
    options: argparse.Namespace, agents_core: int | None, on_trial: Callable[[int], None]
) -> tuple[list[Trial], Lateness]:
    done = await trials(
        options.trials,
        transport=options.transport,
        seed=options.seed,
        calls=options.callers or None,
        core=agents_core,
        on_trial=on_trial,
    )
    return done, shared_ticker().lateness


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when the promise is not kept, 2 when it could not be tried."""
    parser = Parser(prog="python -m loadtests.calibrate", description=__doc__)
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="also print the figures as a JSON line")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    agents = cores[-1] if len(cores) > 1 else None
    if agents is not None:
        os.sched_setaffinity(0, set(cores[:-1]))

    def progress(n: int) -> None:
        print(f"\r{n} of {options.trials}", end="", file=sys.stderr)

    try:
        run = uvloop.run if options.transport == "webrtc" else beat.run  # as generators do
        done, lateness = run(_run(options, agents, progress))
        found = summarise(done, options.transport)
    except SayError as error:
        print(f"\ncalibrate: {error}", file=sys.stderr)
        return 2
    print(file=sys.stderr)
    print("\n".join(table(done)))
    least = BIAS_MS[options.transport]
    print(f"delays of {_SHORTEST_MS} to {_LONGEST_MS} ms; packets and playout alone add {least} ms")
    print(_WHICH_IS_WHICH)
    late = f"{lateness.at_ms(99):.1f} ms at p99, {lateness.worst_ms:.1f} ms at most"
    print(f"the callers' own ticks were late by {late}")
    if options.json:
        print(found.model_dump_json())
    reasons = counts(found)
    for reason in reasons:
        print(f"calibrate: {reason}", file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
