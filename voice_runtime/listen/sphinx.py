"""The offline recogniser: pocketsphinx in a bounded pool of processes, one pool for all calls.

Decoding holds the GIL, so it happens in processes of its own
(``listen.sphinx_worker``); each decodes several callers in turn, about a
sixteenth of a core per caller who speaks. A process that dies or hangs is
replaced; what it was decoding fails with ``ProviderError``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from loguru import logger

from controls.errors import InternalError, OperatorError, ProviderError
from voice_runtime.at_once import at_once
from voice_runtime.listen import wire
from voice_runtime.listen.decoder_process import DecoderProcess
from voice_runtime.ports import Hints, Recognition

NAME = "pocketsphinx"
#: Samples an utterance keeps while no process is free: 40 s at 8 kHz. Above it, it fails.
_MOST_WAITING_BYTES = 40 * 16000
_START_S = 20.0
_LOAD_S = 30.0
_RESTART_S = 1.0


class UnknownWords(OperatorError):
    """Phrases hold words the recogniser cannot pronounce; ``words`` names them."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(
            f"the recogniser does not know how to pronounce: {', '.join(words)} "
            "(give their sounds in conversation.known_words)"
        )
        self.words = tuple(words)


class UnknownSounds(OperatorError):
    """Pronunciations that are not written in the model's phones; ``words`` names them."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(
            f"the sounds of {', '.join(words)} are not ARPAbet as the recogniser writes it "
            "(such as P AH T EH L)"
        )
        self.words = tuple(words)


class SphinxUtterance:
    """One utterance (``ports.Utterance``). Made by ``SphinxRecogniser.open``."""

    def __init__(self, pool: SphinxRecogniser, key: str, number: int, deadline_s: float) -> None:
        self.key = key
        self.number = number
        self.process: DecoderProcess | None = None
        self.finishing = False
        self._pool = pool
        self._deadline_s = deadline_s
        self._partial = ""
        self._waiting = bytearray()
        self._failure: ProviderError | None = None
        self._result: Recognition | None = None
        self._done = asyncio.Event()

    @property
    def partial(self) -> str:
        return self._partial

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        if self._done.is_set() or self.finishing:
            return
        if self.process is not None:
            self.process.send(wire.AUDIO, self.number, pcm)
        elif len(self._waiting) + len(pcm) > _MOST_WAITING_BYTES:
            self.fail("no decoder process was free")
        else:
            self._waiting += pcm

    async def finish(self) -> Recognition:
        if self.finishing:
            raise InternalError("an utterance is finished once")
        self.finishing = True
        if self.process is not None:
            self.process.send(wire.FINISH, self.number)
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._done.wait()
        except TimeoutError:
            self._pool.late(self)
            raise ProviderError("recognition took too long", supplier=NAME) from TimeoutError()
        finally:
            if not self._done.is_set():
                self.cancel()
        if self._failure is not None:
            raise self._failure
        if self._result is None:
            raise InternalError("an utterance was finished after it was cancelled")
        return self._result

    def cancel(self) -> None:
        if not self._done.is_set():
            if self.process is not None:
                self.process.send(wire.CANCEL, self.number)
            self._close()

    # -- called by the pool -----------------------------------------------------------------------

    def begin(self, process: DecoderProcess) -> None:
        """A process took it: hand over what waited."""
        self.process = process
        process.send(wire.OPEN, self.number, {"key": self.key})
        if self._waiting:
            process.send(wire.AUDIO, self.number, bytes(self._waiting))
            self._waiting = bytearray()
        if self.finishing:
            process.send(wire.FINISH, self.number)

    def answered(self, kind: bytes, body: dict[str, Any]) -> None:
        if kind == wire.PARTIAL:
            self._partial = str(body["text"])
        elif "error" in body:
            self.fail("the decoder failed")
        else:
            text, confidence = str(body["text"]), float(body["confidence"])
            self._partial = text
            also = tuple(str(reading) for reading in body["also"])
            self._result = Recognition(text, min(1.0, max(0.0, confidence)), also=also)
            self._close()

    def fail(self, why: str) -> None:
        if not self._done.is_set():
            self._failure = ProviderError(why, supplier=NAME)
            self._close()

    def _close(self) -> None:
        self._done.set()
        self._waiting = bytearray()
        self._pool.closed(self)


class SphinxRecogniser:
    """The pool (``ports.Recogniser``). ``start`` before use, ``close`` after.

    Use from one event loop. Bounds: ``processes`` × ``per_process`` utterances decode
    at a time; further ones keep their samples (at most 40 s) until a place is free.
    """

    name = NAME

    def __init__(self, processes: int = 2, deadline_s: float = 3.0, *, per_process: int = 4) -> None:
        """Make a pool.

        Args:
            processes: decoder processes, about 45 MB each and 5 MB per utterance decoding.
            deadline_s: from ``finish`` to the final text.
            per_process: utterances one process decodes at a time.
        """
        self._count = processes
        self._deadline_s = deadline_s
        self._per_process = per_process
        self._processes: list[DecoderProcess] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._loaded: dict[str, dict[str, Any]] = {}
        self._waiting: deque[SphinxUtterance] = deque()
        self._number = 0
        self._closing = False
        self._loading = asyncio.Lock()  # a process that starts meanwhile must not miss a model

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the processes and wait until they are ready.

        Raises:
            ProviderError: one did not start.
        """
        started = [asyncio.Event() for _ in range(self._count)]
        self._keepers = [asyncio.create_task(self._keep(event), name="sphinx-keeper") for event in started]
        try:
            async with asyncio.timeout(_START_S):
                for event in started:
                    await event.wait()
        except TimeoutError:
            await self.close()
            raise ProviderError("a decoder process did not start", supplier=NAME) from None

    async def close(self) -> None:
        """End every process; open utterances fail. Harmless when repeated."""
        self._closing = True
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for utterance in tuple(self._waiting):
            utterance.fail("the recogniser was closed")

    @property
    def pids(self) -> list[int]:
        """Process ids of the decoders that are alive."""
        return [p.pid for p in self._processes]

    @property
    def decoding(self) -> int:
        """Utterances being decoded now."""
        return sum(len(p.open) for p in self._processes)

    @property
    def waiting(self) -> int:
        """Utterances waiting for a place."""
        return len(self._waiting)

    # -- phrase models ----------------------------------------------------------------------------

    async def load(self, key: str, hints: Hints) -> None:
        """Build a phrase model in every process, now and whenever one is replaced.

        Args:
            key: what ``open`` will name it by.
            hints: ``phrases`` to expect are lower case, without punctuation, digits in words.

        Raises:
            OperatorError: another language than English: the dictionary and the sounds are English.
            UnknownWords: words without a pronunciation.
            UnknownSounds: a pronunciation with unknown phones.
            OperatorError: the phrases make no model.
            ProviderError: a process did not answer.
        """
        if hints.language.partition("-")[0] != "en":
            raise OperatorError(
                f"pocketsphinx recognises English only, not {hints.language}: "
                "name another recogniser in the profile, or take the language's lines away"
            )
        sounds = dict(hints.pronunciations)
        wanted = {"key": key, "phrases": list(hints.phrases), "pronunciations": sounds,
                  "urgent": list(hints.urgent)}  # fmt: skip
        if self._loaded.get(key) == wanted:
            return
        if not self._processes:
            raise InternalError("the recogniser is not running")
        async with self._loading:
            for answer in await at_once(*(self._load_into(p, wanted) for p in self._processes)):
                _raise_for(answer)
            self._loaded[key] = wanted

    async def _load_into(self, process: DecoderProcess, wanted: dict[str, Any]) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        process.loads.append(answer)
        process.send(wire.LOAD, 0, wanted)
        try:
            async with asyncio.timeout(_LOAD_S):
                return await answer
        except TimeoutError:
            process.kill()
            raise ProviderError("a decoder process did not load its phrases", supplier=NAME) from None

    # -- utterances -------------------------------------------------------------------------------

    def open(self, key: str) -> SphinxUtterance:
        """Begin an utterance.

        Raises:
            InternalError: no phrase model was loaded under that key.
        """
        if key not in self._loaded:
            raise InternalError("no phrase model is loaded under this key")
        self._number = self._number % 0xFFFFFFFF + 1
        utterance = SphinxUtterance(self, key, self._number, self._deadline_s)
        self._waiting.append(utterance)
        self._place()
        return utterance

    def _place(self) -> None:
        """Give waiting utterances to the least busy processes."""
        while self._waiting:
            free = [p for p in self._processes if p.ready and len(p.open) < self._per_process]
            if not free:
                return
            process = min(free, key=lambda p: len(p.open))
            utterance = self._waiting.popleft()
            process.open[utterance.number] = utterance
            utterance.begin(process)

    def closed(self, utterance: SphinxUtterance) -> None:
        """An utterance is done with: its place is free. Called by it."""
        if utterance.process is not None:
            utterance.process.open.pop(utterance.number, None)
        elif utterance in self._waiting:
            self._waiting.remove(utterance)
        if not self._closing:
            self._place()

    def late(self, utterance: SphinxUtterance) -> None:
        """An utterance missed its deadline: a process that answers nobody is replaced."""
        process = utterance.process
        if process is not None and process.alive:
            heard = process.heard
            asyncio.get_running_loop().call_later(self._deadline_s, self._kill_if_mute, process, heard)

    def _kill_if_mute(self, process: DecoderProcess, heard: int) -> None:
        if process.heard == heard and process in self._processes:
            logger.warning("a {} process hangs; replacing it", NAME)
            process.kill()

    # -- processes --------------------------------------------------------------------------------

    async def _keep(self, started: asyncio.Event) -> None:
        """Keep one process alive: start, read, and start anew when it ends."""
        while True:
            try:
                process = await DecoderProcess.spawn()
            except OSError as error:
                logger.error("a {} process cannot be started: {}", NAME, type(error).__name__)
                await asyncio.sleep(_RESTART_S)
                continue
            try:
                await self._run(process, started)
            finally:
                if process in self._processes:
                    self._processes.remove(process)
                for answer in process.loads:
                    if not answer.done():
                        answer.set_exception(ProviderError("a decoder process died", supplier=NAME))
                for utterance in tuple(process.open.values()):
                    utterance.fail("its decoder process ended")
                await asyncio.shield(process.end())
            logger.warning("a {} process ended; starting another", NAME)
            await asyncio.sleep(_RESTART_S if not process.ready else 0)

    async def _run(self, process: DecoderProcess, started: asyncio.Event) -> None:
        preparing: asyncio.Task[None] | None = None
        try:
            while (message := await process.receive()) is not None:
                kind, number, body = message
                if kind == wire.READY:
                    preparing = asyncio.create_task(self._prepare(process, started))
                elif kind == wire.LOADED:
                    process.loads.popleft().set_result(body)
                elif number in process.open:
                    process.open[number].answered(kind, body)
        finally:
            if preparing is not None:
                preparing.cancel()
                await asyncio.gather(preparing, return_exceptions=True)

    async def _prepare(self, process: DecoderProcess, started: asyncio.Event) -> None:
        """Give a new process every phrase model before any utterance."""
        async with self._loading:
            for wanted in self._loaded.values():
                await self._load_into(process, wanted)
            self._processes.append(process)
        process.ready = True
        started.set()
        self._place()


def _raise_for(answer: dict[str, Any]) -> None:
    if answer["missing"]:
        raise UnknownWords(answer["missing"])
    if answer["strange"]:
        raise UnknownSounds(answer["strange"])
    if answer["problem"]:
        raise OperatorError(f"the recogniser's phrases: {answer['problem']}")
