"""OpenAI's protocol as our own clients and OpenAI's speak it, over real sockets; and what it refuses."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError

from loadtests.suppliers import tones
from loadtests.suppliers.backends import Backend
from loadtests.suppliers.mocks import Delays, MockMouth, breaks_on, mock_backend
from loadtests.suppliers.server import create_app
from tests.simulators.voice_server import serving
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.listen.transcriptions import TranscriptionsRecogniser
from voice_runtime.ports import Hints
from voice_runtime.speak.openai_speech import OpenAISpeech
from voice_runtime.speak.supplier_voice import VoiceNames
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Endpoint, Endpoints

pytestmark = pytest.mark.anyio

SAID = "can i see doctor patel on tuesday"
ANSWER = "Doctor Patel has time on Tuesday. Would ten suit you?"
AT_ONCE = Delays(asr_ms=0, first_token_ms=0, token_ms=0, speech_ms=0, speech_speed=1000)
ASKED: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SAID}]


@asynccontextmanager
async def mocked() -> AsyncIterator[tuple[str, bytes]]:
    """The server's base address, and what the caller says as 8 kHz samples."""
    spoken = await RecordedFlite("rms").say(SAID)
    backend = mock_backend([spoken], {"another": "Nothing of the kind here.", SAID: ANSWER}, AT_ONCE)
    async with serving(create_app(backend)) as address:
        yield f"{address}/v1", audible.to_pcm(spoken.ulaw)


def wav(pcm: bytes, rate_hz: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(pcm)
    return file.getvalue()


# -- our own engines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
async def test_our_recogniser_reads_text_and_confidence(model: str) -> None:
    async with mocked() as (url, pcm):
        recogniser = TranscriptionsRecogniser("mock", base_url=url, model=model, outside=False)
        await recogniser.start()
        try:
            await recogniser.load("k", Hints("en-US", words=("Patel",)))
            for samples, text in ((pcm, SAID), (bytes(8000), "")):
                utterance = recogniser.open("k")
                utterance.feed(samples)
                said = await utterance.finish()
                assert said.text == text
                assert (said.confidence > 0.9) == bool(text)
        finally:
            await recogniser.close()


async def test_our_model_client_gathers_the_answer_and_its_tokens() -> None:
    async with mocked() as (url, _):
        endpoints = Endpoints((Endpoint("mock", url, "any", outside=False),))
        try:
            await endpoints.warm()
            reply, firsts = Reply(), []

            async def text(_: str) -> None:
                pass

            params = {"messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
            await endpoints.ask(params, reply, on_first=lambda: firsts.append(1), on_text=text)
        finally:
            await endpoints.aclose()
    assert (reply.text, reply.finish, reply.attempts, firsts) == (ANSWER, "stop", 1, [1])
    assert reply.tokens_out == len(reply.words) > 10
    assert reply.tokens_in > 0


async def test_our_voice_speaks_the_tone_of_the_answer() -> None:
    async with mocked() as (url, _):
        voice = OpenAISpeech(
            "mock", base_url=url, model="any", names=VoiceNames({"warm": "alloy"}), outside=False
        )
        await voice.start()
        try:
            pieces = [s.pcm async for s in voice.speak("Would ten suit you?", language="en-US", voice="warm")]
        finally:
            await voice.close()
    assert tones.identify(b"".join(pieces)) == 2


# -- OpenAI's client, as pipecat uses it --------------------------------------------------------------


@asynccontextmanager
async def openai_client() -> AsyncIterator[tuple[AsyncOpenAI, bytes]]:
    async with mocked() as (url, pcm), AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as client:
        yield client, pcm


async def test_transcriptions_of_openais_client() -> None:
    async with openai_client() as (client, pcm):
        file = ("audio.wav", wav(pcm), "audio/wav")
        whole = await client.audio.transcriptions.create(file=file, model="gpt-transcribe", language="en")
        assert whole.text == SAID
        sure = await client.audio.transcriptions.create(
            file=file, model="gpt-4o-transcribe", response_format="json", include=["logprobs"]
        )
        assert sure.logprobs is not None
        assert "".join(p.token or "" for p in sure.logprobs) == SAID
        verbose = await client.audio.transcriptions.create(
            file=file, model="whisper-1", response_format="verbose_json"
        )
        assert verbose.segments is not None
        assert [s.text for s in verbose.segments] == [SAID]
        assert verbose.duration == pytest.approx(len(pcm) / 16_000)
        raw = ("audio.pcm", pcm, "audio/pcm; rate=8000")
        as_text: Any = await client.audio.transcriptions.create(file=raw, model="any", response_format="text")
        assert as_text == SAID + "\n"


@pytest.mark.parametrize("with_usage", [True, False])
async def test_streamed_completions_of_openais_client(with_usage: bool) -> None:
    async with openai_client() as (client, _):
        stream = await client.chat.completions.create(
            model="gpt-4.1", messages=ASKED, stream=True, stream_options={"include_usage": with_usage}
        )
        chunks = [chunk async for chunk in stream]
    spoken = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in spoken) == ANSWER
    assert spoken[0].delta.role == "assistant"
    assert [choice.finish_reason for choice in spoken][-1] == "stop"
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == with_usage
    if with_usage:
        assert not chunks[-1].choices
        assert usages[0].total_tokens == usages[0].prompt_tokens + usages[0].completion_tokens


async def test_a_whole_completion_of_openais_client() -> None:
    async with openai_client() as (client, _):
        whole = await client.chat.completions.create(model="gpt-4.1", messages=ASKED)
        assert [model.id async for model in client.models.list()] == ["loadtest"]
    assert whole.choices[0].message.content == ANSWER
    assert whole.usage is not None


async def test_speech_of_openais_client_as_samples_and_as_wav() -> None:
    async with openai_client() as (client, _):
        made = {}
        for response_format in ("pcm", "wav"):
            async with client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts", voice="alloy", input="Would ten suit you?",
                response_format=response_format,  # type: ignore[arg-type]  # a plain str for its literals
            ) as response:  # fmt: skip
                made[response_format] = b"".join([part async for part in response.iter_bytes(4800)])
    assert made["pcm"] == tones.voice("Would ten suit you?", 2)
    assert made["wav"][:4] == b"RIFF"
    assert made["wav"][44:] == made["pcm"]


