"""Engines as a profile names them: each kind is built, started, answers, and is imported only when named."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from controls.errors import ConfigurationError, ProviderError
from tests.simulators import whisper_model
from tests.simulators.model_server import ModelServer, say, serving
from tests.simulators.speech_server import SpeechServer, level_of, levels
from tests.simulators.speech_sockets import SpeechSockets, suppliers
from tests.simulators.tone import ToneSynthesiser
from voice_runtime.engines import fill_phrases, start_chats, start_recogniser, start_voices
from voice_runtime.ports import Hints, Recognition
from voice_runtime.settings import Providers, Settings
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Endpoints

pytestmark = pytest.mark.anyio

STT = "pipecat.services.soniox.stt.SonioxSTTService"
TTS = "pipecat.services.cartesia.tts.CartesiaTTSService"
LLM = "pipecat.services.ollama.llm.OLLamaLLMService"
for _path in (STT, TTS, LLM):  # some seconds of importing, which no loop should wait for
    importlib.import_module(_path.rpartition(".")[0])
#: A class whose module must not be imported.
BAIT = "bait_for_engines.Service"
#: Nothing listens there.
NOBODY = "http://127.0.0.1:1/v1"

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None and not os.environ.get("REQUIRE_ALL"),
    reason="needs the extra espeak",
)


def profile(**stages: Any) -> Settings:
    """A profile with these stages; every class of this file is allowed."""
    document = {
        "format": 1,
        "environment": "demo",
        "model": {"standin": True},
        "voice": {"voices": {"warm": {}}},
        "providers": {"allow": [STT, TTS, LLM, BAIT]},
    }
    return Settings.model_validate(document | stages)


@asynccontextmanager
async def entering() -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Starts engines, and closes them in reverse at the end, as the house does."""
    async with AsyncExitStack() as stack:

        async def enter(start: Callable[[], Awaitable[Any]], close: Callable[[], Awaitable[Any]]) -> None:
            stack.push_async_callback(close)
            await start()

        yield enter


async def recognised(entries: list[dict[str, Any]], pcm: bytes, hints: Hints) -> Recognition:
    """What the chain of a profile makes of some samples."""
    settings = profile(recogniser={"deadline_s": 20, "engines": entries})
    async with entering() as enter:
        chain = await start_recogniser(settings, enter)
        assert [breaker.name for breaker in chain.breakers] == [x.name for x in settings.recogniser.engines]
        await chain.load("k", hints)
        utterance = chain.open("k")
        utterance.feed(pcm)
        return await utterance.finish()


async def spoken(entry: dict[str, Any], text: str) -> bytes:
    """What a profile's only voice makes of some words."""
    settings = profile(voice={"deadline_s": 5, "voices": {"warm": {}}, "engines": [entry]})
    async with entering() as enter:
        [engine] = await start_voices(settings, enter)
        assert engine.breaker.name == settings.voice.engines[0].name
        assert (engine.first_piece_s, engine.next_piece_s) == (5, 5), "no silence beyond the stage's deadline"
        pieces = engine.synthesiser.speak(text, language="en-US", voice="warm")
        return b"".join([piece.pcm async for piece in pieces])


# --- recognisers ----------------------------------------------------------------------------------


async def test_pocketsphinx() -> None:
    hints = Hints("en-US", phrases=("when are you open",))
    entries = [{"engine": "pocketsphinx", "processes": 1}]
    result = await recognised(entries, bytes(8000), hints)
    assert (result.text, result.engine) == ("", "pocketsphinx")


async def test_faster_whisper(tmp_path: Path) -> None:
    folder = whisper_model.speaking_model(tmp_path / "model")
    entries = [{"engine": "faster-whisper", "name": "whisper", "folder": str(folder), "threads": 1}]
    result = await recognised(entries, whisper_model.tone(whisper_model.BOOK), Hints("en-US"))
    assert (result.text, result.engine) == ("can i see doctor patel on tuesday", "whisper")


async def test_transcriptions() -> None:
    async with serving(SpeechServer()) as server:
        entry = {"engine": "openai", "name": "speaches", "base_url": f"{server.url}/v1", "model": "m"}
        result = await recognised([{**entry, "outside": False}], bytes(8000), Hints("en-US"))
    assert (result.text, result.engine) == ("hello there", "speaches")


async def test_a_recogniser_by_import_path_behind_one_that_is_gone() -> None:
    async with suppliers(SpeechSockets(says=["on tuesday"])) as sockets:
        url = f"{sockets.url}/transcribe-websocket"
        entries = [
            {"engine": "openai", "name": "gone", "base_url": NOBODY, "model": "m", "outside": False},
            {"engine": "pipecat", "name": "soniox", "use": STT, "arguments": {"url": url, "api_key": "k"}},
        ]
        result = await recognised(entries, bytes(8000), Hints("en-US"))
    assert (result.text, result.engine) == ("on tuesday", "soniox")
    assert result.failed == (("gone", "broken"),)


