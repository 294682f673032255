"""One running text-to-speech service of pipecat, with one voice, saying one clause at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import Frame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.services.tts_service import TTSService

from controls.errors import ProviderError
from voice_runtime.events import Word
from voice_runtime.providers import Provider
from voice_runtime.speak.supplier_voice import LONGEST_S
from voice_runtime.speak.word_places import WordPlaces
from voice_runtime.sub_pipeline import SubPipeline

#: What most services give unless told otherwise, Hz.
_USUAL_RATE_HZ = 24_000
#: A connection that breaks ends a clause before it is known to be broken: how long that is waited for, s.
_BROKEN_S = 0.03

#: The supplier's name of a voice, and a language.
Key = tuple[str, str]


class _Telling(TTSService):
    """Tells when a clause begins and ends, and its words' times; stands before the service's class."""

    place: Place

    async def on_turn_context_created(self, context_id: str) -> None:
        self.place.began(context_id)
        await super().on_turn_context_created(context_id)

    async def on_audio_context_completed(self, context_id: str) -> None:
        self.place.ended(context_id)
        await super().on_audio_context_completed(context_id)

    async def add_word_timestamps(
        self,
        word_times: list[tuple[str, float]],
        context_id: str | None = None,
        includes_inter_frame_spaces: bool | None = None,
        pre_merge_tokens: bool = False,
    ) -> None:
        self.place.timed(word_times, context_id)
        await super().add_word_timestamps(
            word_times, context_id, includes_inter_frame_spaces, pre_merge_tokens
        )


@dataclass(slots=True)
class Clause:
    """What a place has said so far. ``came`` holds samples, the fault that ended it, or None for its end."""

    places: WordPlaces
    came: asyncio.Queue[TTSAudioRawFrame | ProviderError | None] = field(default_factory=asyncio.Queue)
    words: list[Word] = field(default_factory=list)
    context: str = ""
    samples_s: float = 0.0
    over: bool = False


class Place:
    """One running instance of a service, with one voice, for one clause at a time."""

    def __init__(self, provider: Provider, key: Key, resources: Mapping[str, Any]) -> None:
        voice, language = key
        service: Any = provider.make(_Telling, voice=voice, language=language, resources=resources)
        service.place = self
        self.key = key
        self.fault: ProviderError | None = None
        self._clause: Clause | None = None
        self.pipeline = SubPipeline(
            service, provider.name, on_frame=self._frame, on_fault=self.failed,
            out_hz=provider.rate_hz or _USUAL_RATE_HZ,
        )  # fmt: skip
        service.add_event_handler("on_disconnected", self._disconnected)
        self.pipeline.begin()

    def say(self, text: str) -> Clause:
        """Begin a clause; what comes of it is in its queue."""
        self._clause = Clause(WordPlaces(text))
        if self.fault is not None:
            self.failed(self.fault)
        self.pipeline.send(TTSSpeakFrame(text, append_to_context=False))
        return self._clause

    def silence(self) -> None:
        """Nobody listens to the clause any more."""
        self._clause = None

    # -- told by the service -----------------------------------------------------------------------

    def began(self, context_id: str) -> None:
        """The service named the context of the clause it was given."""
        if self._clause is not None and not self._clause.context:
            self._clause.context = context_id

    def ended(self, context_id: str) -> None:
        """Everything of this context has come out."""
        clause = self._clause
        if clause is None or clause.context != context_id or clause.over:
            return
        clause.over = True
        # A lost connection closes its contexts first and says so afterwards.
        wait_s = 0.0 if self.pipeline.may_be_interrupted else _BROKEN_S
        asyncio.get_running_loop().call_later(wait_s, clause.came.put_nowait, None)

    def timed(self, word_times: list[tuple[str, float]], context_id: str | None) -> None:
        """Words and when they begin, s from the clause's first sample."""
        clause = self._clause
        if clause is not None and context_id in (None, clause.context):
            for word, at_s in word_times:
                clause.words += clause.places.place(word, at_s)

    def _frame(self, frame: Frame) -> None:
        clause = self._clause
        if clause is None or not isinstance(frame, TTSAudioRawFrame) or not clause.context:
            return
        if frame.context_id in (None, clause.context) and not clause.over:
            clause.samples_s += frame.num_frames / frame.sample_rate
            clause.came.put_nowait(frame)
            if clause.samples_s > LONGEST_S:
                self.failed(ProviderError("its answer does not end", supplier=self.pipeline.supplier))

    def failed(self, error: ProviderError) -> None:
        """The service is no more use; the clause it was saying ends with this."""
        self.fault = self.fault or error
        if self._clause is not None:
            self._clause.over = True
            self._clause.came.put_nowait(error)

    async def _disconnected(self, *_: Any) -> None:
        # pipecat connects again by itself and takes the clause for finished; what was still to come is lost.
        if self._clause is not None:
            self.failed(ProviderError("its connection was lost", supplier=self.pipeline.supplier))
