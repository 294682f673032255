"""Voices of servers that speak OpenAI's ``POST /v1/audio/speech``: OpenAI, Kokoro-FastAPI, vLLM and kin.

``response_format: pcm`` is asked for: s16le mono, 24 kHz at OpenAI and Kokoro,
the model's own rate elsewhere (``rate_hz``); a server that answers with WAV all
the same is understood. Protocol: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

from typing import Any

import httpx2

from voice_runtime.speak.http_speech import HttpSpeech
from voice_runtime.speak.supplier_voice import VoiceNames

#: Rate of OpenAI's and Kokoro's ``pcm``, Hz.
OPENAI_RATE_HZ = 24_000


class OpenAISpeech(HttpSpeech):
    """One server, for all calls."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        model: str,
        names: VoiceNames,
        rate_hz: int = OPENAI_RATE_HZ,
        speed: float = 1.0,
        **options: Any,
    ) -> None:
        """Prepare; opens no connection.

        Args:
            base_url: up to and including ``/v1``.
            model: as the server calls it.
            speed: 1 is the voice's own pace.
            options: of ``HttpSpeech``: outside, api_key, deadline_s, between_s, most.
        """
        super().__init__(name, base_url=base_url, names=names, rate_hz=rate_hz, **options)
        self._model, self._speed = model, speed

    def request(self, client: httpx2.AsyncClient, text: str, voice: str, language: str) -> httpx2.Request:
        body: dict[str, Any] = {
            "model": self._model, "input": text, "voice": voice, "response_format": "pcm",
        }  # fmt: skip
        if self._speed != 1.0:
            body["speed"] = self._speed
        return client.build_request("POST", f"{self._base_url}/audio/speech", json=body)
