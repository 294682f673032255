"""Recognisers behind OpenAI's ``POST /v1/audio/transcriptions``: OpenAI, speaches, vLLM and kin.

An utterance is kept while the caller speaks and uploaded whole, as WAV, at its
end: there is no partial text. The language is told (ISO 639-1), and names and
terms of the house go into ``prompt``, which such models take for what was said
before. Confidence comes from log-probabilities: ``verbose_json`` has them for
Whisper's segments, ``include[]=logprobs`` for OpenAI's newer models; a server
that refuses the first is asked for plain ``json`` from then on.
Protocol: https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import wave
from typing import Any, Literal

import httpx2
import numpy as np
import soxr

from controls.errors import InternalError, ProviderError
from voice_runtime.events import RATE_HZ
from voice_runtime.listen.confidence import ASSUMED, confidence_of
from voice_runtime.ports import Hints, Recognition
from voice_runtime.supplier_http import http_client, refusal, touch, translated

Format = Literal["verbose_json", "json"]

#: Longest utterance, bytes at 8 kHz: 60 s. The shortest a server takes: 100 ms.
_LONGEST_BYTES = 60 * RATE_HZ * 2
_SHORTEST_BYTES = RATE_HZ // 5
#: Models read the last 224 tokens of a prompt; a word has some 1.5.
_MOST_PROMPT_CHARACTERS = 600
_MOST_ANSWER_BYTES = 1024 * 1024
#: Whisper's own bounds for "nobody spoke" (openai/whisper, transcribe.py): the text is then invented.
_NO_SPEECH = 0.6
_LOG_PROBABILITY = -1.0


class TranscribedUtterance:
    """One utterance (``ports.Utterance``). Made by ``TranscriptionsRecogniser.open``."""

    partial = ""

    def __init__(self, engine: TranscriptionsRecogniser, hints: Hints) -> None:
        self._engine = engine
        self._hints = hints
        self._pcm = bytearray()
        self._too_long = False
        self._finished = False

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        if len(self._pcm) + len(pcm) > _LONGEST_BYTES:
            self._too_long = True
        elif not self._finished:
            self._pcm += pcm

    async def finish(self) -> Recognition:
        if self._finished:
            raise InternalError("an utterance is finished once")
        self._finished = True
        pcm, self._pcm = bytes(self._pcm), bytearray()
        if self._too_long:
            raise ProviderError("the utterance is too long", supplier=self._engine.name, transient=False)
        if len(pcm) < _SHORTEST_BYTES:
            return Recognition("", 0.0)
        return await self._engine.transcribe(pcm, self._hints)

    def cancel(self) -> None:
        self._finished = True
        self._pcm = bytearray()


class TranscriptionsRecogniser:
    """Implements ``ports.Recogniser`` over one server. ``start`` before use, ``close`` after."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        outside: bool = True,
        deadline_s: float = 3.0,
        rate_hz: Literal[8000, 16000] = 16000,
        response_format: Format | None = None,
    ) -> None:
        """Prepare; opens no connection.

        Args:
            name: the supplier's, on record.
            base_url: up to and including ``/v1``.
            model: as the server calls it.
            outside: the server is beyond this host.
            deadline_s: from ``finish`` to the text.
            rate_hz: of the upload. Models work at 16 kHz; 8 kHz halves what is sent.
            response_format: None: plain ``json`` for OpenAI's ``gpt-`` models, which have no other,
                ``verbose_json`` for the rest.
        """
        self.name = name
        self._url = base_url.rstrip("/") + "/audio/transcriptions"
        self._free = base_url.rstrip("/") + "/models"
        self._model, self._api_key, self._outside = model, api_key, outside
        self._deadline_s, self._rate_hz = deadline_s, rate_hz
        self._format: Format = response_format or ("json" if model.startswith("gpt-") else "verbose_json")
        self._hints: dict[str, Hints] = {}
        self._client: httpx2.AsyncClient | None = None
        self._used_s = -math.inf

    async def start(self) -> None:
        """Make the client; opens no connection."""
        self._client = http_client(outside=self._outside, deadline_s=self._deadline_s, api_key=self._api_key)

    async def close(self) -> None:
        """Close every connection; utterances under way fail. Harmless when repeated."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def warm(self, outside_idle_s: float = 0.0, inside_idle_s: float = 0.0) -> None:
        """Open a connection, or use the one there is (``warmth.Warmable``)."""
        now_s, client = asyncio.get_running_loop().time(), self._client
        if client is None or now_s - self._used_s < (outside_idle_s if self._outside else inside_idle_s):
            return
        self._used_s = now_s
        await touch(client, self._free, self.name)

    async def load(self, key: str, hints: Hints) -> None:
        """Remember the hints; the server is told them with each utterance."""
        self._hints[key] = hints

    def open(self, key: str) -> TranscribedUtterance:
        """Begin an utterance.

        Raises:
            InternalError: ``load`` was not called for this key.
        """
        if key not in self._hints:
            raise InternalError("a recogniser is loaded before it is used")
        return TranscribedUtterance(self, self._hints[key])

    async def transcribe(self, pcm: bytes, hints: Hints) -> Recognition:
        """Upload 8 kHz s16le samples and read what was said.

        Raises:
            ProviderError: the server failed, refused, or did not answer within the deadline.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                # Off the loop: resampling half a minute takes some milliseconds.
                upload = await asyncio.to_thread(_wav, pcm, self._rate_hz)
                answer = await self._ask(upload, hints)
        except TimeoutError as error:  # the cause says that it was late
            raise ProviderError("recognition took too long", supplier=self.name) from error
        return _recognition(answer)

    async def _ask(self, upload: bytes, hints: Hints) -> dict[str, Any]:
        status, answer = await self._post(upload, hints, self._format)
        if status in (400, 422) and self._format == "verbose_json":
            # Some servers know plain json only, and say so no better than this.
            status, answer = await self._post(upload, hints, "json")
            if status == 200:
                self._format = "json"
        if status != 200:
            raise refusal(status, self.name)
        return answer

    async def _post(self, upload: bytes, hints: Hints, response_format: Format) -> tuple[int, dict[str, Any]]:
        client = self._client
        if client is None:
            raise ProviderError("is not running", supplier=self.name)
        self._used_s = asyncio.get_running_loop().time()
        fields: dict[str, str] = {
            "model": self._model,
            "language": hints.language.split("-")[0].lower(),
            "response_format": response_format,
            "temperature": "0",
        }
        if prompt := _prompt(hints.words):
            fields["prompt"] = prompt
        if response_format == "json" and self._model.startswith("gpt-"):
            fields["include[]"] = "logprobs"
        try:
            async with client.stream(
                "POST", self._url, data=fields, files={"file": ("utterance.wav", upload, "audio/wav")}
            ) as response:
                if response.status_code != 200:
                    return response.status_code, {}
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _MOST_ANSWER_BYTES:
                        raise ValueError("an answer longer than any transcript")
            answer = json.loads(body)
        except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError, RuntimeError) as error:
            raise translated(error, self.name) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
            raise ProviderError("sent what is no transcript", supplier=self.name)
        return 200, answer


