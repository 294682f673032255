"""OpenAI's transcription protocol, against a server that can refuse, stall and lie."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from controls.errors import InternalError, ProviderError
from tests.simulators.model_server import serving
from tests.simulators.speech_server import SpeechServer, samples_of
from voice_runtime.listen.transcriptions import TranscriptionsRecogniser
from voice_runtime.ports import Hints, Recognition

pytestmark = pytest.mark.anyio

HINTS = Hints("es-US", words=("Patel", "Okafor"))
SEGMENT = {"text": " Sí, el martes.", "avg_logprob": -0.2, "no_speech_prob": 0.01}


@asynccontextmanager
async def running(server: SpeechServer, **options: Any) -> AsyncIterator[TranscriptionsRecogniser]:
    options = {"model": "whisper-1", "deadline_s": 60.0, "api_key": "k3y", "outside": False, **options}
    recogniser = TranscriptionsRecogniser("supplier", base_url=f"{server.url}/v1", **options)
    await recogniser.start()
    try:
        await recogniser.load("k", HINTS)
        yield recogniser
    finally:
        await recogniser.close()


@asynccontextmanager
async def asking(server: SpeechServer, **options: Any) -> AsyncIterator[TranscriptionsRecogniser]:
    async with serving(server), running(server, **options) as recogniser:
        yield recogniser


async def recognised(recogniser: TranscriptionsRecogniser, samples: bytes = bytes(8000)) -> Recognition:
    utterance = recogniser.open("k")
    for start in range(0, len(samples), 320):
        utterance.feed(samples[start : start + 320])
    return await utterance.finish()


async def test_an_utterance_is_uploaded_whole_and_its_text_comes_back() -> None:
    body = {"text": " Sí, el martes.", "segments": [SEGMENT], "language": "spanish"}
    server = SpeechServer(keep_alive=True, transcripts=[body])
    said = samples_of("a caller", 1000, 8000)
    async with asking(server, rate_hz=8000) as recogniser:
        result = await recognised(recogniser, said)
    assert result.text == "Sí, el martes."
    assert result.confidence == pytest.approx(math.exp(-0.2))
    upload = server.uploads[0]
    assert (upload.rate_hz, upload.samples) == (8000, said)
    assert upload.fields == {
        "model": "whisper-1", "language": "es", "response_format": "verbose_json", "temperature": "0",
        "prompt": "Patel, Okafor.",
    }  # fmt: skip
    assert server.requests[0].headers["authorization"] == "Bearer k3y"


async def test_models_get_16_khz_unless_told_otherwise() -> None:
    server = SpeechServer(keep_alive=True)
    async with asking(server) as recogniser:
        await recognised(recogniser, samples_of("a caller", 500, 8000))
    upload = server.uploads[0]
    assert upload.rate_hz == 16_000
    assert len(upload.samples) == 2 * 16_000 * 0.5
    assert (
        abs(
            int(np.frombuffer(upload.samples, "<i2")[4000])
            - int(np.frombuffer(samples_of("a caller", 1, 8000), "<i2")[0])
        )
        <= 1
    )


async def test_openais_newer_models_give_log_probabilities_of_tokens() -> None:
    body = {"text": "Yes.", "logprobs": [{"token": "Yes", "logprob": -0.1}, {"token": ".", "logprob": -0.3}]}
    server = SpeechServer(keep_alive=True, transcripts=[body])
    async with asking(server, model="gpt-4o-transcribe") as recogniser:
        result = await recognised(recogniser)
    assert result.confidence == pytest.approx(math.exp(-0.2))
    assert result == Recognition("Yes.", result.confidence)
    assert server.uploads[0].fields["response_format"] == "json"
    assert server.uploads[0].fields["include[]"] == "logprobs"


async def test_a_server_that_knows_plain_json_only_is_asked_for_that_from_then_on() -> None:
    server = SpeechServer(keep_alive=True, refused_formats={"verbose_json"})
    async with asking(server) as recogniser:
        for _ in range(2):
            assert await recognised(recogniser) == Recognition("hello there", 0.75)
    assert [u.fields["response_format"] for u in server.uploads] == ["verbose_json", "json", "json"]


async def test_text_invented_on_silence_is_no_text() -> None:
    invented = {"text": " Thank you.", "avg_logprob": -1.2, "no_speech_prob": 0.9}
    plan: list[dict[str, Any] | int] = [
        {"text": " Thank you.", "segments": [invented]},
        {"text": " Sí. Thank you.", "segments": [SEGMENT, invented]},
        {"text": "", "segments": []},
    ]
    server = SpeechServer(keep_alive=True, transcripts=list(plan))
    async with asking(server) as recogniser:
        assert [(await recognised(recogniser)).text for _ in plan] == ["", "Sí, el martes.", ""]


async def test_what_is_too_short_to_hold_a_word_is_not_sent() -> None:
    server = SpeechServer(keep_alive=True)
    async with asking(server) as recogniser:
        assert await recognised(recogniser, bytes(1500)) == Recognition("", 0.0)
    assert not server.uploads


async def test_many_names_are_cut_to_what_a_prompt_holds() -> None:
    server = SpeechServer(keep_alive=True)
    async with asking(server) as recogniser:
        await recogniser.load("k", Hints("en-US", words=tuple(f"Name{n:04}" for n in range(1000))))
        await recognised(recogniser)
        await recogniser.load("k", Hints("en-US"))
        await recognised(recogniser)
    prompt = server.uploads[0].fields["prompt"]
    assert prompt.startswith("Name0000, Name0001")
    assert 500 < len(prompt) <= 601
    assert "prompt" not in server.uploads[1].fields


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "transient"), [(400, False), (401, False), (429, False), (500, True), (503, True)]
)
async def test_a_refusal_is_the_suppliers(status: int, transient: bool) -> None:
    server = SpeechServer(keep_alive=True, transcripts=[status])
    async with asking(server) as recogniser:
        with pytest.raises(ProviderError, match=f"status {status}") as caught:
            await recognised(recogniser)
    assert caught.value.transient is transient
    assert caught.value.supplier == "supplier"
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"text": 7}, {"text": None}, []])
async def test_an_answer_that_is_no_transcript(body: Any) -> None:
    server = SpeechServer(keep_alive=True, transcripts=[body])
    async with asking(server) as recogniser:
        with pytest.raises(ProviderError, match="no transcript"):
            await recognised(recogniser)


async def test_a_server_that_stalls_is_late_and_is_hung_up_on() -> None:
    server = SpeechServer(keep_alive=True, then="stall")
    async with asking(server, deadline_s=0.3) as recogniser:
        with pytest.raises(ProviderError, match="too long"):
            await recognised(recogniser)
        async with asyncio.timeout(30):
            await server.gone.wait()


async def test_a_connection_that_breaks() -> None:
    server = SpeechServer(keep_alive=True, then="die")
    async with asking(server) as recogniser:
        with pytest.raises(ProviderError) as caught:
            await recognised(recogniser)
    assert caught.value.transient


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with running(SpeechServer(port=bound.getsockname()[1])) as recogniser:
            with pytest.raises(ProviderError, match="cannot be reached"):
                await recognised(recogniser)


async def test_a_cancelled_upload_is_hung_up_on() -> None:
    server = SpeechServer(keep_alive=True, then="stall")
    async with asking(server) as recogniser:
        task = asyncio.create_task(recognised(recogniser))
        await server.wait_for_request()
        task.cancel()
        async with asyncio.timeout(30):
            await server.gone.wait()


async def test_an_utterance_without_end() -> None:
    async with asking(SpeechServer()) as recogniser:
        with pytest.raises(ProviderError, match="too long"):
            await recognised(recogniser, bytes(16_000 * 61))


async def test_life_and_its_ends() -> None:
    server = SpeechServer(keep_alive=True)
    async with asking(server) as recogniser:
        with pytest.raises(InternalError):
            recogniser.open("unknown")
        utterance = recogniser.open("k")
        assert utterance.partial == ""
        utterance.feed(bytes(8000))
        utterance.cancel()
        with pytest.raises(InternalError):
            await utterance.finish()
        await recogniser.close()
        with pytest.raises(ProviderError, match="not running"):
            await recognised(recogniser)
    assert not server.uploads
