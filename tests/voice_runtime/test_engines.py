"""tries the engines' wiring here."""

import importlib

import pytest

from tests.simulators.model_server import serving
from tests.simulators.speech_server import SpeechServer, level_of, levels
from tests.simulators.speech_sockets import SpeechSockets, suppliers
from voice_runtime.engines import start_chats, start_recogniser, start_voices
from voice_runtime.ports import Hints
from voice_runtime.settings import Settings

for m in ("cartesia.tts", "soniox.stt"):
    importlib.import_module("pipecat.services." + m)
pytestmark = pytest.mark.anyio


async def test_w():
    async with (
        suppliers(SpeechSockets(says=["on tuesday"])) as so,
        serving(SpeechServer(keep_alive=True)) as h,
    ):
        s = Settings.model_validate(
            {
                "format": 1,
                "environment": "demo",
                "model": {"standin": True},
                "providers": {
                    "allow": [
                        "pipecat.services.cartesia.tts.CartesiaTTSService",
                        "pipecat.services.soniox.stt.SonioxSTTService",
                    ]
                },
                "recogniser": {
                    "engines": [
                        {
                            "engine": "openai",
                            "name": "gone",
                            "base_url": "http://127.0.0.1:1/v1",
                            "model": "m",
                            "outside": False,
                        },
                        {
                            "engine": "pipecat",
                            "name": "soniox",
                            "use": "pipecat.services.soniox.stt.SonioxSTTService",
                            "arguments": {"url": so.url + "/transcribe-websocket", "api_key": "k"},
                        },
                    ]
                },
                "voice": {
                    "voices": {"warm": {}},
                    "engines": [
                        {
                            "engine": "openai",
                            "name": "kokoro",
                            "base_url": h.url + "/v1",
                            "model": "kokoro",
                            "voices": {"warm": "af"},
                        },
                        {"engine": "piper", "name": "piper", "base_url": h.url},
                        {
                            "engine": "pipecat",
                            "name": "cartesia",
                            "use": "pipecat.services.cartesia.tts.CartesiaTTSService",
                            "arguments": {
                                "url": so.url + "/tts/websocket",
                                "api_key": "k",
                                "sample_rate": 8000,
                            },
                            "voices": {"warm": "v"},
                        },
                    ],
                },
            }
        )
        closers = []

        async def enter(start, close):
            await start()
            closers.append(close)

        r = await start_recogniser(s, enter)
        await r.load("k", Hints("en-US"))
        u = r.open("k")
        u.feed(bytes(8000))
        got = await u.finish()
        assert (got.text, got.engine) == ("on tuesday", "soniox"), got
        for e in await start_voices(s, enter):
            pcm = b"".join(
                [p.pcm async for p in e.synthesiser.speak("Hello there.", language="en-US", voice="warm")]
            )
            assert levels(pcm) == {level_of("Hello there.")}, e
        assert await start_chats(s, enter) == {}
        for c in reversed(closers):
            await c()
