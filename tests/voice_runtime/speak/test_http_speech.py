"""OpenAI's speech protocol and Piper's, against a server that can refuse, stall, stutter and lie."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import ProviderError
from tests.simulators.model_server import serving
from tests.simulators.speech_server import SpeechServer, level_of, levels, samples_of
from voice_runtime.speak.http_speech import _REST_S, HttpSpeech, _Body
from voice_runtime.speak.openai_speech import OpenAISpeech
from voice_runtime.speak.piper_http import PiperSpeech
from voice_runtime.speak.supplier_voice import VoiceNames

pytestmark = pytest.mark.anyio

TEXT = "Doctor Patel has ten thirty on Tuesday."
NAMES = VoiceNames({"warm": "af_heart"}, {"es-US": {"warm": "ef_dora"}})


@asynccontextmanager
async def openai(server: SpeechServer, **options: Any) -> AsyncIterator[OpenAISpeech]:
    options = {"model": "kokoro", "names": NAMES, "outside": False, "deadline_s": 60.0, **options}
    engine = OpenAISpeech("supplier", base_url=f"{server.url}/v1", **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def asking(server: SpeechServer, **options: Any) -> AsyncIterator[OpenAISpeech]:
    async with serving(server), openai(server, **options) as engine:
        yield engine


async def spoken(
    engine: HttpSpeech, text: str = TEXT, *, language: str = "en-US", voice: str = "warm"
) -> bytes:
    return b"".join([p.pcm async for p in engine.speak(text, language=language, voice=voice)])


@pytest.mark.parametrize("rate_hz", [24_000, 16_000, 8000])
async def test_a_clause_comes_at_8_khz_whatever_the_servers_rate(rate_hz: int) -> None:
    server = SpeechServer(keep_alive=True, rate_hz=rate_hz)
    async with asking(server, rate_hz=rate_hz, api_key="k3y", speed=1.2) as engine:
        pcm = await spoken(engine)
    assert len(pcm) == 2 * 8000 * 0.4
    assert levels(pcm) == {level_of(TEXT)}
    assert server.asked == [
        {"model": "kokoro", "input": TEXT, "voice": "af_heart", "response_format": "pcm", "speed": 1.2}
    ]
    assert server.requests[0].headers["authorization"] == "Bearer k3y"


async def test_a_language_has_voices_of_its_own() -> None:
    server = SpeechServer(keep_alive=True)
    async with asking(server) as engine:
        await spoken(engine, "Hola.", language="es-US")
    assert server.asked[0]["voice"] == "ef_dora"
    assert "speed" not in server.asked[0]
    assert "authorization" not in server.requests[0].headers


async def test_a_server_that_answers_with_wav_is_understood() -> None:
    server = SpeechServer(keep_alive=True, then="wav", rate_hz=22_050)
    async with asking(server) as engine:
        pcm = await spoken(engine)
    assert len(pcm) == 2 * 8000 * 0.4
    assert levels(pcm) == {level_of(TEXT)}


async def test_piper() -> None:
    server = SpeechServer(keep_alive=True, rate_hz=22_050)
    async with serving(server):
        engine = PiperSpeech("piper", base_url=server.url, names=NAMES, speed=2.0, outside=False)
        await engine.start()
        pcm = await spoken(engine)
        await engine.close()
    assert levels(pcm) == {level_of(TEXT)}
    assert server.asked == [{"text": TEXT, "voice": "af_heart", "length_scale": 0.5}]
    assert server.requests[0].path == "/"


async def test_piper_with_its_one_voice() -> None:
    server = SpeechServer(keep_alive=True, rate_hz=16_000)
    async with serving(server):
        engine = PiperSpeech("piper", base_url=server.url, names=VoiceNames(), outside=False)
        await engine.start()
        assert levels(await spoken(engine)) == {level_of(TEXT)}
        await engine.close()
    assert server.asked == [{"text": TEXT}]


async def test_samples_come_while_the_server_still_speaks() -> None:
    server = SpeechServer(keep_alive=True, then="stall_within", ms=2000)
    async with asking(server) as engine:
        clause = engine.speak(TEXT, language="en-US", voice="warm")
        first = await anext(clause)
        assert 0 < len(first.pcm) <= 8000  # at most half a second
        await clause.aclose()


@pytest.mark.parametrize(("ms", "rests"), [(100, False), (3000, True)])
async def test_who_is_far_ahead_of_what_is_played_is_read_less_often(
    ms: int, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, rested = asyncio.sleep, list[float]()

    async def noted(seconds: float) -> None:
        rested.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    server = SpeechServer(keep_alive=True, ms=ms)
    async with asking(server) as engine:
        pcm = await spoken(engine)
    assert len(pcm) == 2 * 8000 * ms // 1000, "and nothing is lost"
    assert (_REST_S in rested) is rests


async def test_an_interrupted_clause_is_stopped_at_the_server() -> None:
    server = SpeechServer(keep_alive=True, then="stall_within", ms=2000)
    async with asking(server) as engine:
        clause = engine.speak(TEXT, language="en-US", voice="warm")
        await anext(clause)
        await clause.aclose()
        async with asyncio.timeout(30):
            await server.gone.wait()
        server.then = "whole"
        assert levels(await spoken(engine, "Certainly.")) == {level_of("Certainly.")}


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "transient"), [(400, False), (401, False), (429, False), (500, True)])
async def test_a_refusal_is_the_suppliers(status: int, transient: bool) -> None:
    server = SpeechServer(keep_alive=True, then=f"status:{status}")
    async with asking(server) as engine:
        with pytest.raises(ProviderError, match=f"status {status}") as caught:
            await spoken(engine)
    assert caught.value.transient is transient
    assert "SECRET" not in str(caught.value)
    assert "Patel" not in str(caught.value)


@pytest.mark.parametrize(
    ("then", "why"),
    [("half", "broke off"), ("die", "connection failed|broke off"), ("empty", "without a sample")],
)
async def test_an_answer_that_breaks_off_is_no_shorter_clause(then: str, why: str) -> None:
    server = SpeechServer(keep_alive=True, then=then)
    async with asking(server) as engine:
        with pytest.raises(ProviderError, match=why) as caught:
            await spoken(engine)
    assert caught.value.transient


async def test_a_server_that_does_not_answer_is_late() -> None:
    server = SpeechServer(keep_alive=True, then="stall")
    async with asking(server, deadline_s=0.2) as engine:
        with pytest.raises(ProviderError, match="in time"):
            await spoken(engine)
        async with asyncio.timeout(30):
            await server.gone.wait()


async def test_a_server_that_stalls_in_a_clause_is_late() -> None:
    server = SpeechServer(keep_alive=True, then="stall_within")
    async with asking(server, between_s=0.2) as engine:
        with pytest.raises(ProviderError, match="in time"):
            await spoken(engine)


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with openai(SpeechServer(port=bound.getsockname()[1])) as engine:
            with pytest.raises(ProviderError, match="cannot be reached"):
                await spoken(engine)


async def test_what_is_refused_before_anything_is_sent() -> None:
    server = SpeechServer(keep_alive=True)
    async with asking(server, most=1) as engine:
        for text, voice, why in (
            ("Hello.", "gruff", "no such voice"),
            (" \n", "warm", "nothing"),
            ("a" * 4001, "warm", "long"),
        ):
            with pytest.raises(ProviderError, match=why) as caught:
                await spoken(engine, text, voice=voice)
            assert not caught.value.transient
        assert not server.asked
        first = engine.speak(TEXT, language="en-US", voice="warm")
        await anext(first)
        with pytest.raises(ProviderError, match="too many"):
            await spoken(engine)
        await first.aclose()
        await engine.close()
        with pytest.raises(ProviderError, match="not running"):
            await spoken(engine)


# --- WAV ------------------------------------------------------------------------------------------


def wav(samples: bytes, rate_hz: int = 8000, *, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate_hz)
        out.writeframes(samples)
    return file.getvalue()


@given(cuts=st.lists(st.integers(1, 60), max_size=12), streaming=st.booleans(), junk=st.binary(max_size=9))
@settings(max_examples=60, deadline=None)
def test_a_header_may_be_cut_anywhere(cuts: list[int], streaming: bool, junk: bytes) -> None:
    samples = samples_of(TEXT, 20, 8000)
    data = wav(samples)
    if streaming:  # the length is not known yet
        data = (
            data[:4] + struct.pack("<I", 0xFFFFFFFF) + data[8:40] + struct.pack("<I", 0xFFFFFFFF) + data[44:]
        )
    else:
        data += b"LIST" + struct.pack("<I", len(junk)) + junk  # what follows the samples is no sound
    body, out, at = _Body("x", 24_000), b"", 0
    for cut in [*cuts, len(data)]:
        out += body.take(data[at : at + cut])
        at += cut
    assert out + body.end() == samples


@pytest.mark.parametrize("bad", [wav(bytes(8), channels=2), wav(bytes(8), width=1), b"RIFF" + bytes(5000)])
def test_wav_that_cannot_be_spoken(bad: bytes) -> None:
    with pytest.raises(ProviderError, match="WAV"):
        _Body("x", 24_000).take(bad)


def test_a_server_that_goes_on_for_ever() -> None:
    body = _Body("x", 8000)
    with pytest.raises(ProviderError, match="does not end"):
        for _ in range(400):
            body.take(bytes(16_000))
