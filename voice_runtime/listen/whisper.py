"""The self-hosted recogniser: one faster-whisper model for all calls, off the event loop.

An utterance keeps its samples (``listen.whisper_utterance``); they are cut into
windows, and windows of several calls are computed together
(``listen.whisper_batches``) by one CTranslate2 model (``listen.whisper_decoder``).
The ear calls ``finish`` at the first pause, not at the end of the turn, so decoding
overlaps with deciding whether the caller is done; and most final texts have been
decoded by then, in the silence before it. Final ones go first, whatever is asked for ahead.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from controls.errors import InternalError, OperatorError, ProviderError
from voice_runtime.engine_settings import WhisperEngine
from voice_runtime.listen.whisper_audio import pieces, worth_recognising
from voice_runtime.listen.whisper_batches import Batches, Urgency
from voice_runtime.listen.whisper_decoder import WhisperDecoder, Window
from voice_runtime.listen.whisper_prompt import Prompt, whisper_language
from voice_runtime.listen.whisper_text import Decoded, judge
from voice_runtime.listen.whisper_utterance import WhisperUtterance
from voice_runtime.listen.whisper_weights import digest, weights
from voice_runtime.ports import Hints, Recognition

#: Utterances that may wait, in batches per worker: with more, the last would be late anyway.
_BATCHES_WAITING = 8
#: A batch that takes longer than this will never end, s. Eight windows of 30 s may take ``small`` 20 s.
_HANGS_AFTER_S = 60.0
_RESTART_S = (1.0, 60.0)


@dataclass(frozen=True, slots=True)
class _Running:
    decoder: WhisperDecoder
    batches: Batches[Window, Decoded]


class WhisperRecogniser:
    """The engine (``ports.Recogniser``). ``start`` before use, ``close`` after, on one event loop.

    Bounds: ``workers`` batches of at most ``batch`` windows are computed at a time; some more
    batches wait, further ones are refused with ``ProviderError``.
    """

    def __init__(self, settings: WhisperEngine, deadline_s: float = 3.0, *, root: Path = Path()) -> None:
        """Make it; nothing is loaded yet.

        Args:
            deadline_s: from ``finish`` to the text, where the entry names none.
            root: what a relative ``folder`` is relative to.
        """
        self.name = settings.name
        self._settings = settings
        self._deadline_s = settings.deadline_s or deadline_s
        self._folder = root / settings.folder
        self._running: _Running | None = None
        self._prompts: dict[str, Prompt] = {}
        self._mending: asyncio.Task[None] | None = None
        self._started = False
        #: ``sha256:…`` of the weights in use; "" before ``start``.
        self.digest = ""

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the model and run it once, in a thread; with ``download: true`` fetch it first.

        Raises:
            OperatorError: weights are missing, or cannot be used here; says what to do.
        """
        await asyncio.to_thread(weights, self._folder, self._settings.model, download=self._settings.download)
        self.digest = await asyncio.to_thread(digest, self._folder)
        await self._run()
        self._started = True

    async def close(self) -> None:
        """End the threads and free the model; open utterances fail. Harmless when repeated."""
        self._started = False
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
            self._mending = None
        running, self._running = self._running, None
        if running is not None:
            await running.batches.close()
            await asyncio.to_thread(running.decoder.close)

    async def _run(self) -> None:
        settings = self._settings
        decoder = await asyncio.to_thread(
            WhisperDecoder,
            self._folder,
            device=settings.device,
            compute=settings.compute,
            threads=settings.threads,
            workers=settings.workers,
            shortest_window_s=settings.shortest_window_s,
        )
        if settings.detect_language and not decoder.multilingual:
            raise OperatorError(
                f"detect_language: true needs multilingual weights, and those in {self._folder} are English "
                "only: name a model without .en, or write detect_language: false"
            )
        batches: Batches[Window, Decoded] = Batches(
            decoder.decode,
            supplier=self.name,
            workers=settings.workers,
            most=settings.batch,
            wait_s=settings.batch_wait_ms / 1000,
            most_waiting=_BATCHES_WAITING * settings.batch * settings.workers,
            hangs_after_s=_HANGS_AFTER_S,
            on_broken=self._broken,
        )
        self._running = _Running(decoder, batches)

    def _broken(self, why: str) -> None:
        logger.error("{}: {}; loading the model anew", self.name, why)
        broken, self._running = self._running, None
        self._mending = asyncio.create_task(self._mend(broken), name="whisper-restart")

    async def _mend(self, broken: _Running | None) -> None:
        if broken is not None:  # its memory is freed when its last thread lets go of it
            await broken.batches.close()
        wait_s, longest_s = _RESTART_S
        while True:
            try:
                await self._run()
            except OperatorError as error:
                logger.error("{}: {}", self.name, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, longest_s)
            else:
                logger.info("{}: the model is loaded again", self.name)
                return

    @property
    def ready(self) -> bool:
        """Whether an utterance finished now would be recognised."""
        return self._running is not None

    @property
    def waiting(self) -> int:
        """Windows waiting for a worker."""
        return self._running.batches.waiting if self._running is not None else 0

    @property
    def decoding(self) -> int:
        """Windows being computed now."""
        return self._running.batches.computing if self._running is not None else 0

    # -- utterances -------------------------------------------------------------------------------

    async def load(self, key: str, hints: Hints) -> None:
        """Keep the language and the hotwords of a release; again for the same key is harmless.

        Raises:
            OperatorError: these weights do not know the language.
            ProviderError: the model is being loaded anew.
        """
        if not self._started:
            raise InternalError("the recogniser is not running")
        if self._running is None:
            raise ProviderError("the engine broke and is being restarted", supplier=self.name)
        decoder = self._running.decoder
        language = whisper_language(hints.language, multilingual=decoder.multilingual)
        prompt = decoder.prompt(language, hints.words)
        if prompt.left_out:
            logger.info(
                "{}: {} of {} known words fit into the prompt",
                self.name,
                len(prompt.terms),
                len(prompt.terms) + prompt.left_out,
            )
        self._prompts[key] = prompt

    def open(self, key: str) -> WhisperUtterance:
        """Begin an utterance.

        Raises:
            InternalError: nothing was loaded under that key.
        """
        if key not in self._prompts:
            raise InternalError("no hints are loaded under this key")
        return WhisperUtterance(self, self._prompts[key], every_ms=self._settings.partial_every_ms)

    def ahead(
        self, pcm: bytes | bytearray, prompt: Prompt, *, likely: bool
    ) -> asyncio.Future[Decoded] | None:
        """Decode a copy of at most 30 s before the end of an utterance. Called by it.

        Args:
            likely: most likely this is the end: it may wait behind final ones.

        Returns:
            None when there is no room for that now, or nothing in it to be decoded.
        """
        running, urgency = self._running, Urgency.LIKELY if likely else Urgency.SPARE
        if running is None or not running.batches.room_for(urgency):
            return None
        copy = bytes(pcm)
        if not worth_recognising(copy):
            return None
        window = running.decoder.window(copy, prompt, detect=self._settings.detect_language)
        return running.batches.submit(window.key, window, urgency)

    def withdraw(self, ahead: asyncio.Future[Decoded]) -> None:
        """What was asked for ahead is no longer wanted; if it is being computed, it goes on."""
        if self._running is not None:
            self._running.batches.withdraw(ahead)

    async def recognise(
        self, pcm: bytes, prompt: Prompt, ahead: asyncio.Future[Decoded] | None = None
    ) -> Recognition:
        """The text of 8 kHz s16le samples. Called by an utterance; cancelling withdraws it from the queue.

        Args:
            ahead: under way already, and as good as the final text; decoded anew should it fail.

        Raises:
            ProviderError: the model failed, is being restarted, has too much to do, or was late.
        """
        if not worth_recognising(pcm):
            if ahead is not None:
                ahead.cancel()
            return Recognition("", 0.0)
        try:
            async with asyncio.timeout(self._deadline_s):
                if ahead is not None and (found := await self._awaited(ahead)) is not None:
                    decoded = [found]
                else:  # one after another: nobody's long speech keeps the others waiting
                    decoded = [await self._window(piece, prompt) for piece in pieces(pcm)]
        except TimeoutError:
            raise ProviderError("recognition took too long", supplier=self.name) from TimeoutError()
        return judge(decoded, prompt.terms)

    async def _awaited(self, ahead: asyncio.Future[Decoded]) -> Decoded | None:
        """A decoding made ahead, which a caller waits for now; None when it failed."""
        if self._running is not None:
            self._running.batches.hurry(ahead)
        try:
            return await ahead
        except ProviderError:
            return None

    async def _window(self, pcm: bytes, prompt: Prompt) -> Decoded:
        running = self._running
        if running is None:
            raise ProviderError("the engine is not running", supplier=self.name)
        window = running.decoder.window(pcm, prompt, detect=self._settings.detect_language)
        return await running.batches.submit(window.key, window)