def _wav(pcm: bytes, rate_hz: int) -> bytes:
    """8 kHz s16le samples as a WAV file at ``rate_hz``."""
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
    if rate_hz != RATE_HZ:
        wide = soxr.resample(samples.astype(np.float32), RATE_HZ, rate_hz, quality="HQ")
        samples = np.clip(np.rint(wide), -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
        wav.writeframes(samples.tobytes())
    return file.getvalue()


def _prompt(words: tuple[str, ...]) -> str:
    """Names and terms as a sentence; those that come last are read best, so the first are what is cut."""
    chosen: list[str] = []
    left = _MOST_PROMPT_CHARACTERS
    for word in words:
        left -= len(word) + 2
        if left < 0:
            break
        chosen.append(word)
    return ", ".join(chosen) + "." if chosen else ""


def _recognition(answer: dict[str, Any]) -> Recognition:
    segments = answer.get("segments")
    if isinstance(segments, list) and segments:
        spoken = [s for s in segments if isinstance(s, dict) and _spoken(s)]
        text = " ".join(str(s.get("text", "")).strip() for s in spoken).strip()
    else:
        text = answer["text"].strip()
    if not text:
        return Recognition("", 0.0)
    confidence = confidence_of(answer)
    return Recognition(text, ASSUMED if confidence is None else confidence)


def _spoken(segment: dict[str, Any]) -> bool:
    """Whether a segment is speech by Whisper's own measure: on silence it invents text."""
    silence, sure = segment.get("no_speech_prob"), segment.get("avg_logprob")
    if not isinstance(silence, int | float) or not isinstance(sure, int | float):
        return True
    return not (silence > _NO_SPEECH and (math.isnan(sure) or sure < _LOG_PROBABILITY))