# --- voices ---------------------------------------------------------------------------------------


@needs_espeak
async def test_espeak() -> None:
    assert len(await spoken({"engine": "espeak-ng"}, "Hello there.")) > 8000


async def test_speech_and_piper() -> None:
    async with serving(SpeechServer(keep_alive=True)) as server:
        openai = {"engine": "openai", "name": "kokoro", "base_url": f"{server.url}/v1", "model": "kokoro"}
        for entry in (
            {**openai, "outside": False, "voices": {"warm": "af"}},
            {"engine": "piper", "name": "piper", "base_url": server.url, "outside": False},
        ):
            assert levels(await spoken(entry, "Hello there.")) == {level_of("Hello there.")}


async def test_a_voice_by_import_path() -> None:
    async with suppliers() as sockets:
        arguments = {"url": f"{sockets.url}/tts/websocket", "api_key": "k", "sample_rate": 8000}
        entry = {"engine": "pipecat", "name": "cartesia", "use": TTS, "arguments": arguments}
        pcm = await spoken({**entry, "voices": {"warm": "v"}}, "Hello there.")
    assert levels(pcm) == {level_of("Hello there.")}


async def test_fixed_phrases_are_spoken_by_the_first_voice_that_can() -> None:
    broken, well = ToneSynthesiser(), ToneSynthesiser()
    broken.failing = True
    engines, phrases = [Engine(broken), Engine(well)], PhraseCache()
    fixed = {"fallback": {"en-US": "Something went wrong."}}
    await fill_phrases(phrases, engines, fixed, "warm")
    assert phrases.speech("fallback", "en-US", "warm", "Something went wrong.") is not None
    assert (engines[0].breaker.failures, engines[1].breaker.failures) == (1, 0)
    well.failing = True
    with pytest.raises(ProviderError):
        await fill_phrases(PhraseCache(), engines, fixed, "warm")


# --- models ---------------------------------------------------------------------------------------


async def test_a_model_by_import_path() -> None:
    async with serving(ModelServer(keep_alive=True, plans=[say("Yes.")])) as server:
        arguments = {"base_url": f"{server.url}/v1", "api_key": "k"}
        entry = {"engine": "pipecat", "name": "ollama", "use": LLM, "arguments": arguments}
        settings = profile(model={"endpoints": [{**entry, "settings": {"model": "small"}}]})
        async with entering() as enter:
            chats = await start_chats(settings, enter)
            endpoints = Endpoints.of(settings.model, sources=chats)
            said: list[str] = []

            async def take(text: str) -> None:
                said.append(text)

            params = {"messages": [{"role": "user", "content": "Tuesday?"}], "stream": True}
            reply = Reply()
            await endpoints.ask(params, reply, on_first=lambda: None, on_text=take)
            await endpoints.aclose()
    assert (reply.supplier, said) == ("ollama", ["Yes."])


async def test_a_profile_without_one_starts_none() -> None:
    async with entering() as enter:
        assert await start_chats(profile(), enter) == {}


# --- what is imported -----------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["recogniser", "model", "voice"])
async def test_a_class_that_is_not_allowed_is_never_imported(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bait_for_engines.py").write_text("raise AssertionError('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = {"engine": "pipecat", "name": "bait", "use": BAIT}
    more: dict[str, Any] = {"voices": {"warm": {}}} if stage == "voice" else {}
    field = "endpoints" if stage == "model" else "engines"
    stages = {stage: {field: [entry], **more}}
    with pytest.raises(ValidationError, match="which is not on its list of providers"):
        profile(**stages, providers={"allow": [STT]})
    # Nor by a profile that was changed after it was checked.
    settings = profile(**stages).model_copy(update={"providers": Providers(allow=(STT,))})
    start = {"recogniser": start_recogniser, "model": start_chats, "voice": start_voices}[stage]
    async with entering() as enter:
        with pytest.raises(ConfigurationError) as caught:
            await start(settings, enter)
    assert caught.value.problems[0].field == f"{stage}.{field}[0].use"
    assert "bait_for_engines" not in sys.modules


def test_an_engine_no_profile_names_is_not_imported() -> None:
    program = textwrap.dedent("""
        import sys
        import voice_runtime.engines
        unasked = {"ctranslate2", "faster_whisper", "pocketsphinx", "espeakng_loader"}
        assert not unasked & set(sys.modules), unasked & set(sys.modules)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
