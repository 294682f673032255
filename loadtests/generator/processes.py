"""The parent's side of generator processes: starts them, begins them together, collects what they tell."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from controls.errors import OperatorError
from loadtests.generator.job import Begin, Done, Failed, Finished, Job, Ready, read_line

#: From "everybody is ready" to the run's second zero, ns: the word has to reach them.
_HEAD_START_NS = 200_000_000
#: One call's line may be so long, bytes.
_LONGEST_LINE = 64 << 20
#: A generator prepares speech with flite: so long at most, s.
_PREPARES_S = 120.0
#: After SIGTERM it hangs up its calls and tells; so long, s.
_ENDS_S = 15.0
_COMMAND = (sys.executable, "-m", "loadtests.generator.process")


@dataclass(slots=True)
class Generated:
    """What all generators told.

    Attributes:
        failures: what went wrong in the test itself: processes, and calls in which our own code broke.
        silent: processes that ended without telling how they did.
        cut_short: it was stopped: calls that were not yet due were never made.
    """

    calls: list[Finished] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    silent: int = 0
    cut_short: bool = False


class _Process:
    """One generator process."""

    def __init__(self, process: asyncio.subprocess.Process, job: Job) -> None:
        self._process = process
        self._job = job
        self._last_words: deque[str] = deque(maxlen=5)
        self._listening = asyncio.create_task(self._listen(), name="generator-stderr")

    @classmethod
    async def start(cls, job: Job) -> _Process:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is ours; it is told by SIGTERM
        )
        started = cls(process, job)
        started.tell(job.model_dump_json())
        return started

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    async def ready(self) -> None:
        """Wait until it is prepared.

        Raises:
            OperatorError: the job cannot be done.
        """
        try:
            told = await asyncio.wait_for(self._read(), _PREPARES_S)
        except TimeoutError:
            raise OperatorError("a generator process did not get ready in time") from None
        if isinstance(told, Failed):
            raise OperatorError(told.error)
        if not isinstance(told, Ready):
            await asyncio.wait({self._listening}, timeout=1)
            raise OperatorError("a generator process did not start: " + " ".join(self._last_words))

    async def collect(self, found: Generated, on_call: Callable[[Finished], None]) -> None:
        """Take what it tells until it ends."""
        done = gave_up = False
        calls = 0
        while (told := await self._read()) is not None:
            if isinstance(told, Finished):
                calls += 1
                found.calls.append(told)
                on_call(told)
            elif isinstance(told, Done):
                done = True
                found.done.append(told)
            elif isinstance(told, Failed):
                gave_up = True
                found.failures.append(f"a generator process gave up: {told.error}")
        found.silent += not done
        if not done and not gave_up:
            code = await self._process.wait()
            await asyncio.wait({self._listening}, timeout=1)
            why = self._last_words[-1] if self._last_words else "it said nothing"
            left = len(self._job.starts) - calls
            found.failures.append(f"a generator process died (exit code {code}), {left} calls lost: {why}")

    def terminate(self) -> None:
        """Ask it to hang up and tell."""
        if self._process.returncode is None:
            self._process.terminate()

    async def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.returncode is None:
            self.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _ENDS_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._listening

    async def _read(self) -> Ready | Failed | Finished | Done | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return read_line(line) if line.strip() else None

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._last_words.append(line.decode(errors="replace").strip())


async def generate(
    jobs: Sequence[Job],
    *,
    stop: asyncio.Event,
    on_begin: Callable[[], object] = lambda: None,
    on_call: Callable[[Finished], None] = lambda finished: None,
) -> Generated:
    """Have every job done at once; their second zero is the same.

    Args:
        jobs: one process each.
        stop: when set, calls are hung up and told of as cut short.
        on_begin: called when everybody is ready, just before second zero.
        on_call: told of each call that is over.

    Raises:
        OperatorError: a job cannot be done at all.
    """
    found = Generated()
    async with AsyncExitStack() as stack:
        processes = []
        for job in jobs:
            process = await _Process.start(job)
            stack.push_async_callback(process.close)
            processes.append(process)
        if not await _all_ready(processes, stop):
            found.cut_short = True
            return found
        on_begin()
        begin = Begin(begin_ns=time.monotonic_ns() + _HEAD_START_NS).model_dump_json()
        for process in processes:
            process.tell(begin)

        async def stopped() -> None:
            await stop.wait()
            for process in processes:
                process.terminate()

        stopping = asyncio.create_task(stopped(), name="generators-stop")
        try:
            await asyncio.gather(*(process.collect(found, on_call) for process in processes))
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
    found.cut_short = stop.is_set()
    found.calls.sort(key=lambda call: call.start.n)
    found.failures += broken(found.calls)
    untold = sum(len(job.starts) for job in jobs) - len(found.calls)
    if untold and not found.cut_short and not found.silent:
        found.failures.append(f"{untold} calls were placed, or due, and never told of")
    return found


def broken(calls: Sequence[Finished]) -> list[str]:
    """One sentence on the calls in which the test's own code broke, with the first reason; [] without any."""
    failed = [call for call in calls if call.outcome == "harness_failed"]
    if not failed:
        return []
    n, first = len(failed), failed[0].result
    why = "no file, port or memory was left, " if first.failure == "exhausted" else ""
    return [f"the test itself broke in {n} call{'s' * (n > 1)}: {why}{first.error}"]


async def _all_ready(processes: Sequence[_Process], stop: asyncio.Event) -> bool:
    """Wait until all are; False when it is stopped first."""

    async def prepared() -> None:
        await asyncio.gather(*(process.ready() for process in processes))

    async def stopped() -> None:
        await stop.wait()

    waiting = {asyncio.create_task(prepared()), asyncio.create_task(stopped())}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return not stop.is_set()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
