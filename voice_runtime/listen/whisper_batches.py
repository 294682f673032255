"""Work of many calls in small batches, in worker threads of a bounded number.

The queue belongs to the event loop; threads only compute. What arrives while
every worker is busy, or within ``wait_s`` of the first, is taken together. Of the
most urgent ones the oldest is always in the next batch, so nobody with a final text
to wait for starves; whoever withdraws while waiting costs nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from queue import SimpleQueue
from typing import Generic, TypeVar

from loguru import logger

from controls.errors import ProviderError

P = TypeVar("P")
R = TypeVar("R")

#: A worker is given this long to finish what it computes when everything closes.
_CLOSE_S = 10.0


class Urgency(IntEnum):
    """Who waits for a job."""

    FINAL = 0  # a caller, who has stopped speaking
    LIKELY = 1  # most likely a caller, soon
    SPARE = 2  # nobody: it is computed only while nothing else is to do


@dataclass(slots=True, eq=False)
class Job(Generic[P, R]):
    """One request. ``key``: only jobs of one key are computed together."""

    key: Hashable
    payload: P
    result: asyncio.Future[R]
    urgency: Urgency = Urgency.FINAL


def take(waiting: list[Job[P, R]], most: int) -> list[Job[P, R]]:
    """Remove the next batch from ``waiting``: the oldest of the most urgent, and others of its key. Pure.

    The others come by urgency, then by age. Jobs that were withdrawn are dropped on the way.
    """
    waiting[:] = [job for job in waiting if not job.result.done()]
    if not waiting:
        return []
    in_order = sorted(waiting, key=lambda job: job.urgency)  # stable: by age within each
    first = in_order[0]
    # Whom nobody waits for makes no batch longer that somebody waits for.
    spare = first.urgency is Urgency.SPARE
    batch = [j for j in in_order if j.key == first.key and (j.urgency is Urgency.SPARE) == spare][:most]
    waiting[:] = [job for job in waiting if job not in batch]
    return batch


def _all_spare(batch: Sequence[Job[P, R]]) -> bool:
    return all(job.urgency is Urgency.SPARE for job in batch)


class _Worker(Generic[P, R]):
    """A thread that computes batches, one after another, until it is given None."""

    def __init__(self, name: str, run: Callable[[Sequence[P]], Sequence[R]]) -> None:
        self.inbox: SimpleQueue[tuple[list[P], Callable[[Sequence[R] | Exception], None]] | None] = (
            SimpleQueue()
        )
        self.batch: list[Job[P, R]] = []
        self._run = run
        # daemon: one that hangs in a driver must not keep the process from ending
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while (task := self.inbox.get()) is not None:
            payloads, answer = task
            try:
                answer(self._run(payloads))
            except Exception as error:  # noqa: BLE001 - whatever it was, the batch has failed and the thread lives
                answer(error)
            del task, payloads, answer  # nothing of a caller's waits for the next one


class Batches(Generic[P, R]):
    """The queue and its workers. Make, use and ``close`` it on one event loop."""

    def __init__(
        self,
        run: Callable[[Sequence[P]], Sequence[R]],
        *,
        supplier: str,
        workers: int,
        most: int,
        wait_s: float,
        most_waiting: int,
        hangs_after_s: float,
        on_broken: Callable[[str], None],
        broken_after: int = 3,
    ) -> None:
        """Start the threads.

        Args:
            run: computes payloads of one key, in a thread; as many results, in order.
            supplier: its name in errors.
            most: jobs in a batch.
            wait_s: how long the first waits for others when a worker is free.
            most_waiting: jobs that wait; further ones are refused.
            hangs_after_s: a batch that takes longer will never end.
            on_broken: told, once, why this can go on no longer: a batch hangs, or ``broken_after``
                failed in a row.
        """
        self._loop = asyncio.get_running_loop()
        self._supplier = supplier
        self._most = most
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._hangs_after_s = hangs_after_s
        self._on_broken = on_broken
        self._broken_after = broken_after
        self._waiting: list[Job[P, R]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._watchdogs: dict[_Worker[P, R], asyncio.TimerHandle] = {}
        self._failures = 0
        self._closed = ""
        self._workers = [_Worker(f"{supplier}-{n}", run) for n in range(workers)]
        self._free = list(self._workers)

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return sum(not job.result.done() for job in self._waiting)

    @property
    def computing(self) -> int:
        """Jobs in batches under way."""
        return sum(len(worker.batch) for worker in self._workers)

    def room_for(self, urgency: Urgency) -> bool:
        """Whether a job would be taken now.

        A spare one only where a worker is free, nobody waits, and (of several workers) one stays free for
        those who are in a hurry; a likely one while less than a batch waits.
        """
        match urgency:
            case Urgency.FINAL:
                return not self._closed and self.waiting < self._most_waiting
            case Urgency.LIKELY:
                return not self._closed and self.waiting < min(self._most, self._most_waiting)
            case Urgency.SPARE:
                idling = sum(bool(w.batch) and _all_spare(w.batch) for w in self._workers)
                may = idling < max(1, len(self._workers) - 1)
                return not self._closed and may and bool(self._free) and not self.waiting

    def submit(self, key: Hashable, payload: P, urgency: Urgency = Urgency.FINAL) -> asyncio.Future[R]:
        """Queue a job. Cancelling the future withdraws it.

        The future raises ``ProviderError`` when the batch failed.

        Raises:
            ProviderError: there is no room for it, or it is closed.
        """
        if self._closed:
            raise ProviderError(self._closed, supplier=self._supplier)
        if not self.room_for(urgency):
            raise ProviderError("too many utterances are waiting", supplier=self._supplier)
        job: Job[P, R] = Job(key, payload, self._loop.create_future(), urgency)
        self._waiting.append(job)
        if self._free:
            if sum(other.key == key for other in self._waiting) >= self._most:
                self._dispatch()
            elif self._timer is None:
                self._timer = self._loop.call_later(self._wait_s, self._dispatch)
        return job.result

    def hurry(self, result: asyncio.Future[R]) -> None:
        """A caller waits for this one now."""
        for job in self._waiting:
            if job.result is result:
                job.urgency = Urgency.FINAL

    def withdraw(self, result: asyncio.Future[R]) -> None:
        """Cancel this one if it is still waiting; what is being computed goes on."""
        if any(job.result is result for job in self._waiting):
            result.cancel()

    def _dispatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._free and (batch := take(self._waiting, self._most)):
            worker = self._free.pop()
            worker.batch = batch
            self._watchdogs[worker] = self._loop.call_later(self._hangs_after_s, self._hangs, worker)
            worker.inbox.put(([job.payload for job in batch], self._answers(worker)))

    def _answers(self, worker: _Worker[P, R]) -> Callable[[Sequence[R] | Exception], None]:
        def answer(outcome: Sequence[R] | Exception) -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle, worker, outcome)

        return answer

    def _settle(self, worker: _Worker[P, R], outcome: Sequence[R] | Exception) -> None:
        if (watchdog := self._watchdogs.pop(worker, None)) is None:
            return  # it was given up
        watchdog.cancel()
        batch, worker.batch = worker.batch, []
        self._free.append(worker)
        if isinstance(outcome, Exception):
            self._failures += 1
            logger.warning("{}: a batch of {} failed: {}", self._supplier, len(batch), type(outcome).__name__)
            self._fail(batch, f"recognition failed ({type(outcome).__name__})", outcome)
            if self._failures >= self._broken_after:
                self._break(f"{self._failures} batches failed in a row")
        else:
            self._failures = 0
            for job, result in zip(batch, outcome, strict=True):
                if not job.result.done():
                    job.result.set_result(result)
        if self._waiting:
            self._dispatch()

    def _hangs(self, worker: _Worker[P, R]) -> None:
        del self._watchdogs[worker]
        batch, worker.batch = worker.batch, []
        self._fail(batch, "recognition hangs")
        self._break("a batch hangs")

    def _break(self, why: str) -> None:
        if not self._closed:
            self._shut("the engine broke and is being restarted")
            self._on_broken(why)

    def _fail(self, jobs: Sequence[Job[P, R]], why: str, cause: Exception | None = None) -> None:
        for job in jobs:
            if not job.result.done():
                error = ProviderError(why, supplier=self._supplier)
                error.__cause__ = cause
                job.result.set_exception(error)

    def _shut(self, why: str) -> None:
        self._closed = why
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fail(self._waiting, why)
        self._waiting.clear()
        for worker in self._workers:
            worker.inbox.put(None)

    async def close(self) -> None:
        """Fail what waits, let what is computed end, and end the threads. Harmless when repeated."""
        if not self._closed:
            self._shut("the recogniser was closed")
        if not await asyncio.to_thread(self._join):
            logger.error("{}: a worker thread hangs and is left behind", self._supplier)
        await asyncio.sleep(0)  # the last results are on their way
        for watchdog in self._watchdogs.values():
            watchdog.cancel()
        self._watchdogs.clear()
        for worker in self._workers:
            self._fail(worker.batch, self._closed)
            worker.batch = []

    def _join(self) -> bool:
        for worker in self._workers:
            worker.thread.join(_CLOSE_S)
        return not any(worker.thread.is_alive() for worker in self._workers)
