"""Voices of Piper's own HTTP server, which is GPL-3.0 and stays a process, or a machine, of its own.

``POST /`` with ``{"text", "voice", "length_scale"}`` answers a WAV file at the
voice's rate (22.05 kHz for medium and high, 16 kHz for low). The server
synthesises a clause whole before it answers. Protocol: docs/API_HTTP.md of
OHF-Voice/piper1-gpl. Nothing of Piper is imported here.
"""

from __future__ import annotations

from typing import Any

import httpx2

from voice_runtime.speak.http_speech import HttpSpeech
from voice_runtime.speak.supplier_voice import VoiceNames

#: Rate of most of Piper's voices, Hz; each answer says its own.
_USUAL_RATE_HZ = 22_050


class PiperSpeech(HttpSpeech):
    """One server, for all calls."""

    free = "voices"

    def __init__(
        self, name: str, *, base_url: str, names: VoiceNames, speed: float = 1.0, **options: Any
    ) -> None:
        """Prepare; opens no connection.

        Args:
            base_url: the server's address, such as ``http://127.0.0.1:5000``.
            speed: 1 is the voice's own pace, 2 twice as fast.
            options: of ``HttpSpeech``: outside, deadline_s, between_s, most.
        """
        super().__init__(name, base_url=base_url, names=names, rate_hz=_USUAL_RATE_HZ, **options)
        self._speed = speed

    def request(self, client: httpx2.AsyncClient, text: str, voice: str, language: str) -> httpx2.Request:
        body: dict[str, Any] = {"text": text}
        if voice:
            body["voice"] = voice
        if self._speed != 1.0:
            body["length_scale"] = 1 / self._speed
        return client.build_request("POST", self._base_url + "/", json=body)
