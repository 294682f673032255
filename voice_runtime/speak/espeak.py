"""espeak-ng as a synthesiser: the client's end. The engine itself is another process.

espeak-ng is GPL-3.0-or-later and never imported here: ``espeak_worker`` runs as
a process of its own, and what travels between the two is text and samples.

One request at a time per process. A request that is given up (an interruption)
is answered all the same and its answer thrown away, so the pipes stay in step.
A process that dies or stalls fails its request and is replaced, at most
``RESTARTS`` times in ``RESTART_WINDOW_S``; then it rests for the window.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loguru import logger

from controls.errors import OperatorError, ProviderError
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import Word
from voice_runtime.ports import Speech
from voice_runtime.speak import espeak_worker as wire

#: Longest text of one request, in characters; a clause has some 220, a fixed phrase some 600.
LONGEST_TEXT = 4000
RESTARTS = 5
RESTART_WINDOW_S = 60.0
_START_S = 10.0
_ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 1.0

_T = TypeVar("_T")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """One voice of the profile.

    Attributes:
        variant: espeak-ng voice variant such as ``f3``, or "".
        rate_wpm: words a minute, 80 to 450.
        pitch: 0 to 99.
    """

    variant: str = ""
    rate_wpm: int = 165
    pitch: int = 50

    def __post_init__(self) -> None:
        """Refuse what espeak-ng would silently bend.

        Raises:
            OperatorError: a value is out of range.
        """
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", self.variant):
            raise OperatorError("a voice's variant is a plain name such as f3")
        if not 80 <= self.rate_wpm <= 450:
            raise OperatorError("a voice's rate_wpm is between 80 and 450")
        if not 0 <= self.pitch <= 99:
            raise OperatorError("a voice's pitch is between 0 and 99")


class EspeakSynthesiser:
    """Implements ``ports.Synthesiser`` for all calls of the process."""

    name = "espeak-ng"

    def __init__(
        self,
        voices: Mapping[str, VoiceSettings],
        deadline_s: float = 2.0,
        *,
        processes: int = 1,
        queue: int = 64,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing runs before ``start``.

        Args:
            voices: name of a voice → its settings.
            deadline_s: from asking to the first piece, waiting included, and between pieces, s.
            processes: how many clauses are synthesised at once.
            queue: how many may wait for a process; more are refused at once.

        Raises:
            OperatorError: no voices, or counts below one.
        """
        if not voices or processes < 1 or queue < 1 or deadline_s <= 0:
            raise OperatorError("espeak-ng needs a voice, a process, a queue and a deadline above 0")
        self._voices = dict(voices)
        self._deadline_s = deadline_s
        self._processes = processes
        self._queue = queue
        self._clock = clock or SystemClock()
        self._idle: asyncio.Queue[_Process] = asyncio.Queue()
        self._running: set[_Process] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._waiting = 0
        self._number = 0

    async def start(self) -> None:
        """Start every process and wait until it can speak.

        Raises:
            OperatorError: the extra is not installed.
            ProviderError: a process did not come up.
        """
        if importlib.util.find_spec("espeakng_loader") is None:
            raise OperatorError(
                "espeak-ng is not installed: pip install 'sayso[espeak]' "
                "(GPL-3.0-or-later; Sayso runs it in a process of its own)"
            )
        try:
            for _ in range(self._processes):
                process = await self._spawn()
                self._keepers.append(asyncio.create_task(self._keep(process), name="espeak-keeper"))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End every process; requests under way fail. Harmless when repeated."""
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(p.close() for p in tuple(self._running)))
        self._running.clear()

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        """Yield speech in pieces of at most half a second.

        Raises:
            ProviderError: not started, too many waiting, the process died, the deadline
                passed (all transient); or the text cannot be spoken: no such voice or
                language, too long, nothing audible (not transient).
        """
        request = self._request(text, language, voice)
        loop = asyncio.get_running_loop()
        due = loop.time() + self._deadline_s
        process = await self._acquire(due)
        self._number = (self._number + 1) & 0xFFFFFFFF
        number = self._number
        answers = process.expect(number)
        try:
            await self._within(due, process, process.send(wire.message(wire.REQUEST, number, request)))
            while (answer := await self._within(due, process, answers.get())) is not None:
                kind, payload = answer
                if kind == wire.DONE:
                    return
                if kind == wire.FAILED:
                    refusal = payload.decode("ascii", "replace")
                    raise ProviderError(f"espeak-ng refused: {refusal}", supplier=self.name, transient=False)
                yield _speech(payload)
                due = loop.time() + self._deadline_s
            raise ProviderError("espeak-ng died", supplier=self.name)
        finally:
            process.forget(number)
            if process.alive:
                self._idle.put_nowait(process)

    def _request(self, text: str, language: str, voice: str) -> bytes:
        settings = self._voices.get(voice)
        if settings is None:
            raise ProviderError("espeak-ng has no such voice", supplier=self.name, transient=False)
        if len(text) > LONGEST_TEXT:
            raise ProviderError("text too long for one clause", supplier=self.name, transient=False)
        # Each control character becomes one blank: word offsets still fit the text that was given.
        plain = _CONTROL.sub(" ", text)
        return json.dumps(
            {
                "text": plain,
                "language": language,
                "variant": settings.variant,
                "rate_wpm": settings.rate_wpm,
                "pitch": settings.pitch,
            }
        ).encode()

    async def _within(self, due: float, process: _Process, work: Awaitable[_T]) -> _T:
        """Await ``work`` until ``due``; a process that stalls past it is ended and replaced."""
        try:
            async with asyncio.timeout_at(due):
                return await work
        except TimeoutError:
            process.kill()
            raise ProviderError("espeak-ng missed its deadline", supplier=self.name) from None

    async def _acquire(self, due: float) -> _Process:
        if not self._keepers:
            raise ProviderError("espeak-ng is not running", supplier=self.name)
        if self._waiting >= self._queue:
            raise ProviderError("too many clauses wait for espeak-ng", supplier=self.name)
        self._waiting += 1
        try:
            async with asyncio.timeout_at(due):
                while not (process := await self._idle.get()).alive:
                    pass  # it died while idle; its keeper brings another
                return process
        except TimeoutError:
            raise ProviderError("no espeak-ng process came free in time", supplier=self.name) from None
        finally:
            self._waiting -= 1

    async def _spawn(self) -> _Process:
        process = await _Process.start()
        self._running.add(process)
        self._idle.put_nowait(process)
        return process

    async def _keep(self, process: _Process | None) -> None:
        """Replace a process whenever it dies, within bounds."""
        restarts: deque[float] = deque()
        while True:
            if process is not None:
                await process.dead.wait()
                await process.close()
                self._running.discard(process)
                logger.warning("espeak-ng: a process died and is replaced")
            now = self._clock.monotonic_ns() / 1e9
            while restarts and now - restarts[0] > RESTART_WINDOW_S:
                restarts.popleft()
            if len(restarts) >= RESTARTS:
                logger.error("espeak-ng: {} restarts within {:.0f} s, resting", RESTARTS, RESTART_WINDOW_S)
                await self._clock.sleep(RESTART_WINDOW_S)
            restarts.append(now)
            try:
                process = await self._spawn()
            except ProviderError:
                process = None


class _Process:
    """One worker process and the answers it owes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Queue[tuple[int, bytes] | None]] = {}
        self._reader: asyncio.Task[None] | None = None
        self.dead = asyncio.Event()

    @property
    def alive(self) -> bool:
        return not self.dead.is_set()

    @classmethod
    async def start(cls) -> _Process:
        """Start one and wait for its greeting.

        Raises:
            ProviderError: it did not come up within ``_START_S``.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", wire.__name__, str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a signal to the server's group must leave draining calls their voice
            # Nothing of the server's environment: no key or address is any of its business.
            env={
                "PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(_ROOT),
                "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            },
        )  # fmt: skip
        started = cls(process)
        greeting = started.expect(0)
        started._reader = asyncio.create_task(started._read(), name="espeak-reader")
        try:
            async with asyncio.timeout(_START_S):
                answer = await greeting.get()
        except BaseException as error:
            started.kill()
            await started.close()
            if isinstance(error, TimeoutError):
                raise ProviderError("espeak-ng did not start in time", supplier="espeak-ng") from None
            raise
        started.forget(0)
        if answer is None or answer[0] != wire.HELLO:
            await started.close()
            raise ProviderError("espeak-ng did not start", supplier="espeak-ng", transient=False)
        return started

    def expect(self, number: int) -> asyncio.Queue[tuple[int, bytes] | None]:
        """Where the answers to a request will come; None there means the process died.

        Bounded by the worker, which refuses anything above ``LONGEST_S``.
        """
        queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        if self.alive:
            self._answers[number] = queue
        else:
            queue.put_nowait(None)
        return queue

    def forget(self, number: int) -> None:
        """Throw away whatever is still answered to this request."""
        self._answers.pop(number, None)

    async def send(self, data: bytes) -> None:
        """Write one request; a process that died meanwhile shows in the answers."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(data)
            await stdin.drain()
        except (ConnectionError, RuntimeError):
            self.dead.set()

    def kill(self) -> None:
        """End it at once; ``dead`` is set here, so that nobody takes it up again."""
        self.dead.set()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End it: its input first, then by force. Returns when it is gone."""
        self.dead.set()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            while True:
                length, kind, number = wire.HEAD.unpack(await stdout.readexactly(wire.HEAD.size))
                if length > wire.MAX_PAYLOAD:
                    break
                payload = await stdout.readexactly(length)
                waiting = self._answers.get(number)
                if waiting is not None:
                    waiting.put_nowait((kind, payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            # Its keeper ends it. A signal from here would race with asyncio's own wait for it.
            self.dead.set()
            for waiting in self._answers.values():
                waiting.put_nowait(None)


def _speech(payload: bytes) -> Speech:
    (count,) = wire.COUNT.unpack_from(payload)
    start = wire.COUNT.size
    table = start + count * wire.WORD.size
    words = [Word(a, b, s) for a, b, s in wire.WORD.iter_unpack(payload[start:table])]
    return Speech(payload[table:], words)
