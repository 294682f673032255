"""A process that places calls when they are due and tells of each: ``python -m loadtests.generator.process``.

It reads a ``Job`` on standard input (``loadtests.generator.job``), prepares everything that
would otherwise cost time in a call (speech synthesised, modules loaded, garbage
frozen), waits for ``Begin``, and starts each call at its intended time whatever the
earlier ones do. Whatever a server, or the network to it, does is a row: the callers turn it
into a result. An exception that leaves a caller, or the judge of its answers, is this
program's own: a row as well, ``harness_failed``, that makes the run one that does not
count. SIGTERM hangs up what is going on and tells of it as ``cut_short``. Ctrl-C is the
parent's business and ignored here.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import uvloop
from pydantic import ValidationError

from controls.errors import OperatorError, SayError
from loadtests.doors import Caller, make_caller
from loadtests.generator import beat
from loadtests.generator.job import Begin, Done, Failed, Finished, Job, Ready
from loadtests.generator.judge import Judge
from loadtests.generator.pace import Pace, Used
from loadtests.generator.rehearsal import rehearse
from loadtests.generator.voices import Voices, voices_for
from loadtests.outcomes import outcome_of
from loadtests.scenario import Scenario, load_scenario
from loadtests.schedule import Start
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import Script, Wait

#: A call that was told to hang up has so long to do it, s.
_POLITE_S = 3.0
#: Over what a script may take, for ticks that are late, s.
_SLACK_S = 60.0

Emit = Callable[[Finished, Caller], None]


class Teller:
    """Writes lines to the parent from a thread of its own: neither a full pipe nor judging delays a tick."""

    def __init__(self, judge: Judge | None, write: Callable[[bytes], object]) -> None:
        self._judge = judge
        self._write = write
        self._queue: SimpleQueue[tuple[Finished, Caller] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name="generator-teller")
        self._thread.start()

    def finished(self, finished: Finished, caller: Caller) -> None:
        """Tell of a call that is over."""
        self._queue.put((finished, caller))

    def close(self) -> None:
        """Return once everything is written."""
        self._queue.put(None)
        self._thread.join()

    def _tell(self) -> None:
        while (item := self._queue.get()) is not None:
            self._write(self._judged(*item).model_dump_json().encode() + b"\n")

    def _judged(self, finished: Finished, caller: Caller) -> Finished:
        if self._judge is None or caller.playout is None:
            return finished
        try:
            correct = self._judge.correct(finished.result, caller.playout)
        except Exception as error:  # noqa: BLE001 - told of, so that neither this thread nor the run ends unsaid
            finished.result.error = described(error)
            return finished.model_copy(update={"outcome": "harness_failed"})
        return finished.model_copy(update={"correct": correct})


class Conductor:
    """Places the calls of one job.

    Args:
        job: what to do.
        scenario: the job's.
        voices: by name and rate, with every sentence synthesised.
        emit: told of each call that is over, in the order they end.
    """

    def __init__(self, job: Job, scenario: Scenario, voices: Voices, emit: Emit) -> None:
        self._job = job
        self._scenario = scenario
        self._voices = voices
        self._emit = emit
        self._stopping = asyncio.Event()
        self._callers: set[Caller] = set()
        self.pace = Pace(counts=lambda: bool(self._callers))
        self.used = Used()

    def stop(self) -> None:
        """Start no more calls, hang up those that go on."""
        self._stopping.set()

    async def run(self, begin_ns: int) -> None:
        """Place every call; returns when the last one is over, or ``stop`` was asked for and done."""
        calls = {
            asyncio.create_task(self._due(start, begin_ns), name=f"call-{start.n}")
            for start in self._job.starts
        }
        stopped = asyncio.create_task(self._stopping.wait(), name="stopping")
        self.pace.start()
        try:
            while calls and not self._stopping.is_set():
                done, _ = await asyncio.wait({*calls, stopped}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & calls:
                    task.result()
                calls -= done
            if calls:
                await self._end(calls)
        finally:
            self.pace.stop()
            for task in (stopped, *calls):
                task.cancel()
            await asyncio.gather(stopped, *calls, return_exceptions=True)

    async def _end(self, calls: set[asyncio.Task[None]]) -> None:
        """Hang up as a caller does, then insist."""
        streams = [caller.stream for caller in self._callers if caller.stream is not None]
        stops = (asyncio.wait_for(stream.stop(), _POLITE_S) for stream in streams)
        await asyncio.gather(*stops, return_exceptions=True)  # each was going to end anyway
        going = {task for task in calls if not task.done()}
        if self._callers and going:
            await asyncio.wait(going, timeout=_POLITE_S)

    async def _due(self, start: Start, begin_ns: int) -> None:
        intended_ns = begin_ns + int(start.at_s * 1e9)
        wait_s = (intended_ns - time.monotonic_ns()) / 1e9
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if self._stopping.is_set():
            return
        late_ms = max(0.0, (time.monotonic_ns() - intended_ns) / 1e6)
        script = self._script(start.n)
        caller = make_caller(
            self._job.door,
            voice=self._voices[script.voice, script.rate],
            longest_s=max(self._job.longest_s, script.lasts_at_most_s + _SLACK_S),
            connect_timeout_s=self._job.connect_timeout_s,
        )
        self._callers.add(caller)
        self.used.going_on(True)
        broke = False
        try:
            result = await caller.run(script)
        except asyncio.CancelledError:  # it did not hang up in time: what was measured still counts
            self._tell(start, caller, caller.result, script, begin_ns, late_ms)
            raise
        except OperatorError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller's own: never to be booked as the server's
            broke, result = True, caller.result
            result.ended_by, result.error = "failed", described(error)
        finally:
            self._callers.discard(caller)
            self.used.going_on(bool(self._callers))
        self._tell(start, caller, result, script, begin_ns, late_ms, broke=broke)

    def _tell(
        self,
        start: Start,
        caller: Caller,
        result: CallResult,
        script: Script,
        begin_ns: int,
        late_ms: float,
        *,
        broke: bool = False,
    ) -> None:
        outcome = "harness_failed" if broke else outcome_of(result, script)
        answered = result.answered_ns
        if self._stopping.is_set() and outcome not in ("completed", "harness_failed"):
            outcome = "cut_short"
        finished = Finished(
            start=start,
            started_late_ms=late_ms,
            answered_ms=(answered - begin_ns) / 1e6 - start.at_s * 1000 if answered else None,
            ended_at_s=(time.monotonic_ns() - begin_ns) / 1e9,
            outcome=outcome,
            result=result,
        )
        self._emit(finished, caller)

    def _script(self, n: int) -> Script:
        return script_of(self._scenario, n, agent_opens=self._job.agent_opens)


def described(error: Exception) -> str:
    """An exception of our own, for a row of results."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def script_of(scenario: Scenario, n: int, *, agent_opens: bool = True) -> Script:
    """The script of call ``n``; without its leading waits where the agent never speaks first."""
    script = scenario.script_for(n)
    if agent_opens:
        return script
    steps = list(script.steps)
    while steps and isinstance(steps[0], Wait):
        del steps[0]
    return script.model_copy(update={"steps": tuple(steps)})


