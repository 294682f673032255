"""Connections are kept warm while calls are on the line: by free requests, and only those that were idle."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulators.model_server import ModelServer, RawServer, say, serving
from tests.simulators.speech_server import SpeechServer
from tests.voice_runtime.listen.fakes import settle
from voice_runtime.listen.transcriptions import TranscriptionsRecogniser
from voice_runtime.ports import Hints
from voice_runtime.speak.openai_speech import OpenAISpeech
from voice_runtime.speak.piper_http import PiperSpeech
from voice_runtime.speak.supplier_voice import VoiceNames
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Endpoint, Endpoints
from voice_runtime.warmth import INSIDE_IDLE_S, OUTSIDE_IDLE_S, Warmable, Warmth

pytestmark = pytest.mark.anyio

#: Longer than any test takes: whatever was used in it is warm.
LONG_S = 3600.0
NAMES = VoiceNames({"warm": "af"})


def asked(server: RawServer) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in server.requests]


async def spoken(speech: OpenAISpeech | PiperSpeech) -> None:
    async for _ in speech.speak("Hello there.", language="en-US", voice="warm"):
        pass


@pytest.mark.parametrize("kind", ["openai", "piper"])
async def test_a_voice_opens_its_connection_with_a_free_request(kind: str) -> None:
    async with serving(SpeechServer(keep_alive=True)) as server:
        speech: OpenAISpeech | PiperSpeech
        if kind == "openai":
            speech = OpenAISpeech(
                "kokoro", base_url=f"{server.url}/v1", model="m", names=NAMES, outside=False, deadline_s=30
            )
        else:
            speech = PiperSpeech("piper", base_url=server.url, names=NAMES, outside=False, deadline_s=30)
        assert isinstance(speech, Warmable)
        await speech.warm()  # before it was started: nothing to warm, and no error
        await speech.start()
        try:
            await speech.warm()
            free = ("GET", "/v1/models" if kind == "openai" else "/voices")
            assert asked(server) == [free]
            await spoken(speech)
            await speech.warm(LONG_S, LONG_S)
            assert len(server.requests) == 2, "it was used just now"
            await speech.warm()
            assert asked(server)[2:] == [free]
            assert server.connections == 1, "the clause went over the connection that stood"
        finally:
            await speech.close()


async def test_a_recogniser_likewise() -> None:
    async with serving(SpeechServer(keep_alive=True)) as server:
        recogniser = TranscriptionsRecogniser(
            "speaches", base_url=f"{server.url}/v1", model="m", outside=False, deadline_s=30
        )
        await recogniser.start()
        try:
            await recogniser.warm()
            await recogniser.load("k", Hints("en-US"))
            utterance = recogniser.open("k")
            utterance.feed(bytes(16000))
            assert (await utterance.finish()).text == "hello there"
            await recogniser.warm(LONG_S, LONG_S)
            assert asked(server) == [("GET", "/v1/models"), ("POST", "/v1/audio/transcriptions")]
            assert server.connections == 1
        finally:
            await recogniser.close()


async def test_a_model_is_never_asked_for_an_answer() -> None:
    inside = ModelServer(keep_alive=True, plans=[say("Hi.")])
    outside = ModelServer(keep_alive=True, plans=[say("Hi.")])
    async with serving(inside), serving(outside):
        endpoints = Endpoints(
            (
                Endpoint("inside", f"{inside.url}/v1", "m"),
                Endpoint("outside", f"{outside.url}/v1", "m", outside=True),
            )
        )
        try:
            await endpoints.warm()
            await endpoints.warm(LONG_S, 0.0)  # one beyond this host may be idle for longer
            assert asked(inside) == [("GET", "/v1/models")] * 2
            assert asked(outside) == [("GET", "/v1/models")]

            async def take(text: str) -> None: ...

            params = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
            await endpoints.ask(params, Reply(), on_first=lambda: None, on_text=take)
            await endpoints.warm(LONG_S, LONG_S)
            assert asked(inside)[2:] == [("POST", "/v1/chat/completions")]
            assert (inside.connections, outside.connections) == (1, 1)
        finally:
            await endpoints.aclose()


async def test_a_server_that_is_gone_costs_a_line_in_the_log_only() -> None:
    nowhere = "http://127.0.0.1:1/v1"
    speech = OpenAISpeech("gone", base_url=nowhere, model="m", names=NAMES, outside=False)
    recogniser = TranscriptionsRecogniser("gone", base_url=nowhere, model="m", outside=False)
    endpoints = Endpoints((Endpoint("gone", nowhere, "m"),))
    for one in (speech, recogniser):
        await one.start()
    try:
        for warmable in (speech, recogniser, endpoints):
            await warmable.warm()
    finally:
        await speech.close()
        await recogniser.close()
        await endpoints.aclose()
    assert endpoints.health()["ok"], "a courtesy that fails is no failure of the supplier"


class Supplier:
    """Implements ``warmth.Warmable``."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    async def warm(self, outside_idle_s: float = 0.0, inside_idle_s: float = 0.0) -> None:
        self.asked.append((outside_idle_s, inside_idle_s))


async def test_suppliers_are_looked_after_while_calls_use_them_and_not_otherwise() -> None:
    used: list[Supplier] = []
    looks: list[asyncio.Future[None]] = []

    async def sleep(seconds: float) -> None:
        assert seconds < INSIDE_IDLE_S
        looks.append(asyncio.get_running_loop().create_future())
        await looks[-1]

    async def look() -> None:
        looks[-1].set_result(None)
        await settle(5)

    warmth, supplier = Warmth(lambda: used, sleep=sleep), Supplier()
    await warmth.start()
    await settle(5)
    await look()
    assert supplier.asked == [], "nobody calls"
    used.append(supplier)
    await look()
    await look()
    assert supplier.asked == [(OUTSIDE_IDLE_S, INSIDE_IDLE_S)] * 2
    used.clear()
    await look()
    assert len(supplier.asked) == 2
    await warmth.close()
    await warmth.close()
