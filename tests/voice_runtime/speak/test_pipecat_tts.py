"""pipecat's own services as the voice, against servers speaking their protocols."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from controls.errors import OperatorError, ProviderError
from tests.simulators.model_server import serving
from tests.simulators.speech_server import SpeechServer, level_of, levels, samples_of
from tests.simulators.speech_sockets import SpeechSockets, suppliers
from voice_runtime.engine_settings import PipecatVoiceEngine
from voice_runtime.ports import Speech
from voice_runtime.providers import Provider, resolve
from voice_runtime.secret import Secret
from voice_runtime.speak.pipecat_tts import PipecatVoice
from voice_runtime.speak.supplier_voice import VoiceNames

pytestmark = pytest.mark.anyio

CARTESIA = "pipecat.services.cartesia.tts.CartesiaTTSService"
DEEPGRAM = "pipecat.services.deepgram.tts.DeepgramTTSService"
OPENAI = "pipecat.services.openai.tts.OpenAITTSService"
for _path in (CARTESIA, DEEPGRAM, OPENAI):  # some seconds of importing, which no loop should wait for
    importlib.import_module(_path.rpartition(".")[0])
NAMES = VoiceNames({"warm": "nova", "clear": "onyx"}, {"es-US": {"warm": "shimmer"}})
TEXT = "Doctor Patel has ten thirty on Tuesday."


def provider(use: str, **entry: Any) -> Provider:
    secret = Secret(env="A_KEY")
    secret._value = "k3y-of-the-supplier"
    checked = PipecatVoiceEngine(
        engine="pipecat", name="supplier", use=use, **{"keys": {"api_key": secret}, **entry}
    )
    return resolve(checked, "voice", [use])


def at(sockets: SpeechSockets, use: str, rate_hz: int | None = 8000, **arguments: Any) -> Provider:
    where = {"url": f"{sockets.url}/tts/websocket"} if use == CARTESIA else {"base_url": sockets.url}
    rate = {"sample_rate": rate_hz} if rate_hz else {}
    return provider(use, arguments={**where, **rate, **arguments})


@asynccontextmanager
async def running(of: Provider, **options: Any) -> AsyncIterator[PipecatVoice]:
    voice = PipecatVoice(of, **{"names": NAMES, "deadline_s": 60.0, "between_s": 30.0, **options})
    await voice.start()
    try:
        yield voice
    finally:
        await voice.close()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


async def spoken(engine: PipecatVoice, text: str = TEXT, **which: str) -> Speech:
    pcm, words = b"", []
    async for piece in engine.speak(text, **{"language": "en-US", "voice": "warm", **which}):
        pcm += piece.pcm
        words += piece.words
    return Speech(pcm, words)


# --- what a service says --------------------------------------------------------------------------


@pytest.mark.parametrize("use", [CARTESIA, DEEPGRAM])
@pytest.mark.parametrize("rate_hz", [8000, 16_000, None])
async def test_a_streaming_service_speaks_at_8_khz_whatever_its_rate(use: str, rate_hz: int | None) -> None:
    async with suppliers() as sockets, running(at(sockets, use, rate_hz)) as voice:
        speech = await spoken(voice)
    assert len(speech.pcm) == 2 * 8000 * 0.4
    assert levels(speech.pcm) == {level_of(TEXT)}
    sent = sockets.connections[0]
    assert "k3y-of-the-supplier" in "".join(sent.headers.values())
    if use == CARTESIA:
        message = sent.messages[0]
        assert message["voice"] == {"mode": "id", "id": "nova"}
        assert message["output_format"]["sample_rate"] == (rate_hz or 24_000)
        assert message["transcript"] == TEXT
    else:
        assert sent.query["model"] == ["nova"]
        assert sent.query["sample_rate"] == [str(rate_hz or 24_000)]
        assert [m["type"] for m in sent.messages][:2] == ["Speak", "Flush"]


async def test_an_http_service_speaks() -> None:
    server = SpeechServer(keep_alive=True)
    async with (
        serving(server),
        running(provider(OPENAI, arguments={"base_url": f"{server.url}/v1"})) as voice,
    ):
        speech = await spoken(voice)
        again = await spoken(voice, "Goodbye.", voice="clear")
    assert len(speech.pcm) == 2 * 8000 * 0.4
    assert (levels(speech.pcm), levels(again.pcm)) == ({level_of(TEXT)}, {level_of("Goodbye.")})
    assert [a["voice"] for a in server.asked] == ["nova", "onyx"]


async def test_words_are_placed_where_the_service_times_them() -> None:
    async with suppliers() as sockets, running(at(sockets, CARTESIA)) as voice:
        speech = await spoken(voice)
    found = [(TEXT[w.start : w.end], w.sample) for w in speech.words]
    assert [word for word, _ in found] == ["Doctor", "Patel", "has", "ten", "thirty", "on", "Tuesday"]
    assert [sample for _, sample in found] == [round(0.4 * n / 7 * 8000) for n in range(7)]


async def test_each_voice_and_language_has_places_of_its_own() -> None:
    async with suppliers() as sockets, running(at(sockets, DEEPGRAM)) as voice:
        await spoken(voice)
        await spoken(voice, voice="clear")
        await spoken(voice, "Hola.", language="es-US")
        await spoken(voice)
        assert voice.places == (0, 3)
    assert [c.query["model"] for c in sockets.connections] == [["nova"], ["onyx"], ["shimmer"]]


async def test_clauses_of_several_calls_sound_side_by_side_and_unmixed() -> None:
    texts = [f"This is said in call {n}." for n in range(6)]
    async with suppliers() as sockets, running(at(sockets, CARTESIA), places=3) as voice:
        came = await asyncio.gather(*(spoken(voice, text) for text in texts))
        assert voice.places == (0, 3)
    assert [levels(speech.pcm) for speech in came] == [{level_of(text)} for text in texts]
    assert len(sockets.connections) == 3


async def test_what_is_no_speech_is_not_sent() -> None:
    async with suppliers() as sockets, running(at(sockets, CARTESIA)) as voice:
        await spoken(voice, "Spell <spell>it</spell>,\x00 please.")
        with pytest.raises(ProviderError) as caught:
            await spoken(voice, "<>\n")
        assert not caught.value.transient
    assert sockets.spoken == ["Spell  spell it /spell ,  please."]


# --- interruption ---------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [CARTESIA, DEEPGRAM])
async def test_an_interrupted_clause_is_stopped_at_the_supplier_and_never_heard_again(use: str) -> None:
    sockets = SpeechSockets(pieces=200)
    async with suppliers(sockets), running(at(sockets, use)) as voice:
        clause = voice.speak(TEXT, language="en-US", voice="warm")
        first = await anext(clause)
        await clause.aclose()
        assert levels(first.pcm) == {level_of(TEXT)}
        await sockets.connections[0].gone.wait()  # which is how it is stopped
        sockets.pieces = 4
        after = await spoken(voice, "Certainly.")
    assert levels(after.pcm) == {level_of("Certainly.")}
    assert len(after.pcm) == 2 * 8000 * 0.4


async def test_a_clause_may_be_interrupted_before_its_first_sample() -> None:
    sockets = SpeechSockets(stall_after=0)
    async with suppliers(sockets), running(at(sockets, CARTESIA)) as voice:
        task = asyncio.create_task(spoken(voice))
        await sockets.until(lambda: sockets.spoken)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sockets.connections[0].gone.wait()
        sockets.stall_after = None
        assert levels((await spoken(voice, "Certainly.")).pcm) == {level_of("Certainly.")}


async def test_an_interrupted_request_is_closed_and_its_service_used_again() -> None:
    server = SpeechServer(keep_alive=True, then="stall_within", ms=4000)
    async with (
        serving(server),
        running(provider(OPENAI, arguments={"base_url": f"{server.url}/v1"})) as voice,
    ):
        clause = voice.speak(TEXT, language="en-US", voice="warm")
        await anext(clause)
        await clause.aclose()
        await server.gone.wait()
        server.then = "whole"
        assert levels((await spoken(voice, "Certainly.")).pcm) == {level_of("Certainly.")}


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [CARTESIA, DEEPGRAM])
async def test_a_server_that_is_not_there_fails_at_once(use: str, free_port: int) -> None:
    async with running(at(SpeechSockets(port=free_port), use), deadline_s=60.0) as voice:
        with pytest.raises(ProviderError) as caught:
            async with asyncio.timeout(30):
                await spoken(voice)
        assert caught.value.supplier == "supplier"


@pytest.mark.parametrize("use", [CARTESIA, DEEPGRAM])
async def test_a_connection_that_breaks_in_a_clause_is_a_failure_not_a_shorter_clause(use: str) -> None:
    sockets = SpeechSockets(drop_after=2)
    async with suppliers(sockets), running(at(sockets, use), between_s=30.0) as voice:
        with pytest.raises(ProviderError):
            await spoken(voice)
        sockets.drop_after = None
        assert levels((await spoken(voice, "Certainly.")).pcm) == {level_of("Certainly.")}


@pytest.mark.parametrize("use", [CARTESIA, DEEPGRAM])
async def test_a_clause_that_stalls_is_late_not_over(use: str) -> None:
    async with (
        suppliers(SpeechSockets(stall_after=2)) as sockets,
        running(at(sockets, use), between_s=0.2) as voice,
    ):
        with pytest.raises(ProviderError, match="in time"):
            await spoken(voice)


@pytest.mark.parametrize("then", ["status:400", "status:401", "die", "half"])
async def test_http_failures_are_the_suppliers(then: str) -> None:
    server = SpeechServer(keep_alive=True, then=then)
    async with serving(server):
        of = provider(OPENAI, arguments={"base_url": f"{server.url}/v1"})
        async with running(of, deadline_s=60.0) as voice:
            with pytest.raises(ProviderError) as caught:
                await spoken(voice)
            assert "SECRET" not in str(caught.value)
            server.then = "whole"
            assert levels((await spoken(voice)).pcm) == {level_of(TEXT)}


async def test_silence_is_a_failure() -> None:
    server = SpeechServer(keep_alive=True, then="empty")
    async with (
        serving(server),
        running(provider(OPENAI, arguments={"base_url": f"{server.url}/v1"}), deadline_s=1.0) as voice,
    ):
        with pytest.raises(ProviderError):
            await spoken(voice)


async def test_an_unknown_voice_is_refused_before_anything_is_sent() -> None:
    async with suppliers() as sockets, running(at(sockets, CARTESIA)) as voice:
        with pytest.raises(ProviderError, match="no such voice") as caught:
            await spoken(voice, voice="gruff")
    assert not caught.value.transient
    assert not sockets.connections


async def test_places_and_those_who_wait_are_bounded() -> None:
    sockets = SpeechSockets(stall_after=1)
    async with suppliers(sockets), running(at(sockets, CARTESIA), places=1, queue=1) as voice:
        first = voice.speak(TEXT, language="en-US", voice="warm")
        await anext(first)
        waiting = asyncio.create_task(spoken(voice))
        await asyncio.sleep(0)
        with pytest.raises(ProviderError, match="too many"):
            await spoken(voice)
        sockets.stall_after = None
        await first.aclose()
        assert levels((await waiting).pcm) == {level_of(TEXT)}


async def test_who_waits_too_long_for_a_place_is_told_so() -> None:
    async with (
        suppliers(SpeechSockets(stall_after=1)) as sockets,
        running(at(sockets, CARTESIA), places=1) as voice,
    ):
        first = voice.speak(TEXT, language="en-US", voice="warm")
        await anext(first)
        voice._deadline_s = 0.05
        with pytest.raises(ProviderError, match="no place"):
            await spoken(voice)
        await first.aclose()


async def test_a_place_is_closed_when_nobody_comes() -> None:
    async with suppliers() as sockets, running(at(sockets, CARTESIA), idle_s=0.05) as voice:
        await spoken(voice)
        assert voice.places == (0, 1)
        await sockets.connections[0].gone.wait()
        assert voice.places == (0, 0)


async def test_a_connection_closed_while_idle_does_not_fail_the_next_clause() -> None:
    async with suppliers() as sockets, running(at(sockets, DEEPGRAM)) as voice:
        await spoken(voice)
        await sockets.drop()
        assert levels((await spoken(voice, "Certainly.")).pcm) == {level_of("Certainly.")}


async def test_closing_fails_what_is_under_way() -> None:
    async with suppliers(SpeechSockets(stall_after=1)) as sockets, running(at(sockets, CARTESIA)) as voice:
        clause = voice.speak(TEXT, language="en-US", voice="warm")
        await anext(clause)
        await voice.close()
        with pytest.raises(ProviderError, match="closed"):
            await anext(clause)
        with pytest.raises(ProviderError, match="not running"):
            await spoken(voice)


async def test_a_class_that_refuses_its_arguments_is_found_at_the_start() -> None:
    of = provider(DEEPGRAM, arguments={"encoding": "mp3"})
    with pytest.raises(OperatorError, match="Unsupported encoding") as caught:
        await PipecatVoice(of).start()
    assert "k3y" not in str(caught.value)


def test_the_levels_of_this_file_tell_its_texts_apart() -> None:
    texts = [TEXT, "Certainly.", "Goodbye."]
    assert len({level_of(t) for t in texts}) == len(texts)
    assert levels(samples_of(TEXT, 100, 8000) + samples_of("Certainly.", 100, 8000)) == {
        level_of(TEXT),
        level_of("Certainly."),
    }
    assert levels(np.zeros(800, "<i2").tobytes()) == set()