async def _serve(job: Job, emit_line: Callable[[bytes], object]) -> None:
    scenario = load_scenario(job.scenario)
    voices, _ = await voices_for(scenario, (start.n for start in job.starts))
    judge = Judge(scenario) if job.answers else None
    await rehearse(job.door)
    teller = Teller(judge, emit_line)
    conductor = Conductor(job, scenario, voices, teller.finished)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, conductor.stop)
    try:
        emit_line(Ready().model_dump_json().encode() + b"\n")
        await _conduct(conductor, teller, emit_line)
    finally:
        await asyncio.to_thread(teller.close)


async def _conduct(conductor: Conductor, teller: Teller, emit_line: Callable[[bytes], object]) -> None:
    told = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(told), sys.stdin.buffer
    )
    line = await told.readline()
    if not line:
        return  # the parent has gone, or wants nothing any more
    orphaned = asyncio.create_task(told.read(), name="parent")
    orphaned.add_done_callback(lambda _: conductor.stop())
    begin = Begin.model_validate_json(line)
    gc.collect()
    gc.freeze()
    began_ns = time.monotonic_ns()
    try:
        await conductor.run(begin.begin_ns)
    finally:
        orphaned.cancel()
        took_s = (time.monotonic_ns() - began_ns) / 1e9
        await asyncio.to_thread(teller.close)
    done = Done(
        cpu_percent=conductor.used.percent,
        tick_late_p99_ms=conductor.pace.p99_ms,
        tick_late_max_ms=conductor.pace.max_ms,
        seconds=took_s,
    )
    emit_line(done.model_dump_json().encode() + b"\n")


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def main() -> int:
    """Do one job; 2 when it cannot be done at all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        job = Job.model_validate_json(sys.stdin.buffer.readline())
    except ValidationError as error:
        _write(Failed(error=f"the job is none: {error.error_count()} errors").model_dump_json().encode())
        return 2
    if job.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job.cores)
    run = uvloop.run if job.twilio is None else beat.run  # aiortc's timers are its own
    try:
        run(_serve(job, _write))
    except SayError as error:
        _write(Failed(error=str(error)).model_dump_json().encode() + b"\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