# -- refusing, and going away -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("chat/completions", {"model": "m"}, "messages"),
        ("chat/completions", {"model": "m", "messages": ["hello"]}, "messages"),
        ("chat/completions", {"messages": ASKED}, "model"),
        ("chat/completions", [], None),
        ("audio/speech", {"model": "m", "voice": "alloy"}, "input"),
        ("audio/speech", {"model": "m", "input": "Hello."}, "voice"),
        ("audio/speech", {"model": "m", "input": "Hello.", "voice": "alloy"}, "response_format"),
    ],
)
async def test_a_request_without_what_it_needs_is_refused_with_the_field(
    path: str, body: object, param: str | None
) -> None:
    async with mocked() as (url, _), httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url}/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_bytes_that_are_no_json_no_form_or_no_wav_are_refused() -> None:
    async with mocked() as (url, _), httpx.AsyncClient(trust_env=False) as client:
        broken = await client.post(
            f"{url}/chat/completions", content=b"{", headers={"content-type": "application/json"}
        )
        nothing = await client.post(f"{url}/audio/transcriptions", data={"model": "m"})
    assert [broken.status_code, nothing.status_code] == [400, 400]
    async with openai_client() as (openai, pcm):
        stereo = bytearray(wav(pcm))
        stereo[22] = 2
        for data in (b"no wave at all", bytes(stereo)):
            with pytest.raises(BadRequestError):
                await openai.audio.transcriptions.create(file=("a.wav", data, "audio/wav"), model="m")


class Endless:
    """A mind that says one word and then nothing, until it is withdrawn."""

    def __init__(self) -> None:
        self.withdrawn = asyncio.Event()

    async def tokens(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
        try:
            yield "Well"
            await asyncio.Event().wait()
        finally:
            self.withdrawn.set()


async def test_a_client_that_goes_away_withdraws_its_request() -> None:
    mind = Endless()
    idle = mock_backend([], {}, AT_ONCE)
    assert isinstance(idle.mouth, MockMouth)
    async with serving(create_app(Backend(idle.ears, mind, idle.mouth))) as address:
        async with AsyncOpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0) as client:
            stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
        async with asyncio.timeout(60):
            await mind.withdrawn.wait()


async def test_a_client_that_hangs_up_in_its_request_is_no_error_of_the_server() -> None:
    """Callers who interrupt withdraw what was asked for: a load test's terminal filled with tracebacks."""
    app = create_app(mock_backend([], {"another": "Nothing of the kind here."}, AT_ONCE))
    scope = {
        "type": "http", "method": "POST", "path": "/v1/audio/speech", "raw_path": b"/v1/audio/speech",
        "headers": [], "query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert [m["status"] for m in sent if m["type"] == "http.response.start"] == [499]


# -- a model that is made to fail --------------------------------------------------------------------


async def test_a_model_fails_for_what_it_is_to_fail_for_and_for_nothing_else():
    backend = mock_backend([], {SAID: ANSWER}, AT_ONCE)
    async with (
        serving(create_app(backend, breaks=breaks_on(["I have a question about my bill."]))) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):

        async def status(*said: str) -> int:
            messages = [{"role": "user", "content": text} for text in said]
            reply = await client.post("/v1/chat/completions", json={"model": "m", "messages": messages})
            return reply.status_code

        assert await status("i have a question about my bill") == 500
        assert await status("hello", "i have a question about my bill") == 500
        assert await status(SAID) == 200
        assert await status("i have a question about my bill", SAID) == 200


def test_nothing_is_to_fail_unless_it_is_said():
    assert not breaks_on(())([{"role": "user", "content": "anything"}])
    assert not breaks_on(["this"])([{"role": "user", "content": "nothing of this kind"}])
