"""A speech-to-text service of pipecat at work: its class, its pipeline, and whom it tells of its progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Literal, Protocol

from pipecat.frames.frames import Frame, InterimTranscriptionFrame, TranscriptionFrame
from pipecat.services.stt_service import SegmentedSTTService, STTService

from controls.errors import ProviderError
from voice_runtime.events import RATE_HZ
from voice_runtime.ports import Hints
from voice_runtime.providers import Provider
from voice_runtime.sub_pipeline import SubPipeline

#: ``asked``: a finalize request has gone out; ``confirmed``: it was answered; ``recognised``: a segment's
#: request is over.
Progress = Literal["asked", "confirmed", "recognised"]
Told = Callable[[Progress], None]


class _Telling(STTService):
    """Tells of the finalize request and its answer; stands before a streaming service's class."""

    told: Told = staticmethod(lambda what: None)

    def request_finalize(self) -> None:
        super().request_finalize()  # type: ignore[no-untyped-call]  # pipecat's has no annotations
        self.told("asked")

    def confirm_finalize(self) -> None:
        super().confirm_finalize()  # type: ignore[no-untyped-call]  # as above
        self.told("confirmed")


class _TellingSegments(SegmentedSTTService):
    """Tells that a segment's request is over; stands before a segmented service's class."""

    told: Told = staticmethod(lambda what: None)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        async for frame in super().run_stt(audio):
            yield frame
        self.told("recognised")


class Listener(Protocol):
    """Who is told what a session's service does; all at once, in its own step."""

    def final(self, frame: TranscriptionFrame) -> None:
        """A piece of text that will not change."""
        ...

    def interim(self, text: str) -> None:
        """The newest guess at what follows the final pieces."""
        ...

    def told(self, what: Progress) -> None:
        """How far the service is."""
        ...

    def fail(self, error: ProviderError) -> None:
        """The service failed, or its connection was lost."""
        ...


class SttSession:
    """A service in its pipeline, for one utterance at a time."""

    def __init__(
        self, provider: Provider, hints: Hints, resources: Mapping[str, Any], segmented: bool
    ) -> None:
        mixin = _TellingSegments if segmented else _Telling
        service: Any = provider.make(mixin, language=hints.language, words=hints.words, resources=resources)
        service.told = self._told
        self.segmented = segmented
        #: A service that finds the end of speech by itself needs to go on hearing silence.
        self.needs_silence = not service.supports_ttfs
        self.rate_hz = provider.rate_hz or RATE_HZ
        self.fault: ProviderError | None = None
        self.utterance: Listener | None = None
        self.pipeline = SubPipeline(
            service, provider.name, on_frame=self._frame, on_fault=self._failed, in_hz=self.rate_hz
        )
        service.add_event_handler("on_disconnected", self._disconnected)
        self.pipeline.begin()

    def _frame(self, frame: Frame) -> None:
        if self.utterance is not None:
            if isinstance(frame, TranscriptionFrame):
                self.utterance.final(frame)
            elif isinstance(frame, InterimTranscriptionFrame):
                self.utterance.interim(frame.text)

    def _told(self, what: Progress) -> None:
        if self.utterance is not None:
            self.utterance.told(what)

    def _failed(self, error: ProviderError) -> None:
        self.fault = self.fault or error
        if self.utterance is not None:
            self.utterance.fail(error)

    async def _disconnected(self, *_: Any) -> None:
        # pipecat connects again by itself; the samples in between are lost, so the text would have a hole.
        self._failed(ProviderError("its connection was lost", supplier=self.pipeline.supplier))
