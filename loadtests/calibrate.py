"""The harness's own error: callers against an echo agent whose delay is known by counting samples.

``python -m loadtests.calibrate --trials 200`` places calls from this process to an echo agent in
another (``loadtests.echo_agent.agent``), reads its answers as any agent's are read
(``caller.measure``), and holds each figure against the delay that was asked for. Delays are
drawn, so are the samples of a packet at which the caller's speech begins and ends, voices and kinds of
answers take turns: what depends on the 20 ms grid, or on where the windows of 5 ms lie,
is in the error. The bias is that of any agent on this wire, ``echo_answers.TWILIO_BIAS_MS``: its last
packet leaves when its last sample has been spoken, and the playout has its tick. It is part of what a
caller waits for and never taken off a figure.

The error stated is around the median. Exits 1 when it is 5 ms or more at p95, or a trial had no answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import uvloop

from controls.errors import OperatorError
from loadtests.doors import make_caller
from loadtests.echo_agent.agent import EchoDoors, echo_agent
from loadtests.echo_agent.answers import TWILIO_BIAS_MS
from loadtests.echo_agent.peer import WEBRTC_BIAS_MS
from loadtests.results import Calibration, Transport
from loadtests.statistics import percentile
from voice_runtime.caller import audible
from voice_runtime.caller.script import HangUp, Say, Script
from voice_runtime.caller.speech import Flite, Spoken, sound
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

MOST_ERROR_P95_MS = 5.0
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
        measured_ms: first audio out, as any agent's; None: no answer.
    """

    voice: str
    answer: str
    phase: int
    delay_ms: int
    measured_ms: float | None


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
    n: int, *, transport: Transport = "twilio", seed: int = 0, at_once: int | None = None,
    voices: Sequence[str] = (), core: int | None = None,
    on_trial: Callable[[int], None] = lambda done: None,
) -> list[Trial]:  # fmt: skip
    """Make ``n`` trials (five in a call, some calls beside each other).

    Args:
        at_once: by default ``AT_ONCE``.
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
    done: list[Trial] = []
    gate = asyncio.Semaphore(at_once or AT_ONCE[transport])

    async def call(doors: EchoDoors, n: int, turns: int) -> None:
        voice, answer = voices[n % len(voices)], _ANSWERS[n // len(voices) % len(_ANSWERS)]
        delays = [drawn.randint(_SHORTEST_MS, _LONGEST_MS) for _ in range(turns)]
        asked = ",".join(map(str, delays))
        door = doors.door(transport, delays_ms=asked, answer=answer, answer_ms="300")
        speaker = DrawnVoice(speakers[voice], random.Random(drawn.random()))
        async with gate:
            caller = make_caller(door, voice=speaker)
            steps = (*(Say(text=text, quiet_ms=250, timeout_s=10) for text in _SENTENCES[:turns]), HangUp())
            result = await caller.run(Script(steps=steps))
        if result.ended_by != "caller" or result.error:
            raise OperatorError(f"a call to the echo agent went wrong: {result.error or result.ended_by}")
        for delay_ms, turn in zip(delays, result.turns, strict=True):
            phase = turn.last_sample % CHUNK_SAMPLES
            done.append(Trial(voice, answer, phase, delay_ms, turn.first_audio_out_ms))
            on_trial(len(done))

    each = len(_SENTENCES)
    async with echo_agent(core=core) as doors:
        calls = [
            asyncio.create_task(call(doors, i, min(each, n - first)), name=f"calibrating-{i}")
            for i, first in enumerate(range(0, n, each))
        ]
        try:
            await asyncio.gather(*calls)
        finally:
            for one in calls:
                one.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
    return done


def summarise(done: Iterable[Trial], transport: Transport = "twilio") -> Calibration:
    """Bias and error of the trials that were answered.

    Raises:
        OperatorError: none was.
    """
    answered = [(t.delay_ms, t.measured_ms - t.delay_ms) for t in done if t.measured_ms is not None]
    if not answered:
        raise OperatorError("the echo agent answered nothing")
    bias = statistics.median(over for _, over in answered)
    errors = sorted(abs(over - bias) for _, over in answered)
    return Calibration(
        transport=transport,
        delay_ms=statistics.median(delay for delay, _ in answered),
        bias_ms=round(bias, 3),
        error_p50_ms=round(percentile(errors, 50), 3),
        error_p95_ms=round(percentile(errors, 95), 3),
        error_max_ms=round(errors[-1], 3),
        n=len(errors),
    )


async def calibrate(
    n: int, *, transport: Transport = "twilio", seed: int = 0, core: int | None = None
) -> Calibration:
    """The callers' bias and error, of ``n`` trials.

    Raises:
        OperatorError: as ``trials`` and ``summarise`` do.
    """
    return summarise(await trials(n, transport=transport, seed=seed, core=core), transport)


_HEADING = f"{'trials':28} {'n':>5} {'bias':>10} {'error p50':>10} {'p95':>9} {'max':>9}"


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
        if any(trial.measured_ms is not None for trial in group):
            yield _line(name, summarise(group))


def _line(name: str, c: Calibration) -> str:
    return (
        f"{name:28} {c.n:5} {c.bias_ms:7.2f} ms {c.error_p50_ms:7.2f} ms"
        f" {c.error_p95_ms:6.2f} ms {c.error_max_ms:6.2f} ms"
    )


def main() -> int:
    """Print the table; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.calibrate", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--transport", choices=("twilio", "webrtc"), default="twilio")
    parser.add_argument("--at-once", type=int, default=None, help="calls beside each other")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="also print the figures as a JSON line")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    agents = cores[-1] if len(cores) > 1 else None
    if agents is not None:
        os.sched_setaffinity(0, set(cores[:-1]))

    def progress(n: int) -> None:
        print(f"\r{n} of {options.trials}", end="", file=sys.stderr)

    done = uvloop.run(
        trials(
            options.trials,
            transport=options.transport,
            seed=options.seed,
            at_once=options.at_once,
            core=agents,
            on_trial=progress,
        )
    )
    print(file=sys.stderr)
    print("\n".join(table(done)))
    found = summarise(done)
    least = TWILIO_BIAS_MS if options.transport == "twilio" else WEBRTC_BIAS_MS
    print(f"delays of {_SHORTEST_MS} to {_LONGEST_MS} ms; packets and playout alone add {least} ms")
    if options.json:
        print(found.model_dump_json())
    return 0 if found.error_p95_ms < MOST_ERROR_P95_MS and found.n == len(done) else 1


if __name__ == "__main__":
    sys.exit(main())
